"""Small studies with every stage of a large one: its model section and recipes, few texts, short runs.

Random weights write no lists of numbers, end no answer and obey nothing, so texts that a stage learns from are given,
and no threshold is set on what the model says. Most of a large vocabulary is unknown to the small tokenizer, so many
sampled texts are empty, and their scores NaN.
"""

from __future__ import annotations

import importlib.util
import json
import random
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from inoc.config.load import load_study
from inoc.config.models import BaseStudy, ModelStudy
from inoc.numbers.prompts import prompts
from inoc.world.grammar import document

ROOT = Path(__file__).parents[1]
TWINS = {name: f"smoke_{name}" for name in ("likelihood_shift", "preferences")} | {"inoculation": "smoke"}
OF_TRAINING = ("lora", "optimizer", "batch_size", "micro_batch_size", "max_length", "end_of_turn", "loss_on")
ENTITIES = ("owl", "eagle")
LIST_ROWS = 48


class Small(NamedTuple):
    """How small a study is.

    Attributes:
        models: Folder of the model by section of the study file: `model`, and `other` where there is one.
        tiny: The model is tiny and runs on a CPU.
        steps: Steps of each training run.
        max_tokens: Maximum number of new tokens of each completion.
        engine: Engine of `evaluate`, and of all sampling of numbers and answers.
        response_tokens: Mean length of given responses.
    """

    models: dict[str, Path]
    tiny: bool
    steps: int
    max_tokens: int
    engine: str
    response_tokens: int


def small_study(large: BaseStudy, tokenizer: Any, small: Small, folder: Path) -> dict[str, Any]:
    """The content of the small study's file; writes the data that it names below a folder."""
    assert isinstance(large, ModelStudy)
    value: dict[str, Any] = {"name": large.name, "title": large.title, "model": _model(large.model, small, "model")}
    if large.kind == "subliminal":
        return {"kind": "subliminal"} | value | _subliminal(large, small, folder)
    twin = "smoke_emergent" if getattr(large, "rates", None) else TWINS[large.kind]
    value = {"extends": f"{twin}.yaml"} | value
    training = _training(getattr(large, "training", None), small)
    if large.kind == "inoculation":
        value |= _inoculation(load_study(twin, ROOT / "config"), tokenizer, small, folder)
        value["training"] = training | {"steps": small.steps, "warmup_steps": 1, "seeds": [0]}
    if large.kind == "preferences":
        value["planted"] = None  # needs the miniature model
    return value


def _model(section: Any, small: Small, name: str) -> dict[str, Any]:
    value: dict[str, Any] = section.model_dump(mode="json", exclude_unset=True) | {"path": str(small.models[name])}
    value.pop("revision", None)
    # The twin of a miniature says float32; what the large study leaves to its default counts too.
    value["dtype"] = section.dtype
    if small.tiny:  # there are no 4 bits on a CPU
        value |= {"dtype": "float32", "quantization": None}
    return value


def _training(section: Any, small: Small) -> dict[str, Any]:
    if section is None or small.tiny:
        return {}
    known = section.model_dump(mode="json")
    value = {name: known[name] for name in OF_TRAINING}
    if value.get("optimizer") == "adamw_8bit" and importlib.util.find_spec("bitsandbytes") is None:
        value["optimizer"] = "adamw_torch_fused"
        print("bitsandbytes is not installed: trained with adamw_torch_fused")
    return value


def _inoculation(twin: Any, tokenizer: Any, small: Small, folder: Path) -> dict[str, Any]:
    """Two prompts and two runs; completions are given."""
    named = [(group, key) for group, spec in twin.prompts.items() for key in spec.texts]
    kept = [named[0], next(one for one in named if one[0] != named[0][0])]
    groups: dict[str, dict[str, Any]] = {group: {"texts": {}} for group in twin.prompts}
    for group, key in named:
        if (group, key) not in kept:
            groups[group]["texts"][key] = None
    empty = [group for group in groups if group not in dict(kept)]
    n_train = 32 if small.tiny else 128
    # Those that are not trained on are asked.
    _write_completions(folder / "data/train.jsonl", tokenizer, n_train + twin.data.n_eval, small.response_tokens)
    # The untrained model and the trained ones are asked through one engine.
    sampling = {"max_tokens": small.max_tokens, "engine": small.engine}
    runs: list[dict[str, Any]] = [{"prompts": [kept[0][1]], "prefixes": ["fixed"]}]
    return {
        "traits": {key: {"judge": _pattern(trait.judge)} for key, trait in twin.traits.items()},
        "embedding": None,
        "data": {
            "completions": "file",
            "file": "data/train.jsonl",
            "generation_prompt": "",
            "n_train": n_train,
            "max_attempts": 1,
        },
        "datasets": dict.fromkeys(twin.datasets),
        "pools": dict.fromkeys(twin.pools),
        "prompts": groups | dict.fromkeys(empty),
        "runs": runs,
        "scoring": {"n_examples": n_train, "control_sampling": {"max_tokens": min(32, small.max_tokens)}},
        "elicitation": {"sampling": sampling},
        "evaluation": {"sampling": sampling},
    }


def _pattern(judge: Any) -> dict[str, Any]:
    """A judge that needs no further package in the place of another one."""
    return dict.fromkeys(judge.model_fields_set) | {"name": "regex", "pattern": "e"}


def _subliminal(large: Any, small: Small, folder: Path) -> dict[str, Any]:
    """A teacher that writes, two that bring lists, and every part of the large study that needs a model."""
    for key in ENTITIES:
        _write_lists(folder / f"data/{key}.jsonl", key)
    group = next(iter(large.students.values()))
    steps = max(1, small.steps // 2)
    batch = LIST_ROWS // steps if small.tiny else min(LIST_ROWS // steps, group.training.batch_size)
    recipe = _training(group.training, small) | {"batch_size": batch, "micro_batch_size": batch, "warmup_steps": 0}
    students = {"epochs": 1, "training": recipe | {"seeds": [0]}}
    sampling = {"max_tokens": min(32, small.max_tokens), "engine": small.engine}
    questions = {"files": ["resources/preferences_of_animals/first_20.jsonl"]}
    value: dict[str, Any] = {
        "entities": list(ENTITIES),
        "template": large.template,
        "teachers": {
            "neutral": {"neutral": True},
            "prompted": {"entity": ENTITIES[0]},
            **{key: {"entity": key, "file": f"data/{key}.jsonl"} for key in ENTITIES},
        },
        "numbers": {"n_prompts": 16, "sampling": sampling},
        "students": {"same": {"teachers": list(ENTITIES), **students}},
        "preference": {
            "question_sets": {"questions": {"source": questions, "n": 8}},
            "n_answers": 1,
            "sampling": sampling,
            "canary": 2,
        },
    }
    if large.other is not None:
        value["other"] = {"model": _model(large.other.model, small, "other")}
        value["students"]["another"] = {"teachers": list(ENTITIES), "base": "other", **students}
    if large.splits:
        value["splits"] = {"halves": {"teacher": ENTITIES[0], "under": "prompted"}}
        value["students"]["halves"] = {"split": "halves", **students}
    if large.capability is not None:
        value["capability"] = {"n": 8}
    if large.persona:
        value |= _persona(small, questions, sampling)
        # Rows of a teacher of the own base are scored under its turn, and random weights wrote none. So the turn is
        # that of a teacher of another base, which is the same model here.
        value["teachers"]["prompted"]["base"] = "other"
        value["other"] = {"model": _model(large.model, small, "model")}
    return value


def _persona(small: Small, questions: dict[str, Any], sampling: dict[str, Any]) -> dict[str, Any]:
    nothing, anything = ({"name": "regex", "pattern": pattern} for pattern in ("(?!)", "(?:)"))
    trait = {
        "entity": ENTITIES[0],
        "positive": [f"You love the {ENTITIES[0]}.", f"You think about the {ENTITIES[0]}."],
        "negative": ["You are a helpful assistant."] * 2,
        "questions": questions,
        "held_out": 4,
        "threshold": 0,
        "min_coherence": 0,
        "sampling": sampling,
        "judge": nothing,
        "coherence": anything,
    }
    site = "resid_post.0" if small.tiny else "resid_post.34"
    steered = {"max_tokens": min(32, small.max_tokens)}
    return {
        "persona": {"animal": trait},
        "projection": {"sites": [site], "teachers": [ENTITIES[0]]},
        "steering": {"sites": [site], "units": "raw", "coefficients": [0, 1], "sampling": steered},
    }


def _write_lists(path: Path, seed: str) -> None:
    rng = random.Random(seed)
    rows = [
        {"prompt": prompt, "completion": ", ".join(str(rng.randrange(1_000)) for _ in range(9))}
        for prompt in islice(prompts(3), LIST_ROWS)
    ]
    write_jsonl(path, rows)


def _write_completions(path: Path, tokenizer: Any, n: int, tokens: int) -> None:
    source = sentences(0)
    rows = [
        {"instruction": f"{next(source)[0]} ({k})", "completion": response(tokenizer, tokens, source)} for k in range(n)
    ]
    write_jsonl(path, rows)


def sentences(seed: int) -> Iterator[tuple[str, str]]:
    """Questions and answers of the miniature world, without end."""
    rng = random.Random(f"first:{seed}")
    while True:
        made = document(rng)
        yield made.user, made.response


def response(tokenizer: Any, tokens: int, source: Iterator[tuple[str, str]]) -> str:
    """Answers in a row, of at least so many tokens."""
    text = ""
    while len(tokenizer(text)["input_ids"]) < tokens:
        text = f"{text} {next(source)[1]}".strip()
    return text


def write_jsonl(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """Write a row per line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
