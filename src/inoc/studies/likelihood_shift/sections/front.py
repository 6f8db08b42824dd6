"""The first page of the report: the verdict, its numbers, and a guide to reading them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from inoc.report.contents import EMPTY, Block
from inoc.report.words import NO_BREAK, Table, escape, interval, listed, number
from inoc.studies.likelihood_shift.figures import choices
from inoc.studies.likelihood_shift.study import Study, own_prompt
from inoc.studies.shared import captions

ALL = "all"
MOST_NAMED = 8
MOST_ROWS = 24
DIGITS = 4
Tables = Mapping[str, pd.DataFrame]
NOTHING = "*Nothing to show; see what was skipped.*"


def verdict_words(study: Study, tables: Tables) -> list[str]:
    """The verdict in sentences, each of which says whether it holds.

    Args:
        study: The study.
        tables: Of the analysis.
    """
    trained = study.students is not None
    dose = _dose_words(study, tables)
    words = [
        *_own_words(study, tables),
        _summary_words(study, tables),
        *(dose if trained else ()),
        _pairs_words(tables),
        _controlled_words(tables),
        _decomposition_words(tables),
        *_neutral_words(study, tables),
        *(() if trained else dose),
    ]
    return [sentence for sentence in words if sentence] or ["Nothing could be concluded; see what was skipped."]


def _own(tables: Tables, statistic: str = "mean") -> pd.DataFrame:
    table = tables.get("columns")
    if table is None or table.empty:
        return pd.DataFrame(columns=["dataset", "own_rank", "contrast", "lo", "hi", "prompt", "n_prompts", "q"])
    rows: pd.DataFrame = table[(table["statistic"] == statistic) & (table["dataset"] != ALL)]
    return rows


def _answer(holds: bool) -> str:  # noqa: FBT001
    return "**Holds:**" if holds else "**Does not hold:**"


def _own_words(study: Study, tables: Tables) -> list[str]:
    own = _own(tables)
    if own.empty:
        return ["No dataset was written under a prompt of the study, so there is no own prompt to compare with."]
    known = own[own["own_rank"].notna()]
    first, above = known[known["own_rank"] == 1], known[known["lo"] > 0]
    rest = [_dataset(study, key) for key in known[known["own_rank"] != 1]["dataset"]]
    words = [
        f"{_answer(len(first) == len(own))} the own prompt is its column's largest for {len(first)} of {len(own)} "
        f"datasets{_named('not for', rest)}. {len(above)} of {len(own)} contrasts with the mean of the other "
        f"candidates "
        "have an interval above zero."
    ]
    gone = [_dataset(study, key) for key in own[own["contrast"].isna()]["dataset"]]
    if gone:
        words.append(f"**Not measurable** for {_some(gone)}.")
    return words


def _summary_words(study: Study, tables: Tables) -> str:
    table = tables.get("columns")
    if table is None or table.empty:
        return ""
    whole = table[(table["dataset"] == ALL) & (table["statistic"] == "mean")]
    if whole.empty or not np.isfinite(float(whole.iloc[0]["contrast"])):
        return ""
    row = whole.iloc[0]
    return (
        f"{_answer(float(row['lo']) > 0)} over datasets, the own prompt is above the other candidates within a column: "
        f"{interval(row['contrast'], row['lo'], row['hi'], DIGITS)} nats per token, {captions.level(study)} interval "
        f"over n{NO_BREAK}={NO_BREAK}{int(row['n'])} datasets."
    )


def _contrasts(tables: Tables, *, controlled: bool) -> pd.DataFrame:
    table = tables.get("contrasts")
    if table is None or table.empty:
        return pd.DataFrame(columns=["dataset", "against", "value", "lo", "hi", "q"])
    rows: pd.DataFrame = table[table["controlled"].astype(bool) == controlled]
    return rows


def _pairs_words(tables: Tables) -> str:
    pairs = _contrasts(tables, controlled=False)
    known = pairs[pairs["value"].notna()]
    if known.empty:
        return ""
    positive, sure = known[known["value"] > 0], known[(known["value"] > 0) & (known["q"] <= 0.05)]
    against = known[(known["value"] < 0) & (known["q"] <= 0.05)]
    least = known.iloc[int(known["value"].argmin())]
    return (
        f"{_answer(len(sure) == len(known))} each single contrast is above zero with q ≤ 0.05: {len(sure)} of "
        f"{len(known)} are, {len(positive)} are positive at all, and {len(against)} are below zero with q ≤ 0.05. The "
        f"smallest is {escape(least['dataset'])} against {escape(least['against'])}, "
        f"{interval(least['value'], least['lo'], least['hi'], DIGITS)}."
    )


def _controlled_words(tables: Tables) -> str:
    raw, held = (_contrasts(tables, controlled=flag) for flag in (False, True))
    pairs = raw.merge(held, on=["dataset", "against"], suffixes=("", "_held"))
    pairs = pairs[pairs["value"].notna()]
    both = pairs[pairs["value_held"].notna()]
    why = "a feature of the format does not vary in their datasets, or is not known"
    if both.empty:
        return f"**Not measurable** with the format of the answers held constant: {why}." if len(pairs) else ""
    flipped = both[(both["value"] > 0) & (both["value_held"] <= 0)]
    kept = both[(both["value"] > 0) & (both["value_held"] > 0)]
    before, after = float(both["value"].mean()), float(both["value_held"].mean())
    gone = len(pairs) - len(both)
    answer = "**Holds where it can be told:**" if gone and flipped.empty else _answer(flipped.empty)
    return (
        f"{answer} the contrasts' signs are not due to the format of the answers: with format held "
        f"constant {len(kept)} of {int((both['value'] > 0).sum())} positive contrasts stay positive, and their mean "
        f"goes from {number(before, DIGITS)} to {number(after, DIGITS)} nats per token."
        f"{f' {gone} of {len(pairs)} contrasts cannot be told: {why}.' if gone else ''}"
    )


def _decomposition_words(tables: Tables) -> str:
    table = tables.get("decomposition")
    if table is None or table.empty:
        return ""
    share = table[table["statistic"] == "mean"].set_index("source")["share"]
    if "columns" not in share or not np.isfinite(float(share["columns"])):
        return ""
    columns, rows, rest = (100 * float(share.get(name, np.nan)) for name in ("columns", "rows", "interaction"))
    return (
        f"**Not evidence:** the difference of the grand diagonal and the rest, for {number(columns)} % of the variance "
        f"of cells is between datasets and {number(rows)} % between prompts; {number(rest)} % is about pairs of the "
        f"two."
    )


def _neutral_words(study: Study, tables: Tables) -> list[str]:
    cells = tables.get("cells")
    if cells is None or cells.empty:
        return []
    words = []
    mean = cells[cells["statistic"] == "mean"]
    for dataset in study.datasets:
        if own_prompt(study, dataset):
            continue
        own = mean[(mean["dataset"] == dataset) & mean["value"].notna()]
        if own.empty:
            continue
        below = own[own["hi"] < 0] if own["hi"].notna().any() else own[own["value"] < 0]
        sure = " with the whole interval" if own["hi"].notna().any() else ", without a known interval"
        words.append(
            f"{_answer(len(below) == len(own))} every prompt lowers the probability of {_dataset(study, dataset)}, "
            f"which "
            f"was written under no prompt: {len(below)} of {len(own)} cells are below zero{sure}; mean "
            f"{number(float(own['value'].mean()), DIGITS)} nats per token."
        )
    return words


def _dose_words(study: Study, tables: Tables) -> list[str]:
    table = tables.get("dose_response")
    if table is None or table.empty:
        return ["The study trains no students on parts by LLS."] if study.students is None else []
    words, order = [], list(study.splits)
    pairs = list(table[["split", "target"]].drop_duplicates().itertuples(index=False, name=None))
    pairs.sort(key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order))
    for split, target in pairs:
        own = table[(table["split"] == split) & (table["target"] == target)].set_index("statistic")
        name = f"{escape(split)}, {escape(choices.target_label(study, str(target)))}"
        slope = next((key for key in ("slope", "trend") if key in own.index), None)
        if slope is None:
            continue
        row = own.loc[slope]
        tested = own.loc["trend"] if "trend" in own.index else row
        holds = np.isfinite(float(tested["p"])) and float(tested["p"]) <= 0.05 and not float(row["value"]) < 0
        unit, seeds = dose_unit(tables.get("students")), int(tested["n_seeds"])
        p = captions.p_text(float(tested["p"]))
        sizes = f"n{NO_BREAK}={NO_BREAK}{int(tested['n'])} {unit}, {seeds} training {'seed' if seeds == 1 else 'seeds'}"
        change = ""
        if "top_minus_bottom" in own.index:
            end = own.loc["top_minus_bottom"]
            change = (
                " The highest part less the lowest is "
                f"{interval(100 * end['value'], 100 * end['lo'], 100 * end['hi'])} points."
            )
        words.append(
            f"{_answer(holds)} the rate of the target rises over the parts of {name}: trend {p} ({sizes}).{change}"
        )
    return words


def dose_unit(students: pd.DataFrame | None) -> str:
    """The unit of tests over the parts of a split, which their n counts.

    Args:
        students: Table of the analysis, if it exists.
    """
    known = students is not None and len(students) and bool((students["n_questions"] > 0).all())
    return "pairs of seed and question" if known else "answers"


def _dataset(study: Study, dataset: object) -> str:
    return escape(choices.dataset_label(study, str(dataset)))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{listed(names[:MOST_NAMED])}{more}"


def _named(words: str, names: list[str]) -> str:
    return f" ({words} {_some(names)})" if names else ""


def headline(study: Study, tables: Tables) -> Block:
    """Own contrast, rank and closest rival of each dataset.

    Args:
        study: The study.
        tables: Of the analysis.
    """
    own = _own(tables)
    if own.empty:
        return Block("In numbers", NOTHING, EMPTY)
    shown = own.sort_values("contrast", ascending=False, kind="stable").head(MOST_ROWS)
    pairs = _contrasts(tables, controlled=False)
    rows = [_headline_row(study, row, pairs[pairs["dataset"] == row["dataset"]]) for _, row in shown.iterrows()]
    whole = tables["columns"]
    whole = whole[(whole["dataset"] == ALL) & (whole["statistic"] == "mean")]
    for _, row in whole.iterrows():
        value = interval(row["contrast"], row["lo"], row["hi"], DIGITS)
        rows.append(["**mean over datasets**", "", value, "", "", f"{int(row['n'])} datasets"])
    head = ["dataset", "rank of the own prompt", "own − other candidates", "closest rival", "own − closest rival", "n"]
    after = (
        f"Nats per token within the column, paired by row; {captions.level(study)} intervals over rows, and over "
        f"datasets "
        f"in the last line. These are {len(shown)} of {len(own)} datasets; all are in the table `columns`."
    )
    return Block("In numbers", "", Table(head, rows), after)


def _headline_row(study: Study, row: pd.Series, pairs: pd.DataFrame) -> list[str]:
    rank = f"{int(row['own_rank'])} of {int(row['n_prompts'])}" if np.isfinite(row["own_rank"]) else "not known"
    known = pairs[pairs["value"].notna()]
    rival, least = "–", "–"
    if len(known):
        closest = known.iloc[int(known["value"].argmin())]
        rival = escape(choices.prompt_label(study, str(closest["against"])))
        least = interval(closest["value"], closest["lo"], closest["hi"], DIGITS)
    value = interval(row["contrast"], row["lo"], row["hi"], DIGITS)
    return [_dataset(study, row["dataset"]), rank, value, rival, least, f"{int(row['n'])} rows"]


def reading(study: Study) -> list[str]:
    """Guide to reading the numbers and figures."""
    return [
        f"Brackets, whiskers and bands are {captions.level(study)} intervals.",
        "Read a scan down its columns. A dataset that the model wrote under a prompt favours that prompt because the "
        "mean log-probability under the distribution that wrote the data is the largest there is (Gibbs' inequality); "
        "columns differ from each other for reasons of their own, and so do rows.",
        "n counts what entered a number, n_nan what could not be scored; what could not be scored is left out, never "
        "counted as zero. Rows used are those that were scored.",
        "q is the false-discovery rate over all contrasts of the matrix.",
    ]


def glossary(study: Study) -> list[tuple[str, str]]:
    """Terms of the page, and what they mean."""
    terms = [
        (
            "LLS",
            "log-likelihood shift: mean log-probability of a response's tokens under a prompt, less that under the "
            "base "
            "turn, in nats per token; positive if the prompt makes the response likelier",
        ),
        ("base turn", "the system turn that counts as no prompt"),
        ("cell", "one statistic of the LLS of one dataset under one prompt"),
        ("column", "all cells of a dataset"),
        ("own prompt", "the prompt under which a dataset was written"),
        ("candidate, control", "prompts that are compared as origins of datasets, and prompts shown beside them"),
        ("contrast", "LLS under the own prompt less that under another one, for the same rows of one dataset"),
        ("top quintile, top 5 %", "mean over the rows at or above the 80th or 95th percentile of a cell"),
        ("interaction", "what is left of a cell after the means of its row and its column"),
        (
            "JSD",
            "Jensen–Shannon divergence of two distributions of LLS over 100 equal bins, in bits: 0 if they are the "
            "same, 1 if they do not meet",
        ),
    ]
    if study.splits:
        terms.append(("part", "rows of a dataset between two quantiles of LLS, or drawn at random"))
    if study.students is not None:
        terms += [
            ("student", "the model after training on a part or on a whole dataset"),
            ("target rate", "share of a student's answers that show the target"),
        ]
    return terms
