"""Tables of any study, in the documented layout: a study file beside Parquet or CSV files."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from inoc.config.document import read_document
from inoc.errors import ConfigError, DataError, did_you_mean
from inoc.studies.imports.findings import Findings
from inoc.studies.imports.write import Imported, Tables, yaml_text
from inoc.studies.inoculation.analyse.heuristic_file import table_values
from inoc.studies.inoculation.load import load_inoculation
from inoc.studies.inoculation.released.columns import LAYOUTS, read_frame, refuse_row, refuse_unknown, table_file
from inoc.studies.inoculation.released.document import decoded
from inoc.studies.inoculation.released.logprobs import UNKNOWN_LENGTH
from inoc.studies.inoculation.released.published import PUBLISHED
from inoc.studies.inoculation.released.table_damage import csv_table
from inoc.studies.inoculation.released.table_gaps import report_gaps
from inoc.studies.inoculation.released.table_questions import with_questions
from inoc.studies.inoculation.released.table_rows import (
    Given,
    base_scores,
    check_judges,
    logprob_rows,
    loss_rows,
    own_columns,
    refuse_shares,
    run_scores,
)
from inoc.studies.inoculation.runs import pool_specs, prompt_texts
from inoc.studies.inoculation.study import Study
from inoc.tables import EMBEDDINGS, INSTRUCTIONS, LOGPROBS, LOSSES, POOLS, SCORES, SELF_PERPLEXITY

HEURISTICS = "heuristics.csv"
_MEASURED = ("scores", "elicitation", "logprobs", "losses")


def read_tables(root: Path, name: str) -> Imported:
    """Read `study.yaml` and the tables beside it.

    Args:
        root: The folder.
        name: Name of the study to make.

    Returns:
        Everything that is to be written.

    Raises:
        ConfigError: If the study file is wrong.
        DataError: If there is no table, or one is not as documented; with file, row and column.
    """
    if not (root / "study.yaml").is_file():
        raise DataError(f"there is no file {root / 'study.yaml'}; it says what the tables are of (docs/import.md)")
    values, study = _study(root / "study.yaml", name)
    findings = Findings()
    tables = {table: _read(root, table, findings) for table in LAYOUTS}
    if all(tables[table] is None for table in _MEASURED):
        raise DataError(f"{root} has no table; expected one of {', '.join(_MEASURED)}, as .parquet or .csv")
    asked = with_questions(tables["scores"], tables["elicitation"], tables["instructions"], study)
    scored = [one for one in (asked.elicitation, asked.scores) if one is not None]
    check_judges(scored, study)
    refuse_shares(scored)
    report_gaps({**tables, "scores": asked.scores, "elicitation": asked.elicitation}, study, findings)
    places: Tables = {
        "judge/elicit.parquet": (base_scores(asked.elicitation, study), SCORES),
        "judge/evaluate.parquet": (run_scores(asked.scores, study, findings), SCORES),
        "score/logprobs-0.parquet": (logprob_rows(tables["logprobs"], study), LOGPROBS),
        "train/0/losses.parquet": (loss_rows(tables["losses"], study), LOSSES),
    }
    if asked.instructions is not None:
        places["generate/eval.parquet"] = (asked.instructions, INSTRUCTIONS)
    if tables["pools"] is not None:
        places["rephrase/pools.parquet"] = (_pools(tables["pools"], study), POOLS)
    if tables["self_perplexity"] is not None:
        rows = _self_perplexity(tables["self_perplexity"], study)
        places["score/self-perplexity-0.parquet"] = (rows, SELF_PERPLEXITY)
    texts = _heuristics(root, study, findings)
    if tables["embeddings"] is not None:
        places["embed/embeddings.parquet"] = (_embeddings(tables["embeddings"], study), EMBEDDINGS)
    elif study.embedding is not None and not texts:
        findings.add(
            "missing", "embeddings", "study.yaml", "it has a section `embedding`, and there is no table of them"
        )
        del values["embedding"]
    _report_unread(root, findings)
    return Imported(values, places, findings, texts)


def _study(path: Path, name: str) -> tuple[dict[str, Any], Study]:
    values = {**read_document(path).value, "name": name}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"{name}.yaml"
        copy.write_text(yaml_text(values, "copy"), encoding="utf-8")
        try:
            return values, load_inoculation(copy)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(copy), str(path))) from None


def _read(root: Path, table: str, findings: Findings) -> Given | None:
    path = table_file(root, table)
    if path is None:
        if table in _MEASURED:
            findings.add("missing", "files", table, f"there is no {table}.parquet and no {table}.csv")
        return None
    frame = read_frame(path, table)
    findings.add("found", "files", path.name, f"{len(frame)} rows")
    return Given(path.name, frame)


def _pools(given: Given, study: Study) -> pd.DataFrame:
    frame = given.rows if "pool" in given.rows else given.rows.assign(pool="mix")
    refuse_unknown(frame, "prompt", list(prompt_texts(study)), given.file)
    refuse_unknown(frame, "pool", list(pool_specs(study)), given.file)
    return own_columns(frame, POOLS)


def _self_perplexity(given: Given, study: Study) -> pd.DataFrame:
    if not study.scoring.self_perplexity:
        raise DataError(f"{given.file}: study.yaml says `scoring.self_perplexity: false`; accepted with it: true")
    refuse_unknown(given.rows, "prompt", list(prompt_texts(study)), given.file)
    refuse_unknown(given.rows, "context", ["raw", "ctx"], given.file)
    lists = given.rows.get("logprobs", pd.Series([np.empty(0, np.float32)] * len(given.rows), dtype=object))
    sizes = given.rows.get("n_tokens", pd.Series([one.size or UNKNOWN_LENGTH for one in lists]))
    return own_columns(given.rows.assign(logprobs=lists, n_tokens=sizes), SELF_PERPLEXITY)


def _embeddings(given: Given, study: Study) -> pd.DataFrame:
    if study.embedding is None:
        raise DataError(f"{given.file}: study.yaml has no section `embedding`; add one that names the model")
    refuse_unknown(given.rows, "prompt", list(prompt_texts(study)), given.file)
    sizes = given.rows["vector"].map(len).to_numpy()
    wrong = (sizes != sizes[0]) | (sizes < 2)
    refuse_row(given.file, "vector", sizes, wrong, f"numbers; the first row has {sizes[0]}, at least 2 are needed")
    return own_columns(given.rows, EMBEDDINGS)


def _heuristics(root: Path, study: Study, findings: Findings) -> dict[str, str]:
    """A table of heuristics in the layout of `inoc analyse heuristics`, which is kept for the analysis."""
    path = root / HEURISTICS
    if not path.is_file():
        return {}
    table = csv_table(decoded(path.read_bytes(), HEURISTICS), HEURISTICS)
    text = table.to_csv(index=False, lineterminator="\n")
    values = table_values(pd.read_csv(io.StringIO(text)), HEURISTICS)
    refuse_unknown(values.frame, "prompt", list(prompt_texts(study)), HEURISTICS)
    findings.add("found", "published", HEURISTICS, f"{len(values.frame)} rows with {len(values.heuristics)} heuristics")
    return {PUBLISHED: text}


def _report_unread(root: Path, findings: Findings) -> None:
    """Name files that no table is read from."""
    known = {"study.yaml", HEURISTICS, *(f"{table}.{suffix}" for table in LAYOUTS for suffix in ("parquet", "csv"))}
    for path in sorted(root.iterdir()):
        if path.name not in known:
            name = path.name if path.name.isprintable() else ascii(path.name)
            findings.add("left_out", "files", name, f"is no table that is read{did_you_mean(path.name, known)}")
