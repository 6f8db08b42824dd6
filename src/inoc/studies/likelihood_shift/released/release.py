"""Reads a release of a study of likelihood shifts: scores, published tables, splits and evaluations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from inoc.studies.imports.evaluations import check, count_rows, counts_table, read_evaluation
from inoc.studies.imports.findings import Findings
from inoc.studies.imports.grids import read_grid
from inoc.studies.imports.write import Imported, Tables
from inoc.studies.likelihood_shift.inputs import (
    IMPORTED_CELLS,
    IMPORTED_DIVERGENCE,
    IMPORTED_PARTS,
    IMPORTED_ROWS,
    IMPORTED_SHIFTS,
    IMPORTED_SPLITS,
)
from inoc.studies.likelihood_shift.released.shifts import Rows, rows_of_parts, rows_table, shift_groups
from inoc.studies.likelihood_shift.released.sources import Sources, find_sources, statistic_of
from inoc.studies.likelihood_shift.released.splits import NEUTRAL, Splits, read_splits
from inoc.studies.likelihood_shift.released.study_file import note_what_is_known, study_values
from inoc.studies.shared.students import COUNTS

Record = Mapping[str, object]


def read_release(root: Path, name: str, scan: str | None) -> Imported:
    """Everything that an import writes.

    Args:
        root: A checkout of a release, or a folder of one.
        name: Of the new study.
        scan: Name of the folder of scores, if there are several; default: the one with the most files.

    Raises:
        DataError: If a file has another form than such files have, or nothing can be imported.
    """
    findings = Findings()
    sources = find_sources(root)
    folder, cells = _scan(sources, root, scan, findings)
    grids = _cells(sources, findings)
    divergences = _divergences(sources, findings)
    splits = read_splits(sources.splits, findings)
    counts = _evaluations(sources, root, findings)
    prompts, datasets = _keys(cells, grids, divergences, splits, counts)
    known: dict[str, Rows] = {}
    members = _parts(sources, known, findings) if not cells else []
    tables: Tables = {}
    if cells:
        tables["imports/lls.parquet"] = (shift_groups(cells, known, findings), IMPORTED_SHIFTS)
    # Rows are known once the shifts have been read, which is when their table is written.
    tables["imports/rows.parquet"] = (_rows_of(known), IMPORTED_ROWS)
    for place, records, schema in (
        ("cells", grids, IMPORTED_CELLS),
        ("divergence", divergences, IMPORTED_DIVERGENCE),
        ("splits", splits.rows, IMPORTED_SPLITS),
        ("parts", members, IMPORTED_PARTS),
    ):
        if records:
            tables[f"imports/{place}.parquet"] = (pd.DataFrame(list(records), columns=schema.names), schema)
    if counts:
        tables["imports/students.parquet"] = (counts_table(counts), COUNTS)
    note_what_is_known(prompts, findings)
    _unread(sources, root, findings)
    return Imported(study_values(name, root, prompts, datasets, splits.sections, folder), tables, findings, {})


def _rows_of(known: Mapping[str, Rows]) -> Iterable[pa.Table]:
    yield pa.Table.from_pandas(rows_table(known), schema=IMPORTED_ROWS, preserve_index=False)


def _scan(
    sources: Sources, root: Path, wanted: str | None, findings: Findings
) -> tuple[str, dict[tuple[str, str], Path]]:
    """The folder of scores to import, and its files."""
    if not sources.scans:
        findings.add(
            "missing", "scores", "the release", "the scores of rows are not there; what follows has no intervals"
        )
        return "outputs/lls_scan", {}
    names = {str(folder.relative_to(root)): cells for folder, cells in sources.scans.items()}
    fitting = {name: cells for name, cells in names.items() if wanted is None or Path(name).name == wanted}
    if not fitting:
        from inoc.errors import ConfigError

        known = ", ".join(Path(name).name for name in names)
        raise ConfigError(f"--scan {wanted}: there is no such folder of scores; accepted: {known}")
    chosen = max(fitting, key=lambda name: len(fitting[name]))
    findings.add("found", "scores", chosen, f"{len(names[chosen])} files of rows with a score")
    for name, cells in names.items():
        if name != chosen:
            text = f"not imported: {len(cells)} files of another scan; `--scan {Path(name).name}` imports it"
            findings.add("left_out", "scores", name, text)
    return chosen, names[chosen]


def _cells(sources: Sources, findings: Findings) -> list[Record]:
    """Published cells; of several matrices of one statistic the largest."""
    grids = [(statistic_of(path), read_grid(path), path) for path in sources.matrices]
    best = {statistic: (grid, path) for statistic, grid, path in sorted(grids, key=lambda one: len(one[1].values))}
    rows: list[Record] = []
    for statistic, grid, path in grids:
        if best[statistic][1] != path:
            findings.add("left_out", "cells", str(path), f"not imported: {best[statistic][1].name} has more cells")
            continue
        findings.add("found", "cells", str(path), f"{len(grid.values)} cells of {statistic}, as printed")
        rows += [
            {"statistic": statistic, "prompt": prompt, "dataset": dataset, "value": value}
            for (prompt, dataset), value in grid.values.items()
        ]
    return rows


def _divergences(sources: Sources, findings: Findings) -> list[Record]:
    rows: list[Record] = []
    for path in sources.divergences:
        grid, prompt = read_grid(path), path.parent.name
        for number, first in enumerate(grid.rows):
            if grid.values.get((first, first), 0.0) != 0:
                findings.add("warning", "divergence", str(path), f"{first} diverges from itself")
            for second in grid.columns[number + 1 :]:
                value = grid.values.get((first, second))
                if value is None:
                    continue
                if value != grid.values.get((second, first)):
                    findings.add(
                        "warning", "divergence", str(path), f"{first}, {second} differs from {second}, {first}"
                    )
                rows.append({"prompt": prompt, "dataset_a": first, "dataset_b": second, "jsd_bits": value})
        findings.add("found", "divergence", str(path), f"{len(grid.rows)} datasets under {prompt}")
    return rows


def _evaluations(sources: Sources, root: Path, findings: Findings) -> list[Record]:
    rows: list[Record] = []
    for path in sources.evaluations:
        found = read_evaluation(path)
        check(path, found, findings)
        rows += count_rows(path, root, found)
    if sources.evaluations:
        findings.add("found", "evaluations", "the release", f"{len(sources.evaluations)} files, {len(rows) // 2} rows")
    return rows


def _parts(sources: Sources, known: dict[str, Rows], findings: Findings) -> list[Record]:
    """Rows of datasets whose quantiles are there as files, and to which part they belong."""
    members: list[Record] = []
    for folder, files in sources.parts.items():
        dataset = folder.name
        quantiles = {name: path for name, path in files.items() if name.startswith("entity_q")}
        found = rows_of_parts(quantiles.values()) if quantiles else None
        if found is None:
            findings.add("left_out", "rows", str(folder), "not imported: the order of the dataset's rows is not known")
            continue
        rows, parts = found
        known[dataset] = rows
        for name, ids in parts.items():
            part = name.removeprefix("entity_")
            members += [
                {"split": f"{dataset}_quintiles", "part": part, "dataset": dataset, "row_id": one} for one in ids
            ]
        findings.add("found", "rows", str(folder), f"{len(rows.ids)} rows of {dataset}, from {len(parts)} parts")
    return members


def _keys(
    cells: Mapping[tuple[str, str], Path],
    grids: Iterable[Record],
    divergences: Iterable[Record],
    splits: Splits,
    counts: Iterable[Record],
) -> tuple[list[str], list[str]]:
    """Keys of prompts and datasets, in the order in which they are met; the neutral dataset comes last."""
    prompts: dict[str, None] = dict.fromkeys(prompt for prompt, _ in sorted(cells))
    datasets: dict[str, None] = dict.fromkeys(sorted({dataset for _, dataset in cells}))
    for row in grids:
        prompts[str(row["prompt"])] = datasets[str(row["dataset"])] = None
    for row in divergences:
        prompts[str(row["prompt"])] = datasets[str(row["dataset_a"])] = datasets[str(row["dataset_b"])] = None
    for row in splits.rows:
        datasets[str(row["dataset"])] = None
        if row["prompt"]:
            prompts[str(row["prompt"])] = None
    if not prompts:  # evaluations alone
        trained = [str(row["dataset"]) for row in counts if row["dataset"]]
        datasets |= dict.fromkeys(trained)
        prompts |= dict.fromkeys(key for key in trained if key != NEUTRAL)
    return list(prompts), [key for key in datasets if key != NEUTRAL] + [NEUTRAL] * (NEUTRAL in datasets)


def _unread(sources: Sources, root: Path, findings: Findings) -> None:
    names = sorted(str(path.relative_to(root)) for path in sources.unread)
    if names:
        findings.add("left_out", "files", "the release", "not read: of no kind that is imported", names)
