"""Labels of probes: mean ratings, utilities, refusals, and single choices, with their errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from inoc.errors import DataError
from inoc.files import parse_json, read_text
from inoc.stats.means import NAN
from inoc.stats.probes.logistic import Observed
from inoc.studies.preferences.analyse.fits import Fitted
from inoc.studies.preferences.compared import as_comparisons
from inoc.studies.preferences.inputs import Measured
from inoc.studies.preferences.inside import REFUSED, Probe
from inoc.studies.preferences.roles import label_completer, probe_rater, read_completer, template_of
from inoc.studies.preferences.study import NONE, Study
from inoc.studies.preferences.tasks import Task


class Labelled(NamedTuple):
    """Labels of tasks by id; a task without one is not there."""

    values: dict[str, float]
    errors: dict[str, float]  # standard errors; NaN if they are not known


NOTHING = Labelled({}, {})


def labelled(study: Study, probe: Probe, measured: Measured, fits: Sequence[Fitted]) -> Labelled:
    """Labels of a probe.

    Args:
        study: The study.
        probe: The probe.
        measured: What was measured, without reversed instruments.
        fits: Fits of comparisons and rankings.
    """
    if probe.target == REFUSED:
        return _refused(refusals(study, probe, measured))
    who = (probe.target, probe_rater(study, probe), label_completer(study, probe))
    if template_of(study.instruments[probe.target]).kind in ("choice", "ranking"):
        exact = _matching(measured.comparisons, who)["p_a"].notna().any()
        return _utilities(who, fits, study.statistics.confidence, exact=bool(exact))
    return _ratings(who, measured.ratings)


def _refused(flags: dict[str, float]) -> Labelled:
    return Labelled(flags, dict.fromkeys(flags, NAN))


def refusals(study: Study, probe: Probe, measured: Measured) -> dict[str, float]:
    """Task → share of the completions that the probe is about that refuse it; none without completions."""
    rows = measured.completions
    own = rows[(rows["completer"] == read_completer(study, probe)) & (rows["context"] == NONE)]
    means = own.groupby("task")["refused"].mean().dropna()
    return {str(task): float(value) for task, value in means.items()}


def _utilities(who: tuple[str, str, str], fits: Sequence[Fitted], confidence: float, *, exact: bool) -> Labelled:
    """Utilities; of measured probabilities without errors, as their intervals are those of single draws."""
    found = next((one for one in fits if one.main and (one.instrument, one.rater, one.completer) == who), None)
    if found is None:
        return NOTHING
    frame = found.utilities
    errors = (frame["hi"] - frame["lo"]) / (2 * norm.ppf((1 + confidence) / 2))
    values = _by_task(frame["item"], frame["mu"])
    return Labelled(values, dict.fromkeys(values, NAN) if exact else _by_task(frame["item"], errors))


def _matching(rows: pd.DataFrame, who: tuple[str, str, str]) -> pd.DataFrame:
    """Rows of an instrument, rater and completer."""
    for name, value in zip(("instrument", "rater", "completer"), who, strict=True):
        rows = rows[rows[name] == value]
    return rows


def _by_task(tasks: pd.Series, values: pd.Series) -> dict[str, float]:
    return {str(task): float(value) for task, value in zip(tasks, values, strict=True) if np.isfinite(value)}


def _ratings(who: tuple[str, str, str], ratings: pd.DataFrame) -> Labelled:
    """Means over answers; where probabilities were measured, the expectation counts, once for each completion."""
    rows = _matching(ratings, who)
    rows = rows[(rows["context_completion"] == NONE) & (rows["context_measurement"] == NONE)]
    rows = rows[rows["category"] == "answered"]
    exact = rows[rows["expectation"].notna()].drop_duplicates(["task", "completion_seed"])
    sampled = rows[rows["expectation"].isna()]
    values = pd.concat(
        [exact.assign(label=exact["expectation"]), sampled.assign(label=sampled["value"])], ignore_index=True
    )
    groups = values.groupby("task")["label"]
    frame = pd.DataFrame({"mean": groups.mean(), "sd": groups.std(ddof=1), "n": groups.size()}).reset_index()
    means = frame["mean"].to_numpy(dtype=np.float64)
    errors = frame["sd"].to_numpy(dtype=np.float64) / np.sqrt(frame["n"].to_numpy(dtype=np.float64))
    tasks = frame["task"].astype(str).tolist()
    return Labelled(dict(zip(tasks, means.tolist(), strict=True)), dict(zip(tasks, errors.tolist(), strict=True)))


def choices(study: Study, probe: Probe, measured: Measured, place: dict[str, int]) -> Observed:
    """Answered choices between two tasks, the first one as it was shown; ties count as half a choice for each.

    Args:
        study: The study.
        probe: The probe.
        measured: What was measured, without reversed instruments.
        place: Task → its place among the tasks of the probe.
    """
    who = (probe.target, probe_rater(study, probe), label_completer(study, probe))
    rows = _matching(measured.comparisons, who)
    used = as_comparisons(rows, measured.origins)
    if used is None:
        nothing = np.empty(0, dtype=np.int64)
        return Observed(nothing, nothing, np.empty(0), np.empty(0))
    outcomes = used.outcomes()
    item = np.array([place[name] for name in used.items], dtype=np.int64)
    swapped = outcomes.order < 0  # the winner was shown second
    a = np.where(swapped, outcomes.loser, outcomes.winner)
    b = np.where(swapped, outcomes.winner, outcomes.loser)
    share = np.where(outcomes.tie, 0.5, np.where(swapped, 0.0, 1.0))
    return Observed(item[a], item[b], share, outcomes.weight)


def topics_of(probe: Probe, tasks: Sequence[Task]) -> list[str]:
    """Topic of each task, of the file or of the miniature world.

    Raises:
        DataError: If a task has none.
    """
    from inoc.world.grammar import asked_fact

    given = read_topics(Path(probe.topics)) if probe.topics is not None else {}
    found = []
    for task in tasks:
        fact = None if probe.topics is not None else asked_fact(task.text)
        topic = given.get(task.id) or (fact.relation if fact is not None else "")
        if not topic:
            where = f"{probe.topics} has none" if probe.topics is not None else "set `topics`"
            raise DataError(
                f"task {task.id!r} has no topic: {where}. Accepted: a JSON file {{id: topic}} with every task"
            )
        found.append(topic)
    return found


def read_topics(path: Path) -> dict[str, str]:
    """Id → topic.

    Raises:
        DataError: If the file is no such mapping.
    """
    given = parse_json(read_text(path), str(path), "{id: topic}")
    if not isinstance(given, dict) or not all(isinstance(one, str) and one for one in given.values()):
        raise DataError(f"{path}: expected an object {{id: topic}} with texts as topics")
    return given
