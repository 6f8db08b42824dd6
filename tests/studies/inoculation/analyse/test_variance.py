from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inoc.chat.messages import PLAIN
from inoc.stats.bootstrap import Resampler
from inoc.stats.power import Design, Spread, detectable_difference
from inoc.stats.variance import crossed_components
from inoc.studies.inoculation.analyse.inputs import Cell, Scores
from inoc.studies.inoculation.analyse.variance import FACTORS, Variance, variance
from inoc.studies.inoculation.runs import Run, prompt_texts, study_runs, total_steps
from inoc.studies.inoculation.study import Study
from support.fake_study import STRENGTH, make_study

RESAMPLER = Resampler(300, 0)
N = 30


def study(seeds: tuple[int, ...], prompts: tuple[str, ...] = ()) -> Study:
    training = {"steps": 8, "seeds": list(seeds), "checkpoints": [0, 8], "learning_rate": 1e-3}
    return make_study(training=training, runs=[{"prompts": list(prompts)}])


def made_up(study: Study) -> Scores:
    rng = np.random.default_rng(0)
    hardness, seed_level = rng.normal(0, 10, N), {seed: rng.normal(0, 3) for seed in study.training.seeds}
    cells = {}
    for run in study_runs(study):
        own = rng.normal(0, 4)
        for trait in study.traits:
            level = 80 - STRENGTH.get(run.prompt, 0) + own + seed_level[run.seed] * (not run.prompt)
            cells[Cell(run, 8, PLAIN, trait)] = level + hardness * (not run.prompt) + rng.normal(0, 6, N)
    return Scores(cells, [f"i{place}" for place in range(N)], {})


def suppressions(study: Study, scores: Scores, trait: str, prefix: str) -> np.ndarray:
    """Prompts × seeds × instructions."""
    step = total_steps(study)

    def of(run: Run) -> np.ndarray:
        return scores.cells[Cell(run, step, PLAIN, trait)]

    seeds = study.training.seeds
    return np.array(
        [
            [of(Run("", "none", 1e-3, seed)) - of(Run(prompt, prefix, 1e-3, seed)) for seed in seeds]
            for prompt in sorted(STRENGTH)
        ]
    )


def rows_of(found: Variance, trait: str = "playful", prefix: str = "fixed") -> tuple[pd.DataFrame, pd.DataFrame]:
    first, second = (pd.DataFrame(rows) for rows in (found.rows, found.power))
    first, second = (table[(table["trait"] == trait) & (table["prefix"] == prefix)] for table in (first, second))
    return first.set_index("source"), second.set_index(["n_instructions", "n_seeds"])


@pytest.mark.parametrize(("trait", "prefix"), [("playful", "fixed"), ("french", "mix")])
def test_components_are_those_of_the_table_of_suppressions(trait: str, prefix: str) -> None:
    one = study((0, 1, 2))
    scores = made_up(one)
    rows, _ = rows_of(variance(one, scores, RESAMPLER), trait, prefix)
    expected = crossed_components(suppressions(one, scores, trait, prefix), FACTORS, RESAMPLER).value
    assert rows["value"].to_dict() == pytest.approx(
        {source: expected[frozenset(source.split("_"))] for source in rows.index if source != "residual"}
        | {"residual": expected[frozenset(FACTORS)]}
    )
    assert (rows["n"] == len(STRENGTH) * 3 * N).all()
    assert (rows[["n_prompts", "n_seeds", "n_instructions"]] == [len(STRENGTH), 3, N]).all(axis=None)
    assert (rows["lo"] < rows["hi"]).all()
    assert (rows["includes"] == "").all()


def test_power_is_that_of_the_components() -> None:
    one = study((0, 1, 2))
    rows, power = rows_of(variance(one, made_up(one), RESAMPLER))
    spread = Spread(*rows["value"][["prompt_seed", "prompt_instruction", "residual"]])
    assert len(power) == 25
    for (n_instructions, n_seeds), row in power.iterrows():
        expected = detectable_difference(spread, Design(n_instructions, n_seeds, len(prompt_texts(one))))
        assert (row["difference"], row["error"], row["degrees"]) == pytest.approx(tuple(expected))
        assert row["lo"] < row["difference"] < row["hi"]
        assert row["compares"] == ("runs" if n_seeds == 1 else "prompts")


def test_power_has_an_interval_around_it_where_a_component_comes_out_negative() -> None:
    one = study((0, 1, 2))
    scores = made_up(one)
    rng = np.random.default_rng(1)
    for cell in scores.cells:
        scores.cells[cell] = rng.normal(50, 6, N)
    rows, power = rows_of(variance(one, scores, RESAMPLER))
    assert (rows["value"] < 0).any()
    assert ((power["lo"] <= power["difference"]) & (power["difference"] <= power["hi"])).all()


def test_one_seed_tells_neither_of_seeds_nor_of_their_power() -> None:
    one = study((0,))
    scores = made_up(one)
    found = variance(one, scores, RESAMPLER)
    rows, power = rows_of(found)
    unknown = ["seed", "prompt_seed", "seed_instruction", "prompt_instruction"]
    assert rows.loc[unknown, ["value", "lo", "hi", "sd"]].isna().all(axis=None)
    assert rows["includes"][["prompt", "instruction", "residual"]].tolist() == [
        "prompt_seed",
        "seed_instruction",
        "prompt_instruction",
    ]
    values = suppressions(one, scores, "playful", "fixed")[:, 0]
    rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    assert rows.loc["residual", "value"] == pytest.approx((rest**2).sum() / ((len(values) - 1) * (N - 1)))
    several = power.index.get_level_values("n_seeds") > 1
    assert power.loc[several, ["difference", "lo", "hi"]].isna().all(axis=None)
    assert power.loc[~several, ["difference", "lo", "hi"]].notna().all(axis=None)
    assert power.loc[(200, 1), "error"] == pytest.approx((2 * rows.loc["residual", "value"] / 200) ** 0.5)
    assert any(skip.what.startswith("variance between seeds of playful suppression (fixed") for skip in found.skipped)


def test_one_prompt_tells_of_no_difference_between_prompts() -> None:
    one = study((0, 1), ("clown",))
    found = variance(one, made_up(one), RESAMPLER)
    rows, power = rows_of(found)
    assert rows.loc[["seed", "instruction", "residual"], "value"].notna().all()
    assert power[["difference", "lo", "hi"]].isna().all(axis=None)
    assert {skip.why for skip in found.skipped} == {"there is one prompt"}


def test_failed_scores_are_counted_and_runs_that_are_not_there_are_not() -> None:
    one = study((0, 1))
    scores = made_up(one)
    scores.cells[Cell(Run("clown", "fixed", 1e-3, 0), 8, PLAIN, "playful")][:4] = np.nan
    del scores.cells[Cell(Run("witty", "fixed", 1e-3, 1), 8, PLAIN, "playful")]
    rows, _ = rows_of(variance(one, scores, RESAMPLER))
    assert set(rows["n_nan"]) == {4}
    assert set(rows["n"]) == {len(STRENGTH) * 2 * N - 4 - N}
    assert rows["value"].notna().all()


def test_nothing_scored_has_no_row() -> None:
    assert variance(study((0,)), Scores({}, [], {}), RESAMPLER) == ([], [], [])
