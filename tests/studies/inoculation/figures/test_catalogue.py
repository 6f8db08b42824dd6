"""Which figures a study has is known from its file alone, and at once."""

from __future__ import annotations

import importlib
import inspect
import pickle
import subprocess
import sys
from typing import Any

import pytest

from inoc.errors import ConfigError
from inoc.figures.entries import drawn_by, entry_of, figure_names, skipped_figures
from inoc.studies.inoculation.analyse.limits import FEWEST_TO_CLASSIFY
from inoc.studies.inoculation.figures.catalogue import ENTRIES
from inoc.studies.inoculation.figures.entries import geometry
from inoc.studies.inoculation.figures.entries.training import MOST_PROFILES
from support.study_tables import make_study

NO_RUNS: dict[str, Any] = {"runs": []}
CONTROLS: dict[str, Any] = {"prompts": {}, "runs": [{}]}
BEFORE_TRAINING = [
    *("prompts_pca_fixed", "prompts_pca_mix", "component_correlations"),
    *("angles_pairwise_fixed", "angles_pairwise_mix", "angles_groups", "angles_prompts"),
]
"""Figures of components and angles that need no run."""


MANY = {"classifier", "capability"}
"""What six prompts are too few for, and what needs closed questions."""
ALL = [entry.name for entry in ENTRIES if entry.name not in MANY]
GAPS = {"panels_gap", "gap_grid"}
METRICS = [entry.name for entry in ENTRIES if entry.name.startswith(("metrics", "fixed_mix"))]
PLACED = [entry.name for entry in geometry.ENTRIES]
HEURISTICS = [entry.name for entry in ENTRIES if entry.category in ("Heuristics", "Slides")]
TOKENS = ("token_rescued", "token_histogram", "token_ccdf")
AFTER_TRAINING = [name for name in PLACED if name not in BEFORE_TRAINING]
NEED_SUPPRESSION = (
    *("combined", "combined_wanted", "gate", "token_rescued", "self_perplexity", "embeddings"),
    *HEURISTICS,
    *METRICS,
    *AFTER_TRAINING,
)

PROFILES = ("profile_linear", "profile_log")
NEED_SCORES = (
    *PROFILES,
    "curves_linear",
    "curves_log",
    "bars",
    "rate_bars",
    "rate_change",
    "rate_types",
    *NEED_SUPPRESSION,
)


def without(*names: str) -> list[str]:
    return [entry.name for entry in ENTRIES if entry.name not in {*names, *MANY}]


def test_a_full_study_has_every_figure() -> None:
    assert figure_names(ENTRIES, make_study()) == ALL
    assert {skip.what.removeprefix("figure ") for skip in skipped_figures(ENTRIES, make_study())} == MANY


def test_a_study_with_many_prompts_is_classified() -> None:
    texts = {f"p{i}": f"Text {i}." for i in range(FEWEST_TO_CLASSIFY)}
    study = make_study(prompts={"many": {"family": "playful", "texts": texts}})
    assert "classifier" in figure_names(ENTRIES, study)


def test_more_prompts_than_a_panel_can_tell_apart_have_no_profile() -> None:
    few, many = ({f"p{i}": f"Text {i}." for i in range(n)} for n in (MOST_PROFILES, MOST_PROFILES + 1))
    assert {*PROFILES} <= set(figure_names(ENTRIES, make_study(prompts={"some": {"family": "playful", "texts": few}})))
    study = make_study(prompts={"some": {"family": "playful", "texts": many}})
    assert not {*PROFILES} & set(figure_names(ENTRIES, study))
    whys = [skip.why for skip in skipped_figures(ENTRIES, study) if "profile" in skip.what]
    assert len(whys) == 2
    assert all(why.startswith("15 prompts are more") for why in whys)


def test_a_study_without_mix_has_no_gap() -> None:
    lacking = set(ALL) - set(figure_names(ENTRIES, make_study(runs=[{"prefixes": ["fixed"]}])))
    assert lacking == {*GAPS, *(name for name in ALL if name.startswith("fixed_mix"))}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        (NO_RUNS, ["elicitation", "pca", "embedding_map", *TOKENS[1:], *BEFORE_TRAINING]),
        (CONTROLS, ["bars", "curves_linear", "curves_log", "losses"]),
        ({"runs": [{"control": False}]}, without(*NEED_SUPPRESSION)),
        ({"evaluation": {"gate": False}}, without("gate")),
        ({"evaluation": {"conditions": []}}, without(*NEED_SCORES)),
        (
            {"scoring": {"prefixes": []}},
            without("pca", *TOKENS, *PLACED, *METRICS, *(set(HEURISTICS) - {"slides_elicitation"})),
        ),
        (
            {"scoring": {"prefixes": ["fixed"]}},
            [name for name in ALL if not name.startswith("fixed_mix") and "_mix" not in name],
        ),
        (
            {"runs": [{"prefixes": ["mix"]}]},
            [name for name in ALL if not name.startswith("fixed_mix_gap") and name not in GAPS],
        ),
        ({"scoring": {"tokens": False}}, without(*TOKENS)),
        ({"scoring": {"self_perplexity": False}}, without("self_perplexity")),
        ({"embedding": None}, without("embeddings", "embedding_map")),
        ({"rates": {}}, without("rate_bars", "rate_change", "rate_types")),
        ({"training": {"steps": 60, "checkpoints": [30]}}, without("rate_change", "curves_log", "profile_log")),
    ],
)
def test_a_study_lacks_the_figures_that_it_cannot_have(changes: dict[str, Any], names: list[str]) -> None:
    assert figure_names(ENTRIES, make_study(**changes)) == names


def test_each_figure_is_drawn_or_skipped_with_a_reason() -> None:
    for changes in (NO_RUNS, CONTROLS):
        study = make_study(**changes)
        skipped = dict(skipped_figures(ENTRIES, study))
        assert len(figure_names(ENTRIES, study)) + len(skipped) == len(ENTRIES)
        assert all(skipped.values())


def test_an_unknown_figure_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="curves_log"):
        entry_of(ENTRIES, "curve_log")


def test_asking_for_the_names_imports_no_plotting_library() -> None:
    module = "inoc.studies.inoculation.figures.catalogue"
    code = f"import sys, {module}; assert not {{'matplotlib', 'scipy', 'pandas'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_entries_can_be_sent_to_another_process() -> None:
    for entry in ENTRIES:
        copy = pickle.loads(pickle.dumps(entry))
        assert (copy.name, copy.draws, copy.arguments) == (entry.name, entry.draws, entry.arguments)
        assert copy.missing(make_study()) == entry.missing(make_study())


def test_every_entry_names_a_function_that_takes_its_arguments() -> None:
    for entry in ENTRIES:
        module, name = drawn_by(entry)
        inspect.signature(getattr(importlib.import_module(module), name)).bind("study", "sources", *entry.arguments)


@pytest.mark.parametrize("name", ["curves_log", "profile_log"])
def test_two_checkpoints_have_no_second_figure_with_a_logarithmic_axis(name: str) -> None:
    study = make_study(training={"steps": 60, "seeds": [0], "checkpoints": "ends"})
    assert name not in figure_names(ENTRIES, study)
    assert "2 checkpoints" in dict(skipped_figures(ENTRIES, study))[f"figure {name}"]
