"""Rows that tables lack: of a set that others have whole, as where a file was cut off between two lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from inoc.studies.imports.findings import Findings
from inoc.studies.inoculation.released.table_rows import Given
from inoc.studies.inoculation.runs import prompt_texts, study_runs
from inoc.studies.inoculation.study import Study

_RUN = ["prompt", "prefix", "learning_rate", "seed", "data"]
_CELL = [*_RUN, "step", "asked_prompt", "asked_prefix", "trait"]
_GROUPS = {
    # Table → columns of what should be whole, columns that it is compared within, and what is counted.
    "scores": (_RUN, ["prefix", "data"], "scores than other runs of their kind"),
    "losses": (_RUN, [], "points than other curves"),
    "logprobs": (["dataset", "prompt", "prefix"], ["dataset"], "responses than other passes"),
    "pools": (["pool", "prompt"], ["pool"], "rephrasings than other pools"),
}


def report_gaps(tables: Mapping[str, Given | None], study: Study, findings: Findings) -> None:
    """Report sets of rows that are smaller than others of their kind.

    Args:
        tables: Table → rows, with the set of questions of every score.
        study: The study.
        findings: Where to report.
    """
    asked = [one for name in ("scores", "elicitation") if (one := tables.get(name)) is not None]
    _report_instructions(asked, findings)
    for name, (group, within, what) in _GROUPS.items():
        given = tables.get(name)
        if given is not None:
            sizes = _sizes(given.rows, group)
            keys = [level for level in sizes.index.names if level in within]
            most = sizes.groupby(level=keys).transform("max") if keys else sizes.max()
            _report(given.file, sizes[sizes < most], f"fewer {what}", findings)
    _report_absent(tables, study, findings)


def _report_absent(tables: Mapping[str, Given | None], study: Study, findings: Findings) -> None:
    """Report prompts and runs of the study that a table has no row of."""
    elicited, scored, losses = (tables.get(name) for name in ("elicitation", "logprobs", "losses"))
    if elicited is not None:
        there = set(elicited.rows["asked_prompt"])
        absent = [prompt or "none" for prompt in ("", *prompt_texts(study)) if prompt not in there]
        if absent:
            text = "no scores of the untrained model with these prompts"
            findings.add("missing", "elicitation", elicited.file, text, absent)
    if scored is not None:
        passes = set(zip(scored.rows["prompt"], scored.rows["prefix"], strict=True))
        wanted = [(prompt, prefix) for prompt in prompt_texts(study) for prefix in study.scoring.prefixes]
        absent = [f"{prompt} ({prefix})" for prompt, prefix in wanted if (prompt, prefix) not in passes]
        if absent:
            findings.add("missing", "logprobs", scored.file, "no log-probabilities with these prefixes", absent)
    if losses is not None:
        rows = losses.rows if "data" in losses.rows else losses.rows.assign(data="")
        curves = set(rows[_RUN].drop_duplicates().itertuples(index=False, name=None))
        absent = [run.name for run in study_runs(study) if tuple(run) not in curves]
        if absent:
            findings.add("missing", "losses", losses.file, "no curves of these runs", absent)


def _report_instructions(asked: Sequence[Given], findings: Findings) -> None:
    """Report cells that lack an instruction which others of the same set of questions have."""
    sizes = [_sizes(one.rows, ["questions", *_CELL]) for one in asked]
    most: dict[str, int] = {}
    for one in sizes:
        for key, size in one.groupby(level="questions").max().items():
            most[str(key)] = max(most.get(str(key), 0), int(size))
    for given, one in zip(asked, sizes, strict=True):
        short = one[one < one.index.get_level_values("questions").map(most).to_numpy()]
        text = "fewer instructions than others of the set; those that are missing count as failed"
        _report(given.file, short, text, findings)


def _sizes(rows: pd.DataFrame, columns: list[str]) -> pd.Series:
    return rows.groupby([name for name in columns if name in rows], sort=False, dropna=False).size()


def _report(file: str, short: pd.Series, text: str, findings: Findings) -> None:
    if len(short):
        names = []
        for place, n in short.items():
            parts = place if isinstance(place, tuple) else (place,)
            names.append(f"{' '.join(str(part) for part in parts if part != '') or 'none'} ({n})")
        findings.add("missing", "rows", file, f"{text}; the table may be cut off", names)
