"""The tables `vectors` and `vector_cosines`: concepts and refusal, how well they are known, and what they share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.directions import cosine
from inoc.stats.means import NAN, Floats
from inoc.stats.two_directions import Apart, held_out, split_half_of_two
from inoc.studies.preferences.concepts import (
    CONTEXTS,
    REFUSAL,
    REFUSAL_READOUT,
    Contrasts,
    Refused,
    concept_contexts,
)
from inoc.studies.preferences.study import Study
from inoc.studies.shared.directions import SPLITS, Direction, direction_of, direction_row
from inoc.tables import INDEX, NUMBER, STRING
from inoc.vectors.make import mean_norm
from inoc.vectors.sites import in_order
from inoc.vectors.vector import Vector

VECTORS = pa.schema(
    [
        ("vector", STRING),  # concept:KEY, refusal, or the name of an imported one
        ("readout", STRING),
        ("site", STRING),
        ("context", STRING),  # with or without the system turn; empty for refusal
        ("norm", NUMBER),  # of the difference of means
        ("activation_norm", NUMBER),  # mean norm of the activations there: the unit of coefficients
        ("norm_units", NUMBER),  # norm in units of the activation norm
        ("norm_corrected", NUMBER),  # norm less what noise adds; NaN for refusal
        ("split_half", NUMBER),  # mean cosine of the vectors from two halves of the tasks
        ("split_lo", NUMBER),  # the middle 95 % of the splits
        ("split_hi", NUMBER),
        ("reliability", NUMBER),  # of the whole, by Spearman and Brown
        ("auc", NUMBER),  # chance that a positive completion lies above a negative one of other tasks, out of sample
        ("auc_lo", NUMBER),  # tasks are the unit
        ("auc_hi", NUMBER),
        ("auc_p", NUMBER),  # one-sided, of no difference, with the sides of tasks shuffled
        ("cosine_with_prompt", NUMBER),  # with the vector that was read with the system turn in the context
        ("n", INDEX),  # pairs of completions; for refusal, refused tasks
        ("n_nan", INDEX),  # without the read-out, such as an empty completion
        ("n_questions", INDEX),  # tasks
    ]
)
"""Key: vector, readout, site, context."""

VECTOR_COSINES = pa.schema(
    [
        ("site", STRING),
        ("first", STRING),
        ("second", STRING),
        ("cosine", NUMBER),  # of directions alone, intercepts left out
        ("null_lo", NUMBER),  # the middle 95 % with the first one's labels shuffled over tasks; NaN if not known
        ("null_hi", NUMBER),
        ("p", NUMBER),  # two-sided share of shuffles with as large a cosine
        ("n", INDEX),  # width
    ]
)
"""Key: site, first, second."""

SHUFFLES = 200
Row = dict[str, object]


class Named(NamedTuple):
    """A direction with what its null can be made of."""

    name: str
    values: Floats
    first: Floats | None = None  # rows of both sides, rows × width
    second: Floats | None = None
    paired: bool = False


def concept_name(key: str) -> str:
    """Name of a concept's vector."""
    return f"concept:{key}"


def vector_rows(study: Study, contrasts: Contrasts, seed: int, level: float) -> list[Row]:
    """Rows of `VECTORS`: every concept at all sites, in all read-outs, with and without its system turn; refusal."""
    rows: list[Row] = [
        row
        for site in (contrasts.read.sites() if study.concepts else [])
        for readout in contrasts.read.readouts()
        for key in study.concepts
        for row in _concept(study, contrasts, key, readout, site, seed, level)
    ]
    for site in contrasts.prompts.sites() if study.inside.refusal else []:
        sides = contrasts.refusal(site)
        if sides is not None:
            rows.append(refusal_row(sides, site, seed, level))
    return rows


def _concept(
    study: Study, contrasts: Contrasts, key: str, readout: str, site: str, seed: int, level: float
) -> Iterator[Row]:
    whole: Direction | None = None
    for context in sorted(concept_contexts(study, key), key=list(CONTEXTS.values()).index):
        found = contrasts.concept(key, context, readout, site)
        direction = direction_of(concept_name(key), readout, site, found)
        whole = direction if context == CONTEXTS[True] else whole
        apart = held_out(found.positive, found.negative, (found.groups, found.groups), seed, level)
        near = cosine(direction.values, whole.values) if whole is not None else NAN
        yield {
            "vector": concept_name(key),
            "readout": readout,
            "site": site,
            "context": context,
            **in_units(direction_row(direction, seed)),
            **_apart(apart),
            "cosine_with_prompt": near,
        }


def in_units(row: Row) -> Row:
    """A row with its norm in units of the activation norm."""
    norm, unit = float(str(row["norm"])), float(str(row["activation_norm"]))
    return {**row, "norm_units": norm / unit if unit > 0 else NAN}


def _apart(found: Apart) -> Row:
    return {"auc": found.auc, "auc_lo": found.lo, "auc_hi": found.hi, "auc_p": found.p}


def refusal_row(sides: Refused, site: str, seed: int, level: float) -> Row:
    """A row of `VECTORS` for the direction of refusal."""
    halves = split_half_of_two(sides.refused, sides.answered, SPLITS, seed, level)
    apart = held_out(sides.refused, sides.answered, sides.tasks, seed, level)
    values = _mean(sides.refused) - _mean(sides.answered)
    row: Row = {
        "norm": float(np.linalg.norm(values)),
        "activation_norm": mean_norm(np.concatenate([sides.refused, sides.answered])),
    }
    return {
        "vector": REFUSAL,
        "readout": REFUSAL_READOUT,
        "site": site,
        "context": "",
        **in_units(row),
        "norm_corrected": NAN,
        "split_half": halves.cosine,
        "split_lo": halves.lo,
        "split_hi": halves.hi,
        "reliability": halves.reliability,
        **_apart(apart),
        "cosine_with_prompt": NAN,
        "n": len(sides.refused),
        "n_nan": 0,
        "n_questions": len(sides.refused) + len(sides.answered),
    }


def _mean(rows: Floats) -> Floats:
    found: Floats = rows.astype(np.float64).mean(axis=0)
    return found


def cosine_rows(study: Study, contrasts: Contrasts, probes: Mapping[str, Sequence[Vector]], seed: int) -> list[Row]:
    """Rows of `VECTOR_COSINES`: every two of concepts, refusal and probes at each site.

    The null of a concept or of refusal is that its labels say nothing: the sides of each pair, or the refusals, are
    shuffled over tasks, and the cosine of what that gives is taken.

    Args:
        study: The study.
        contrasts: Activations.
        probes: Key of a probe → its directions.
        seed: Of the shuffles.
    """
    rows: list[Row] = []
    for site in in_order([*contrasts.read.sites(), *contrasts.prompts.sites()]):
        named = [*_made(study, contrasts, site), *_probes(probes, site)]
        for at, first in enumerate(named):
            rows += [
                {"site": site, "first": first.name, "second": second.name, **_cosine(first, second, seed)}
                for second in named[at + 1 :]
            ]
    return rows


def _made(study: Study, contrasts: Contrasts, site: str) -> Iterator[Named]:
    if study.inside.refusal and site in contrasts.prompts.sites():
        sides = contrasts.refusal(site)
        if sides is not None:
            yield Named(REFUSAL, _mean(sides.refused) - _mean(sides.answered), sides.refused, sides.answered)
    for key, given in study.concepts.items() if site in contrasts.read.sites() else ():
        context = next(concept_contexts(study, key))
        found = contrasts.concept(key, context, given.readouts[0], site)
        known = found.known
        if known.any():
            high, low = found.positive[known], found.negative[known]
            yield Named(concept_name(key), _mean(high) - _mean(low), high, low, paired=True)


def _probes(probes: Mapping[str, Sequence[Vector]], site: str) -> Iterator[Named]:
    for key, vectors in probes.items():
        for vector in vectors:
            if vector.site == site:
                yield Named(f"probe:{key}/{vector.readout}", vector.values.astype(np.float64))


def _cosine(first: Named, second: Named, seed: int) -> Row:
    value = cosine(first.values, second.values)
    null = shuffled_cosines(first, second.values, seed)
    known = null[~np.isnan(null)]
    lo, hi = np.quantile(known, [0.025, 0.975]) if known.size else (NAN, NAN)
    p = (1 + int((np.abs(known) >= abs(value)).sum())) / (1 + known.size) if known.size else NAN
    return {"cosine": value, "null_lo": float(lo), "null_hi": float(hi), "p": p, "n": len(first.values)}


def shuffled_cosines(one: Named, other: Floats, seed: int) -> Floats:
    """Cosines of a direction with another if the labels of its rows meant nothing, shape (shuffles,); empty if unknown.

    Args:
        one: The direction, with its rows.
        other: The other direction.
        seed: Of the shuffles.
    """
    if one.first is None or one.second is None:
        return np.zeros(0)
    rng = np.random.default_rng(seed)
    if one.paired:
        moved = one.first.astype(np.float64) - one.second
        signs = rng.choice([-1.0, 1.0], size=(SHUFFLES, len(moved)))
        directions = signs @ moved / len(moved)
    else:
        rows = np.concatenate([one.first, one.second]).astype(np.float64)
        rows -= rows.mean(axis=0)
        n, n_first = len(rows), len(one.first)
        weights = np.full((SHUFFLES, n), -1.0 / (n - n_first))
        for line in weights:
            line[rng.permutation(n)[:n_first]] = 1.0 / n_first
        directions = weights @ rows
    return np.array([cosine(line, other) for line in directions])


def imported_rows(table: pd.DataFrame, published: pd.DataFrame) -> list[Row]:
    """Rows of `VECTORS` of a release: the norms of its files, and those of its manifests.

    Args:
        table: `released.tables.STORED_VECTORS`.
        published: `released.tables.PUBLISHED`.
    """
    unknown = dict.fromkeys(
        [*("norm_units", "norm_corrected", "split_half", "split_lo", "split_hi", "reliability"),
         *("auc", "auc_lo", "auc_hi", "auc_p", "cosine_with_prompt")], NAN
    )  # fmt: skip
    counts = {"n": -1, "n_nan": -1, "n_questions": -1}
    rows: list[Row] = [
        {"vector": one["vector"], "readout": "", "site": _site(int(one["layer"])), "context": "", "norm": one["norm"],
         "activation_norm": NAN, **unknown, **counts}
        for one in table.to_dict("records")
    ]  # fmt: skip
    stated = published[published["section"] == "vectors"].pivot_table(
        index=["source", "group"], columns="statistic", values="value"
    )
    for one in stated.reset_index().to_dict("records"):
        source, group = str(one["source"]), str(one["group"])
        readout, layer = group.split("|")
        norm, unit = float(one.get("vector_norm", NAN)), float(one.get("activation_norm", NAN))
        rows.append(
            {"vector": f"{source}: {readout}", "readout": readout, "site": _site(int(layer)), "context": "",
             "norm": norm, "activation_norm": unit, **unknown, **counts, "norm_units": norm / unit}
        )  # fmt: skip
    return rows


def _site(layer: int) -> str:
    return f"resid_post.{layer}" if layer >= 0 else "unknown"
