"""Rows and single measurements by which a study is compared with another."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from inoc.analyse.comparable import Units
from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.studies.inoculation.runs import question_sets
from inoc.studies.inoculation.study import Study
from inoc.tables import read_table

_RUN = ["prompt", "prefix", "learning_rate", "seed", "data"]
_ASKED = ["condition", "asked_prompt", "asked_prefix", "trait"]


def last_steps(frame: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """The rows of a table of the analysis at the last step of each run.

    Args:
        frame: The table.
        confidence: Not used: the intervals are in the table.
    """
    del confidence
    names = [name for name in ("rate", "questions", *_RUN, *_ASKED) if name in frame]
    last = frame.groupby(names, dropna=False)["step"].transform("max")
    return frame[frame["step"] == last]


def score_units(study: Study, paths: Paths, shards: Shards) -> Iterator[Units]:
    """Scores of single completions of each run at its last step, by the text of the instruction.

    Args:
        study: The study.
        paths: Its results.
        shards: Not used: the scores are in one table.
    """
    del shards
    yield from _units(_scores(study, paths), [*_RUN, *_ASKED])


def suppression_units(study: Study, paths: Paths, shards: Shards) -> Iterator[Units]:
    """Score of the control less that of the run for single instructions, both asked without a prefix."""
    del shards
    scores = _scores(study, paths)
    plain = scores[scores["condition"] == "default"]
    at = ["learning_rate", "seed", "trait", "unit"]
    control = plain[plain["prefix"] == "none"].set_index(at)["value"].rename("control")
    runs = plain[plain["prefix"] != "none"].join(control, on=at, how="inner")
    yield from _units(runs.assign(value=runs["control"] - runs["value"]), [*_RUN, "trait"])


def _scores(study: Study, paths: Paths) -> pd.DataFrame:
    """Scores of the runs on the study's own data at their last steps, for the first set of questions."""
    scores = read_table(paths.scores("evaluate"), [*_RUN, *_ASKED, "step", "instruction_id", "score"])
    asked = read_table(paths.instructions, ["instruction_id", "instruction", "questions"])
    asked = asked[asked["questions"] == question_sets(study)[0]]
    texts = dict(zip(asked["instruction_id"], asked["instruction"], strict=True))
    parts = scores["instruction_id"].str.partition("#")
    # Ids are places in a list, and the same place holds another question in another study.
    unit = parts[0].map(texts) + parts[1] + parts[2]
    scores = scores.assign(unit=unit, value=scores["score"])
    return last_steps(scores.loc[unit.notna() & (scores["data"] == "")], 0.0)


def _units(frame: pd.DataFrame, keys: list[str]) -> Iterator[Units]:
    for key, part in frame.groupby(keys, sort=False, dropna=False):
        yield Units(dict(zip(keys, key, strict=True)), list(part["unit"]), part["value"].to_numpy(dtype=float))
