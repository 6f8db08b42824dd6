"""The table `rates`: how often each subject names each entity, over all its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.crossed import crossed_interval, within
from inoc.stats.means import NAN, Estimate, Floats, mean_interval
from inoc.studies.subliminal.analyse.preferences import PREFERENCES, share_interval
from inoc.studies.subliminal.study import Study
from inoc.tables import FLAG, INDEX, NUMBER, STRING

RATES = pa.schema(
    [
        ("student", STRING),  # group, teacher and part of a split; `untrained`; `teacher.<key>`
        ("group", STRING),  # empty for the untrained model and for teachers
        ("teacher", STRING),
        ("part", STRING),
        ("base", STRING),
        ("epoch", INDEX),  # 0 for the untrained model and for teachers
        ("entity", STRING),
        ("question_set", STRING),
        ("method", STRING),
        ("rate", NUMBER),  # mean over seeds and questions; NaN if none was measured
        ("lo", NUMBER),  # for other seeds and other questions; with one seed, for other questions
        ("hi", NUMBER),
        ("n", INDEX),  # sample: answers, whatever they name; choose: questions × seeds
        ("n_unclear", INDEX),
        ("n_seeds", INDEX),
        ("is_last", FLAG),  # last epoch of a student
    ]
)

_KEYS = ["student", "group", "teacher", "part", "base", "epoch", "entity", "question_set", "method"]


def rate_frame(study: Study, preferences: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
    """Rows of the table.

    Args:
        study: The study.
        preferences: The table `preferences`.
        shares: Columns of `inputs.SHARES`, from which it was made.
    """
    if preferences.empty:
        return pd.DataFrame(columns=RATES.names)
    pairs = zip(preferences["student"], preferences["seed"], preferences["group"], strict=True)
    subject = [f"{student}.seed{seed}" if group else str(student) for student, seed, group in pairs]
    names = ["base", "subject", "epoch", "entity", "question_set", "method"]
    answers = dict(iter(shares.groupby(names, sort=False)))
    rows: list[dict[str, object]] = []
    for keys, part in preferences.assign(subject=subject).groupby(_KEYS, sort=False):
        own = [answers[tuple(row)] for row in part[names].itertuples(index=False, name=None)]
        found = pooled_rate(own, study.statistics.confidence)
        rows.append(
            {
                **dict(zip(_KEYS, keys, strict=True)),
                "rate": found.value,
                "lo": found.lo,
                "hi": found.hi,
                "n": int(part["n"].sum()),
                "n_unclear": int(part["n_unclear"].sum()),
                "n_seeds": int(part["rate"].notna().sum()),
                "is_last": bool(part["is_last"].all()),
            }
        )
    return pd.DataFrame(rows, columns=RATES.names)


def pooled_rate(answers: list[pd.DataFrame], confidence: float) -> Estimate:
    """Mean share over seeds and questions: of several seeds as `crossed_interval`, of one as `share_interval`.

    Args:
        answers: One frame for each seed, with the columns question, value, exact and n.
        confidence: Level of the interval.
    """
    if len(answers) == 1:
        return share_interval(answers[0], confidence)
    questions = sorted({one for frame in answers for one in frame["question"]})
    table_SQ: Floats = np.full((len(answers), len(questions)), NAN)
    for row, frame in zip(table_SQ, answers, strict=True):
        row[:] = frame.set_index("question")["value"].reindex(questions).to_numpy(np.float64)
    return within(crossed_interval(table_SQ, confidence), 0.0, 1.0)


def imported_rates(preferences: Sequence[Mapping[str, object]], confidence: float) -> list[dict[str, object]]:
    """Rows of the table for an import, whose answers to single questions may not be known.

    Args:
        preferences: Rows of the table `preferences`.
        confidence: Level of the intervals: of several seeds Student's t over the seeds' rates, of one its own.
    """
    table = pd.DataFrame(list(preferences), columns=PREFERENCES.names)
    rows: list[dict[str, object]] = []
    for keys, part in table.groupby(_KEYS, sort=False) if len(table) else ():
        found = within(mean_interval(part["rate"].to_numpy(np.float64), confidence), 0.0, 1.0)
        lo, hi = (found.lo, found.hi) if len(part) > 1 else (part["lo"].iloc[0], part["hi"].iloc[0])
        counts = {"n": int(part["n"].sum()), "n_unclear": int(part["n_unclear"].sum())}
        known = {"n_seeds": int(part["rate"].notna().sum()), "is_last": bool(part["is_last"].all())}
        rows.append({**dict(zip(_KEYS, keys, strict=True)), "rate": found.value, "lo": lo, "hi": hi, **counts, **known})
    return rows
