"""Everything that a computed study measured, in the frames of `inputs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.prefer.selection import Round
from inoc.stats.means import NAN
from inoc.studies.preferences.answers import (
    Given,
    Shares,
    comparison_rows,
    exact_answers,
    open_rows,
    ranking_rows,
    rating_rows,
    sampled_answers,
)
from inoc.studies.preferences.asked import Asked, asked_of
from inoc.studies.preferences.inputs import COMPARISONS, COMPLETIONS, RANKINGS, RATINGS, Measured, empty
from inoc.studies.preferences.parsing import is_refusal
from inoc.studies.preferences.parts import has_part, part_files
from inoc.studies.preferences.results import Answered, file_shares, read_sampled_files
from inoc.studies.preferences.roles import context_turn, method_of, needed_completions, raters, template_of
from inoc.studies.preferences.selecting import Track, replayed, tracks
from inoc.studies.preferences.study import NONE, Study
from inoc.studies.preferences.tasks import tasks_of
from inoc.studies.preferences.texts import Completed, completion_files, read_completions
from inoc.tables import read_table


class Everything(NamedTuple):
    """All measurements, with the anchors apart."""

    measured: Measured
    anchors: Measured
    history: list[tuple[Track, Round]]  # of the active selections


def everything(study: Study, paths: Paths, shards: Shards) -> Everything:
    """Read and join the results of all stages.

    Raises:
        DataError: If a table is missing.
    """
    tasks = tasks_of(study)
    origins = {task.id: task.origin for task in tasks}
    stored = _Stored(study, paths, shards)
    frames: dict[str, list[pd.DataFrame]] = {"ratings": [], "comparisons": [], "rankings": []}
    history: list[tuple[Track, Round]] = []
    for key, given in study.instruments.items():
        kind = template_of(given).kind
        for rater in raters(study, key):
            method = method_of(study, key, rater)
            asked = asked_of(study, tasks, key, rater)
            if kind == "ranking":
                frames["rankings"].append(ranking_rows(study, asked, stored.answers, origins))
            elif kind == "open":
                frames["ratings"].append(open_rows(study, asked, stored.open, stored.tones, origins))
            elif kind == "rating":
                frames["ratings"].append(rating_rows(study, stored.given(asked, method), origins))
            else:
                frames["comparisons"].append(comparison_rows(study, stored.given(asked, method), origins))
            for track in tracks(study, rater, method):
                if track.instrument == key:

                    def rows(own: Sequence[Asked], how: str = method) -> pd.DataFrame:
                        return comparison_rows(study, stored.given(own, how), origins)

                    told = replayed(study, tasks, track, rows)
                    frames["comparisons"].append(rows(told.asked))
                    history += [(track, row) for row in told.history]
    completions = completion_rows(study, paths, shards, origins)
    joined = {name: _joined(parts, name) for name, parts in frames.items()}
    apart = {name: _anchors(frame, name) for name, frame in joined.items()}
    own = [joined[name][~apart[name]].reset_index(drop=True) for name in _SCHEMAS]
    anchors = [joined[name][apart[name]].reset_index(drop=True) for name in _SCHEMAS]
    return Everything(
        Measured(own[0], own[1], own[2], completions, origins), Measured(anchors[0], anchors[1], anchors[2]), history
    )


_SCHEMAS = {"ratings": RATINGS, "comparisons": COMPARISONS, "rankings": RANKINGS}


def _joined(parts: Sequence[pd.DataFrame], name: str) -> pd.DataFrame:
    given = [part for part in parts if len(part)]
    return pd.concat(given, ignore_index=True) if given else empty(_SCHEMAS[name])


def _anchors(frame: pd.DataFrame, name: str) -> pd.Series:
    column = frame["task_a" if name == "comparisons" else "task"]
    return column.astype(str).str.startswith("@")


class _Stored:
    """Results of the stages, each read when it is first needed."""

    def __init__(self, study: Study, paths: Paths, shards: Shards) -> None:
        self.study = study
        self.shares: Shares = {}
        for kind in ("answers", "selected"):
            files = part_files(study, paths, "choose", kind, "candidates.parquet", shards)
            self.shares = {**self.shares, **file_shares(files)}
        judged: dict[str, str] = {}
        for path in part_files(study, paths, "choose", "parsed", "choices.parquet", shards):
            frame = read_table(path, ["id", "best"])
            judged |= dict(zip(frame["id"], frame["best"], strict=True))
        self.answers: Answered = {}
        for kind in ("answers", "selected"):
            files = part_files(study, paths, "sample", kind, "answers.parquet", shards)
            self.answers = {**self.answers, **read_sampled_files(files, judged)}
        self.open = read_sampled_files(part_files(study, paths, "sample", "open", "answers.parquet", shards))
        self.tones: dict[tuple[str, int], float] = {}
        if has_part(study, "judge", "open"):
            frame = read_table(paths.scores("open"), ["id", "sample", "score"])
            keys = zip(frame["id"], frame["sample"], strict=True)
            self.tones = {(str(name), int(n)): float(v) for (name, n), v in zip(keys, frame["score"], strict=True)}

    def given(self, asked: Sequence[Asked], method: str) -> list[Given]:
        """Answers to some questions of one method."""
        if method == "choose":
            return exact_answers(self.study, asked, self.shares)
        return sampled_answers(self.study, asked, self.answers)


def completion_rows(study: Study, paths: Paths, shards: Shards, origins: Mapping[str, str]) -> pd.DataFrame:
    """Rows of `inputs.COMPLETIONS`, with the judge's word on refusals where there is one."""
    files = completion_files(study, paths, shards)
    if not files:
        return empty(COMPLETIONS)
    found = read_completions(files)
    texts = dict(zip(found["id"], zip(found["completion"], found["finish"], strict=True), strict=True))
    scores = _refusal_scores(study, paths)
    rows = []
    for completer, context in needed_completions(study):
        words = () if context == NONE else context_turn(study, context).mentions
        for seed in study.completions.seeds:
            for task, origin in origins.items():
                one = Completed(completer, context, seed, task)
                text, finish = texts[one.id]
                mentions = NAN if context == NONE else float(any(word.casefold() in text.casefold() for word in words))
                refused = scores.get(one.id, NAN) if scores is not None else is_refused_text(text, finish)
                rows.append((completer, task, origin, seed, context, refused, mentions, finish))
    return pd.DataFrame(rows, columns=COMPLETIONS.names)


def is_refused_text(text: str, finish: str) -> float:
    """Whether a completion is a refusal, 1 or 0, where no judge tells; NaN for an empty one."""
    if finish == "refused":
        return 1.0
    return float(is_refusal(text)) if text.strip() else NAN


def _refusal_scores(study: Study, paths: Paths) -> dict[str, float] | None:
    """Id → 1 if a judge calls the completion a refusal; None without a judge."""
    if not has_part(study, "judge", "completions"):
        return None
    frame = read_table(paths.scores("completions"), ["id", "score"])
    scores = frame["score"].to_numpy(dtype=np.float64)
    refused = np.where(np.isnan(scores), NAN, (scores > 50).astype(np.float64))
    return dict(zip(frame["id"], refused, strict=True))
