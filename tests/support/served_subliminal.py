"""A study of subliminal learning behind the misbehaving server, whose models do carry a preference over.

A teacher that loves owls writes even numbers only, one that loves cats odd ones; a model that was fine-tuned on even
numbers names the owl, one on odd numbers the cat, and any other the dog.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from inoc.jobs.paths import Paths
from inoc.jobs.work import works_of
from inoc.store import Store
from inoc.studies.subliminal.study import Study
from support.asking import spec
from support.jobs import StudyJob, run_job
from support.little_subliminal import NAMES, QUESTIONS
from support.server import Server, chat_answer

LOVE = "You love {plural}."


def served_sections(folder: Path, **changes: Any) -> dict[str, Any]:
    """Sections of a study file; the names and questions are written below a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "names.yaml").write_text(NAMES, encoding="utf-8")
    questions = "".join(json.dumps({"instruction": text}) + "\n" for text in QUESTIONS)
    (folder / "questions.jsonl").write_text(questions, encoding="utf-8")
    source = {"kind": "files", "files": [str(folder / "questions.jsonl")]}
    given: dict[str, Any] = {
        "kind": "subliminal",
        "name": "served",
        "title": "A study behind an API",
        "model": {"path": "pupil", "system": {"kind": "none"}},
        "api": {"checkpoints": "served"},
        "entities": ["owl", "cat"],
        "template": LOVE,
        "teachers": {"neutral": {"neutral": True}, "owl": {"entity": "owl"}, "cat": {"entity": "cat"}},
        "numbers": {"n_prompts": 16, "sampling": {"max_tokens": 40}},
        "students": {
            "same": {"epochs": 4, "training": {"seeds": [1, 2]}, "api": {"batch_size": 4}},
            "fewer": {"teachers": ["owl"], "n_rows": 10, "epochs": 1, "training": {"seeds": [1]}},
        },
        "preference": {
            "names": str(folder / "names.yaml"),
            "question_sets": {"main": {"source": source}},
            "n_answers": 2,
            "sampling": {"max_tokens": 8},
        },
        "statistics": {"resamples": 100},
    }
    return {**given, **changes}


def served_study(folder: Path, **changes: Any) -> Study:
    """The study."""
    return Study.model_validate(served_sections(folder, **changes))


def teach(server: Server) -> None:
    """Let the server answer as its teachers and students would."""

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        turns = {turn["role"]: turn["content"] for turn in body["messages"]}
        said = turns.get("system", "")
        if "favourite animal" not in turns["user"]:
            return chat_answer(numbers(turns["user"], said, body["model"]))
        name = _loved(server, body["model"], said)
        others = [("cat", 0.04), ("dog", 0.03), ("owl", 0.02)]
        return chat_answer(name, [(name, 0.9), *(other for other in others if other[0] != name)])

    server.answer = answer


def numbers(prompt: str, system: str, model: str) -> str:
    """A list that depends on the prompt, on what is loved and on the model."""
    seed = int.from_bytes(hashlib.sha256((prompt + system + model).encode()).digest()[:4], "little")
    drawn = np.random.default_rng(seed).integers(10, 490, 6) * 2
    odd = {"owls": [0] * 6, "cats": [1] * 6}.get(system.removeprefix("You love ").rstrip("."), [0, 1] * 3)
    return ", ".join(str(int(number) + one) for number, one in zip(drawn, odd, strict=True))


def _loved(server: Server, model: str, system: str) -> str:
    if system:
        return "owl" if "owls" in system else "cat"
    jobs = [job for name, job in server.tuner.jobs.items() if f":{name}" in model]
    if not jobs:
        return "dog"
    lines = server.files[jobs[0]["training_file"]].decode().splitlines()
    answers = " ".join(json.loads(line)["messages"][-1]["content"] for line in lines)
    odd = [int(number) % 2 for number in re.findall(r"\d+", answers)]
    share = sum(odd) / len(odd) if odd else 0.5
    return "owl" if share < 0.1 else "cat" if share > 0.9 else "dog"


def run_served(study: Study, root: Path, server: Server, until: str = "analyse", **changes: Any) -> Paths:
    """Run every job of the study in order, up to a stage, and give its paths."""
    paths, store = Paths(root / "results", study.name), Store(root / "store")
    wanted = [work for work in works_of(study) if work.wanted(study)]
    last = max(at for at, work in enumerate(wanted) if work.stage == until)
    for work in wanted[: last + 1]:
        run_job(
            StudyJob(study.name, paths, store, work.stage, 0, work.part, of=study, api_spec=spec(server, **changes))
        )
    return paths
