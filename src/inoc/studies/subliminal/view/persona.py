"""Answers under the system turns of a persona, and under steering."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.studies.shared.viewing import read_shards
from inoc.studies.subliminal.study import Study
from inoc.tables import read_table
from inoc.view.declare import Column, Compare, Source, Text

_JUDGED = ("score", "category", "exact", "why_nan")
_SHARED = (
    Column("question", "question", listed=False),
    Column("sample", "sample", "which of several answers", listed=False),
    Column("finish", "ended by", listed=False),
    Column("made_by", "made by", "job, as in the table under Provenance", listed=False),
)
_TEXTS = (Text("instruction", "user"), Text("completion", "answer"))


def sources(study: Study, paths: Paths, shards: Shards) -> Iterator[Source]:
    """The lists of answers from which vectors are read, and of steered answers, where there are any."""
    if any(paths.stage("sample").glob("persona/*/answers.parquet")):
        yield Source(
            "persona",
            "Answers of personas",
            "Answers under system turns for and against a trait, between which its vector is read.",
            partial(persona_answers, study, paths),
            ("id", "sample"),
            (
                Column("trait"),
                Column("side", "side", "positive: for the trait; negative: against it"),
                Column("turn", "system turn", "number of the system turn", listed=False),
                *_judge_columns(study),
                *_SHARED,
            ),
            _TEXTS,
            "read",
            Compare("question", "side", "turn"),
        )
    if any(paths.stage("sample").glob("steering/*/answers.parquet")):
        yield Source(
            "steering",
            "Steered answers",
            "Answers of the untrained model while a vector is added at one site.",
            partial(steered_answers, study, paths),
            ("id", "sample"),
            (
                Column("trait"),
                Column("vector"),
                Column("site"),
                Column("coefficient_word", "coefficient (word)", listed=False),
                Column("coefficient", "coefficient", "in units of the mean norm of the activations at the site"),
                *_judge_columns(study),
                *_SHARED,
            ),
            _TEXTS,
            "sampled",
            Compare("question", "coefficient_word", "vector", order=("0.0",)),
        )


def _judge_columns(study: Study) -> list[Column]:
    found = []
    for trait in study.persona:
        for key, words in ((trait, trait), (f"{trait}/coherence", f"{trait}: coherence")):
            found.append(Column(f"score.{key}", words, "0 to 100, by the judge of the trait", score=True))
            found.append(Column(f"category.{key}", f"{words}: answer", "as the judge sorted it", listed=key == trait))
            found.append(Column(f"why_nan.{key}", f"{words}: why not scored", listed=False))
    return found


def _judged(paths: Paths, part: str) -> pd.DataFrame:
    frame = read_shards(paths.stage("sample").glob(f"{part}/*/answers.parquet"), f"sample-{part}")
    if not paths.scores(part).exists():
        return frame
    scores = read_table(paths.scores(part))
    for trait, own in scores.groupby("trait", sort=False):
        names = {name: f"{name}.{trait}" for name in _JUDGED if name in own}
        frame = frame.merge(own[["id", "sample", *names]].rename(columns=names), how="left", on=["id", "sample"])
        if f"score.{trait}" in frame and frame[f"score.{trait}"].isna().all():
            frame = frame.drop(columns=f"score.{trait}")
    return frame


def persona_answers(study: Study, paths: Paths) -> pd.DataFrame:
    """Answers under system turns, with what their ids say."""
    frame = _judged(paths, "persona")
    ids = [str(one).rsplit("/", 3) for one in frame["id"]]
    frame["trait"], frame["side"] = [one[0] for one in ids], [one[1] for one in ids]
    frame["turn"], frame["question"] = [f"turn {int(one[2]) + 1}" for one in ids], [one[3] for one in ids]
    return frame


def steered_answers(study: Study, paths: Paths) -> pd.DataFrame:
    """Steered answers, with what their ids say."""
    frame = _judged(paths, "steering")
    ids = [str(one).rsplit("/", 3) for one in frame["id"]]
    frame["trait"] = [one[0].partition("/")[0] for one in ids]
    frame["site"], frame["question"] = [one[1] for one in ids], [one[3] for one in ids]
    frame["vector"] = frame["vector"].where(frame["vector"] != "", "(none)")
    frame["coefficient_word"] = frame["coefficient"].astype(str)
    return frame
