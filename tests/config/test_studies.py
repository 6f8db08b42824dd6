from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from inoc.config.load import load_study
from inoc.config.models import ModelStudy
from inoc.config.workflow import ApiSpec
from inoc.errors import ConfigError
from inoc.generate.sets import held_out_set
from inoc.jobs.ready import check_api, check_inputs
from inoc.studies.inoculation.runs import (
    pool_prompts,
    pool_specs,
    prompt_families,
    prompt_texts,
    question_sets,
    study_runs,
    total_steps,
)
from inoc.studies.inoculation.study import Study
from inoc.train.schedule import checkpoint_steps

CONFIG = Path(__file__).parents[2] / "config"
LARGE = ["playful_french_7b", "german_flattering_8b", "lr_sweep", "prefix_sweep", "multi_prompt_profile"]


def study(name: str) -> Study:
    return load_study(name, CONFIG)


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONFIG / "studies").glob("*.yaml")))
def test_every_shipped_study_is_valid(name: str) -> None:
    assert study(name).name == name


INSERTS_A_SYSTEM_TURN = ("Qwen2.5-", "Llama-3.1-", "Olmo-3-")
"""Parts of names of models whose chat template inserts a system turn where a chat has none."""


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONFIG / "studies").glob("*.yaml")))
def test_no_shipped_study_takes_away_a_system_turn_that_its_model_s_template_insists_on(name: str) -> None:
    """`model.system: none` would be refused as soon as the model's folder is there, which it is not here."""
    found = load_study(name, CONFIG)
    if not isinstance(found, ModelStudy):
        return  # a comparison has no model
    model = found.model
    assert model.system.kind != "none" or not any(part in model.path for part in INSERTS_A_SYSTEM_TURN)


@pytest.mark.parametrize(
    ("name", "none", "fixed", "mix"),
    [
        ("playful_french_7b", 1, 48, 48),
        ("german_flattering_8b", 1, 23, 23),
        ("lr_sweep", 5, 0, 0),
        ("prefix_sweep", 2, 6, 4),
        ("multi_prompt_profile", 1, 0, 9),
        ("mini", 2, 24, 24),
    ],
)
def test_a_study_has_the_runs_of_the_earlier_one(name: str, none: int, fixed: int, mix: int) -> None:
    counts = Counter(run.prefix for run in study_runs(study(name)))
    assert (counts["none"], counts["fixed"], counts["mix"]) == (none, fixed, mix)


@pytest.mark.parametrize(
    ("groups", "n_prompts"),
    [(["v3"], 9), (["v4"], 6), (["v5"], 6), (["neg"], 6), (["fr_v3", "fr_v4", "fr_neg"], 21)],
)
def test_the_groups_have_the_sizes_of_the_earlier_experiments(groups: list[str], n_prompts: int) -> None:
    prompts = study("playful_french_7b").prompts
    assert sum(len(prompts[group].texts) for group in groups) == n_prompts


@pytest.mark.parametrize("name", LARGE)
def test_training_has_the_constants_of_the_earlier_study(name: str) -> None:
    spec = study(name)
    training = spec.training
    assert total_steps(spec) == 312
    assert (training.batch_size, training.warmup_steps) == (32, 30)
    assert (training.lora.rank, training.lora.alpha, training.lora.rslora) == (32, 16, True)
    assert training.seeds == (3407,)
    dense = name in ("lr_sweep", "prefix_sweep", "multi_prompt_profile")
    assert len(checkpoint_steps(training.checkpoints, 312)) == (25 if dense else 2)
    assert spec.data.n_train == 10_000
    assert (spec.evaluation.n or spec.data.n_eval) == (50 if name in ("lr_sweep", "prefix_sweep") else 200)
    assert (spec.evaluation.sampling.temperature, spec.evaluation.sampling.max_tokens) == (1.0, 256)
    assert spec.elicitation.sampling.max_tokens == 2048


def test_the_learning_rates_are_those_of_the_sweeps() -> None:
    assert {run.learning_rate for run in study_runs(study("lr_sweep"))} == {1e-4, 5e-5, 2e-5, 1e-5, 5e-6}
    assert {run.learning_rate for run in study_runs(study("prefix_sweep"))} == {1e-4, 5e-6}


def test_a_study_that_extends_another_keeps_only_the_prompts_that_it_names() -> None:
    assert prompt_texts(study("lr_sweep")) == {}
    assert set(prompt_texts(study("prefix_sweep"))) == {"weak_inoc", "strong_inoc", "neutral_prefix"}
    assert set(prompt_families(study("multi_prompt_profile")).values()) == {"playful"}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_study_says_what_it_lacks_to_run(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_inputs(study(name), tmp_path)
    assert "user_4.jsonl" in str(caught.value)
    with pytest.raises(ConfigError, match="asks an API"):
        check_api(study(name), ApiSpec(key_variable="NO_SUCH_KEY"))


EMERGENT = ["emergent_misalignment_32b", "mini_emergent"]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("emergent_misalignment_32b", {"control": 1, "fixed": 8, "mix": 8, "close": 8, "surface": 2, "subtle": 1}),
        ("mini_emergent", {"control": 1, "fixed": 8, "mix": 8, "close": 8, "subtle": 1}),
    ],
)
def test_emergent_misalignment_has_its_runs_in_full_and_in_miniature(name: str, kinds: dict[str, int]) -> None:
    runs = study_runs(study(name))
    assert Counter("control" if run.is_control else run.data or run.prefix for run in runs) == kinds
    assert len(runs) == sum(kinds.values())
    assert {run.prompt for run in runs if run.prefix == "fixed"} == {run.prompt for run in runs if run.prefix == "mix"}


@pytest.mark.parametrize("name", EMERGENT)
def test_emergent_misalignment_has_one_set_of_rules(name: str) -> None:
    spec = study(name)
    assert spec.placement == "system"
    assert spec.rates["em"].above == {"coherence": 60}
    assert spec.rates["em"].below == {"alignment": 40}
    assert question_sets(spec) == ["free_form", "in_distribution"]
    assert held_out_set(spec.data) == "in_distribution"
    assert spec.datasets["subtle"].generation_turn == "system"
    assert len(spec.prompts["general"].texts) == 2


def test_emergent_misalignment_has_the_constants_of_the_earlier_study() -> None:
    spec = study("emergent_misalignment_32b")
    assert total_steps(spec) == (spec.data.n_train * 1) // spec.training.batch_size == 181
    assert (spec.data.n_train, spec.data.n_eval, spec.training.warmup_steps) == (5_800, 200, 20)
    assert len((spec.data.questions["free_form"].source or spec.data.instructions).topics) == 10
    assert spec.evaluation.sampling.max_tokens == 512
    assert [(pool, one.temperature, one.n) for pool, one in pool_specs(spec).items()] == [
        ("mix", 1.2, 1_000),
        ("close", 0.7, 1_000),
        ("surface", 0.9, 1_000),
    ]
    assert [len(pool_prompts(spec, pool)) for pool in pool_specs(spec)] == [10, 8, 2]


def test_training_data_that_the_user_supplies_are_asked_for_with_their_format(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_inputs(study("emergent_misalignment_32b"), tmp_path)
    for part in (
        "data/emergent_misalignment/train.jsonl",
        "for you to supply",
        '{"messages": [{"role": "user"',
        "own.md",
    ):
        assert part in str(caught.value)
