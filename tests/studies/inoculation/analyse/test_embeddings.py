from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.decomposition import PCA

from inoc.stats.bootstrap import Resampler
from inoc.studies.inoculation.analyse.embeddings import embeddings, with_embeddings
from inoc.studies.inoculation.study import Study
from support.fake_study import embedding_table, make_study

RESAMPLER = Resampler(200, 0)
FAMILY = {"clown": "playful", "witty": "playful", "fun": "playful", "not_clown": "playful"}
FAMILY |= {"sky": "neutral", "cats": "neutral", "paris": "french"}


@pytest.fixture(scope="module")
def study() -> Study:
    return make_study()


def values(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Prompt × statistic."""
    rows = pd.DataFrame(embeddings(study, table, RESAMPLER).rows)
    return rows.pivot_table(index="prompt", columns="statistic", values="value", dropna=False)


def unit(table: pd.DataFrame) -> dict[str, np.ndarray]:
    vectors = {p: np.asarray(v, dtype=float) for p, v in zip(table["prompt"], table["vector"], strict=True)}
    return {prompt: vector / np.linalg.norm(vector) for prompt, vector in vectors.items()}


def mean_of(units: dict[str, np.ndarray], family: str) -> np.ndarray:
    mean = np.mean([vector for prompt, vector in units.items() if FAMILY[prompt] == family], axis=0)
    return mean / np.linalg.norm(mean)


def test_places_are_those_of_plain_vector_algebra(study: Study) -> None:
    table = embedding_table(study)
    found, units = values(study, table), unit(table)
    for prompt, vector in units.items():
        cosine = vector @ mean_of(units, "neutral")
        assert found.loc[prompt, "emb_dist_from_neutral"] == pytest.approx((2 - 2 * cosine) ** 0.5)
        assert found.loc[prompt, "emb_cos_to_negative_trait"] == pytest.approx(vector @ mean_of(units, "playful"))
        assert found.loc[prompt, "emb_cos_to_positive_trait"] == pytest.approx(vector @ mean_of(units, "french"))


def test_statistics_of_rephrasings_are_those_of_their_cosines(study: Study) -> None:
    table = embedding_table(study)
    table.at[0, "cosines"] = [0.5, np.nan, 0.7, 0.9]
    rows = pd.DataFrame(embeddings(study, table, RESAMPLER).rows).set_index(["prompt", "statistic"])
    for prompt, cosines in zip(table["prompt"], table["cosines"], strict=True):
        known = np.asarray(cosines)[~np.isnan(cosines)]
        mean = rows.loc[(prompt, "emb_rephrase_mean_cos")]
        assert mean["value"] == pytest.approx(known.mean())
        half = stats.sem(known) * stats.t.ppf(0.975, len(known) - 1)
        assert (mean["lo"], mean["hi"]) == pytest.approx((known.mean() - half, known.mean() + half))
        assert rows.loc[(prompt, "emb_rephrase_std_cos"), "value"] == pytest.approx(known.std(ddof=1))
        assert rows.loc[(prompt, "emb_rephrase_min_cos"), "value"] == known.min()
    assert list(rows.loc[("clown", "emb_rephrase_mean_cos"), ["n", "n_nan"]]) == [3, 1]


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(0.1, 10), seed=st.integers(0, 99))
def test_length_and_rotation_of_the_space_change_nothing(scale: float, seed: int) -> None:
    study = make_study()
    table = embedding_table(study)
    turn = stats.ortho_group.rvs(8, random_state=seed)
    turned = table.assign(vector=[scale * turn @ np.asarray(one, dtype=float) for one in table["vector"]])
    pd.testing.assert_frame_equal(values(study, table), values(study, turned), rtol=1e-5, atol=1e-6)


def test_components_are_those_of_scikit_learn(study: Study) -> None:
    table = embedding_table(study).sort_values("prompt")
    found = embeddings(study, table, RESAMPLER)
    matrix = np.stack(list(unit(table).values()))
    pca = PCA(3).fit(matrix)
    shares = [row["share"] for row in found.components][:3]
    assert shares == pytest.approx(list(pca.explained_variance_ratio_))
    scores = pd.DataFrame(found.coordinates).pivot_table(index="prompt", columns="component", values="value")
    for c in (1, 2, 3):
        np.testing.assert_allclose(np.abs(scores[c]), np.abs(pca.transform(matrix)[:, c - 1]), atol=1e-9)


def test_a_vector_without_a_direction_is_nan_and_leaves_the_others_alone(study: Study) -> None:
    table = embedding_table(study)
    broken = table.assign(vector=[0 * one if p == "fun" else one for p, one in table[["prompt", "vector"]].to_numpy()])
    found = values(study, broken)
    assert np.isnan(found.loc["fun", "emb_dist_from_neutral"])
    distance = values(study, table)["emb_dist_from_neutral"].drop("fun")
    pd.testing.assert_series_equal(found["emb_dist_from_neutral"].drop("fun"), distance)


def frame_of(study: Study) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    rows = [
        {"prompt": p, "family": f, "trait": t, "prefix": x, "H1": rng.normal(), "H4": rng.normal()}
        for t in ("french", "playful")
        for p, f in FAMILY.items()
        for x in ("fixed", "mix")
    ]
    frame = pd.DataFrame(rows).assign(role=lambda f: f["trait"].map({"playful": "negative", "french": "positive"}))
    own = (frame["family"] == frame["trait"]) | (frame["family"] == "neutral")
    return frame.assign(H4=frame["H4"].where(own))


def test_h7_adds_scores_that_are_standardised_for_each_trait_and_prefix(study: Study) -> None:
    rows = embeddings(study, embedding_table(study), RESAMPLER).rows
    found, skipped = with_embeddings(frame_of(study), rows)
    assert skipped == []
    for (trait, prefix), block in found.groupby(["trait", "prefix"]):
        own = block[(block["family"] == trait) | (block["family"] == "neutral")]
        z = {key: stats.zscore(own[key], ddof=1) for key in ("H1", "H4", "H5", "H6")}
        expected = z["H1"] + z["H4"] + z["H5"] - (z["H6"] if prefix == "mix" else 0)
        assert own["H7"].to_numpy() == pytest.approx(np.asarray(expected))
        assert block.drop(own.index)["H7"].isna().all()


def test_h9a_is_the_cosine_to_the_prompts_of_the_other_role(study: Study) -> None:
    rows = embeddings(study, embedding_table(study), RESAMPLER).rows
    known = {(row["prompt"], row["statistic"]): row["value"] for row in rows}
    found, _ = with_embeddings(frame_of(study), rows)
    for prompt, trait, value in found[["prompt", "trait", "H9a"]].to_numpy():
        other = {"playful": "positive", "french": "negative"}[trait]
        assert value == known[prompt, f"emb_cos_to_{other}_trait"]


def test_what_a_study_has_no_prompts_for_is_named_and_not_guessed() -> None:
    prompts = {"strong": {"family": "playful", "texts": {"clown": "clown", "fun": "fun"}}}
    study = make_study(prompts=prompts)
    found = embeddings(study, embedding_table(study), RESAMPLER)
    lacking = {"emb_dist_from_neutral", "emb_cos_to_positive_trait"}
    assert {skip.what for skip in found.skipped} == lacking
    assert not lacking & {row["statistic"] for row in found.rows}
    frame = frame_of(study)
    told, skipped = with_embeddings(frame[frame["prompt"].isin(["clown", "fun"])], found.rows)
    assert {skip.what for skip in skipped} == {"heuristic H5", "heuristic H7", "heuristic H9a"}
    assert set(told.columns) - set(frame.columns) == {"H6"}


def test_without_embeddings_nothing_is_added(study: Study) -> None:
    none = embeddings(study, None, RESAMPLER)
    assert (none.rows, none.components, none.coordinates) == ([], [], [])
    frame, skipped = with_embeddings(frame_of(study), none.rows)
    assert {skip.what for skip in skipped} == {f"heuristic {key}" for key in ("H5", "H6", "H7", "H9a")}
    assert list(frame) == list(frame_of(study))
