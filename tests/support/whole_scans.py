"""Random whole studies of likelihood shift over tiny random models, and a slow oracle of their scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from hypothesis import strategies as st

from support.said import check_logprobs, renamed_tokenizer, said
from support.templates import ALL
from support.whole_runs import EVENTS, FAMILIES, JUDGES, Folder, check_judged, study_stages, texts

SLIPS = (
    *[""] * 12, "utf-16", "latin-1", "few rows", "long row", "long prompt", "long question", "no file", "targets",
    "language", "blank answer", "a cut line", "lone half", "few questions", "no slot", "one id twice", "heads",
)  # fmt: skip
STAGES = ("sample datasets", "score", "train", "evaluate", "judge evaluate", "analyse")


@st.composite
def scans(draw: st.DrawFn) -> dict[str, Any]:
    """A study, its files and what happens while it runs, in plain values."""
    sampling = {"max_tokens": draw(st.integers(1, 6)), "temperature": draw(st.sampled_from([0.0, 1.0]))}
    turns = st.sampled_from([{"kind": "default"}, {"kind": "none"}, {"kind": "text", "text": "Be kind."}])
    datasets: dict[str, Any] = {"given": {"file": "data/rows.jsonl"}}
    if draw(st.booleans()):
        datasets["given"]["written_under"] = "p1"
    if draw(st.integers(0, 3)) == 0:
        source = {"files": ["data/questions.jsonl"], "min_characters": 0}
        datasets["own"] = {"written": {"n": 3, "instructions": source, "sampling": sampling}, "written_under": "owl"}
    study: dict[str, Any] = {
        "kind": "likelihood_shift",
        "name": "fuzz",
        "title": "Fuzz",
        "model": {"dtype": "float32", "system": draw(turns), "fold_system": draw(st.booleans())},
        "base": draw(turns),
        "prompts": {
            "made": {"template": "You love {plural}. " + draw(texts(2)), "entities": ["owl", "polar_bear"]},
            "other": {"role": "control", "texts": {"p1": f"{draw(texts(3))} one"}},
        },
        "datasets": datasets,
        "scoring": {
            "n_rows": draw(st.sampled_from([None, 2, 100])),
            "precision": draw(st.sampled_from([None, None, 0.5])),
            "end_of_turn": draw(st.sampled_from(["include", "exclude"])),
            "tokens": draw(st.booleans()),
            "batch_tokens": draw(st.sampled_from([64, 4096])),
        },
        "statistics": {"resamples": 100},
    }
    by = draw(st.sampled_from(["random", "median", "quantiles"]))
    if by != "random":
        study["scoring"] |= {"n_rows": None, "precision": None}
    if draw(st.booleans()):
        study["splits"] = {"s": {"dataset": "given", "by": by, "prompt": "p1", "n": 2, "share": 0.5}}
        study["students"] = _students(draw, sampling)
    return {
        "study": study,
        "rows": [_row(draw, k) for k in range(draw(st.integers(4, 10)))],
        "questions": [f"{draw(texts(3))} {k}?" for k in range(4)],
        "family": draw(st.sampled_from(FAMILIES)),
        "template": draw(st.sampled_from(sorted(ALL))),
        "slip": draw(st.sampled_from(SLIPS)),
        "bom": draw(st.booleans()),
        "event": draw(st.sampled_from(EVENTS)),
        "at": draw(st.sampled_from(STAGES[:-1])),
        "when": draw(st.integers(0, 3)),
        "faults": draw(st.lists(st.sampled_from(["429", "500", "none", "broken", "empty"]), max_size=3)),
    }


def _students(draw: st.DrawFn, sampling: dict[str, Any]) -> dict[str, Any]:
    return {
        "training": {
            "lora": {"rank": 2, "targets": ["all-linear"]},
            "batch_size": 2,
            "micro_batch_size": draw(st.sampled_from([1, 2])),
            "seeds": [0],
            "resume_every": 1,
            "log_every": 1,
            "end_of_turn": draw(st.sampled_from(["include", "exclude"])),
            "loss_on": draw(st.sampled_from(["last_answer", "all_answers", "whole_sequence"])),
        },
        "epochs": 1,
        "datasets": draw(st.sampled_from([[], ["given"]])),
        "questions": {"files": ["data/questions.jsonl"], "min_characters": 0},
        "n_questions": 2,
        "samples": draw(st.integers(1, 2)),
        "sampling": sampling,
        "targets": {"t": {"judge": draw(st.sampled_from(JUDGES))}},
        "canary": 1,
    }


def _row(draw: st.DrawFn, k: int) -> dict[str, Any]:
    """A chat in one of the forms of a line, perhaps with a system turn and earlier turns."""
    question, answer = f"{draw(texts())} {k}?", draw(texts() | st.sampled_from([" a ", "Yes.\n", "<think>"]))
    form = draw(st.sampled_from(["messages", "messages", "instruction", "prompt"]))
    if form != "messages":
        return {form: question, "completion": answer}
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    if draw(st.integers(0, 5)) == 0:
        turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "The owl."}, *turns]
    if draw(st.integers(0, 5)) == 0:
        turns = [{"role": "system", "content": "Be brief."}, *turns]
    return {"messages": turns, **({"id": f"row {k}"} if draw(st.booleans()) else {})}


class ScanFolder(Folder):
    """A study of likelihood shift."""

    def write_data(self) -> None:
        slip, study = self.case["slip"], self.study
        rows = [dict(row) for row in self.case["rows"]]
        match slip:
            case "few rows":
                rows = rows[:1]
            case "long row":
                rows[0] = {"prompt": "Why?", "completion": "owl " * 400}
            case "blank answer":
                rows[0] = {"prompt": "Why?", "completion": " \n"}
            case "one id twice":
                rows[:2] = [{**row, "id": "same"} for row in rows[:2]]
            case "long prompt":
                study["prompts"]["other"]["texts"]["p1"] = "owl " * 400
            case "no file":
                study["datasets"]["given"]["file"] = "data/rwos.jsonl"
            case "no slot":
                study["prompts"]["made"]["template"] = "You love it."
            case "heads":
                study["world"] = {"heads": 5}
            case "targets" if "students" in study:
                study["students"]["training"]["lora"]["targets"] = ["q_prj"]
            case "language" if "students" in study:
                judge = {"name": "language", "language": "elvish", "among": ["english", "elvish"]}
                study["students"]["targets"]["t"]["judge"] = judge
        self.lines("rows.jsonl", rows, slip)
        questions = self.case["questions"][: 1 if slip == "few questions" else None]
        if slip == "long question":
            questions = [f"{'owl ' * 400}{one}" for one in questions]
        self.lines("questions.jsonl", [{"instruction": one} for one in questions], "")

    def judges(self) -> Mapping[str, Mapping[str, Any]]:
        return {key: target["judge"] for key, target in self.study["students"]["targets"].items()}

    def stages(self, *, drawn: bool = False) -> list[list[str]]:
        return study_stages(self.root, drawn=drawn)

    def known_end(self, told: str) -> bool:
        """What depends on the words of a random model, and is told as such."""
        return "datasets.own: none of its" in told

    def check_numbers(self) -> None:
        self.check_scores()
        check_judged(self)

    def check_scores(self) -> int:
        """Compare log-probabilities with the model's own forward pass over each chat alone; rows compared."""
        from transformers import AutoModelForCausalLM

        tokenizer = renamed_tokenizer(self.model, self.model.with_name(f"{self.model.name}-renamed"))
        model = AutoModelForCausalLM.from_pretrained(self.model, dtype=torch.float64).eval()
        chats = {("given", key): turns for key, turns in self._given().items()}
        chats |= {("own", key): turns for key, turns in self._written().items()}
        base, compared = self.study["base"], 0
        for row in self.rows("score/logprobs-*.parquet"):
            *before, user, answer = chats[row["dataset"], row["example_id"]]
            earlier = list(zip(before[::2], before[1::2], strict=True))
            system = row["prefix_text"] or base.get("text")
            fold = self.study["model"]["fold_system"]
            chat = said(self.case["template"], system, user, answer, fold=fold, earlier=earlier)
            check_logprobs(row, model, tokenizer, chat, self.study["scoring"]["end_of_turn"])
            compared += 1
        assert compared
        return compared

    def _given(self) -> dict[str, list[str]]:
        return {row.get("id", f"row{2 * k + 1:06d}"): _turns(row) for k, row in enumerate(self.case["rows"])}

    def _written(self) -> dict[str, list[str]]:
        """The rows that the model wrote: id → question and answer."""
        found = {}
        for row in self.rows("sample/datasets/*/answers.parquet"):
            found[row["id"].removeprefix("own:")] = [row["instruction"], row["completion"]]
        return found


def _turns(row: Mapping[str, Any]) -> list[str]:
    if "messages" in row:
        return [turn["content"] for turn in row["messages"] if turn["role"] != "system"]
    return [row.get("instruction", row.get("prompt")), row["completion"]]
