from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from inoc.studies.subliminal.analyse.steering import STEERING, STEERING_BEST, Bounds, best_rows, steering_rows
from inoc.studies.subliminal.persona_pairs import STEERED

BOUNDS = Bounds(50, 75)


def sweep(
    effect: float, seed: int = 0, *, n_questions: int = 20, samples: int = 5, spoilt: float = 40.0
) -> pd.DataFrame:
    """Answers of one trait: its own vector at two sites and a random one, where a coefficient of 2 spoils coherence."""
    rng = np.random.default_rng(seed)
    questions = rng.normal(30, 8, n_questions)
    rows: list[tuple[object, ...]] = []
    cells = [("none", "", 0.0, 0.0), ("random 1", "resid_post.1", 1.0, 0.0)]
    cells += [
        ("trait", site, c, effect * c * strength)
        for site, strength in (("embed", 0.2), ("resid_post.1", 1.0))
        for c in (1.0, 2.0)
    ]
    for vector, site, coefficient, added in cells:
        for number, level in enumerate(questions):
            for sample in range(samples):
                score = float(np.clip(level + added + rng.normal(0, 10), 0, 100))
                coherence = spoilt if coefficient == 2 else 95.0
                rows.append(("owls", vector, site, coefficient, f"q{number:02d}", sample, score, coherence))
    return pd.DataFrame(rows, columns=list(STEERED))


def table(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(steering_rows(frame, BOUNDS, 0.95), columns=STEERING.names)


def test_a_cell_has_the_plain_mean_with_an_error_over_questions() -> None:
    frame = sweep(10)
    found = table(frame).set_index(["vector", "site", "coefficient"]).loc[("trait", "embed", 1.0)]
    own = frame[(frame["vector"] == "trait") & (frame["site"] == "embed") & (frame["coefficient"] == 1)]
    fit = sm.OLS(own["score"], np.ones(len(own))).fit(
        cov_type="cluster", cov_kwds={"groups": pd.factorize(own["question"])[0]}, use_t=True
    )
    assert found["trait_score"] == own["score"].mean()
    assert (found["lo"], found["hi"]) == pytest.approx(tuple(fit.conf_int().iloc[0]))
    assert (found["n"], found["n_nan"], found["n_questions"], found["n_incoherent"]) == (100, 0, 20, 0)


def test_differences_are_paired_with_the_unsteered_answers_of_the_question() -> None:
    frame = sweep(20)
    found = table(frame)
    by_question = frame.groupby(["vector", "site", "coefficient", "question"])["score"].mean()
    expected = (by_question["trait", "resid_post.1", 1.0] - by_question["none", "", 0.0]).to_numpy()
    cell = found.set_index(["vector", "site", "coefficient"]).loc[("trait", "resid_post.1", 1.0)]
    fit = sm.OLS(expected, np.ones(expected.size)).fit()
    assert cell["difference"] == pytest.approx(expected.mean())
    assert (cell["difference_lo"], cell["difference_hi"]) == pytest.approx(tuple(fit.conf_int()[0]))
    assert cell["p"] == pytest.approx(fit.pvalues[0])
    assert cell["q"] >= cell["p"]
    zero = found[found["coefficient"] == 0]
    assert set(zip(zero["vector"], zero["site"], strict=True)) == {
        ("trait", "embed"),
        ("trait", "resid_post.1"),
        ("random 1", "resid_post.1"),
    }
    assert zero["trait_score"].nunique() == 1
    assert zero["difference"].isna().all()
    assert found.loc[found["vector"] != "trait", "q"].isna().all()


def test_the_best_cell_is_coherent_and_the_best_by_score_alone_is_named_apart() -> None:
    frame = sweep(15)
    best = table(frame).query("is_best")
    assert best[["vector", "site", "coefficient"]].to_numpy().tolist() == [["trait", "resid_post.1", 1.0]]
    chosen = pd.DataFrame(best_rows(frame, BOUNDS, 0.95), columns=STEERING_BEST.names).set_index("chosen_by")
    assert chosen.loc["coherent", ["site", "coefficient"]].tolist() == ["resid_post.1", 1.0]
    assert chosen.loc["trait", ["site", "coefficient"]].tolist() == ["resid_post.1", 2.0]
    assert chosen.loc["trait", "coherence"] == 40


def test_no_cell_is_the_best_if_none_is_coherent() -> None:
    frame = sweep(15).assign(coherence=60.0)
    assert not table(frame)["is_best"].any()
    assert [row["chosen_by"] for row in best_rows(frame, BOUNDS, 0.95)] == ["trait"]


def test_without_a_judge_of_coherence_every_cell_can_be_the_best() -> None:
    frame = sweep(15).assign(coherence=np.nan)
    best = table(frame).query("is_best")
    assert best["coefficient"].tolist() == [2.0]
    assert best["coherence"].isna().all()
    assert best["coherent_score"].isna().all()


def test_a_cell_chosen_among_many_without_an_effect_looks_good_and_its_held_out_score_does_not() -> None:
    """Simulated null: no vector moves anything. The chosen cell's own score exceeds the truth; the held-out one not."""
    own, held, covered, found = [], [], [], []
    for seed in range(150):
        frame = sweep(0, seed, n_questions=8, samples=1, spoilt=95.0)
        truth = np.random.default_rng(seed).normal(30, 8, 8).mean()
        row = next(row for row in best_rows(frame, BOUNDS, 0.95) if row["chosen_by"] == "coherent")
        values = {key: float(str(row[key])) for key in ("trait_score", "held_out", "lo", "hi")}
        own.append(values["trait_score"] - truth)
        held.append(values["held_out"] - truth)
        rows = table(frame)
        found.append((rows.loc[rows["vector"] == "trait", "q"].min()) < 0.05)
        covered.append(values["lo"] <= truth <= values["hi"])
    assert np.mean(own) > 2
    assert abs(np.mean(held)) < 4 * np.std(held) / 150**0.5
    assert np.mean(found) < 0.09
    assert np.mean(covered) > 0.9
