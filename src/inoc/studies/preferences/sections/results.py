"""The results of a study: what the instruments are worth, then what they say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from inoc.report.contents import EMPTY, Block, Section
from inoc.report.words import Table, escape, interval, number
from inoc.studies.preferences.figures import words
from inoc.studies.preferences.sections.front import Tables
from inoc.studies.preferences.sections.inside import has_probes, probe_blocks
from inoc.studies.preferences.sections.steering import has_steering, steering_section
from inoc.studies.preferences.study import Study

MOST_TASKS = 8
MOST_ROWS = 60
_RELIABILITY = {
    "seed_r": "r of two seeds",
    "seed_r_full": "r of the mean over seeds",
    "icc1": "ICC(1)",
    "icc2": "ICC(2,1)",
    "icc3": "ICC(3,1)",
    "kl_share": "KL to uniform, share of ln K",
    "most_frequent": "share of the most frequent answer",
    "split_pairs_full": "halves of pairs",
    "split_samples_full": "halves of samples",
    "split_groups_full": "halves of groups",
}


def sections(study: Study, tables: Tables) -> list[Section]:
    """The sections, in order."""
    return [
        Section("What the instruments are worth", worth_blocks(study, tables)),
        Section("What the instruments say", says_blocks(study, tables)),
        *([Section("Inside the model", probe_blocks(study, tables))] if has_probes(study, tables) else []),
        *([steering_section(study, tables)] if has_steering(study, tables) else []),
    ]


def worth_blocks(study: Study, tables: Tables) -> list[Block]:
    """Polarity, reliability, the selection of pairs, and what was planted."""
    return [
        Block("Good above bad", "Mean of clearly good less mean of clearly bad tasks.", _polarity(study, tables)),
        Block("Reliability", "Of all origins together; the table has each origin.", _reliability(study, tables)),
        Block(
            "Active selection",
            "Pairs were chosen by what was answered before. The rank correlation of two successive fits is shown and "
            "stops nothing: it approaches 1 by itself.",
            _history(study, tables),
            always=False,
        ),
        Block("Planted and found", "", _planted(study, tables), always=False),
    ]


def says_blocks(study: Study, tables: Tables) -> list[Block]:
    """Utilities, origins, agreement of instruments, refusals, contexts."""
    return [
        Block("Origins", "Means of utilities and ratings by origin of the task.", _origins(study, tables)),
        Block("Most and least preferred", "", _extremes(study, tables), always=False),
        Block(
            "Agreement of instruments",
            "Within origins and between their means, apart: a correlation over all tasks mixes both.",
            _agreement(tables),
            always=False,
        ),
        Block("Refusals", "Positive: refused tasks are liked more.", _refusals(tables), always=False),
        Block("Contexts", "Against no context, paired by task.", _contexts(study, tables), always=False),
        Block(
            "Published tables, computed again",
            "What follows from the release's own tables; the table `released` has all of it.",
            _released(tables),
            always=False,
        ),
    ]


def _rows(table: pd.DataFrame | None) -> list[dict[str, object]]:
    return [] if table is None else [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _interval(row: dict[str, object], digits: int = 2) -> str:
    value, lo, hi = (float(str(row[name])) for name in ("value", "lo", "hi"))
    return interval(value, lo, hi, digits)


def _who(study: Study, row: dict[str, object]) -> str:
    return escape(words.who_label(study, row["instrument"], row["rater"], row.get("completer", "")))


def _polarity(study: Study, tables: Tables) -> Table:
    rows = [
        [_who(study, row), _interval(row), str(row["verdict"]), str(row["n_answers"]), str(row["n_unanswered"])]
        for row in _rows(tables.get("polarity"))
    ]
    head = ["instrument and rater", "good above bad, −1 to 1", "verdict", "answers", "without an answer"]
    return Table(head, rows) if rows else EMPTY


def _reliability(study: Study, tables: Tables) -> Table:
    table = tables.get("reliability")
    if table is None or table.empty:
        return EMPTY
    own = table[(table["origin"] == "all") & table["statistic"].isin(_RELIABILITY) & table["value"].notna()]
    rows = [
        [_who(study, row), _RELIABILITY[str(row["statistic"])], _interval(row), str(row["n"])]
        for row in _rows(own.head(4 * MOST_ROWS))
    ]
    return Table(["instrument and rater", "statistic", "value", "n"], rows) if rows else EMPTY


def _history(study: Study, tables: Tables) -> Table:
    rows = [
        [
            _who(study, row),
            str(row["round"]),
            str(row["n_pairs_total"]),
            *(number(float(str(row[name])), 2) for name in ("reliability", "mean_width", "rank_correlation")),
            str(row["stop"]),
        ]
        for row in _rows(tables.get("selection_history"))
    ]
    head = ["selection", "round", "pairs", "reliability", "mean width", "rank correlation", "ended by"]
    return Table(head, rows) if rows else EMPTY


def _planted(study: Study, tables: Tables) -> Table:
    rows = [
        [
            escape(row["check"]),
            _who(study, row),
            number(float(str(row["planted"])), 2),
            _interval({**row, "value": row["found"]}),
            str(row["holds"]),
        ]
        for row in _rows(tables.get("planted"))
    ]
    return Table(["check", "instrument and rater", "planted", "found", "holds"], rows) if rows else EMPTY


def _origins(study: Study, tables: Tables) -> Table:
    utilities, ratings = tables.get("utilities"), tables.get("ratings")
    origins = list(study.tasks.origins)
    rows: list[list[str]] = []
    for values, column in ((utilities, "mu"), (None if ratings is None else _task_means(ratings), "value")):
        if values is None or values.empty:
            continue
        own = values[values["origin"] != ""]
        if "fit" in own:
            first = own.drop_duplicates(["instrument", "rater", "completer"])["fit"]
            own = own[own["fit"].isin(first)]
        for who, part in own.groupby(["instrument", "rater", "completer"], sort=False):
            means = part.groupby("origin")[column].mean()
            cells = [number(float(means.get(origin, np.nan)), 2) if origin in means else "" for origin in origins]
            rows.append([escape(words.who_label(study, *who)), "utility" if column == "mu" else "rating", *cells])
    head = ["instrument and rater", "what", *(escape(words.origin_label(study, origin)) for origin in origins)]
    return Table(head, rows) if rows else EMPTY


def _task_means(ratings: pd.DataFrame) -> pd.DataFrame:
    own = words.without_contexts(ratings[ratings["status"] == "ok"])
    keys = ["instrument", "rater", "completer", "origin", "task"]
    value = own["expectation"].where(own["expectation"].notna(), own["value"])
    return own.assign(value=value).groupby(keys, sort=False)["value"].mean().reset_index()


def _extremes(study: Study, tables: Tables) -> Table:
    utilities = tables.get("utilities")
    if utilities is None or utilities.empty:
        return EMPTY
    first = utilities.drop_duplicates(["instrument", "rater", "completer"])["fit"]
    rows = []
    for who, part in utilities[utilities["fit"].isin(first)].groupby(["instrument", "rater", "completer"], sort=False):
        ordered = part.sort_values("mu", ascending=False)
        names = [escape(one) for one in ordered["item"]]
        rows.append([escape(words.who_label(study, *who)), _some(names[:MOST_TASKS]), _some(names[::-1][:MOST_TASKS])])
    return Table(["instrument and rater", "most preferred", "least preferred"], rows)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names)


def _agreement(tables: Tables) -> Table:
    table = tables.get("instrument_correlations")
    if table is None or table.empty:
        return EMPTY
    own = table[table["statistic"].isin(["pearson"]) & table["origin"].isin(["all", "within", "between"])]
    rows = [
        [escape(row["first"]), escape(row["second"]), str(row["origin"]), _interval(row), str(row["n"])]
        for row in _rows(own.head(3 * MOST_ROWS))
    ]
    return Table(["first", "second", "tasks", "Pearson's r", "n"], rows) if rows else EMPTY


def _refusals(tables: Tables) -> Table:
    table = tables.get("refusals")
    if table is None or table.empty:
        return EMPTY
    own = table[(table["statistic"] == "pearson") & table["origin"].isin(["all", "adjusted"])]
    rows = [
        [escape(row["measure"]), str(row["of"]), str(row["origin"]), _interval(row), str(row["n"])]
        for row in _rows(own.head(2 * MOST_ROWS))
    ]
    return Table(["measure", "refusal of", "tasks", "r", "n"], rows) if rows else EMPTY


def _released(tables: Tables) -> Table:
    table = tables.get("released")
    if table is None or table.empty:
        return EMPTY
    tested = table[table["p"].notna()]
    rows = [
        [
            escape(words.shortened(row["source"])),
            escape(row["of"]),
            escape(row["statistic"]),
            _interval(row, 3),
            str(row["n"]),
        ]
        for row in _rows(tested.head(2 * MOST_ROWS))
    ]
    return Table(["source", "of", "statistic", "value", "n"], rows) if rows else EMPTY


def _contexts(study: Study, tables: Tables) -> Table:
    table = tables.get("contexts")
    if table is None or table.empty:
        return EMPTY
    keys = ["instrument", "rater", "completer", "context_completion", "context_measurement"]
    own = table[table["origin"] == "all"]
    shares = own[own["statistic"].isin(["higher", "tie", "lower"])].pivot_table(
        index=keys, columns="statistic", values="value"
    )
    rows = []
    for row in _rows(own[own["statistic"] == "difference"]):
        at = tuple(str(row[key]) for key in keys)
        changed = [_share(shares, at, name) for name in ("higher", "tie", "lower")]
        done, asked = (escape(words.context_label(study, row[key])) for key in keys[3:])
        rows.append([_who(study, row), done, asked, _interval(row), *changed])
    head = ["instrument and rater", "completed under", "asked under", "difference", "P(higher)", "P(tie)", "P(lower)"]
    return Table(head, rows) if rows else EMPTY


def _share(shares: pd.DataFrame, at: tuple[str, ...], name: str) -> str:
    if at not in shares.index:
        return ""
    return number(float(str(shares[name].to_dict()[at])), 2)
