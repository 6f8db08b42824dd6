from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.config.document import read_document
from inoc.config.load import load_study
from inoc.config.models import Model
from inoc.config.workflow import Shards
from inoc.errors import ConfigError
from inoc.jobs.shards import shard_of
from inoc.jobs.work import settings_of
from inoc.studies.inoculation import KIND
from inoc.studies.inoculation.runs import prompt_texts, study_runs
from inoc.studies.inoculation.study import Study

TOY = Path(__file__).parent / "toy.yaml"
RAW = read_document(TOY).value | {
    "world": {},
    "embedding": {},
    "capability": {"system": {}},
    "rates": {"bad": {}},
    "pools": {"close": {}},
    "datasets": {"other": {}},
}
RAW["runs"] = [*RAW["runs"], {"data": "other"}]
RAW["data"] = RAW["data"] | {"questions": {"own": {}, "more": {"source": {"files": ["more.jsonl"]}}}}
ASKING = "elicit score train evaluate"
MODEL = f"generate choose {ASKING}"
STEPS = "train evaluate analyse figures"
CLOSED = "choose analyse figures"
RUNS = "train evaluate choose analyse figures"

# Field → where it is in the toy study (if not there), another value, and the stages beside `report` that it reaches.
REACH: dict[str, tuple[object, str]] = {
    "model.path": ("org/other", MODEL),
    "model.revision": ("0123", MODEL),
    "model.dtype": ("float32", MODEL),
    "model.quantization": ("nf4", MODEL),
    "model.compute": ("fp8", MODEL),
    "model.chat_template": ("template.jinja", MODEL),
    "model.fold_system": (True, MODEL),
    "model.thinking": ("off", MODEL),
    "model.template_date": ("2025-01-01", MODEL),
    "model.system.kind": ("none", MODEL),
    "model.system.text": ("Be kind.", MODEL),
    "world.documents": (64, "world"),
    "world.vocabulary": (300, "world"),
    "world.hidden_size": (64, "world"),
    "world.layers": (1, "world"),
    "world.heads": (2, "world"),
    "world.intermediate_size": (64, "world"),
    "world.steps": (2, "world"),
    "world.batch_size": (2, "world"),
    "world.learning_rate": (1e-3, "world"),
    "world.prompt_weight": (0.5, "world"),
    "world.seed": (7, "world"),
    "world.threads": (2, "world"),
    "world.content": ("favorites", "world"),
    "world.initial_sd": (0.1, "world"),
    "traits.*.role": ("wanted", "analyse figures"),
    "traits.*.label": ("Fun", "figures"),
    "traits.*.judge.name": ("llm", "generate judge"),
    "traits.*.judge.version": (2, "generate judge"),
    "traits.*.judge.language": ("de", "generate judge"),
    "traits.*.judge.among": (["de"], "generate judge"),
    "traits.*.judge.pattern": ("sorry", "generate judge"),
    "traits.*.judge.file": ("judge.py", "generate judge"),
    "traits.*.judge.markers": ("other.txt", "generate judge"),
    "traits.*.judge.saturation": (3.0, "generate judge"),
    "traits.*.judge.model": ("rater", "generate judge"),
    "traits.*.judge.question": ("coherence", "generate judge"),
    "traits.*.judge.property": ("playful", "generate judge"),
    "traits.*.judge.scale": ("0-9", "generate judge"),
    "traits.*.judge.temperature": (0.5, "generate judge"),
    "traits.*.judge.engine": ("transformers", "generate judge"),
    "traits.*.judge.revision": ("0123", "generate judge"),
    "traits.*.judge.dtype": ("float32", "generate judge"),
    "traits.*.judge.categories": ({"a": "the first", "b": "the second"}, "generate judge"),
    "traits.*.judge.counted": (["a"], "generate judge"),
    "traits.*.judge.rule": ("first_word", "generate judge"),
    "traits.*.control_prompt": ("Play.", "generate analyse figures"),
    "data.questions.*.label": ("Odd", "figures"),
    "data.n_train": (128, f"generate {STEPS}"),
    "data.n_eval": (5, "generate"),
    "data.seed": (7, "generate"),
    "prompts.*.family": ("french", "analyse figures"),
    "prompts.*.texts": ("You are a jester.", f"rephrase embed {ASKING} figures"),
    "placement": ("system", ASKING),
    "separator": ("\n", f"generate {ASKING}"),
    "datasets.*.label": ("Odd", "figures"),
    "runs.*.prompts": (["joker"], RUNS),
    "runs.*.groups": (["strong"], RUNS),
    "runs.*.prefixes": (["fixed"], RUNS),
    "runs.*.data": ("other", RUNS),
    "runs.*.learning_rates": ([1e-3], RUNS),
    "runs.*.seeds": ([1], RUNS),
    "runs.*.control": (False, RUNS),
    "training.lora.rank": (8, "train"),
    "training.lora.alpha": (8, "train"),
    "training.lora.rslora": (False, "train"),
    "training.lora.dropout": (0.1, "train"),
    "training.lora.targets": (["q_proj"], "train"),
    "training.learning_rate": (1e-3, RUNS),
    "training.decay": ("cosine", "train"),
    "training.warmup_steps": (2, "train"),
    "training.weight_decay": (0.0, "train"),
    "training.max_grad_norm": (2.0, "train"),
    "training.batch_size": (16, STEPS),
    "training.epochs": (2.0, STEPS),
    "training.steps": (5, STEPS),
    "training.max_length": (64, "train"),
    "training.optimizer": ("adamw_8bit", "train"),
    "training.gradient_checkpointing": (True, "train"),
    "training.end_of_turn": ("exclude", "train"),
    "training.loss_on": ("whole_sequence", "train"),
    "training.seeds": ([7], f"score {RUNS}"),
    "training.checkpoints": ("dense", "train evaluate"),
    "training.log_every": (3, "figures"),
    "evaluation.conditions": (["default"], "evaluate analyse figures"),
    "evaluation.gate": (False, "evaluate analyse figures"),
    "evaluation.n": (2, "evaluate"),
    "elicitation.prefixes": (["mix"], "elicit analyse figures"),
    "elicitation.n": (2, "elicit"),
    "capability.questions": ("mine.jsonl", CLOSED),
    "capability.n": (5, CLOSED),
    "capability.seed": (7, CLOSED),
    "capability.system.kind": ("none", CLOSED),
    "capability.system.text": ("Be kind.", CLOSED),
    "embedding.provider": ("openai", "embed"),
    "embedding.model": ("org/encoder", "embed"),
    "embedding.revision": ("0123", "embed"),
    "embedding.dimensions": (8, "embed"),
    "embedding.rephrasings": (3, "embed"),
    "scoring.n_examples": (8, "score"),
    "scoring.n_controls": (3, "generate analyse figures"),
    "scoring.prefixes": (["fixed"], "score analyse figures"),
    "scoring.mix": ("index_matched", "score"),
    "scoring.end_of_turn": ("include", "score"),
    "scoring.tokens": (False, "score analyse figures"),
    "scoring.self_perplexity": (False, "score analyse figures"),
    "scoring.batch_tokens": (64, "score"),
    "scoring.seed": (7, "score"),
    "rates.*.label": ("Bad", "figures"),
    "rates.*.above": ({"playful": 50}, "analyse figures"),
    "rates.*.below": ({"french": 40}, "analyse figures"),
    "statistics.confidence": (0.9, "analyse figures"),
    "statistics.resamples": (100, "analyse figures"),
    "statistics.seed": (7, "analyse figures"),
    "statistics.max_nan": (0.2, "analyse figures"),
    "expect.trait": ("french", "analyse figures"),
    "expect.control_at_least": (50, "analyse figures"),
    "expect.strongest_at_most": (50, "analyse figures"),
    "expect.strongest_with_prefix_at_least": (50, "analyse figures"),
    "title": ("Another", "figures"),
    "figures": ("all", "figures"),
}
SOURCE = {
    "kind": "world",
    "files": ["other.jsonl"],
    "min_characters": 3,
    "model": "writer",
    "topics": ["health"],
    "request": "a riddle",
    "temperature": 0.5,
    "per_request": 3,
    "max_tokens": 99,
    "max_requests": 3,
}
ANSWERS = {
    "completions": "file",
    "file": "given.jsonl",
    "table": "other/generate",
    "model": "writer",
    "generation_prompt": "Play.",
    "generation_turn": "system",
    "separator": " ",
    "keep_from": 60,
    "max_attempts": 2.0,
}
POOL = {
    "source": "procedural",
    "folder": "others",
    "n": 5,
    "model": "writer",
    "closeness": "close",
    "temperature": 0.7,
    "per_request": 20,
    "max_tokens": 500,
    "max_requests": 3,
    "seed": 7,
}
for sections, fields, stage in [
    (("data.instructions", "data.questions.*.source"), SOURCE, "generate"),
    (("data", "datasets.*"), ANSWERS, "generate"),
    (("rephrase", "pools.*"), POOL, "rephrase"),
]:
    REACH |= {f"{section}.{field}": (value, stage) for section in sections for field, value in fields.items()}
REACH |= {f"{section}.bad_rows": ("drop", "generate train") for section in ("data", "datasets.*")}
for section, stage in {
    "data.sampling": "generate",
    "datasets.*.sampling": "generate",
    "evaluation.sampling": "evaluate",
    "elicitation.sampling": "elicit",
    "scoring.control_sampling": "generate",
}.items():
    for field, value in {
        "engine": "vllm",
        "temperature": 0,
        "top_p": 0.5,
        "max_tokens": 3,
        "seed": 7,
        "n": 2,
    }.items():
        REACH[f"{section}.{field}"] = (value, stage)

SAMPLED = {path for path in REACH if path.endswith("ampling.seed")}
REPORT_ONLY = {
    "kind": "decides which fields there are",
    "name": "the folder of the results, which no number depends on",
    "description": "words",
    "figures": "which figures are asked for, and not their numbers",
    "training.resume_every": "a killed run ends with the same weights, wherever it resumed",
    "evaluation.canary": "a check that stops the job or changes nothing",
}
JOINED = "training.joined_adapters"
HOW_IT_RUNS = {"training.micro_batch_size", JOINED} | {path.replace(".seed", ".batch_size") for path in SAMPLED}
"""Fields that reach nothing: they say how something is executed, not what is asked for."""
IN_THE_TOY = {
    "traits.*": "traits.playful",
    "prompts.*": "prompts.strong",
    "runs.*": "runs.0",
    "rates.*": "rates.bad",
    "pools.*": "pools.close",
    "datasets.*": "datasets.other",
    "data.questions.*": "data.questions.more",
}


def fields_of(model: type[Model], prefix: str = "") -> Iterator[str]:
    """Key paths of all fields, with `*` for a key or an index."""
    for name, field in model.model_fields.items():
        yield from _fields_below(field.annotation, f"{prefix}{name}")


def _fields_below(annotation: Any, path: str) -> Iterator[str]:
    models = [
        part for part in (annotation, *get_args(annotation)) if isinstance(part, type) and issubclass(part, Model)
    ]
    if models:
        star = ".*" if get_origin(annotation) in (dict, tuple) else ""
        yield from fields_of(models[0], f"{path}{star}.")
    else:
        yield path


def changed(path: str, value: object) -> Study:
    """The toy study with another value at a key path."""
    for pattern, place in IN_THE_TOY.items():
        path = path.replace(pattern, place)
    if path.endswith(".texts"):
        path += ".clown"
    raw = copy.deepcopy(RAW)
    here: Any = raw
    *parents, last = path.split(".")
    for part in parents:
        here = here[int(part)] if isinstance(here, list) else here.setdefault(part, {})
    here[last] = value
    return Study.model_validate(raw)


def stages_that_differ(one: Study, other: Study) -> set[str]:
    return {stage for stage in KIND.passes if settings_of(stage, one) != settings_of(stage, other)}


def test_every_field_reaches_a_stage_or_is_known_to_matter_to_the_report_only() -> None:
    assert set(fields_of(Study)) == set(REACH) | set(REPORT_ONLY) | HOW_IT_RUNS


@pytest.mark.parametrize("path", sorted(HOW_IT_RUNS))
def test_how_a_study_is_executed_runs_no_job_again(path: str) -> None:
    one, other = (False, True) if path == JOINED else (2, 4)
    assert not stages_that_differ(changed(path, one), changed(path, other))


@pytest.mark.parametrize(("path", "value", "stages"), [(path, *row) for path, row in REACH.items()])
def test_a_changed_field_reaches_exactly_its_stages(path: str, value: object, stages: str) -> None:
    # The curve is drawn by figures, and the report follows from these.
    also = set() if path == "training.log_every" else {"report"}
    assert stages_that_differ(Study.model_validate(RAW), changed(path, value)) == {*stages.split(), *also}


@pytest.mark.parametrize(
    ("path", "value"),
    [("name", "other"), ("description", "x"), ("training.resume_every", 1), ("evaluation.canary", 0)],
)
def test_presentation_reaches_the_report_only(path: str, value: object) -> None:
    assert path in REPORT_ONLY
    assert stages_that_differ(Study.model_validate(RAW), changed(path, value)) == {"report"}


def test_a_model_that_is_not_quantized_leaves_no_trace_of_it() -> None:
    """So that jobs from before the setting are not run again."""
    for stage in MODEL.split():
        assert "quantization" not in json.dumps(settings_of(stage, Study.model_validate(RAW)))


def test_embedding_or_not_reaches_what_embeds_and_what_reads_it() -> None:
    with_it = Study.model_validate(RAW)
    without = with_it.model_copy(update={"embedding": None})
    assert stages_that_differ(with_it, without) == {"embed", "analyse", "figures", "report"}


def test_the_training_seed_reaches_scoring_only_for_rephrasings_as_trained() -> None:
    one, other = changed("scoring.mix", "index_matched"), changed("scoring.mix", "index_matched")
    other = other.model_copy(update={"training": other.training.model_copy(update={"seeds": (7,)})})
    assert settings_of("score", one) == settings_of("score", other)


@pytest.mark.parametrize(
    ("prefixes", "mix", "drawn"),
    [
        (["fixed", "close"], "as_trained", True),
        (["close"], "as_trained", True),
        (["fixed", "mix"], "as_trained", True),
        (["fixed", "close"], "index_matched", False),
        (["fixed"], "as_trained", False),
    ],
)
def test_the_training_seed_reaches_scoring_for_every_pool_that_is_drawn_from_as_trained(
    prefixes: list[str], mix: str, drawn: bool
) -> None:
    study = changed("scoring", {**RAW.get("scoring", {}), "prefixes": prefixes, "mix": mix})
    other = study.model_copy(update={"training": study.training.model_copy(update={"seeds": (7,)})})
    assert (settings_of("score", study) != settings_of("score", other)) == drawn


def test_a_second_seed_leaves_the_jobs_of_the_first_alone() -> None:
    one, other = changed("runs.*.seeds", [1]), changed("runs.*.seeds", [1, 2])
    shards = Shards(train=50)
    new = {shard_of(run.name, 50) for run in set(study_runs(other)) - set(study_runs(one))}
    differ = {
        shard
        for shard in range(50)
        if settings_of("train", one, shard, shards) != settings_of("train", other, shard, shards)
    }
    assert differ == new


@pytest.mark.parametrize("n", [1, 2, 7])
def test_an_edited_prompt_changes_only_the_shards_that_hold_it(n: int) -> None:
    one, other = Study.model_validate(RAW), changed("prompts.*.texts", "You are a jester.")
    shards = Shards(score=n, elicit=n, train=n)
    for stage in ("score", "elicit"):
        differ = {k for k in range(n) if settings_of(stage, one, k, shards) != settings_of(stage, other, k, shards)}
        assert differ == {shard_of("clown", n)}
    runs = {shard_of(run.name, n) for run in study_runs(one) if run.prompt == "clown"}
    controls = {shard_of(run.name, n) for run in study_runs(one) if run.is_control}
    for stage, expected in (("train", runs), ("evaluate", runs | controls)):
        differ = {k for k in range(n) if settings_of(stage, one, k, shards) != settings_of(stage, other, k, shards)}
        assert differ == expected, stage


@given(n=st.integers(1, 9))
def test_every_prompt_and_run_is_in_exactly_one_shard(n: int) -> None:
    study, shards = Study.model_validate(RAW), Shards(score=n, train=n)
    texts = [key for k in range(n) for key in settings_of("score", study, k, shards)["texts"]]
    runs = [name for k in range(n) for name in settings_of("train", study, k, shards)["runs"]]
    assert sorted(texts) == sorted(prompt_texts(study))
    assert sorted(runs) == sorted(run.name for run in study_runs(study))


def test_a_comment_and_the_order_of_keys_change_nothing(tmp_path: Path) -> None:
    text = TOY.read_text(encoding="utf-8")
    blocks = text.split("traits:\n")
    (tmp_path / "toy.yaml").write_text("# A comment\ntraits:\n" + blocks[1] + blocks[0], encoding="utf-8")
    assert stages_that_differ(load_study(TOY), load_study(tmp_path / "toy.yaml")) == set()


@pytest.mark.parametrize("stage", KIND.passes)
def test_settings_are_plain_values_with_sorted_keys(stage: str) -> None:
    settings = settings_of(stage, load_study(TOY))
    assert json.loads(json.dumps(settings, allow_nan=False)) == settings
    assert json.dumps(settings) == json.dumps(settings, sort_keys=True)


def test_an_unknown_stage_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match='did you mean "evaluate"'):
        settings_of("evalute", load_study(TOY))


def test_a_study_without_further_sets_pools_and_datasets_asks_its_jobs_for_nothing_more() -> None:
    """Settings of a study are what its jobs are recognised by; a key that says nothing would run them all again."""
    plain = load_study(TOY)
    for stage in KIND.passes:
        if stage != "report":
            settings = settings_of(stage, plain)
            assert not {"datasets", "pools", "questions", "question_labels", "dataset_labels"} & set(settings)
    assert not {"questions", "order", "generation_turn"} & set(settings_of("generate", plain)["data"])
    assert all("data" not in run for run in settings_of("train", plain)["runs"].values())
