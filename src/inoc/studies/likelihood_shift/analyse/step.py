"""The analysis: read the shifts of one dataset after another, and compute all tables."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.analyse.step import Analysed, Skip
from inoc.config.workflow import Shards
from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.score.computed import refuse_mixed
from inoc.stats.contrasts import Contrast
from inoc.stats.means import NAN, Floats
from inoc.studies.likelihood_shift.analyse.cells import CELLS, cell_rows, given_cell
from inoc.studies.likelihood_shift.analyse.columns import COLUMNS, column_rows, own_contrasts
from inoc.studies.likelihood_shift.analyse.confounds import CONFOUNDS, Format, confound_rows, format_rows, mean_format
from inoc.studies.likelihood_shift.analyse.contrasts import CONTRASTS, contrast_rows, with_q
from inoc.studies.likelihood_shift.analyse.decomposition import (
    CONTROLS,
    DECOMPOSITION,
    control_rows,
    decomposition_rows,
)
from inoc.studies.likelihood_shift.analyse.divergence import DIVERGENCE, Sample, divergence_rows, given_divergence
from inoc.studies.likelihood_shift.analyse.histograms import HISTOGRAMS, ROW_COUNTS, count_rows, histogram_rows
from inoc.studies.likelihood_shift.analyse.names import TABLES
from inoc.studies.likelihood_shift.analyse.precision import PRECISION, precision_rows
from inoc.studies.likelihood_shift.analyse.rows import Row, Scan, frame
from inoc.studies.likelihood_shift.analyse.split_table import SPLITS, given_split, split_rows
from inoc.studies.likelihood_shift.formats import are_number_lists, feature_names, feature_table
from inoc.studies.likelihood_shift.inputs import (
    Column,
    columns,
    given_rows,
    imported_responses,
    is_import,
    published_parts,
    student_counts,
)
from inoc.studies.likelihood_shift.study import Study, own_prompt, prompt_table, split_prompt
from inoc.studies.shared.students import (
    DOSE_RESPONSE,
    RATES,
    STUDENTS,
    dose_rows,
    pooled_rows,
    student_rows,
)
from inoc.tables import read_table

SCHEMAS: dict[str, pa.Schema] = {
    "cells": CELLS,
    "contrasts": CONTRASTS,
    "columns": COLUMNS,
    "decomposition": DECOMPOSITION,
    "divergence": DIVERGENCE,
    "confounds": CONFOUNDS,
    "splits": SPLITS,
    "students": STUDENTS,
    "rates": RATES,
    "dose_response": DOSE_RESPONSE,
    "precision": PRECISION,
    "controls": CONTROLS,
    "histograms": HISTOGRAMS,
    "row_counts": ROW_COUNTS,
}


def analyse(paths: Paths, study: Study, shards: Shards) -> Analysed:
    """Every table of `names.TABLES`, and what is missing from them.

    Shifts are read one dataset at a time; of each, the sorted values are kept for divergences: eight bytes for each row
    and prompt.
    """
    made = _Made(study)
    imported = is_import(paths)
    # Each source is read once.
    given = {} if imported else {key: given_rows(study, paths, key, shards) for key in study.datasets}
    formats = _formats(
        {key: imported_responses(paths, key) if imported else given[key].responses for key in study.datasets}
    )
    names, at_F = mean_format(iter([found for _, found in formats.values()]))
    for column in columns(study, paths, shards, given):
        made.add(column, _aligned(column, formats.get(column.dataset)), names, at_F)
    if imported:
        made.add_published(paths)
        made.add_formats(paths, formats)
    made.finish()
    refuse_mixed(paths, shards.get("train", 1), "train")
    counts = student_counts(study, paths, shards)
    confidence = study.statistics.confidence
    made.rows["students"] = student_rows(counts, confidence)
    made.rows["rates"] = pooled_rows(counts, confidence)
    made.rows["dose_response"] = dose_rows(counts, confidence)
    tables = {name: frame(made.rows[name], SCHEMAS[name]) for name in TABLES}
    return Analysed(tables, SCHEMAS, made.skipped)


def scan_of(study: Study) -> Scan:
    """The part of a study that the tables of the scan depend on."""
    prompts = prompt_table(study)
    settings = study.statistics
    return Scan(
        [key for key, prompt in prompts.items() if prompt.role == "candidate"],
        [key for key, prompt in prompts.items() if prompt.role != "candidate"],
        {dataset: own_prompt(study, dataset) for dataset in study.datasets},
        settings.confidence,
        settings.resamples,
        settings.seed,
    )


class _Made:
    """Rows of all tables, as they are made."""

    def __init__(self, study: Study) -> None:
        self.study, self.scan = study, scan_of(study)
        self.rows: dict[str, list[Row]] = {name: [] for name in TABLES}
        self.skipped: list[Skip] = []
        self._own: dict[str, dict[str, Contrast]] = {}
        self._samples: dict[tuple[str, str], Sample] = {}

    def add(self, column: Column, found: Format | None, names: tuple[str, ...], at_F: Floats) -> None:
        """Add what one dataset gives."""
        scan = self.scan
        self.rows["cells"] += cell_rows(column, scan.confidence)
        features = None if found is None else found.values[:, [found.names.index(name) for name in names]]
        self.rows["contrasts"] += contrast_rows(column, scan, features, at_F)
        self._own[column.dataset] = own_contrasts(column, scan)
        self._samples |= {
            (column.dataset, prompt): Sample(shifts)
            for prompt, shifts in zip(column.prompts, column.shifts, strict=True)
        }
        if found is not None:
            self.rows["confounds"] += confound_rows(column, found, scan)
        self.rows["histograms"] += [bar._asdict() for bar in histogram_rows(column)]
        self.rows["row_counts"] += [dict(zip(ROW_COUNTS.names, counted, strict=True)) for counted in count_rows(column)]
        self.rows["precision"] += precision_rows(column, scan, self.study.scoring.precision)
        for split, spec in self.study.splits.items():
            if spec.dataset == column.dataset:
                self._add_split(split, column)

    def _add_split(self, split: str, column: Column) -> None:
        spec, prompt = self.study.splits[split], split_prompt(self.study, split)
        if spec.by != "random" and prompt not in column.prompts:
            why = f"dataset {column.dataset} was not scored under {prompt!r}"
            self.skipped.append(Skip(f"split {split}", why))
            return
        try:
            self.rows["splits"] += split_rows(split, spec, column, prompt, self.scan.confidence)
        except DataError as error:
            self.skipped.append(Skip(f"split {split}", str(error)))

    def add_published(self, paths: Paths) -> None:
        """Add published values where nothing was computed from rows."""
        known = {(row["statistic"], row["prompt"], row["dataset"]) for row in self.rows["cells"]}
        for row in _given(paths, "cells"):
            statistic, prompt, dataset = str(row["statistic"]), str(row["prompt"]), str(row["dataset"])
            if (statistic, prompt, dataset) not in known:
                self.rows["cells"].append(given_cell(prompt, dataset, statistic, float(str(row["value"]))))
        for row in _given(paths, "divergence"):
            first, second, prompt = (str(row[name]) for name in ("dataset_a", "dataset_b", "prompt"))
            if not {(first, prompt), (second, prompt)} <= self._samples.keys():
                value = float(str(row["jsd_bits"]))
                self.rows["divergence"].append(given_divergence(first, second, prompt, value))
        splits = {row["split"] for row in self.rows["splits"]}
        self.rows["splits"] += [given_split(row) for row in _given(paths, "splits") if row["split"] not in splits]

    def add_formats(self, paths: Paths, formats: dict[str, tuple[list[str], Format]]) -> None:
        """Add the formats of datasets whose answers are known and whose shifts are not, by published part."""
        known = {dataset for dataset, _ in self._samples}
        for dataset, (ids, found) in formats.items():
            if dataset not in known:
                places = pd.Index(ids)
                parts = {
                    part: places.get_indexer(pd.Index(members)).astype(np.int64)
                    for part, members in published_parts(paths, dataset).items()
                }
                self.rows["confounds"] += format_rows(dataset, found, parts, None, self.scan.confidence)

    def finish(self) -> None:
        """Add what needs all datasets."""
        scan, cells = self.scan, self.rows["cells"]
        self.rows["contrasts"] = with_q(self.rows["contrasts"], "controlled")
        self.rows["columns"] = column_rows(scan, cells, self._own)
        self.rows["decomposition"], skipped = decomposition_rows(scan, cells)
        self.rows["controls"] = control_rows(scan, cells)
        self.rows["divergence"] += divergence_rows(self._samples, list(scan.own), scan)
        self.skipped += skipped


def _given(paths: Paths, name: str) -> Iterator[Row]:
    path = paths.stage("imports") / f"{name}.parquet"
    if path.exists():
        yield from ({str(key): value for key, value in row.items()} for row in read_table(path).to_dict("records"))


def _formats(answers: dict[str, dict[str, str]]) -> dict[str, tuple[list[str], Format]]:
    """Dataset → ids of its answers, and their format, of datasets whose answers are known."""
    known = {dataset: found for dataset, found in answers.items() if found}
    # One list of features for all: contrasts at the mean format need them everywhere.
    of_numbers = bool(known) and all(are_number_lists(list(found.values())) for found in known.values())
    names = feature_names(of_numbers=of_numbers)
    return {
        dataset: (list(found), Format(names, feature_table(list(found.values()), of_numbers=of_numbers)))
        for dataset, found in known.items()
    }


def _aligned(column: Column, found: tuple[list[str], Format] | None) -> Format | None:
    """The format of the scored rows; NaN for rows whose answer is not known."""
    if found is None:
        return None
    ids, given = found
    if ids == column.ids:
        return given
    places = pd.Index(ids).get_indexer(pd.Index(column.ids))
    values = np.where((places >= 0)[:, None], given.values[places], NAN)
    return Format(given.names, values)
