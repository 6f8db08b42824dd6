"""Figures of statistics, drawn from simulated measurements and from none."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from inoc.figures.sources import Sources
from inoc.jobs.paths import Paths
from inoc.plots.save import save
from inoc.prefer.selection import Round
from inoc.studies.preferences.analyse.statistics import statistics
from inoc.studies.preferences.figures.entries import STATISTICS
from inoc.studies.preferences.inputs import Measured
from inoc.studies.preferences.selecting import Track
from inoc.tables import write_table
from support.preferences import comparisons, completions, rankings, ratings, study_of, tasks_of

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


@pytest.fixture(scope="module", params=["measured", "nothing"])
def sources(request, tmp_path_factory) -> Sources:
    paths = Paths(tmp_path_factory.mktemp(request.param), "simulated")
    known = request.param == "measured"
    history = [
        (Track("choice", "a", "a"), Round(number, 9, 9 * number + 9, 18, 0.5 + 0.1 * number, 1.0, 0.9, 0.3, 6.0, ""))
        for number in range(3 if known else 0)
    ]
    for name, (schema, rows) in statistics(simulated() if known else Measured(), STUDY, history).items():
        write_table(rows, schema, paths.table(name))
    return Sources(paths)


@pytest.mark.parametrize("entry", STATISTICS, ids=lambda one: one.name)
def test_every_figure_is_drawn_with_a_caption_that_names_n(entry, sources, tmp_path):
    module, function = entry.draws.split(":")
    drawing = getattr(import_module(module), function)(STUDY, sources)
    save(drawing, tmp_path / entry.name)
    assert (tmp_path / f"{entry.name}.png").stat().st_size > 1000
    assert "n = " in drawing.caption
    if "measured" in str(sources.paths.table("fits")):
        assert len(drawing.data)
