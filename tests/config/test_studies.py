from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from inoc.config.load import check_api, check_inputs, load_study
from inoc.config.models import ApiSpec, Study
from inoc.errors import ConfigError
from inoc.runs import checkpoint_steps, prompt_families, prompt_texts, study_runs, total_steps

CONFIG = Path(__file__).parents[2] / "config"
LARGE = ["playful_french_7b", "german_flattering_8b", "lr_sweep", "prefix_sweep", "multi_prompt_profile"]


def study(name: str) -> Study:
    return load_study(name, CONFIG)


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONFIG / "studies").glob("*.yaml")))
def test_every_shipped_study_is_valid(name: str) -> None:
    assert study(name).name == name


@pytest.mark.parametrize(
    ("name", "none", "fixed", "mix"),
    [
        ("playful_french_7b", 1, 48, 48),
        ("german_flattering_8b", 1, 23, 23),
        ("lr_sweep", 5, 0, 0),
        ("prefix_sweep", 2, 6, 4),
        ("multi_prompt_profile", 1, 0, 9),
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
