"""Reads releases of studies of subliminal learning and persona vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from inoc.errors import DataError
from inoc.studies.imports.findings import Findings
from inoc.studies.imports.write import Imported, Tables
from inoc.studies.subliminal import imported as tables
from inoc.studies.subliminal.released import persona
from inoc.studies.subliminal.released.divisions import distance_rows, evaluation_rows, split_facts, unpaired_rows
from inoc.studies.subliminal.released.logs import trainer_logs
from inoc.studies.subliminal.released.numbers import number_rows
from inoc.studies.subliminal.released.sources import Sources, find_sources
from inoc.studies.subliminal.released.study_file import MODELS, NEUTRAL, note_what_is_known, study_values
from inoc.studies.subliminal.released.summaries import published_rates
from inoc.vectors.vector import Vector

Record = Mapping[str, object]
_KINDS = (
    "number files (JSONL of prompt and completion, or messages), evaluations and steering as CSV, summaries of rates, "
    "trainers' logs, vectors as .pt, projections, or trait files"
)
DEFAULT_LAYERS = 48
"""Blocks of the model where no vector says it."""


def read_releases(roots: Sequence[Path], name: str) -> Imported:
    """Everything that an import writes.

    Args:
        roots: Checkouts of releases, or folders of them.
        name: Of the new study.

    Raises:
        DataError: If a file has another form than such files have, or nothing can be imported.
    """
    findings = Findings()
    read = [(root, find_sources(root)) for root in roots]
    if not any(sources.found() for _, sources in read):
        raise DataError(f"{', '.join(map(str, roots))}: no results that can be imported; accepted: {_KINDS}")
    layers = persona.vector_layers([path for _, sources in read for path in sources.vectors])
    if layers < 0:
        layers = DEFAULT_LAYERS
    rows: dict[str, list[Record]] = {}
    vectors: list[Vector] = []
    traits: list[Path] = []
    projected: list[Path] = []
    for root, sources in read:
        for table, found in _read(root, sources, layers, findings).items():
            rows.setdefault(table, []).extend(found)
        vectors += persona.trait_vectors(sources.vectors, layers, findings)
        traits += sources.traits
        projected += sources.projected
        _unread(root, sources, findings)
    written: Tables = {
        f"imports/{table}.parquet": (pd.DataFrame(found, columns=_SCHEMAS[table].names), _SCHEMAS[table])
        for table, found in rows.items()
        if found
    }
    if projected:
        written["imports/projected.parquet"] = (
            persona.projected_rows(projected, layers, findings),
            tables.PROJECTED,
        )
    note_what_is_known(traits, findings)
    study = study_values(name, roots, datasets_of(rows), traits, _model(read))
    return Imported(study, written, findings, {}, {tables.VECTORS_FILE: vectors} if vectors else {})


_SCHEMAS: dict[str, pa.Schema] = {
    "numbers": tables.NUMBERS,
    "evaluations": tables.EVALUATIONS,
    "published": tables.PUBLISHED_RATES,
    "losses": tables.LOSSES,
    "log_summaries": tables.LOG_SUMMARIES,
    "answers": tables.ANSWERS,
    "steered": tables.STEERED,
    "sweep": tables.SWEEP,
    "differences": tables.DIFFERENCES,
    "distances": tables.DISTANCES,
    "splits": tables.SPLITS,
}


def _read(root: Path, sources: Sources, layers: int, findings: Findings) -> dict[str, list[Record]]:
    logs = trainer_logs(sources.logs, root, findings)
    splits = split_facts(sources.splits, root, findings)
    missing = unpaired_rows(splits)
    names = [path.stem for path in sources.traits]
    unpaired = {one: missing[persona.entity_of(one)] for one in names if persona.entity_of(one) in missing}
    return {
        "numbers": number_rows(sources.numbers, root, findings),
        "evaluations": evaluation_rows(sources.evaluations, root, findings),
        "published": published_rates(sources.summaries, root, findings),
        "losses": logs.losses,
        "log_summaries": logs.summaries,
        "answers": persona.extracted_answers(sources.extracted, findings),
        "steered": persona.steered_answers(sources.steered, layers, findings),
        "sweep": persona.sweep_means(sources.sweeps, layers, findings),
        "differences": persona.published_differences(sources.differences, layers, unpaired, findings),
        "distances": distance_rows(sources.distances, _trait_names(sources), layers, findings),
        "splits": splits,
    }


def _trait_names(sources: Sources) -> list[str]:
    """Traits that have vectors or differences."""
    of_vectors = [path.name.partition("_response")[0].partition("_prompt")[0] for path in sources.vectors]
    return list(dict.fromkeys([*of_vectors, *(path.parent.name for path in sources.differences)]))


def datasets_of(rows: Mapping[str, Sequence[Record]]) -> list[str]:
    """Datasets and entities that the tables are about, the neutral one last."""
    found: dict[str, None] = {}
    # A file of all answers is a sample of several teachers, whose entities it does not name.
    samples = {row["dataset"] for row in rows.get("numbers", ()) if row["raw"]}
    for row in rows.get("numbers", ()):
        if row["dataset"] != NEUTRAL and row["dataset"] not in samples:
            found.setdefault(str(row["dataset"]))
    for table, column in (("evaluations", "dataset"), ("published", "entity"), ("differences", "dataset")):
        for row in rows.get(table, ()):
            if row[column] and row[column] != NEUTRAL:
                found.setdefault(str(row[column]))
    for row in rows.get("answers", ()):
        found.setdefault(persona.entity_of(str(row["trait"])))
    return [key for key in found if key.isidentifier()] + [NEUTRAL]


def _model(read: Sequence[tuple[Path, Sources]]) -> str:
    """The model that folders of a release are named after; empty for none."""
    paths = [path for _, sources in read for path in (*sources.vectors, *sources.steered, *sources.extracted)]
    return next((part for path in paths for part in path.parts if part in MODELS and part), "")


def _unread(root: Path, sources: Sources, findings: Findings) -> None:
    names = sorted(str(path.relative_to(root)) for path in sources.unread)
    if names:
        findings.add("left_out", "files", str(root), "not read: of no kind that is imported", names)
