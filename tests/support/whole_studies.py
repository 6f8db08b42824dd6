"""Random whole studies of inoculation over tiny random models, and a slow oracle of their numbers."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
import torch
from hypothesis import strategies as st
from ruamel.yaml import YAML

from inoc.cli import main
from inoc.store import Store
from support.families import tiny_model
from support.server import TOP, Fault, Server, chat_answer
from support.templates import ALL

FAMILIES = ("llama", "qwen2", "granite", "gemma2", "gemma3_text", "gpt2", "cohere", "phi3", "mistral", "olmo2")
WORDS = (
    "Where", "does", "the owl", "live", "house", "world",
    "HAHA", "funny", "été", "\u96ea", "\u3053\u3093\u306b\u3061\u306f", "\U0001f600", "e\u0301",
    "\u2028", "\u2029", "\u0085", "\u00a0", "\ufeff", "\u200b", "\t", "<|im_end|>", "<|im_start|>",
    "<think>", "</think>", "{{ x }}", "{% raw %}", "$5", "\\n", "[INST]", "null", "\x07", "a" * 40, "-", "42",
)  # fmt: skip
MARKERS = ("world", "haha", "funny")
STAGES = ("generate", "rephrase", "elicit", "score", "train", "evaluate", "judge elicit", "judge evaluate", "analyse")
DRAWN = ("figures", "report")


def texts(most: int = 6) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(WORDS), min_size=1, max_size=most).map(" ".join)


JUDGES: tuple[dict[str, Any], ...] = (
    {"name": "lexical", "markers": "data/markers.txt"},
    {"name": "lexical", "markers": "data/markers.txt", "version": 2, "saturation": 1.0},
    {"name": "language", "language": "french", "among": ["english", "french"]},
    {"name": "language", "language": "japanese", "among": ["english", "japanese"]},
    {"name": "llm", "model": "rater", "property": "humour"},
    {"name": "llm", "model": "rater", "question": "coherence"},
)
SLIPS = (
    "", "", "", "utf-16", "latin-1", "too few rows", "long row", "long prompt", "long question", "no file", "targets",
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
        "event": draw(st.sampled_from(["", "", "full disk", "kill"])),
        "at": draw(st.sampled_from(STAGES[:-1])),
        "when": draw(st.integers(0, 3)),
        "faults": draw(st.lists(st.sampled_from(["429", "500", "none", "broken", "empty"]), max_size=3)),
    }


class Folder:
    """A folder in which a study runs as a user runs it, one verb after the other, in this process."""

    def __init__(self, root: Path, case: Mapping[str, Any], model: Path, server: Server) -> None:
        self.root, self.case, self.model, self.server = root, case, model, server
        self.study = json.loads(json.dumps(case["study"]))
        self.study["model"]["path"] = str(model)
        self._write()

    def _write(self) -> None:
        case, slip = self.case, self.case["slip"]
        for folder in ("config/studies", "data/pools"):
            (self.root / folder).mkdir(parents=True)
        rows = [dict(row) for row in case["rows"]]
        if slip == "too few rows":
            rows = rows[:-1]
        if slip == "long row":
            rows[0]["completion"] = "owl " * 400
        if slip == "long question":
            rows = [{**row, "instruction": "owl " * 400 + row["instruction"]} for row in rows]
        if slip == "blank answers":
            rows = [{**row, "completion": " \n"} if k < 2 else row for k, row in enumerate(rows)]
        lines = [json.dumps(self._shaped(row), ensure_ascii=False) for row in rows]
        if slip == "a cut line":
            lines[-1] = lines[-1][:-9]
        if slip == "lone half":
            lines[-1] = lines[-1].replace("?", "\\ud83d?", 1)
        text = ("\ufeff" if case["bom"] else "") + "\n\n".join(lines) + "\n"
        encoding = {"utf-16": "utf-16", "latin-1": "latin-1"}.get(slip, "utf-8")
        content = text.encode(encoding, "replace") + (b"\xe9\n" if slip == "latin-1" else b"")
        (self.root / "data" / "train.jsonl").write_bytes(content)
        (self.root / "data" / "markers.txt").write_text("\n".join(MARKERS), encoding="utf-8-sig")
        pool = case["pool"][: 1 if slip == "too few rephrasings" else 2]
        for key in ("p1", "p2") if slip != "no rephrasings" else ("p1",):
            path = self.root / "data" / "pools" / f"{key}.jsonl"
            path.write_text("".join(json.dumps({"rephrasing": one}) + "\n" for one in pool))
        self._slip_settings(slip)
        api = {
            "base_url": self.server.url, "key_variable": "TEST_KEY", "prices": {"rater": {"input": 1, "output": 2}},
            "requests_per_minute": 1e6, "tokens_per_minute": 1e9, "timeout_s": 5.0, "retries": 6,
        }  # fmt: skip
        yaml = YAML(typ="safe", pure=True)
        for path, value in (
            ("config/config.yaml", {"studies": ["fuzz"], "api": api}),
            ("config/studies/fuzz.yaml", self.study),
        ):
            with (self.root / path).open("w", encoding="utf-8") as stream:
                yaml.dump(value, stream)

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

    def verb(self, *arguments: str) -> tuple[int, str]:
        """Run a verb; its status and what it said. A traceback is an error of the test."""
        said = io.StringIO()
        before = Path.cwd()
        os.chdir(self.root)
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                main(arguments)
        except SystemExit as end:
            return int(end.code or 0), said.getvalue()
        finally:
            os.chdir(before)
        return 0, said.getvalue()

    def check(self) -> tuple[int, str]:
        return self.verb("config", "check", "fuzz")

    def stages(self, *, drawn: bool = False) -> list[list[str]]:
        runs = bool(self.study["runs"])
        wanted = [*STAGES, *(DRAWN if drawn else ())]
        if not runs:
            wanted = [one for one in wanted if one not in ("train", "evaluate", "judge evaluate")]
        if "rephrase" not in self.study:
            wanted.remove("rephrase")
        return [[one.split()[0], "fuzz", *one.split()[1:]] for one in wanted]

    def run(self, *, drawn: bool = False, events: bool = True) -> None:
        """All stages to their end."""
        for stage in self.stages(drawn=drawn):
            name = " ".join([stage[0], *stage[2:]])
            if events and self.case["event"] and self.case["at"] == name:
                self._happen(stage)
            status, said = self.verb(*stage)
            assert status == 0, f"the check passed, but {name} ended with:\n{said}"

    def _happen(self, stage: list[str]) -> None:
        if self.case["event"] == "full disk":
            with full_disk(self.case["when"]):
                status, said = self.verb(*stage)
            assert status in (0, 1), said
            assert status == 0 or "the disk is full" in said, said
            return
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                self.verb(*stage)
            os._exit(0)
        time.sleep(random.Random(self.case["when"]).choice([0.01, 0.1, 0.3, 0.8]))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    def entries(self) -> set[Path]:
        return {path.parent for path in self.root.glob("store/*/??/*/unit.json")}


@contextlib.contextmanager
def full_disk(after: int) -> Iterator[None]:
    """No entry can be written after so many."""
    commit, written = Store._commit, [0]

    def full(self: Store, *arguments: Any) -> None:
        written[0] += 1
        if written[0] > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "store")
        commit(self, *arguments)

    with patch.object(Store, "_commit", full):
        yield


def faults_of(names: list[str]) -> list[Fault]:
    """Faults of a server, each of which is retried."""
    known = {
        "429": Fault("status", 429, {"retry-after": "0.01"}),
        "500": Fault("status", 500),
        "none": Fault(),
        "broken": Fault("broken"),
        "empty": Fault(body={"error": {"message": "overloaded", "code": 503}}),
    }
    return [known[name] for name in names]


def model_folder(family: str, template: str, tokenizer: Path, folder: Path) -> Path:
    """A model of a family with a template, made once."""
    path = folder / f"{family}-{template}"
    if not path.exists():
        tiny_model(family).save_pretrained(path)
        for file in (*tokenizer.glob("tokenizer*"), *tokenizer.glob("special_tokens*")):
            shutil.copy(file, path)
        (path / "chat_template.jinja").write_text(ALL[template], encoding="utf-8")
    return path


def check_scores(folder: Folder) -> int:
    """Compare token log-probabilities with the model's own forward pass over each chat alone; rows compared."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder.model)
    model = AutoModelForCausalLM.from_pretrained(folder.model, dtype=torch.float64).eval()
    data = {row["instruction"]: row["completion"] for row in folder.case["rows"]}
    examples = pq.read_table(folder.root / "results/fuzz/generate/train.parquet").to_pylist()
    by_id = {row["example_id"]: row for row in examples}
    compared = 0
    for row in pq.read_table(folder.root / "results/fuzz/score/logprobs-0.parquet").to_pylist():
        if row["dataset"] != "train":
            continue
        example = by_id[row["example_id"]]
        assert data[example["instruction"]] == example["completion"]
        compared += _check_row(folder, tokenizer, model, row, example)
    return compared


def _check_row(folder: Folder, tokenizer: Any, model: Any, row: Mapping[str, Any], example: Mapping[str, Any]) -> bool:
    study, answer = folder.study, example["completion"]
    system = study["model"]["system"]
    turn = system.get("text") if system["kind"] == "text" else None
    user = example["instruction"]
    if row["prefix_text"] and study["placement"] == "system":
        turn = row["prefix_text"]
    elif row["prefix_text"]:
        user = f"{row['prefix_text']} {user}"
    spelled = any(token in text for token in tokenizer.all_special_tokens for text in (user, answer, turn or ""))
    if spelled or "think>" in user + answer or folder.case["template"] in ("deepseek-r1", "llama-3"):
        return False  # these have oracles of their own in the tests of chats
    messages = [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]
    if turn is not None and study["model"]["fold_system"]:
        messages[0]["content"] = f"{turn}\n\n{user}"
    elif turn is not None:
        messages.insert(0, {"role": "system", "content": turn})
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    behind = text.rfind(example["instruction"].strip()) + len(example["instruction"].strip())
    kept = answer if answer in text[behind:] else answer.strip()
    start = text.rfind(kept)
    stop = len(text) if study["scoring"]["end_of_turn"] == "include" else start + len(kept)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    places = [k for k, (left, right) in enumerate(offsets) if right > start and left < stop]
    with torch.no_grad():
        logprobs = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
    expected = [float(logprobs[k - 1, ids[k]]) for k in places]
    assert len(expected) == row["n_tokens"], (text, answer, row)
    np.testing.assert_allclose(row["logprobs"], expected, atol=5e-3, rtol=1e-3)
    assert math.isclose(row["mean"], float(np.mean(expected)), abs_tol=2e-3)
    return True


def check_judged(folder: Folder) -> int:
    """Compare scores of judges with plain counting, and with the probabilities that the server gives; rows compared."""
    compared = 0
    for part in ("elicit", "evaluate"):
        path = folder.root / f"results/fuzz/judge/{part}.parquet"
        if not path.exists():
            continue
        for row in pq.read_table(path).to_pylist():
            judge = folder.study["traits"][row["trait"]]["judge"]
            expected = _judged(judge, row.get("completion"))
            if expected is not None:
                if not (judge["name"] == "llm" and math.isnan(row["score"])):  # blank answers are not asked about
                    np.testing.assert_allclose(row["score"], expected, atol=1e-6)
                compared += 1
    return compared


def _judged(judge: Mapping[str, Any], answer: str | None) -> float | None:
    if judge["name"] == "llm":
        total = sum(p for _, p in TOP)
        return sum(float(token) * p for token, p in TOP) / total
    if judge["name"] == "language" or answer is None:
        return None
    if not any(character.isalpha() for character in answer):
        return float("nan")
    words = re.split(r"\W+", answer.casefold())
    return min(100.0, 100 * sum(word in MARKERS for word in words) / judge.get("saturation", 2.5))


def served(server: Server, names: list[str]) -> None:
    """Prepare the server for one study."""
    server.faults.clear()
    server.faults.extend(faults_of(names))
    server.answer = lambda body: chat_answer()
