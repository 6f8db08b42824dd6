from __future__ import annotations

import numpy as np
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score, roc_auc_score

from inoc.stats.probes.labels import ceiling, precision_weights
from inoc.stats.probes.metrics import Outcomes, Rows, class_measures, regression_measures

GROUPS = np.arange(60, dtype=np.int64)


def _rows(seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    origins = rng.integers(0, 5, 60).astype(np.int64)
    y = rng.standard_normal(60) + origins + 100
    return Rows(y, y * 0.6 + rng.standard_normal(60) + 3, origins, GROUPS, y + rng.standard_normal(60))


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_measures_are_those_of_scikit_learn_and_numpy(seed: int) -> None:
    rows = _rows(seed)
    y, p = rows.measured, rows.predicted
    found = {name: one.value for name, one in regression_measures(rows, 0, 0, 0.95).items()}
    assert found["r2"] == pytest.approx(r2_score(y, p))
    assert found["mse"] == pytest.approx(mean_squared_error(y, p))
    assert found["r2_mean_adjusted"] == pytest.approx(r2_score(y, p - p.mean() + y.mean()))
    assert found["r"] == pytest.approx(np.corrcoef(y, p)[0, 1])
    frame = DataFrame({"y": y, "p": p, "o": rows.origins})
    means = frame.groupby("o").mean()
    assert found["r_between"] == pytest.approx(np.corrcoef(means["y"], means["p"])[0, 1])
    assert rows.reference is not None
    assert found["r2_beyond_origin"] == pytest.approx(1 - ((y - p) ** 2).sum() / ((y - rows.reference) ** 2).sum())


def test_r_within_is_the_partial_correlation_given_the_origin() -> None:
    rows = _rows()
    frame = DataFrame({"y": rows.measured, "p": rows.predicted, "o": rows.origins})
    residuals = [smf.ols(f"{one} ~ C(o)", frame).fit().resid for one in ("y", "p")]
    expected = np.corrcoef(residuals[0], residuals[1])[0, 1]
    assert regression_measures(rows, 0, 0, 0.95)["r_within"].value == pytest.approx(expected)


def test_mean_adjusted_r2_is_never_above_the_squared_correlation() -> None:
    for seed in range(50):
        found = regression_measures(_rows(seed), 0, 0, 0.95)
        assert found["r2"].value <= found["r2_mean_adjusted"].value <= found["r"].value ** 2 + 1e-12


def test_a_resample_is_what_drawing_its_groups_gives() -> None:
    rows = _rows()._replace(groups=np.repeat(np.arange(12), 5))
    found = regression_measures(rows, 3, 5, 0.95)
    counts = np.random.default_rng(5).multinomial(12, np.full(12, 1 / 12), 3)
    values = []
    for drawn in counts:
        own = np.concatenate([np.flatnonzero(rows.groups == group) for group in np.repeat(np.arange(12), drawn)])
        values.append(r2_score(rows.measured[own], rows.predicted[own]))
    assert found["r2"].lo == pytest.approx(np.quantile(values, 0.025), abs=1e-9)


def test_intervals_cover_the_truth_of_clustered_rows() -> None:
    """An interval that took rows for independent would hold it in about half of the studies."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        shared = rng.standard_normal((40, 2))[np.repeat(np.arange(40), 6)]
        own = rng.standard_normal((240, 2)) * 0.3
        y, p = (shared + own).T
        p = 0.5 * y + np.sqrt(0.75) * p
        rows = Rows(y, p, np.zeros(240, dtype=np.int64), np.repeat(np.arange(40), 6))
        r = regression_measures(rows, 300, 1, 0.95)["r"]
        hits += r.lo <= 0.5 <= r.hi
    assert 0.89 <= hits / 200 <= 0.98


def test_a_constant_label_has_no_r2_and_a_constant_prediction_no_r() -> None:
    rows = _rows()
    flat = regression_measures(rows._replace(measured=np.full(60, 4.7)), 20, 0, 0.95)
    assert np.isnan(flat["r2"].value)
    assert np.isnan(flat["r"].value)
    same = regression_measures(rows._replace(predicted=np.full(60, rows.measured.mean())), 20, 0, 0.95)
    assert same["r2"].value == pytest.approx(0)
    assert np.isnan(same["r"].value)


def test_classes_are_measured_as_scikit_learn_does() -> None:
    rng = np.random.default_rng(0)
    share = (rng.random(60) < 0.4).astype(np.float64)
    logits = np.round(rng.standard_normal(60) + share, 1) + 0.01
    found = class_measures(Outcomes(share, logits, np.ones(60), GROUPS), 100, 0, 0.95)
    chance = 1 / (1 + np.exp(-logits))
    assert found["auc"].value == pytest.approx(roc_auc_score(share, logits))
    assert found["log_loss"].value == pytest.approx(log_loss(share, chance))
    assert found["accuracy"].value == pytest.approx(accuracy_score(share, logits > 0))
    assert found["auc"].lo < found["auc"].value < found["auc"].hi


def test_one_class_has_no_area_under_the_curve() -> None:
    found = class_measures(Outcomes(np.ones(5), np.arange(5.0), np.ones(5), np.arange(5)), 10, 0, 0.95)
    assert np.isnan(found["auc"].value)


def test_the_ceiling_is_what_a_perfect_probe_reaches() -> None:
    """The R² of the true labels against those with errors, which nobody can beat in the long run."""
    rng = np.random.default_rng(0)
    true = rng.standard_normal(20_000)
    measured = true + rng.standard_normal(20_000) * 0.7
    found = ceiling(measured, np.full(20_000, 0.7), np.arange(20_000), 50, 0, 0.95)
    assert found["r2_ceiling"].value == pytest.approx(r2_score(measured, true), abs=0.02)
    assert found["r2_ceiling"].value == pytest.approx(1 / 1.49, abs=0.02)
    assert found["r_ceiling"].value == pytest.approx(np.corrcoef(true, measured)[0, 1], abs=0.02)


def test_uncertain_labels_weigh_less_and_unknown_errors_the_same() -> None:
    y = np.random.default_rng(0).standard_normal(50)
    weights = precision_weights(y, np.where(np.arange(50) < 25, 0.1, 2.0))
    assert weights[0] > weights[-1] > 0
    assert weights.mean() == pytest.approx(1)
    assert (precision_weights(y, np.full(50, np.nan)) == 1).all()
    assert (precision_weights(np.zeros(5), np.zeros(5)) == 1).all()
