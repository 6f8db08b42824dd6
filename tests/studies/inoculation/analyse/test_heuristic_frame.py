"""Every heuristic of a study's rows, on ragged tokens, against float64 brute force."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from inoc.stats.bootstrap import Resampler
from inoc.studies.inoculation.analyse.geometry import geometry
from inoc.studies.inoculation.analyse.heuristic_values import heuristic_frame
from inoc.studies.inoculation.analyse.inputs import read_means, shifts
from inoc.studies.inoculation.analyse.rows import Row
from support.fake_study import make_study
from support.token_tables import brute_heuristics, brute_matrix, group, ragged, token_shifts, write

FAMILY = {"clown": "playful", "witty": "playful", "fun": "playful", "not_clown": "playful", "paris": "french"}
FAMILY |= {"sky": "neutral", "cats": "neutral"}
PROMPTS = sorted(FAMILY)
IDS = [f"e{place:02d}" for place in range(40)]
OF_OWN_PREFIX = {"H11": "h11", "H13": "h13", "H14": "h14", "HA2": "ha2", "HA3": "ha3", "HA4": "ha4", "HA5": "ha5"}
OF_FIXED = {"HB1": "hb1", "HB2": "hb2", "HB3": "hb3", "HB5": "hb5", "HB6": "hb6"}


@pytest.fixture(scope="module")
def tokens() -> dict[str, dict[str, list[np.ndarray]]]:
    """Prefix → prompt → token values; both prefixes have the same pass without one."""
    fixed = ragged(PROMPTS, len(IDS), 1)
    rng = np.random.default_rng(2)
    mix = {
        prompt: [0.5 * (row + base) + rng.normal(0, 0.2, row.shape) for row, base in zip(rows, fixed[""], strict=True)]
        for prompt, rows in fixed.items()
    }
    return {"fixed": fixed, "mix": {**mix, "": fixed[""]}}


@pytest.fixture(scope="module")
def frame(tokens: dict[str, dict[str, list[np.ndarray]]], tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    groups = [group("", "none", IDS, tokens["fixed"][""])]
    groups += [group(prompt, prefix, IDS, tokens[prefix][prompt]) for prefix in tokens for prompt in PROMPTS]
    path = write(tmp_path_factory.mktemp("score") / "logprobs-0.parquet", groups)
    study = make_study()
    grams = geometry(study, shifts(read_means([path])), [path], Resampler(20, 0)).grams
    return heuristic_frame(study, [path], grams, known()).set_index(["prompt", "trait", "prefix"])


def known() -> list[Row]:
    """Elicitation and PH, which have tests of their own, as numbers to be looked up."""
    rows: list[Row] = []
    for place, prompt in enumerate(PROMPTS):
        for prefix, factor in (("fixed", 1.0), ("mix", 7.0)):
            named = {"prompt": prompt, "prefix": prefix}
            rows.append({**named, "predictor": "ph", "trait": "all", "value": factor * (place + 1)})
            rows += [
                {**named, "predictor": "elicitation", "trait": trait, "value": factor * (10 * place + size)}
                for size, trait in enumerate(("playful", "french"))
            ]
    return rows


def point_rows(tokens: dict[str, list[np.ndarray]]) -> np.ndarray:
    """W: mean shift of each response that has a token, prompts × responses."""
    found = [[row.mean() for row in token_shifts(tokens, prompt) if row.size] for prompt in PROMPTS]
    return np.array(found)


def first_singular(w: np.ndarray, trait: str) -> dict[str, float]:
    places = [place for place, prompt in enumerate(PROMPTS) if FAMILY[prompt] in (trait, "neutral")]
    u, s, _ = np.linalg.svd(w[places], full_matrices=False)
    score = u[:, 0] * s[0]
    own = np.array([FAMILY[PROMPTS[place]] == trait for place in places])
    score *= np.sign(score[own].mean() - score[~own].mean())
    return {PROMPTS[place]: value for place, value in zip(places, score, strict=True)}


def oriented(score: np.ndarray, w: np.ndarray) -> np.ndarray:
    return score * np.sign(np.corrcoef(score, w.mean(axis=1))[0, 1])


def test_every_prompt_has_a_row_for_each_trait_and_prefix(frame: pd.DataFrame) -> None:
    assert len(frame) == len(PROMPTS) * 2 * 2
    assert frame.index.is_unique
    assert (frame["family"] == [FAMILY[prompt] for prompt, *_ in frame.index]).all()


def test_elicitation_and_ph_are_those_of_the_fixed_prefix_of_the_row(frame: pd.DataFrame) -> None:
    for (prompt, trait, _), row in frame.iterrows():
        place = PROMPTS.index(prompt)
        assert row["H1"] == 10 * place + ("playful", "french").index(trait)
        assert row["H2"] == place + 1


@pytest.mark.parametrize("level", ["H3", "H4"])
def test_axes_of_a_trait_are_those_of_its_own_and_the_neutral_prompts(
    frame: pd.DataFrame, tokens: dict[str, dict[str, list[np.ndarray]]], level: str
) -> None:
    w = point_rows(tokens["fixed"]) if level == "H3" else brute_matrix(tokens["fixed"], PROMPTS)
    for trait in ("playful", "french"):
        expected = first_singular(w, trait)
        for prefix in ("fixed", "mix"):
            rows = frame.xs((trait, prefix), level=("trait", "prefix"))[level]
            assert rows[list(expected)].to_numpy() == pytest.approx(list(expected.values()), rel=1e-6, abs=1e-6)
            assert rows.drop(list(expected)).isna().all()


def test_second_axes_are_of_all_prompts_and_turned_for_the_wanted_trait(
    frame: pd.DataFrame, tokens: dict[str, dict[str, list[np.ndarray]]]
) -> None:
    w = brute_matrix(tokens["fixed"], PROMPTS)
    u, s, _ = np.linalg.svd(w, full_matrices=False)
    expected = {
        "H9b": oriented(u[:, 1] * s[1], w),
        "H10": oriented(PCA(2, svd_solver="full").fit_transform(StandardScaler().fit_transform(w))[:, 1], w),
    }
    for key, values in expected.items():
        for trait, sign in (("playful", 1), ("french", -1)):
            for prefix in ("fixed", "mix"):
                found = frame.xs((trait, prefix), level=("trait", "prefix")).loc[PROMPTS, key]
                assert found.to_numpy() == pytest.approx(sign * values, rel=1e-6), key


@pytest.mark.parametrize("prefix", ["fixed", "mix"])
def test_token_heuristics_are_of_the_rows_own_prefix_and_shapes_of_the_fixed_one(
    frame: pd.DataFrame, tokens: dict[str, dict[str, list[np.ndarray]]], prefix: str
) -> None:
    for prompt in PROMPTS:
        own, fixed = (brute_heuristics(token_shifts(tokens[one], prompt), tokens[one][""]) for one in (prefix, "fixed"))
        expected = {key: own[name] for key, name in OF_OWN_PREFIX.items()}
        expected |= {key: fixed[name] for key, name in OF_FIXED.items()}
        expected["HB4"] = (PROMPTS.index(prompt) + 1) * fixed["hb1"]
        for trait in ("playful", "french"):
            row = frame.loc[(prompt, trait, prefix)]
            assert row[list(expected)].to_dict() == pytest.approx(expected, rel=1e-6)
