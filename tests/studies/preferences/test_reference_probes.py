"""Probes, vectors and steering of an earlier study, through the verbs; the import is that of `test_reference`."""

from __future__ import annotations

import contextlib
import html
import json
import re

import numpy as np
import pandas as pd
import pytest

from inoc.cli import main
from inoc.vectors.files import load_vectors
from support.released_preferences import FOLDER, needs_reference, released

pytestmark = needs_reference


@pytest.fixture
def paths(released_paths):
    return released_paths


@pytest.fixture
def tables(released_tables):
    return released_tables


def cosine_of(tables, first: str, second: str, statistic: str = "cosine") -> float:
    table = tables["released"]
    table = table[(table["source"] == "vectors") & (table["statistic"] == statistic)]
    named = table["of"].str.contains(first, regex=False) & table["of"].str.contains(second, regex=False)
    found = table[named]
    assert len(found) == 1, found.to_string()
    return float(found.iloc[0]["value"])


@pytest.mark.parametrize(
    ("first", "second", "alone", "with_intercept"),
    [
        ("probe_0005", "probe_0006", 0.302715, 0.940828),
        ("probe_0005", "probe_0009", 0.647807, 0.959718),
        ("probe_0006", "probe_0009", 0.651396, 0.956422),
    ],
)
def test_cosines_of_probes_are_those_of_coefficients_alone(tables, first, second, alone, with_intercept):
    assert cosine_of(tables, first, second) == pytest.approx(alone, abs=5e-7)
    published = cosine_of(tables, first, second, "cosine_with_intercept")
    assert published == pytest.approx(with_intercept, abs=5e-7)


def test_the_place_of_an_intercept_is_no_part_of_a_direction(tables, paths):
    vectors = {one.name.rsplit("/", 1)[-1]: one for one in load_vectors(paths.stage("imports") / "vectors.safetensors")}
    widths = {name: len(one.values) for name, one in vectors.items()}
    assert (widths["probe_0005"], widths["layer_16"], widths["evil_L43"]) == (4096, 4096, 5376)
    assert (vectors["probe_0005"].site, vectors["layer_24"].site) == ("resid_post.16", "resid_post.24")
    (path,) = FOLDER.rglob("probe_0005.npy")
    raw = np.load(path)
    assert np.array_equal(vectors["probe_0005"].values, raw[:-1])


def test_persona_vectors_without_their_trailing_0(tables):
    found = {
        ("evil", "stem_nerd"): 0.291885345,
        ("evil", "creative_artist"): -0.001259190,
        ("stem_nerd", "creative_artist"): -0.239025247,
    }
    for (first, second), value in found.items():
        assert cosine_of(tables, f"/{first}_L43", f"/{second}_L43") == pytest.approx(value, abs=1e-8)


def test_concept_vectors_have_norm_1_and_the_scale_of_their_site(tables):
    assert cosine_of(tables, "layer_16", "layer_24") == pytest.approx(0.474967, abs=5e-7)
    own = tables["released"]
    norms = own[(own["statistic"] == "norm") & own["of"].str.contains("layer_")]["value"]
    assert norms.to_numpy() == pytest.approx(1.0, abs=1e-6)
    stated = own[own["statistic"] == "vector_norm"]["value"]
    assert len(stated) == 9
    assert stated.to_numpy() == pytest.approx(1.0, abs=1e-6)
    layers = (11, 23, 34)
    scales = [released(tables, "gemma27b/manifest", f"last|{one}", "activation_norm")["value"] for one in layers]
    assert scales == pytest.approx([2509.8, 16067.3, 27182.8], abs=0.05)


def test_on_origins_that_were_held_out_a_probe_knows_half_of_what_was_published(tables):
    source, of = "hoo_evaluation_summary", "held_out, layer 16"
    found = [released(tables, source, of, f"{name}_mean")["value"] for name in ("r_squared", "r_squared_adjusted", "r")]
    assert found == pytest.approx([-0.4414180, 0.2047263, 0.4739886], abs=5e-8)
    published = released(tables, "hoo_validation_results", "training_included, layer 16", "r_mean")
    assert published["value"] == pytest.approx(0.8550, abs=5e-5)
    assert published["n"] == 4 * 1283


def test_the_errors_of_a_fold_imply_its_variance_and_its_bias(tables):
    source = "hoo_evaluation_summary"
    assert released(tables, source, "bailbench", "label_variance")["value"] == pytest.approx(0.141421, abs=5e-7)
    assert released(tables, source, "bailbench", "squared_bias")["value"] == pytest.approx(0.316047, abs=5e-7)
    for origin in ("alpaca", "bailbench", "math", "wildchat"):
        adjusted, implied, most = (
            released(tables, source, origin, name)["value"]
            for name in ("r_squared_adjusted", "r_squared_without_bias", "r_squared_at_most")
        )
        assert implied == pytest.approx(adjusted, abs=1e-9)
        assert adjusted <= most


@pytest.mark.parametrize(("layer", "weighted", "plain"), [(25, 0.733649, 0.805145), (32, 0.718319, 0.815675)])
def test_later_held_out_topics(tables, layer, weighted, plain):
    found = [released(tables, "tb-2", f"held_out, layer {layer}", f"r_{how}")["value"] for how in ("weighted", "mean")]
    assert found == pytest.approx([weighted, plain], abs=5e-7)


def test_stored_probes_say_what_their_manifests_say(tables):
    (manifest,) = FOLDER.rglob("probes/llama_3.1_8b_good_bad/manifests/probe_4_all_datasets/manifest.json")
    for probe in json.loads(manifest.read_text(encoding="utf-8"))["probes"]:
        of = f"{probe['id']}|16|{'+'.join(sorted(probe['datasets']))}"
        assert released(tables, str(manifest.parent.name), of, "cv_r2_mean")["value"] == probe["cv_r2_mean"]


@pytest.fixture(scope="module")
def page(released_paths) -> str:
    """The report of the import, drawn and written by the verbs."""
    with contextlib.chdir(released_paths.stage("analyse").parents[2]):
        main(["figures", "released"])
        main(["report", "released"])
    return (released_paths.stage("report") / "appendix.html").read_text(encoding="utf-8")


def rows_of(page: str, heading: str) -> list[list[str]]:
    """Cells of the first table below a heading of the page."""
    table = re.search(r"<table.*?</table>", page[page.index(heading) :], re.DOTALL)
    assert table is not None
    rows = re.findall(r"<tr.*?</tr>", table.group(), re.DOTALL)
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
    return [[html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in row] for row in cells]


def test_the_page_of_the_import_sets_published_and_right_values_side_by_side_with_the_reason(page):
    head, *listed = rows_of(page, "Published and right values")
    assert head == ["value", "of", "published", "right", "reason"]
    rows = {(row[0], row[2], row[3]): row[4] for row in listed}
    assert {key[1:] for key in rows if key[0] == "cosine of two probes"} == {
        ("0.941", "0.303"),
        ("0.960", "0.648"),
        ("0.956", "0.651"),
    }
    assert "intercept" in rows["cosine of two probes", "0.941", "0.303"]
    assert "training included" in rows["Pearson's r on origins that were held out", "0.855", "0.474"]
    assert "training included" in rows["R² on origins that were held out", "0.703", "−0.441"]
    backwards = rows["slope of ratings under steering", "−0.0852, called backwards", "−0.0852, forwards"]
    assert "bad = high" in backwards
    assert "its p is too small" in backwards
    assert "no answer" in rows["effect on pairs, points", "7.410", "8.059"]
    assert len(listed) == len(rows)


def test_the_import_has_figures_of_all_that_it_has_of_the_inside(page, paths, tables):
    folder = paths.stage("figures")
    for name in ("dose", "kept", "probe_layers", "probe_protocols", "probe_cosines"):
        assert (folder / f"{name}.png").stat().st_size > 5000
        assert "n = " in (folder / f"{name}.rst").read_text(encoding="utf-8")
    drawn = pd.read_csv(folder / "dose.csv")
    assert drawn["target"].nunique() == 6
    own = drawn[(drawn["target"] == "probe_rerun: diff_ab") & (drawn["coefficient"] == 2641)].set_index("kind")
    assert set(own.index) == {"own", "random"}
    assert 100 * own.loc["own", "difference"] == pytest.approx(8.421, abs=5e-3)  # over pairs in one order
    assert own.loc["own", "difference_lo"] > 0 > own.loc["random", "difference_lo"]
    places = pd.read_csv(folder / "probe_protocols.csv")
    assert (places["value_within"] > places["value_held_out"]).all()
    effects = rows_of(page, "Effects of steering")
    assert {"probe rerun", "random seed100", "generation", "task tokens"} <= {row[1] for row in effects}


def test_printed_deviations_over_topics_are_not_weighted(tables):
    (path,) = FOLDER.rglob("gemma3_10k_hoo_topic_tb-2/hoo_summary.json")
    for layer, printed in json.loads(path.read_text(encoding="utf-8"))["layer_summary"].items():
        values = [
            released(tables, "tb-2", f"held_out, layer {layer}", f"r_{how}")["value"] for how in ("weighted", "sd")
        ]
        assert values == pytest.approx([printed["ridge"]["mean_hoo_r"], printed["ridge"]["std_hoo_r"]], abs=1e-9)


def test_published_means_of_steering_tell_how_many_answers_are_missing(tables):
    own = tables["dose_response"]
    own = own[own["target"] == "steering_statistics"].set_index("coefficient")
    assert dict(own["n_answers"]) == {-5.0: 150, -3.0: 147, 0.0: 144, 3.0: 133, 5.0: 133}  # of 150 each: 43 are missing
    assert own["difference"].loc[5.0] == pytest.approx(own["mean"].loc[5.0] - own["mean"].loc[0.0])
    assert own[["lo", "hi"]].isna().all(axis=None)  # tasks were repeated, and which answers are theirs is not said


def test_dose_and_response_of_steered_ratings(tables):
    found = tables["steering_slopes"]
    found = found[(found["answers"] == "all") & found["target"].str.startswith("results_qualitative_ternary")]
    slopes = dict(zip(found["slope"].round(9), found["n"], strict=True))
    assert slopes == {round(1.002652102e-04, 9): 200, round(1.001441849e-05, 9): 196}


def test_effects_on_pairs_at_each_coefficient_are_in_the_table_of_doses(tables):
    own = tables["dose_response"]
    own = own[(own["answers"] == "all") & own["target"].str.startswith("phase4_random")]
    control = own[own["coefficient"] == 0].iloc[0]
    assert control["mean"] == pytest.approx(0.558362, abs=5e-7)  # per pair and order
    assert (own["n_answers"] >= own["n"]).all()


def test_held_out_evaluations_and_directions_are_in_the_tables_of_probes(tables):
    found = tables["probes"]
    own = found[found["probe"].str.endswith("hoo_evaluation_summary") & (found["metric"] == "r")]
    assert own["value"].mean() == pytest.approx(0.4739886, abs=5e-8)
    assert set(own["fold"]) == {"alpaca", "bailbench", "math", "wildchat", "mean of groups"}
    mean = own.set_index("fold").loc["mean of groups"]
    assert mean["value"] == pytest.approx(0.4739886, abs=5e-8)
    assert mean["lo"] < mean["value"] < mean["hi"]
    assert not found["probe"].str.contains("validation").any()  # training tasks are among those
    cosines = tables["probe_cosines"]
    pair = cosines[cosines["probe_a"].str.endswith("0005") & cosines["probe_b"].str.endswith("0006")]
    assert pair["cosine"].tolist() == pytest.approx([0.302715], abs=5e-7)
