"""Figures of statistics, drawn from simulated measurements and from none."""

from __future__ import annotations

import warnings
from importlib import import_module

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from inoc.figures.sources import Sources
from inoc.jobs.paths import Paths
from inoc.plots.save import save
from inoc.plots.style import house_style
from inoc.prefer.selection import Round
from inoc.probe.tables import COSINES, PREDICTIONS, PROBES
from inoc.studies.preferences.analyse.dose_response import DOSE_RESPONSE, Bounds, dose_rows
from inoc.studies.preferences.analyse.selection_history import SELECTION_HISTORY, history_rows
from inoc.studies.preferences.analyse.statistics import statistics
from inoc.studies.preferences.analyse.steering_slopes import STEERING_SLOPES, slope_rows
from inoc.studies.preferences.analyse.vectors import VECTOR_COSINES, VECTORS
from inoc.studies.preferences.figures.entries import PROBES as PROBE_FIGURES
from inoc.studies.preferences.figures.entries import STATISTICS
from inoc.studies.preferences.figures.entries import STEERED as STEERING_FIGURES
from inoc.studies.preferences.figures.reliability import draw_cost
from inoc.studies.preferences.figures.steering import _null
from inoc.studies.preferences.figures.utilities import draw_selection
from inoc.studies.preferences.inputs import Measured
from inoc.studies.preferences.sections.inside import probe_blocks
from inoc.studies.preferences.sections.steering import steering_section
from inoc.studies.preferences.selecting import Track
from inoc.studies.preferences.steering_trials import TRIAL
from inoc.tables import write_table
from support.preferences import comparisons, completions, rankings, ratings, study_of, tasks_of
from support.text_boxes import outside, text_boxes

STUDY = study_of(seeds=[0, 1, 2], fit={"models": ["case_v"], "penalties": [0.01, 1.0]})


def simulated() -> Measured:
    tasks, origins = tasks_of(24)
    rng = np.random.default_rng(0)
    mu = {task: float(rng.normal()) for task in tasks}
    refused = frozenset(tasks[:4])
    return Measured(
        pd.concat([ratings(mu, origins), ratings(mu, origins, "likert", noise=1.0)]),
        comparisons(mu, origins, 120, refused=refused),
        rankings(mu, origins, 40),
        completions(origins, refused),
        origins,
    )


def written(folder, rounds: int = 3, *, known: bool = True) -> Sources:
    paths = Paths(folder, "simulated")
    history = [
        (Track("choice", "a", "a"), Round(number, 9, 9 * number + 9, 18, 0.5 + 0.1 * number, 1.0, 0.9, 0.3, 6.0, ""))
        for number in range(rounds if known else 0)
    ]
    for name, (schema, rows) in statistics(simulated() if known else Measured(), STUDY, history).items():
        write_table(rows, schema, paths.table(name))
    return Sources(paths)


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Sources:
    return written(tmp_path_factory.mktemp("measured"))


@pytest.fixture(scope="module", params=["measured", "nothing"])
def sources(request, tmp_path_factory) -> Sources:
    known = request.param == "measured"
    return request.getfixturevalue("measured") if known else written(tmp_path_factory.mktemp("nothing"), known=False)


@pytest.mark.parametrize("entry", STATISTICS, ids=lambda one: one.name)
def test_every_figure_is_drawn_with_a_caption_that_names_n(entry, sources, tmp_path):
    module, function = entry.draws.split(":")
    drawing = getattr(import_module(module), function)(STUDY, sources)
    save(drawing, tmp_path / entry.name)
    assert (tmp_path / f"{entry.name}.png").stat().st_size > 1000
    assert "n = " in drawing.caption
    if "measured" in str(sources.paths.table("fits")):
        assert len(drawing.data)


def test_reliabilities_that_are_not_known_are_said_to_be_missing(sources, tmp_path):
    """A study of few answers has rows of reliability without values, and had axes with nothing between them."""
    schema, rows = statistics(Measured(), STUDY, [])["reliability"]
    table = Sources(Paths(tmp_path, "simulated"))
    known = sources.table("reliability", tuple(rows.columns))
    write_table(known.assign(value=np.nan, lo=np.nan, hi=np.nan), schema, table.paths.table("reliability"))
    assert draw_cost(STUDY, table).caption.startswith("No instrument has a reliability")


PROBED = study_of(probes={"liking": {"target": "stars"}, "chosen": {"target": "choice", "method": "pairs"}})


def _probed() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(0)
    where = [
        (probe, site, readout)
        for probe in PROBED.probes
        for site in ("resid_post.0", "resid_post.3", "final_norm")
        for readout in ("prompt_last", "prompt_mean")
    ]
    rows = []
    for probe, site, readout in [*where, *((probe, "", "") for probe in PROBED.probes)]:
        metrics = ("r", "r_within", "accuracy") if probe == "chosen" else ("r", "r_within", "r2", "p")
        for protocol in ("within", "held_out_origin"):
            for metric in metrics:
                for baseline in ("", "random") if site else ("words", "origin"):
                    value = float(rng.uniform(-0.2, 0.9))
                    numbers = (value, value - 0.1, value + 0.1, 40, baseline)
                    rows.append((probe, "stars", site, readout, protocol, "all", metric, *numbers))
    predictions = [
        (*one, "within", "0", f"t{at}", "maths", np.nan, *rng.normal(size=4)) for one in where for at in range(12)
    ]
    cosines = [
        ("liking", a, "chosen", b, "resid_post.0", "prompt_last", 0.4, 0.1, 0.6, -0.2, 0.2, 0.01, 40, 40, 10)
        for a, b in (("", ""), ("maths", "maths"))
    ]
    return {
        "probes": pd.DataFrame(rows, columns=PROBES.names),
        "probe_predictions": pd.DataFrame(predictions, columns=PREDICTIONS.names),
        "probe_cosines": pd.DataFrame(cosines, columns=COSINES.names),
    }


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("entry", PROBE_FIGURES, ids=lambda one: one.name)
def test_every_figure_of_probes_is_drawn_with_a_caption_that_names_n(entry, known, tmp_path):
    schemas = {"probes": PROBES, "probe_predictions": PREDICTIONS, "probe_cosines": COSINES}
    paths = Paths(tmp_path, "simulated")
    for name, frame in _probed().items():
        write_table(frame if known else frame.iloc[:0], schemas[name], paths.table(name))
    module, function = entry.draws.split(":")
    drawing = getattr(import_module(module), function)(PROBED, Sources(paths))
    save(drawing, tmp_path / entry.name)
    assert "n = " in drawing.caption
    assert bool(len(drawing.data)) == known


def test_the_report_has_probes_beside_their_baselines():
    blocks = probe_blocks(PROBED, _probed())
    assert [len(block.table.rows) for block in blocks[::2]] == [4, 2]
    said = {row[1] for row in blocks[1].table.rows}
    assert said == {"words", "origin", "random"}


STEERED = study_of(
    concepts={"glad": {"positive": "You are glad.", "negative": "You are sad."}},
    probes={"liking": {"target": "stars", "label": "liking"}},
    steering={"vectors": ["probe:liking"], "targets": {"both": {"instrument": "choice", "text": "differential"}}},
)


def _steered() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(0)
    rows = []
    for k in range(12):
        item = ("resid_post.0", "both", "differential")
        rows.append(("none", *item, 0.0, f"t{k}", f"t{k + 1}", 0.5, 0.0, 90.0))
        combinations = [f"combination {at}" for at in range(1, 7)]
        for vector in ("probe:liking", "shuffled:liking", "random 1", "random 2", *combinations):
            for dose in (-0.1, 0.1):
                value = float(rng.uniform()) if vector != "probe:liking" else 0.5 + dose
                rows.append((vector, *item, dose, f"t{k}", f"t{k + 1}", value, 0.1, 90.0 - 100 * abs(dose)))
    trials = pd.DataFrame(rows, columns=list(TRIAL))
    bounds = Bounds(50.0, 0.75)
    numbers = (1.0, 10.0, 0.1, 0.9, 0.5, 0.2, 0.7, 0.6, 0.8, 0.7, 0.9, 0.01, 0.9, 24, 0, 24)
    where = [("with", 1), ("without", 1), ("with", 3)]
    vectors = [("concept:glad", "response_mean", f"resid_post.{at}", context, *numbers) for context, at in where]
    cosines = [("resid_post.1", "refusal", "concept:glad", 0.1, -0.2, 0.2, 0.4, 64)]
    return {
        "dose_response": pd.DataFrame(dose_rows(trials, bounds, 0.95), columns=DOSE_RESPONSE.names),
        "steering_slopes": pd.DataFrame(slope_rows(trials, bounds, 0.95), columns=STEERING_SLOPES.names),
        "vectors": pd.DataFrame(vectors, columns=VECTORS.names),
        "vector_cosines": pd.DataFrame(cosines, columns=VECTOR_COSINES.names),
    }


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("entry", STEERING_FIGURES, ids=lambda one: one.name)
def test_every_figure_of_steering_is_drawn_with_a_caption_that_names_n(entry, known, tmp_path):
    schemas = {"dose_response": DOSE_RESPONSE, "vectors": VECTORS}
    paths = Paths(tmp_path, "simulated")
    for name, schema in schemas.items():
        frame = _steered()[name]
        write_table(frame if known else frame.iloc[:0], schema, paths.table(name))
    module, function = entry.draws.split(":")
    drawing = getattr(import_module(module), function)(STEERED, Sources(paths))
    save(drawing, tmp_path / entry.name)
    assert "n = " in drawing.caption
    assert bool(len(drawing.data)) == known


def test_bands_are_of_many_vectors_and_few_have_a_line_each():
    table = _steered()["dose_response"]
    figure, axes = plt.subplots()
    few, many = (_null(axes, table, kind, "difference") for kind in ("random", "combination"))
    assert (few["vector"].nunique(), many["vector"].nunique()) == (2, 6)
    lines, bands = len(axes.lines), len(axes.collections)
    plt.close(figure)
    assert (lines, bands) == (2, 3)


def test_the_report_has_effects_beside_random_vectors_and_what_is_lost():
    blocks = {block.heading: block.table for block in steering_section(STEERED, _steered()).blocks}
    assert [len(blocks[name].rows) for name in ("Vectors", "What directions share")] == [3, 1]
    (target, vector, answers, *_, beyond, _, _, beyond_combinations, p, _) = blocks["Effects of steering"].rows[0]
    assert (target, vector, answers) == ("choice, first less second", "liking (probe)", "all")
    assert beyond.endswith("of 2")
    assert beyond_combinations.endswith("of 6")
    slopes = _steered()["steering_slopes"]
    own = slopes[(slopes["vector"] == "probe:liking") & (slopes["answers"] == "all")].iloc[0]
    assert float(p) == pytest.approx(own["combination_p"], abs=5e-4)
    # At three coefficients: the probe, that of shuffled labels, and each of so few random vectors.
    assert len(blocks["Answers that are lost"].rows) == 3 * 4
    assert not blocks["Published and right values"].rows


# --- axes that count, and labels that are no plain words

LONG = "an exceedingly long name that no column and no title of any figure can have the room for at all " * 3
HOSTILE = ["$\\frac{a}$ {x} %d _^&<b> $", "\\oops $broken", "雪だるま 🙂", "שלום עולם", LONG, "", "Cafe\u0301 a/b"]


def _hostile(study, at):
    """The study, whose models, instruments, origins and probes have such labels."""
    values = study.model_dump(exclude_unset=True)
    for name in ("models", "instruments", "probes", "concepts"):
        for number, key in enumerate(values.get(name, {})):
            values[name][key] = {**values[name][key], "label": HOSTILE[(at + number) % len(HOSTILE)]}
    for number, key in enumerate(values["tasks"]["origins"]):
        values["tasks"]["origins"][key]["label"] = HOSTILE[(at + number + 3) % len(HOSTILE)]
    return type(study).model_validate(values)


@pytest.mark.parametrize("entry", STATISTICS, ids=lambda one: one.name)
def test_labels_are_drawn_as_they_are_written(entry, measured, tmp_path):
    module, function = entry.draws.split(":")
    draw = getattr(import_module(module), function)
    for at in (0, 4):
        with warnings.catch_warnings(), house_style():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "Glyph")
            warnings.filterwarnings("ignore", "The 'lsuffix'")
            drawing = draw(_hostile(STUDY, at), measured)
            save(drawing, tmp_path / f"{at}")
            boxes = text_boxes(drawing.figure)
        assert outside(drawing.figure, boxes) == []


@pytest.mark.parametrize("entry", [*PROBE_FIGURES, *STEERING_FIGURES], ids=lambda one: one.name)
def test_labels_of_probes_and_concepts_are_drawn_as_they_are_written(entry, tmp_path):
    schemas = {"probes": PROBES, "probe_predictions": PREDICTIONS, "probe_cosines": COSINES}
    schemas |= {"dose_response": DOSE_RESPONSE, "vectors": VECTORS}
    paths = Paths(tmp_path, "simulated")
    tables = _probed() | _steered()
    for name, schema in schemas.items():
        write_table(tables[name], schema, paths.table(name))
    study = PROBED if entry in PROBE_FIGURES else STEERED
    module, function = entry.draws.split(":")
    for at in range(len(HOSTILE)):
        with warnings.catch_warnings(), house_style():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "Glyph")
            drawing = getattr(import_module(module), function)(_hostile(study, at), Sources(paths))
            save(drawing, tmp_path / f"{at}")
            boxes = text_boxes(drawing.figure)
        assert outside(drawing.figure, boxes) == [], HOSTILE[at]


@pytest.mark.parametrize("rounds", [1, 2, 3, 7])
def test_rounds_of_a_selection_are_whole_numbers(rounds, tmp_path):
    paths = Paths(tmp_path, "simulated")
    track = Track("choice", "a", "a")
    history = [(track, Round(number, 9, 9, 18, 0.5, 1.0, 0.9, 0.3, 6.0, "")) for number in range(1, rounds + 1)]
    write_table(history_rows(history), SELECTION_HISTORY, paths.table("selection_history"))
    axes = draw_selection(STUDY, Sources(paths)).figure.axes[0]
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert ticks
    assert all(float(tick).is_integer() for tick in ticks)
