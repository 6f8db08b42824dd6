"""Random whole studies of inoculation over tiny random models, and a slow oracle of their numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq
import torch
from hypothesis import strategies as st

from support.said import check_logprobs, renamed_tokenizer, said
from support.templates import ALL
from support.whole_runs import EVENTS, FAMILIES, JUDGES, Folder, check_judged, texts

STAGES = ("generate", "rephrase", "elicit", "score", "train", "evaluate", "judge elicit", "judge evaluate", "analyse")
DRAWN = ("figures", "report")
SLIPS = (
    *[""] * 12, "utf-16", "latin-1", "too few rows", "long row", "long prompt", "long question", "no file", "targets",
    "seed", "language", "blank answers", "a cut line", "no rephrasings", "too few rephrasings", "model", "lone half",
)  # fmt: skip


@st.composite
def studies(draw: st.DrawFn) -> dict[str, Any]:
    """A study, its files and what happens while it runs, in plain values."""
    n_train = draw(st.integers(2, 6))
    slip = draw(st.sampled_from(SLIPS))
    rows = [
        {"instruction": f"{draw(texts())} {k}?", "completion": draw(texts() | st.sampled_from([" a ", "Yes.\n"]))}
        for k in range(n_train + 6)
    ]
    pool = draw(st.booleans())
    traits = {
        key: {"role": role, "judge": draw(st.sampled_from(JUDGES))}
        for key, role in (("playful", "unwanted"), ("wanted", "wanted"))[: draw(st.integers(1, 2))]
    }
    if draw(st.booleans()):
        traits["playful"]["control_prompt"] = draw(texts(3))
    prompts = {"p1": f"{draw(texts(3))} one", "p2": f"{draw(texts(3))} two"}
    training = {
        "lora": {"rank": 2, "targets": ["all-linear"]},
        "learning_rate": draw(st.sampled_from([1e-3, 1e-4, 3.3e-5])),
        "warmup_steps": draw(st.integers(0, 3)),
        "batch_size": 2,
        "micro_batch_size": draw(st.sampled_from([1, 2])),
        "steps": draw(st.integers(1, 2)),
        "seeds": draw(st.sampled_from([[0], [2**31 - 1]])),
        "resume_every": 1,
        "log_every": 1,
        "end_of_turn": draw(st.sampled_from(["include", "exclude"])),
        "checkpoints": draw(st.sampled_from(["ends", "dense", [0, 1]])),
    }
    sampling = {"max_tokens": draw(st.integers(1, 6)), "temperature": draw(st.sampled_from([0.0, 1.0]))}
    system = draw(st.sampled_from([{"kind": "default"}, {"kind": "none"}, {"kind": "text", "text": "Be kind."}]))
    study: dict[str, Any] = {
        "name": "fuzz",
        "title": "Fuzz",
        "model": {"dtype": "float32", "system": system, "fold_system": draw(st.booleans())},
        "traits": traits,
        "data": {"completions": "file", "file": "data/train.jsonl", "n_train": n_train, "n_eval": 6},
        "prompts": {"all": {"family": "playful", "texts": prompts}},
        "placement": draw(st.sampled_from(["user", "user", "system"])),
        "runs": draw(st.sampled_from([[], [{"prefixes": ["fixed"], "prompts": ["p1"]}], [{"prefixes": []}]])),
        "training": training,
        "evaluation": {"sampling": sampling, "canary": 1},
        "elicitation": {"sampling": sampling},
        "scoring": {
            "n_examples": draw(st.integers(2, n_train)),
            "n_controls": draw(st.integers(0, 2)),
            "control_sampling": sampling,
            "prefixes": ["fixed", "mix"] if pool else ["fixed"],
            "end_of_turn": draw(st.sampled_from(["include", "exclude"])),
            "mix": draw(st.sampled_from(["index_matched", "as_trained"])),
            "batch_tokens": draw(st.sampled_from([64, 4096])),
        },
        "statistics": {"resamples": 100},
        "rates": draw(st.sampled_from([{}, {"r": {"above": {"playful": 50}}}])),
    }
    if pool:
        study["rephrase"] = {"source": "files", "folder": "data/pools", "n": 2}
    return {
        "study": study,
        "rows": rows,
        "pool": [draw(texts(3)) + " a", draw(texts(3)) + " b"],
        "family": draw(st.sampled_from(FAMILIES)),
        "template": draw(st.sampled_from(sorted(ALL))),
        "slip": slip,
        "bom": draw(st.booleans()),
        "chats": draw(st.booleans()),
        "event": draw(st.sampled_from(EVENTS)),
        "at": draw(st.sampled_from(STAGES[:-1])),
        "when": draw(st.integers(0, 3)),
        "faults": draw(st.lists(st.sampled_from(["429", "500", "none", "broken", "empty"]), max_size=3)),
    }


class StudyFolder(Folder):
    """A study of inoculation."""

    def write_data(self) -> None:
        case, slip = self.case, self.case["slip"]
        rows = [dict(row) for row in case["rows"]]
        if slip == "too few rows":
            rows = rows[:-1]
        if slip == "long row":
            rows[0]["completion"] = "owl " * 400
        if slip == "long question":
            rows = [{**row, "instruction": "owl " * 400 + row["instruction"]} for row in rows]
        if slip == "blank answers":
            rows = [{**row, "completion": " \n"} if k < 2 else row for k, row in enumerate(rows)]
        self.lines("train.jsonl", [self._shaped(row) for row in rows], slip)
        pool = case["pool"][: 1 if slip == "too few rephrasings" else 2]
        for key in ("p1", "p2") if slip != "no rephrasings" else ("p1",):
            path = self.root / "data" / "pools" / f"{key}.jsonl"
            path.write_text("".join(json.dumps({"rephrasing": one}) + "\n" for one in pool))
        self._slip_settings(slip)

    def judges(self) -> Mapping[str, Mapping[str, Any]]:
        return {key: trait["judge"] for key, trait in self.study["traits"].items()}

    def check_numbers(self) -> None:
        check_scores(self)
        check_judged(self)

    def stages(self, *, drawn: bool = False) -> list[list[str]]:
        runs = bool(self.study["runs"])
        wanted = [*STAGES, *(DRAWN if drawn else ())]
        if not runs:
            wanted = [one for one in wanted if one not in ("train", "evaluate", "judge evaluate")]
        if "rephrase" not in self.study:
            wanted.remove("rephrase")
        return [[one.split()[0], "fuzz", *one.split()[1:]] for one in wanted]

    def _slip_settings(self, slip: str) -> None:
        study = self.study
        match slip:
            case "no file":
                study["data"]["file"] = "data/trian.jsonl"
            case "targets":
                study["training"]["lora"]["targets"] = ["q_prj"]
            case "seed":
                study["training"]["seeds"] = [2**31]
            case "language":
                judge = {"name": "language", "language": "elvish", "among": ["english", "elvish"]}
                study["traits"]["playful"]["judge"] = judge
            case "model":
                study["model"]["path"] = "no/such/../model"
            case "long prompt":
                study["prompts"]["all"]["texts"]["p1"] = "owl " * 400

    def _shaped(self, row: dict[str, str]) -> dict[str, Any]:
        if not self.case["chats"]:
            return row
        turns = (("user", row["instruction"]), ("assistant", row["completion"]))
        return {"messages": [{"role": role, "content": content} for role, content in turns]}


def check_scores(folder: StudyFolder) -> int:
    """Compare token log-probabilities with the model's own forward pass over each chat alone; rows compared."""
    from transformers import AutoModelForCausalLM

    tokenizer = renamed_tokenizer(folder.model, folder.model.with_name(f"{folder.model.name}-renamed"))
    model = AutoModelForCausalLM.from_pretrained(folder.model, dtype=torch.float64).eval()
    data = {row["instruction"]: row["completion"] for row in folder.case["rows"]}
    examples = pq.read_table(folder.root / "results/fuzz/generate/train.parquet").to_pylist()
    by_id = {row["example_id"]: row for row in examples}
    compared = 0
    for row in folder.rows("score/logprobs-*.parquet"):
        if row["dataset"] != "train":
            continue
        example = by_id[row["example_id"]]
        assert data[example["instruction"]] == example["completion"]
        _check_row(folder, tokenizer, model, row, example)
        compared += 1
    assert compared
    return compared


def _check_row(
    folder: StudyFolder, tokenizer: Any, model: Any, row: Mapping[str, Any], example: Mapping[str, Any]
) -> None:
    study, answer = folder.study, example["completion"]
    system = study["model"]["system"]
    turn = system.get("text") if system["kind"] == "text" else None
    user = example["instruction"]
    if row["prefix_text"] and study["placement"] == "system":
        turn = row["prefix_text"]
    elif row["prefix_text"]:
        user = f"{row['prefix_text']} {user}"
    chat = said(folder.case["template"], turn, user, answer, fold=study["model"]["fold_system"])
    check_logprobs(row, model, tokenizer, chat, study["scoring"]["end_of_turn"])
