from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from inoc.errors import DataError
from inoc.stats.correlation import exact_p, pearson
from inoc.stats.gram import angles, inner_products
from inoc.studies.inoculation.analyse.dimensions import (
    CROSS_PREDICTORS,
    cross_angles,
    cross_suppression_tests,
    dimension_tests,
    mean_angles,
)
from inoc.studies.inoculation.analyse.geometry import (
    Gram,
    axes_of,
    order_by_first,
    pair_mask,
    point_gram,
    prompt_groups,
    summarise_angles,
    token_gram,
)
from inoc.studies.inoculation.analyse.predictors import PointMatrix
from inoc.studies.inoculation.analyse.tokens import open_tokens
from support.fake_study import Tables, make_study
from support.jobs import run_job
from support.reference import angle_export, final_scores, needs_reference, shift_matrices
from support.token_tables import brute_matrix, ragged, write_tokens

SIX = ["n1", "n2", "p1", "p2", "z1", "z2"]
GROUPS: dict[str, Any] = {key: {"n": "negative", "p": "positive", "z": "neutral"}[key[0]] for key in SIX}


def gram_of(w: np.ndarray, prompts: list[str]) -> Gram:
    return point_gram(PointMatrix(prompts, w, 0))


@pytest.fixture
def w() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(0.1, 1, (6, 90)) + np.outer([3, 2, -1, -2, 0, 0.1], rng.normal(1, 0.3, 90))


def degrees(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))))


def test_blocks_add_up_to_the_gram_matrix(w: np.ndarray) -> None:
    gram = gram_of(w, SIX)
    assert len(gram.blocks) == 64
    assert gram.whole == pytest.approx(w @ w.T)
    assert gram.means == pytest.approx(w.mean(axis=1))


def test_components_point_along_the_mean_shift(w: np.ndarray) -> None:
    for method in ("pca", "svd"):
        scores = axes_of(gram_of(w, SIX), method, 3).scores
        assert all(np.corrcoef(column, w.mean(axis=1))[0, 1] >= 0 for column in scores.T)


def test_order_is_that_of_the_first_component(w: np.ndarray) -> None:
    centred = w - w.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    first = u[:, 0] * s[0] * np.sign(np.corrcoef(u[:, 0], w.mean(axis=1))[0, 1])
    assert order_by_first(gram_of(w, SIX)) == [SIX[place] for place in np.argsort(first)]


@pytest.mark.parametrize(("first", "second", "n"), [("negative", "negative", 2), ("negative", "neutral", 4)])
def test_group_angles_are_means_over_ordered_pairs(w: np.ndarray, first: Any, second: Any, n: int) -> None:
    kinds = [GROUPS[key] for key in SIX]
    pairs = [
        degrees(w[i], w[j]) for i in range(6) for j in range(6) if i != j and kinds[i] == first and kinds[j] == second
    ]
    found = summarise_angles(angles(w @ w.T), pair_mask(kinds, first, second))
    assert found == pytest.approx((np.mean(pairs), np.std(pairs), n, 0), abs=1e-6)


def test_group_sizes_are_those_of_ordered_pairs() -> None:
    kinds: list[Any] = ["negative"] * 21 + ["positive"] * 21 + ["neutral"] * 6
    sizes = [("negative", "negative"), ("positive", "positive"), ("negative", "positive"), ("negative", "neutral")]
    assert [int(pair_mask(kinds, *pair).sum()) for pair in sizes] == [420, 420, 441, 126]  # type: ignore[arg-type]


def test_mean_angles_leave_the_prompt_itself_out(w: np.ndarray) -> None:
    kinds = [GROUPS[key] for key in SIX]
    found = mean_angles(angles(w @ w.T), kinds, "negative")
    assert found[0] == pytest.approx(degrees(w[0], w[1]), abs=1e-6)
    assert found[3] == pytest.approx((degrees(w[3], w[0]) + degrees(w[3], w[1])) / 2, abs=1e-6)


def test_cross_angles_are_those_of_the_vectors(w: np.ndarray) -> None:
    found = cross_angles(gram_of(w, SIX), GROUPS)
    assert tuple(found) == CROSS_PREDICTORS
    centred = w - w.mean(axis=0)
    planes = {}
    for name, matrix in (("pca", centred), ("svd", w)):
        u, s, _ = np.linalg.svd(matrix, full_matrices=False)
        planes[name] = (u * s)[:, :2]
        axis = np.degrees(np.arctan2(np.abs(planes[name][:, 1]), np.abs(planes[name][:, 0])))
        assert found[f"angle_from_{name}_axis"][:4] == pytest.approx(axis[:4], abs=1e-6)
    for name, rows in (*planes.items(), ("raw", w)):
        values = found[f"angle_to_centroid_{name}"]
        assert values[0] == pytest.approx(degrees(rows[0], rows[2:4].mean(axis=0)), abs=1e-5)
        assert values[3] == pytest.approx(degrees(rows[3], rows[:2].mean(axis=0)), abs=1e-5)
        assert np.isnan(values[4:]).all()


def test_cross_suppression_is_that_of_the_other_trait(w: np.ndarray) -> None:
    gram = gram_of(w, SIX)
    suppression: dict[Any, dict[str, float]] = {
        "negative": {key: float(place) for place, key in enumerate(SIX)},
        "positive": {key: 10.0 - place**2 for place, key in enumerate(SIX)},
    }
    y = [10.0, 9.0, 2.0, 3.0]
    for name, found in cross_suppression_tests(gram, GROUPS, suppression).items():
        assert found.n == 4
        assert found.value == pytest.approx(np.corrcoef(cross_angles(gram, GROUPS)[name][:4], y)[0, 1])
    tests = dimension_tests(gram, suppression)
    assert [(one.dimension, one.group) for one in tests if one.on_diagonal] == [(1, "negative"), (2, "positive")] * 2
    scores = axes_of(gram, "svd", 2).scores
    found_r = next(one for one in tests if (one.method, one.dimension, one.group) == ("svd", 2, "positive"))
    y_all = [10.0 - place**2 for place in range(6)]
    assert found_r.correlation.value == pytest.approx(np.corrcoef(scores[:, 1], y_all)[0, 1])


@pytest.fixture(scope="module")
def dimension_job(tmp_path_factory: pytest.TempPathFactory) -> Any:
    tables = Tables(make_study())
    job = tables.job(tmp_path_factory.mktemp("results"))
    run_job(job)
    return job


def judged(job: Any, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table of tests, and the suppression that it is about, by trait and prompt (mix prefix)."""
    suppression = pd.read_parquet(job.paths.table("suppression"))
    last = suppression.query("prefix == 'mix' and seed == 'all' and step == step.max()")
    return pd.read_parquet(job.paths.table(name)), last.set_index(["trait", "prompt"])["suppression"]


def test_coordinates_are_tested_as_scipy_does(dimension_job: Any) -> None:
    table, suppression = judged(dimension_job, "dimension_tests")
    assert len(table) == 2 * 2 * 2 * 2 * 2  # levels, prefixes, methods, dimensions, traits
    coordinates = pd.read_parquet(dimension_job.paths.table("coordinates"))
    for row in table.query("prefix == 'mix'").itertuples():
        key = (
            f"level == '{row.level}' and prefix == 'mix' and method == '{row.method}' and component == {row.dimension}"
        )
        x = coordinates.query(key).set_index("prompt")["value"]
        y = suppression.loc[row.trait].reindex(x.index)
        expected = scipy.stats.pearsonr(x, y)
        bounds = expected.confidence_interval(0.95)
        assert (row.r, row.p, row.n, row.n_nan) == pytest.approx((expected[0], expected[1], 7, 0), abs=1e-6)
        assert (row.r_lo, row.r_hi) == pytest.approx((bounds.low, bounds.high), abs=1e-6)
        assert row.on_diagonal == ((row.dimension, row.trait) in {(1, "playful"), (2, "french")})
    assert table["q"].to_numpy() == pytest.approx(scipy.stats.false_discovery_control(table["p"]))


def test_cross_angles_are_tested_as_scipy_does(dimension_job: Any) -> None:
    table, suppression = judged(dimension_job, "cross_angle_tests")
    assert len(table) == 2 * 2 * 5  # levels, prefixes, predictors
    angle_rows = pd.read_parquet(dimension_job.paths.table("cross_angles"))
    assert set(angle_rows["family"]) == {"playful", "french"}
    other = {"playful": "french", "french": "playful"}
    for row in table.query("prefix == 'mix'").itertuples():
        key = f"level == '{row.level}' and prefix == 'mix' and predictor == '{row.predictor}'"
        own = angle_rows.query(key)
        y = [suppression[other[family], prompt] for family, prompt in zip(own["family"], own["prompt"], strict=True)]
        angles = own["angle_deg"].to_numpy()
        expected = (scipy.stats.pearsonr(angles, y)[0], exact_p(angles, np.array(y)), 5, 0)
        assert (row.r, row.p, row.n, row.n_nan) == pytest.approx(expected, abs=1e-9)
    assert table["q"].to_numpy() == pytest.approx(scipy.stats.false_discovery_control(table["p"]))


def test_a_study_whose_prompts_name_one_trait_has_no_other_trait_to_suppress(tmp_path: Path) -> None:
    prompts = {key: one for key, one in make_study().model_dump()["prompts"].items() if key != "french"}
    job = Tables(make_study(prompts=prompts)).job(tmp_path)
    run_job(job)
    assert len(pd.read_parquet(job.paths.table("dimension_tests")))
    assert not len(pd.read_parquet(job.paths.table("cross_angle_tests")))
    assert "suppression of the other trait" in (job.paths.stage("analyse") / "skipped.json").read_text()


def test_the_step_writes_all_levels_and_methods(tables: Tables, tmp_path: Path) -> None:
    job = tables.job(tmp_path)
    run_job(job)
    found = {name: pd.read_parquet(job.paths.table(name)) for name in ("components", "coordinates", "angles")}
    for name in ("components", "coordinates"):
        found[name] = found[name].query("level != 'embedding'")
        kinds = set(found[name][["level", "prefix", "method"]].itertuples(index=False, name=None))
        assert len(kinds) == 8
    shares = found["components"].set_index(["level", "prefix", "method", "component"]).sort_index()
    # Both tokens of a fake response move by the mean, so the tokens hold what the responses do, twice.
    for method in ("pca", "svd"):
        one, two = shares.loc[("point", "fixed", method)], shares.loc[("token", "fixed", method)]
        assert two["share"].to_numpy() == pytest.approx(one["share"].to_numpy(), abs=1e-5)
        assert two["energy"].to_numpy() == pytest.approx(one["energy"].to_numpy(), abs=1e-5)
    assert (found["components"].query("component == 1").eval("lo <= share and share <= hi")).all()
    assert set(found["angles"]["group"]) == {
        "within_negative",
        "cross_trait",
        "negative_neutral",
        "positive_neutral",
    }
    table = found["angles"].set_index(["level", "prefix", "representation", "group"])
    means = tables.logprobs.query("dataset == 'train'").pivot_table(
        index=["prompt", "prefix"], columns="example_id", values="mean"
    )
    w = {key: means.loc[(key, "fixed")] - means.loc[("", "none")] for key in ("paris", "sky", "cats")}
    pairs = [degrees(w["paris"].to_numpy(), w[key].to_numpy()) for key in ("sky", "cats")]
    assert table.loc[("point", "fixed", "raw", "positive_neutral"), "mean_deg"] == pytest.approx(np.mean(pairs))
    assert job.paths.table("pairwise_angles").with_suffix(".csv").exists()


def test_pairs_are_there_in_both_orders_and_placed_along_the_first_component(tables: Tables, tmp_path: Path) -> None:
    job = tables.job(tmp_path)
    run_job(job)
    pairs = pd.read_parquet(job.paths.table("pairwise_angles"))
    one = pairs.query("level == 'token' and prefix == 'mix' and representation == 'svd2'")
    square = one.pivot_table(index="prompt", columns="other", values="angle_deg", dropna=False)
    assert np.allclose(square, square.T, equal_nan=True)
    assert len(one) == 7 * 6
    coordinates = pd.read_parquet(job.paths.table("coordinates"))
    first = coordinates.query("level == 'point' and prefix == 'fixed' and method == 'pca' and component == 1")
    order = first.sort_values("value")["prompt"].tolist()
    assert one.drop_duplicates("prompt").sort_values("place")["prompt"].tolist() == order


def test_missing_tokens_stop_the_analysis(tables: Tables, tmp_path: Path) -> None:
    gone = (tables.logprobs["example_id"] == "train004") & (tables.logprobs["prompt"] == "sky")
    tables.logprobs = tables.logprobs[~gone]
    job = tables.job(tmp_path)
    with pytest.raises(DataError, match=r"'sky' .* example train004"):
        run_job(job)


def test_a_study_of_means_alone_says_that_it_has_no_tokens(tables: Tables, tmp_path: Path) -> None:
    tables.logprobs["logprobs"] = [[] for _ in range(len(tables.logprobs))]
    job = tables.job(tmp_path)
    run_job(job)
    assert set(pd.read_parquet(job.paths.table("angles"))["level"]) == {"point"}
    assert "no log-probabilities of tokens are stored" in (job.paths.stage("analyse") / "skipped.json").read_text()


def test_groups_follow_the_role_of_the_family() -> None:
    groups = prompt_groups(make_study())
    assert (groups["clown"], groups["paris"], groups["sky"]) == ("negative", "positive", "neutral")


def test_resampled_intervals_hold_the_whole_token_share(tmp_path: Path) -> None:
    tokens = ragged(["a", "b", "c"], 200)
    ids = [f"e{k:03d}" for k in range(200)]
    source = open_tokens([write_tokens(tmp_path / "t.parquet", tokens, ids)], ["a", "b", "c"], "fixed")
    gram = token_gram(source)
    brute = brute_matrix(tokens, ["a", "b", "c"])
    centred = brute - brute.mean(axis=0)
    singular = np.linalg.svd(centred, compute_uv=False)
    assert axes_of(gram, "pca").share == pytest.approx(singular[:2] ** 2 / (centred**2).sum())


@needs_reference
def test_released_matrices_give_the_published_shares() -> None:
    prompts, fixed, mix = shift_matrices()
    assert len(prompts) == 27
    for w_NK, published in ((fixed, (84.3, 3.8)), (mix, (66.7, 4.4))):
        found = axes_of(gram_of(w_NK, prompts), "pca", 2)
        assert np.round(100 * found.share, 1).tolist() == list(published)
    assert round(100 * axes_of(gram_of(fixed, prompts), "svd", 1).share[0], 1) == 82.0


@needs_reference
def test_released_first_components_follow_ph_as_published() -> None:
    prompts, fixed, mix = shift_matrices()
    first = {name: axes_of(gram_of(w_NK, prompts), "pca", 1).scores[:, 0] for name, w_NK in (("f", fixed), ("m", mix))}
    pairs = [(first["f"], fixed), (first["m"], fixed), (first["m"], mix)]
    found = [round(float(np.corrcoef(scores, w_NK.mean(axis=1))[0, 1]), 3) for scores, w_NK in pairs]
    assert found == [0.998, 0.946, 0.999]


@needs_reference
def test_released_angles_do_not_depend_on_the_route() -> None:
    prompts, fixed, _ = shift_matrices()
    inner = inner_products(gram_of(fixed, prompts).whole, "pca2")
    u, s, _ = np.linalg.svd(fixed - fixed.mean(axis=0), full_matrices=False)
    rows = (u * s)[:, :2]
    assert angles(inner)[3, 8] == pytest.approx(degrees(rows[3], rows[8]), abs=1e-4)


@needs_reference
def test_released_raw_angles_are_those_of_the_studys_own_export() -> None:
    """Its 21 playful and 6 neutral prompts are those of which the log-probabilities were released."""
    prompts, fixed, _ = shift_matrices()
    export = angle_export()
    kinds: list[Any] = [export["suppression"][prompt]["group_type"] for prompt in prompts]
    (raw,) = (one for one in export["methods"] if one["tag"] not in ("pca2", "svd2"))
    found = angles(inner_products(gram_of(fixed, prompts).whole, "raw"))
    published = [raw["per_prompt"][prompt]["mean_angle_to_neg"] for prompt in prompts]
    assert mean_angles(found, kinds, "negative") == pytest.approx(np.array(published), abs=1e-3)
    for name, other in (("within_negative", "negative"), ("neg_to_neutral", "neutral")):
        summary = summarise_angles(found, pair_mask(kinds, "negative", other))
        stats = raw["stats"][name]
        assert (summary.mean_deg, summary.sd_deg) == pytest.approx((stats["mean"], stats["std"]), abs=1e-3)
        assert summary.n_pairs == stats["n"]


@needs_reference
def test_released_export_subtracts_the_means_of_the_last_step() -> None:
    export = angle_export()
    for trait, name in (("Playful", "supp_neg"), ("French", "supp_pos")):
        scores = final_scores(trait)
        ours = {prompt: scores["no_inoculation"] - scores[prompt] for prompt in export["suppression"]}
        theirs = {prompt: one[name] for prompt, one in export["suppression"].items()}
        assert ours == pytest.approx(theirs, abs=1e-9)


@needs_reference
def test_released_angles_do_not_tell_the_suppression_of_the_other_trait() -> None:
    export = angle_export()
    named = [key for key, one in export["suppression"].items() if one["group_type"] != "neutral"]
    y = np.array([export["suppression"][key]["cross_supp"] for key in named])
    for predictor in CROSS_PREDICTORS:
        found = pearson(np.array([export["q2_predictors"][key][predictor] for key in named]), y)
        assert found.n == 42
        assert abs(found.value) < 0.15
