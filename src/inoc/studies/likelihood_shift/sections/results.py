"""The tables of results, from those of the analysis. Every number stands with its n."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from inoc.jobs.paths import Paths
from inoc.report.contents import EMPTY, Block, Section
from inoc.report.words import Table, counted, escape, interval, number, probability
from inoc.studies.likelihood_shift.figures import choices
from inoc.studies.likelihood_shift.figures.students import part_order
from inoc.studies.likelihood_shift.sections.front import dose_unit
from inoc.studies.likelihood_shift.sections.published import PUBLISHED, published_table
from inoc.studies.likelihood_shift.study import Study, own_prompt
from inoc.studies.shared import captions

DIGITS = 4
MOST_ROWS = 60
NOTHING = "*Nothing to show; see what was skipped.*"
Tables = Mapping[str, pd.DataFrame]
NONE = pd.DataFrame()


def sections(study: Study, tables: Tables, paths: Paths) -> list[Section]:
    """Sections of results.

    Args:
        study: The study.
        tables: Of the analysis.
        paths: Where an import has left its findings.
    """
    level = captions.level(study)
    blocks = [
        _shown(
            "Tests within columns", column_table(study, tables.get("columns", NONE)), _COLUMN_WORDS.format(level=level)
        ),
        _shown(
            "Control prompts",
            control_table(study, tables.get("controls", NONE)),
            f"Nats per token; {level} t interval over datasets, which n counts.",
        ),
        _shown(
            "Format of the answers",
            confound_table(study, tables.get("confounds", NONE)),
            _CONFOUND_WORDS.format(level=level),
        ),
    ]
    found = [Section("Results", blocks), evidence_section()]
    if study.students is not None or len(tables.get("students", NONE)):
        found.insert(1, student_section(study, tables))
    published = published_table(study, tables, paths)
    if published.rows:
        found.append(Section("Published numbers", [Block("", PUBLISHED, published)]))
    return found


def _shown(heading: str, table: Table, after: str) -> Block:
    return Block(heading, "" if table.rows else NOTHING, table, after)


_COLUMN_WORDS = (
    "Contrast: own prompt less the mean of the other candidates, nats per token, with {level} interval; q over the "
    "datasets of a statistic. Excess: what is left of it after the prompts' means on the other datasets; p of the own "
    "prompt is one-sided, against the other candidates as origins."
)
_CONFOUND_WORDS = (
    "Over all rows, the fifth with the lowest and the one with the highest LLS under the own prompt, with {level} "
    "interval; ρ is Spearman's correlation with that LLS. A feature with a large ρ may be what LLS ranks rows by."
)


def column_table(study: Study, columns: pd.DataFrame) -> Table:
    """The test of each dataset and statistic.

    Args:
        study: The study.
        columns: Table of the analysis.
    """
    has_excess = "excess" in columns
    head = [
        "dataset",
        "statistic",
        "rank",
        "contrast",
        "p",
        "q",
        *(["excess", "p of the own prompt"] if has_excess else []),
        "n",
    ]
    rows = []
    for _, row in columns.head(MOST_ROWS).iterrows():
        whole = row["dataset"] == "all"
        name = "**all datasets**" if whole else escape(choices.dataset_label(study, str(row["dataset"])))
        excess = (
            [
                interval(row["excess"], row["excess_lo"], row["excess_hi"], DIGITS),
                "–" if whole else probability(row["p_own"]),
            ]
            if has_excess
            else []
        )
        rows.append(
            [
                name,
                escape(choices.STATISTICS.get(str(row["statistic"]), str(row["statistic"]))),
                number(row["own_rank"], 1 if whole else 0),
                interval(row["contrast"], row["lo"], row["hi"], DIGITS),
                probability(row["p"]),
                "–" if whole else probability(row["q"]),
                *excess,
                counted(row["n"], row.get("n_nan")),
            ]
        )
    return Table(head, rows)


def control_table(study: Study, controls: pd.DataFrame) -> Table:
    """Control prompts beside the candidates, for the mean.

    Args:
        study: The study.
        controls: Table of the analysis.
    """
    names = {"own": "own prompt", "others": "the other candidates", "candidates": "all candidates", "": "–"}
    on = {"own": "written under a prompt", "other": "written under none"}
    rows = [
        [
            names.get(str(row["prompt"]), escape(choices.prompt_label(study, str(row["prompt"])))),
            names.get(str(row["against"]), escape(str(row["against"]))),
            on.get(str(row.get("datasets", "own")), escape(str(row.get("datasets", "")))),
            interval(row["value"], row["lo"], row["hi"], DIGITS),
            counted(row["n"], row.get("n_nan")),
        ]
        for _, row in controls.iterrows()
        if str(row.get("statistic", "mean")) == "mean"
    ]
    return Table(["prompt", "less", "datasets", "mean LLS", "n"], rows)


def confound_table(study: Study, confounds: pd.DataFrame) -> Table:
    """Features of the format of the answers, and their relation to LLS.

    Args:
        study: The study.
        confounds: Table of the analysis.
    """
    rows = []
    if confounds.empty:
        return EMPTY
    for (dataset, feature), found in confounds.groupby(["dataset", "feature"], sort=False):
        own = found.set_index("part")
        parts = sorted((part for part in own.index if str(part).startswith("q")), key=lambda part: int(str(part)[1:]))
        cells = [_part(own, part) for part in ("all", *((parts[0], parts[-1]) if parts else ("q1", "q5")), "rho")]
        n = counted(own.iloc[0]["n"], own.iloc[0].get("n_nan"))
        rows.append(
            [escape(choices.dataset_label(study, str(dataset))), escape(str(feature).replace("_", " ")), *cells, n]
        )
    return Table(["dataset", "feature", "all rows", "lowest fifth", "highest fifth", "ρ", "n"], rows[:MOST_ROWS])


def _part(own: pd.DataFrame, part: str) -> str:
    if part not in own.index:
        return "–"
    value, lo, hi = (float(own[name][part]) for name in ("value", "lo", "hi"))
    return interval(value, lo, hi, 2)


def evidence_section() -> Section:
    """Statements on what a scan can and cannot show about data."""
    words = "\n".join(
        [
            "- **Evidence** that a dataset was written under a prompt, among the candidates: a contrast within its "
            "column whose interval is above zero, that stays so with the format of the answers held constant, and that "
            "control prompts do not have.",
            "- **Not evidence:** that a dataset has a large LLS under a prompt. Any prompt of the same template may "
            "have that; the control of the same template shows how much is the template's.",
            "- **Not evidence:** a difference of the grand diagonal and the rest, or a row's largest cell. Both mix in "
            "differences between datasets.",
            "- **Not evidence** about a trait's strength, or about what a student learns: LLS says how likely an "
            "answer "
            "is under a prompt. Only students trained on the rows show what they teach.",
            "- The argument from Gibbs' inequality needs the scoring model to be the one that wrote the data; for "
            "data of "
            "another model, or filtered data, an own prompt need not be its column's largest.",
        ]
    )
    return Section("Evidence for a trait in the data", [Block("", words)])


def student_section(study: Study, tables: Tables) -> Section:
    """Students after the last epoch; their best epochs apart.

    Args:
        study: The study.
        tables: Of the analysis.
    """
    level = captions.level(study)
    students = tables.get("students", NONE)
    if students.empty:
        return Section("Students", [Block("Rates after the last epoch", NOTHING)])
    students = students.assign(
        **{name: students[name].fillna("").astype(str) for name in ("split", "part", "dataset", "target")}
    )
    last = student_table(study, tables.get("rates", NONE))
    best, unit = best_table(study, students), dose_unit(students)
    blocks = [
        _shown(
            "Rates after the last epoch",
            last,
            f"Percent of answers with the target; {level} interval; n counts answers.",
        ),
        _shown(
            "Best epochs, chosen on the same answers",
            best,
            "These are no result: the largest of several noisy rates is too large. They are here because others "
            "publish them.",
        ),
        _shown(
            "Dose and response",
            dose_table(study, tables.get("dose_response", NONE)),
            f"{level} intervals over {unit}, which n counts.",
        ),
    ]
    return Section("Students", blocks)


def _student_name(study: Study, row: pd.Series) -> list[str]:
    if not row["dataset"]:
        return ["untrained model", "–"]
    split = (
        escape(row["split"].replace("_", " ")) if row["split"] else escape(choices.dataset_label(study, row["dataset"]))
    )
    return [split, escape(row["part"]) or "all rows"]


def student_table(study: Study, rates: pd.DataFrame) -> Table:
    """Rates of students after the last epoch, over all seeds.

    Args:
        study: The study.
        rates: Table of the analysis.
    """
    if rates.empty:
        return Table([], [])
    means = rates[rates["is_last"].astype(bool)]
    means = means.assign(**{name: means[name].fillna("").astype(str) for name in ("split", "part", "dataset")})
    place = {part: index for index, part in enumerate(part_order(list(means["part"])))}
    means = means.assign(place=means["part"].map(place)).sort_values(["target", "split", "dataset", "place"])
    rows = [
        [
            *_student_name(study, row),
            escape(choices.target_label(study, row["target"])),
            f"{row['epoch']:g}",
            interval(100 * row["rate"], 100 * row["lo"], 100 * row["hi"]),
            str(int(row["n_seeds"])),
            counted(row["n"], row["n_nan"]),
        ]
        for _, row in means.iterrows()
    ]
    return Table(["trained on", "part", "target", "epoch", "rate (%)", "seeds", "n"], rows)


def best_table(study: Study, students: pd.DataFrame) -> Table:
    """The epoch with the largest rate of each student, where it is not the last.

    Args:
        study: The study.
        students: Table of the analysis.
    """
    apart = students[students["is_best"].astype(bool) & ~students["is_last"].astype(bool)]
    rows = [
        [
            *_student_name(study, row),
            str(row["seed"]),
            escape(choices.target_label(study, row["target"])),
            f"{row['epoch']:g}",
            number(100 * float(row["rate"])),
            counted(row["n"], row["n_nan"]),
        ]
        for _, row in apart.iterrows()
    ]
    return Table(["trained on", "part", "seed", "target", "best epoch", "rate (%)", "n"], rows)


def dose_table(study: Study, dose: pd.DataFrame) -> Table:
    """Tests over the parts of splits.

    Args:
        study: The study.
        dose: Table of the analysis.
    """
    rows = [
        [
            escape(str(row["split"]).replace("_", " ")),
            escape(choices.target_label(study, str(row["target"]))),
            escape(str(row["statistic"]).replace("_", " ")),
            interval(row["value"], row["lo"], row["hi"], 3) if np.isfinite(row["value"]) else "–",
            probability(row["p"]) if np.isfinite(row["p"]) else "–",
            str(int(row["n_seeds"])),
            counted(row["n"]),
        ]
        for _, row in dose.iterrows()
        if row["statistic"] != "rate"
    ]
    return Table(["split", "target", "statistic", "value", "p", "seeds", "n"], rows)


def row_table(study: Study, counts: pd.DataFrame) -> Table:
    """Rows of each dataset that were scored and those that were counted for another reason.

    Args:
        study: The study.
        counts: Table of the analysis.
    """
    if counts.empty:
        return EMPTY
    wide = counts.pivot_table(index="dataset", columns="reason", values="n", aggfunc="sum", fill_value=0)
    reasons = ["scored", *(reason for reason in wide if reason != "scored")]
    wide = wide.reindex(columns=reasons, fill_value=0)
    rows = [
        [
            escape(choices.dataset_label(study, dataset)),
            escape(choices.prompt_label(study, own_prompt(study, dataset))) or "none",
            *(str(int(wide[reason][dataset])) for reason in reasons),
        ]
        for dataset in study.datasets
        if dataset in wide.index
    ]
    return Table(["dataset", "own prompt", *(escape(str(reason).replace("_", " ")) for reason in reasons)], rows)


def failed_words(tables: Tables) -> list[str]:
    """Lines on cells and students without a value.

    Args:
        tables: Of the analysis.
    """
    words = []
    for name, value, keys in (
        ("cells", "value", ["statistic", "prompt", "dataset"]),
        ("columns", "contrast", ["statistic", "dataset"]),
        ("students", "rate", ["student", "epoch", "target"]),
    ):
        table = tables.get(name)
        if table is None or value not in table:
            continue
        gone = table[table[value].isna()]
        if len(gone):
            shown = "; ".join(escape(", ".join(map(str, row))) for row in gone[keys].head(12).itertuples(index=False))
            more = f" and {len(gone) - 12} more" if len(gone) > 12 else ""
            words.append(f"{len(gone)} rows of the table `{name}` have no value: {shown}{more}")
    return words
