"""Probes, vectors and steering of an earlier study, through the verbs; the import is that of `test_reference`."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest

from inoc.config.load import load_study
from inoc.studies.preferences.sections.steering import steering_section
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
    raw = np.load(next(FOLDER.rglob("probe_0005.npy")))
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


def test_the_page_of_the_import_sets_published_and_right_values_side_by_side_with_the_reason(tables, paths):
    with contextlib.chdir(paths.stage("analyse").parents[2]):
        study = load_study("released")
    (block,) = [one for one in steering_section(study, tables).blocks if one.heading == "Published and right values"]
    rows = {(row[0], row[2], row[3]): row[4] for row in block.table.rows}
    assert ("cosine of two probes", "0.941", "0.303") in rows
    assert ("Pearson's r on origins that were held out", "0.855", "0.474") in rows
    assert ("slope of ratings under steering", "−0.0852, called backwards", "−0.0852, forwards") in rows
    assert ("effect on pairs, points", "7.410", "8.059") in rows
    assert all(rows.values())


def test_dose_and_response_of_steered_ratings(tables):
    found = tables["steering_slopes"]
    found = found[(found["answers"] == "all") & found["target"].str.startswith("results_qualitative_ternary")]
    slopes = dict(zip(found["slope"].round(9), found["n"], strict=True))
    assert slopes == {round(1.002652102e-04, 9): 200, round(1.001441849e-05, 9): 196}


def test_effects_on_pairs_at_each_coefficient_are_in_the_table_of_doses(tables):
    own = tables["dose_response"]
    own = own[(own["answers"] == "all") & own["target"].str.startswith("phase4_random")]
    control = own[own["coefficient"] == 0].iloc[0]
    assert control["mean"] == pytest.approx(0.558362, abs=0.01)
    assert (own["n_answers"] >= own["n"]).all()


def test_held_out_evaluations_and_directions_are_in_the_tables_of_probes(tables):
    found = tables["probes"]
    own = found[found["probe"].str.endswith("hoo_evaluation_summary") & (found["metric"] == "r")]
    assert own["value"].mean() == pytest.approx(0.4739886, abs=5e-8)
    assert set(own["fold"]) == {"alpaca", "bailbench", "math", "wildchat"}
    assert not found["probe"].str.contains("validation").any()  # training tasks are among those
    cosines = tables["probe_cosines"]
    pair = cosines[cosines["probe_a"].str.endswith("0005") & cosines["probe_b"].str.endswith("0006")]
    assert pair["cosine"].tolist() == pytest.approx([0.302715], abs=5e-7)
