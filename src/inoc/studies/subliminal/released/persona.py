"""Persona vectors of a release: judged answers, steering, vectors and their projections.

Layers of a release number the entries of `hidden_states`; here they are sites.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow as pa

from inoc.errors import DataError
from inoc.files import decode
from inoc.stats.means import NAN
from inoc.stats.scales import are_shares, written
from inoc.studies.imports.evaluations import singular
from inoc.studies.imports.findings import Findings
from inoc.studies.subliminal.imported import PROJECTED
from inoc.studies.subliminal.persona import vector_name
from inoc.studies.subliminal.released.sources import EXTRACTED_FILE, STEERED_FILE, VECTOR_FILE
from inoc.vectors.files import load_foreign
from inoc.vectors.sites import hidden_state_site
from inoc.vectors.vector import Vector

READOUTS = {"response_avg": "response_mean", "prompt_avg": "prompt_mean", "prompt_last": "prompt_last"}
"""Names of read-outs in a release → here."""
UNKNOWN = "unknown"
"""Digest of weights that a release does not have."""

_SYSTEM = re.compile(r"<\|im_start\|>system\n(.*?)<\|im_end\|>", re.DOTALL)
_COLUMN = re.compile(r"[^_]*_(.+)_(response_avg|prompt_avg|prompt_last)_diff_proj_layer(\d+)")

Record = Mapping[str, object]
Fields = dict[str, str]


def csv_rows(path: Path) -> Iterator[Fields]:
    """Rows of a CSV file, whose fields may have several lines.

    Raises:
        DataError: If it is not UTF-8, or a row has another number of fields than the header.
    """
    text = decode(path.read_bytes(), str(path))
    # Lines end at line feeds alone: a text may have other characters that end lines elsewhere.
    reader = csv.DictReader(StringIO(text, newline=""))
    for number, row in enumerate(reader, start=1):
        if None in row or None in row.values():
            raise DataError(f"{path}, row {number}: it has another number of fields than the header")
        yield row


def _number(row: Fields, name: str, path: Path) -> float:
    text = row[name].strip()
    try:
        return float(text) if text else NAN
    except ValueError:
        raise DataError(f"{path}: {name} is {text!r}; expected a number, or nothing") from None


def extracted_answers(paths: Sequence[Path], findings: Findings) -> list[Record]:
    """Rows of `imported.ANSWERS`: pairs are the rows of one number in the two files of a trait.

    Raises:
        DataError: If a field has another form, or the files of a trait ask different questions.
    """
    found: list[Record] = []
    asked: dict[str, list[str]] = {}
    for path in paths:
        match = EXTRACTED_FILE.fullmatch(path.name)
        if match is None:
            continue
        trait, side = match[1], "positive" if match[2] == "pos" else "negative"
        rows = list(csv_rows(path))
        questions = [row["question"] for row in rows]
        if asked.setdefault(trait, questions) != questions:
            raise DataError(f"{path}: its questions are not those of the other file of {trait}, row for row")
        found += _answers(rows, trait, side, path)
        findings.add("found", "answers", str(path), f"{len(rows)} judged answers, {side}")
    _refuse_shares(found, "score", "eval_persona_extract")
    return found


def _refuse_shares(rows: Sequence[Record], name: str, place: str) -> None:
    """Refuse scores of a trait that are from 0 to 1: they would pass for points of 100, and so for no trait at all.

    Raises:
        DataError: With the trait.
    """
    for trait in dict.fromkeys(str(row["trait"]) for row in rows):
        scores = np.array([row[name] for row in rows if row["trait"] == trait], dtype=np.float64)
        if are_shares(scores):
            raise DataError(
                f"{place}: all scores of {trait} are from 0 to 1; accepted: points from 0 to 100. If they are shares, "
                "multiply them by 100"
            )


def _answers(rows: Sequence[Fields], trait: str, side: str, path: Path) -> Iterator[Record]:
    turns: dict[str, int] = {}
    counted: dict[tuple[int, str], int] = {}
    for row in rows:
        system = _SYSTEM.search(row["prompt"])
        turn = turns.setdefault(system[1] if system else "", len(turns))
        key = (turn, row["question"])
        counted[key] = counted.get(key, -1) + 1
        yield {
            "trait": trait,
            "side": side,
            "turn": turn,
            "question": row["question"],
            "sample": counted[key],
            "score": _number(row, trait, path),
            "coherence": _number(row, "coherence", path),
            "instruction": row["question"],
            "completion": row["answer"],
        }


def steered_answers(paths: Sequence[Path], layers: int, findings: Findings) -> list[Record]:
    """Rows of `imported.STEERED`."""
    found: list[Record] = []
    for path in paths:
        match = STEERED_FILE.fullmatch(path.name)
        if match is None:
            continue
        trait, layer, coefficient = match[1], int(match[2]), written(float(match[3]))
        site = hidden_state_site(layer, layers)
        counted: dict[str, int] = {}
        for row in csv_rows(path):
            question = row["question"]
            counted[question] = counted.get(question, -1) + 1
            head = {"trait": trait, "vector": "trait", "site": site, "coefficient": coefficient, "question": question}
            scores = {"score": _number(row, trait, path), "coherence": _number(row, "coherence", path)}
            texts = {"instruction": question, "completion": row["answer"]}
            found.append({**head, "sample": counted[question], **scores, **texts})
    _refuse_shares(found, "score", "the steered answers")
    if found:
        findings.add("found", "steering", "the release", f"{len(found)} judged answers in {len(paths)} files")
        findings.add("missing", "steering", "the release", "answers with a coefficient of 0: no cell has a reference")
        if any(row["site"] == "embed" for row in found):
            text = "layer 0 is imported as `embed`; the release added that vector after the last block"
            findings.add("warning", "steering", "the release", text)
    return found


def sweep_means(paths: Sequence[Path], layers: int, findings: Findings) -> list[Record]:
    """Rows of `imported.SWEEP`."""
    found: list[Record] = []
    for path in paths:
        rows = list(csv_rows(path))
        for row in rows:
            site = hidden_state_site(int(_number(row, "layer", path)), layers)
            coefficient = written(_number(row, "coefficient", path))
            numbers = {"coefficient": coefficient, "trait_score": _number(row, "score", path)}
            found.append({"trait": row["trait"], "site": site, **numbers})
        findings.add("found", "steering", str(path), f"{len(rows)} published means")
    _refuse_shares(found, "trait_score", "the published means of steering")
    return found


def vector_layers(paths: Sequence[Path]) -> int:
    """Number of blocks of the model that vectors belong to: one less than their rows; −1 for no vectors.

    Raises:
        DataError: If the files have different numbers of rows, or cannot be read as plain numbers.
    """
    sizes = {_rows_of(path) for path in paths}
    if len(sizes) > 1:
        raise DataError(f"the vectors have {sorted(sizes)} rows, one for each layer; accepted: one number in all files")
    return sizes.pop() - 1 if sizes else -1


def _rows_of(path: Path) -> int:
    from inoc.vectors.files import foreign_shape

    shape = foreign_shape(path)
    if len(shape) != 2 or shape[0] < 2:
        raise DataError(f"{path} has shape {shape}; accepted: layers × width")
    return shape[0]


def trait_vectors(paths: Sequence[Path], layers: int, findings: Findings) -> list[Vector]:
    """The vectors of all traits, read-outs and sites."""
    found: list[Vector] = []
    for path in paths:
        match = VECTOR_FILE.fullmatch(path.name)
        if match is None:
            continue
        trait, readout = match[1], READOUTS[match[2]]
        load = partial(load_foreign, path, model=UNKNOWN, readout=readout)
        sites = [hidden_state_site(row, layers) for row in range(layers + 1)]
        own = [load(name=vector_name(trait, readout, site), site=site, row=row) for row, site in enumerate(sites)]
        zero = [one.site for one in own if not np.any(one.values)]
        findings.add("found", "vectors", str(path), f"{len(own)} vectors of {trait}, {readout}")
        if zero:
            findings.add("note", "vectors", str(path), "the vector is zero, so nothing can be projected on it", zero)
        found += own
    return found


def published_differences(
    paths: Sequence[Path], layers: int, unpaired: Mapping[str, int], findings: Findings
) -> list[Record]:
    """Rows of `imported.DIFFERENCES`: the dataset of a trait less the neutral one.

    Args:
        paths: Files; each lies in a folder that is named after its trait.
        layers: Number of blocks of the model.
        unpaired: Trait → rows without a neutral partner.
        findings: Findings are added.
    """
    found: list[Record] = []
    for path in paths:
        trait = path.parent.name
        for row in csv_rows(path):
            found.append(
                {
                    "dataset": entity_of(trait),
                    "vector": trait,
                    "site": hidden_state_site(int(_number(row, "layer", path)), layers),
                    "mean": _number(row, "mean", path),
                    "sd": _number(row, "std", path),
                    "positive": _number(row, "frac_positive", path),
                    "n_pairs": int(_number(row, "n", path)),
                    "n_unpaired": unpaired.get(trait, -1),
                }
            )
        findings.add("found", "projections", str(path), f"published differences of {trait}")
    return found


def entity_of(trait: str) -> str:
    """The entity that a trait is about: eagle for liking_eagles."""
    return singular(trait.rpartition("_")[2])


def projected_rows(paths: Sequence[Path], layers: int, findings: Findings) -> Iterator[pa.Table]:
    """Tables of `imported.PROJECTED`, one for each column of projections of a file of number rows."""
    from inoc.studies.subliminal.released.numbers import dataset_of, place_in, stream_of

    for path in paths:
        rows = list(csv_rows(path))
        texts = [row.get("prompt", "") for row in rows]
        seed = stream_of(texts)
        place = place_in(seed) if seed is not None else {}
        ids = [f"row{place[text]:06d}" if text in place else f"line{at:06d}" for at, text in enumerate(texts, start=1)]
        columns = [name for name in (rows[0] if rows else {}) if "_proj_layer" in name]
        for name in columns:
            match = _COLUMN.fullmatch(name)
            if match is None:
                findings.add("left_out", "projections", str(path), f"not read: the column {name}")
                continue
            values = [_number(row, name, path) for row in rows]
            site = hidden_state_site(int(match[3]), layers)
            head = {"dataset": dataset_of(path), "vector": match[1], "readout": READOUTS[match[2]], "site": site}
            cells = {**{key: [value] * len(rows) for key, value in head.items()}, "row_id": ids, "value": values}
            yield pa.table(cells, schema=PROJECTED)
        findings.add("found", "projections", str(path), f"{len(rows)} rows, {len(columns)} columns")
