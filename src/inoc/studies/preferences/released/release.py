"""Reads a release of a study of preferences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa

from inoc.errors import DataError
from inoc.probe.tables import COSINES, PREDICTIONS, PROBES
from inoc.studies.imports.findings import Findings
from inoc.studies.imports.write import Imported, Tables
from inoc.studies.preferences.inputs import COMPARISONS, COMPLETIONS, RATINGS, empty
from inoc.studies.preferences.released import answers, as_probes, others, probes, runs
from inoc.studies.preferences.released.sources import Source, sources_of
from inoc.studies.preferences.released.study_file import study_values
from inoc.studies.preferences.released.tables import (
    HELD_OUT,
    JUDGED,
    PUBLISHED,
    RUN_PAIRS,
    STORED_CONSISTENCY,
    STORED_FITS,
    STORED_ROUNDS,
    STORED_UTILITIES,
    STORED_VECTORS,
    TRIALS,
)
from inoc.vectors.vector import Vector

SCHEMAS: dict[str, pa.Schema] = {
    "comparisons": COMPARISONS,
    "ratings": RATINGS,
    "completions": COMPLETIONS,
    "fits": STORED_FITS,
    "utilities": STORED_UTILITIES,
    "rounds": STORED_ROUNDS,
    "consistency": STORED_CONSISTENCY,
    "published": PUBLISHED,
    "run_pairs": RUN_PAIRS,
    "trials": TRIALS,
    "judged": JUDGED,
    "held_out": HELD_OUT,
    "stored_vectors": STORED_VECTORS,
    "probes": PROBES,
    "probe_predictions": PREDICTIONS,
    "probe_cosines": COSINES,
}
"""Table below `imports/` → its schema."""

Frames = dict[str, pd.DataFrame]
Reader = Callable[[Source], Frames]


def _one(table: str, read: Callable[[Source], pd.DataFrame]) -> Reader:
    return lambda source: {table: read(source)}


def _run(read: Callable[[Source], runs.Run]) -> Reader:
    def frames(source: Source) -> Frames:
        found = read(source)
        return {
            "fits": pd.DataFrame([found.fit], columns=STORED_FITS.names),
            "utilities": found.utilities,
            "rounds": pd.DataFrame(found.rounds, columns=STORED_ROUNDS.names),
        }

    return frames


def _run_pairs(source: Source) -> Frames:
    return {"run_pairs": others.read_run_pairs(source), "published": others.read_published(source)}


READERS: dict[str, Reader] = {
    "run": _run(runs.read_run),
    "trueskill": _run(runs.read_trueskill),
    "ranked": _run(runs.read_ranked),
    "scores": _one("ratings", answers.read_scores),
    "open": _one("ratings", answers.read_open),
    "wordings": _one("ratings", answers.read_wordings),
    "refusals": _one("completions", answers.read_refusals),
    "consistency": _one("consistency", others.read_consistency),
    "consistency_pooled": _one("consistency", others.read_consistency),
    "rating_matrix": _one("published", others.read_published),
    "discrimination": _one("published", others.read_published),
    "seed_sensitivity": _one("published", others.read_published),
    "run_pairs": _run_pairs,
    "refusal_groups": _one("published", others.read_published),
    "probe_scores": _one("published", others.read_published),
    "steering_summary": _one("published", others.read_published),
    "steered": _one("trials", others.read_trials),
    "steered_lines": _one("trials", others.read_trials),
    "judged": _one("judged", others.read_judged),
    "probe_manifest": _one("published", probes.read_probe_manifest),
    "vector_manifest": _one("published", probes.read_vector_manifest),
    "held_out": _one("held_out", probes.read_held_out),
}


def read_release(root: Path, name: str, a_means: str | None) -> Imported:
    """Everything that an import writes.

    Args:
        root: A checkout of a release, or a folder or file of one.
        name: Of the new study.
        a_means: What the choice "a" means in files that were asked in both orders and do not say it.

    Raises:
        DataError: If nothing can be imported.
    """
    findings = Findings()
    parts: dict[str, list[pd.DataFrame]] = {table: [] for table in SCHEMAS}
    vectors: list[Vector] = []

    def array(source: Source) -> Frames:
        row, vector = probes.read_array(source)
        vectors.append(vector)
        return {"stored_vectors": row}

    compared = _one("comparisons", lambda one: answers.read_comparisons(one, a_means))
    readers = {**READERS, "array": array, "comparisons": compared}
    counts: dict[str, int] = {}
    for source in sources_of(root, findings):
        try:
            frames = readers[source.kind](source)
        except DataError as error:
            findings.add("left_out", source.kind, source.name, f"not imported: {error}")
            continue
        except (KeyError, TypeError, ValueError, AttributeError, pd.errors.ParserError) as error:
            # The kind was found by some of its fields; another of them is missing, or has another form.
            text = f"not imported: it looks like a file of {source.kind}, but is of another form ({error!r})"
            findings.add("left_out", source.kind, source.name, text)
            continue
        for table, frame in frames.items():
            parts[table].append(frame)
        counts[source.kind] = counts.get(source.kind, 0) + 1
    if not counts:
        raise DataError(f"{root}: nothing in it can be imported as preferences; docs/import.md says what can")
    for kind, count in sorted(counts.items()):
        findings.add("found", kind, "the release", f"{count} file{'s' * (count != 1)}")
    tables: Tables = {}
    frames = {table: pd.concat(given, ignore_index=True) for table, given in parts.items() if given}
    if vectors:
        published = frames.get("published", empty(PUBLISHED))
        frames["stored_vectors"] = probes.with_layers(frames["stored_vectors"], published)
        vectors = probes.placed(vectors, frames["stored_vectors"])
        frames["probe_cosines"] = as_probes.direction_rows(vectors)
    if "held_out" in frames:
        frames["probes"] = as_probes.probe_rows(frames["held_out"])
    for table, frame in frames.items():
        tables[f"imports/{table}.parquet"] = (frame, SCHEMAS[table])
    _warn(frames, findings)
    stored = {probes.FOLDER: vectors} if vectors else {}
    return Imported(study_values(name, root, frames), tables, findings, {}, stored)


def _warn(frames: Frames, findings: Findings) -> None:
    """Report things that look wrong in what was read."""
    if "stored_vectors" in frames:
        stored = frames["stored_vectors"]
        last = stored.loc[stored["last"].notna(), "vector"]
        if len(last):
            text = "the last value stands behind the direction, as an intercept; it is in no norm and no cosine here"
            findings.add("warning", "array", "the release", text, last.astype(str))
    if "held_out" in frames:
        rows = frames["held_out"]
        leaking = rows.loc[rows["on"] == "training_included", "source"].drop_duplicates()
        if len(leaking):
            text = "evaluates probes on all tasks, those of their training included: these are not held-out values"
            findings.add("warning", "held_out", "the release", text, leaking.astype(str))
    if "comparisons" in frames:
        for instrument, rows in frames["comparisons"].groupby("instrument", sort=True):
            orders = rows.groupby("pair")["task_a"].nunique()
            if (orders == 1).all():
                text = "every pair is in one order only: the position and the content of a pair cannot be told apart"
                findings.add("warning", "comparisons", str(instrument), text)
    if "fits" in frames:
        loose = frames["fits"].loc[frames["fits"]["gradient_norm"] > 1, "fit"]
        if len(loose):
            text = "the optimiser stopped at a gradient above 1, long before its minimum"
            findings.add("warning", "run", "the release", text, loose.astype(str))
        bound = frames["fits"].loc[frames["fits"]["at_bounds"] > 0.05 * frames["fits"]["n_items"], "fit"]
        if len(bound):
            text = "more than one in twenty utilities is at its bound of ±10, which says nothing but won or lost"
            findings.add("warning", "run", "the release", text, bound.astype(str))
    if "consistency" in frames:
        scores = frames["consistency"]
        wrong = scores.loc[(scores["mean"] < 0) | (scores["mean"] > 1), "task"]
        if len(wrong):
            text = "the mean lies beyond the scale, so an answer was read wrongly; the score is that of a misreading"
            findings.add("warning", "consistency", "the release", text, wrong.astype(str))
