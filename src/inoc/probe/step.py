"""The stage `probe`: probes of activations that were read, their held-out measures, cosines and vectors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.embed.lengths import Cut
from inoc.jobs.job import Job
from inoc.probe.directions import cosine_rows
from inoc.probe.files import SKIPPED, VECTORS
from inoc.probe.fitting import Made, Row, baseline_rows, site_rows
from inoc.probe.inputs import activations
from inoc.probe.plan import Plan, Target
from inoc.probe.tables import COSINES, FITS, PREDICTIONS, PROBES
from inoc.stats.means import Floats
from inoc.store.core import write_text
from inoc.tables import write_table
from inoc.vectors.files import save_vectors


def run(job: Job, plan: Plan) -> str:
    """Write `probes`, `predictions`, `cosines`, `fits` and the vectors.

    Returns:
        One line for the log.
    """
    plan.check()
    made, cosines, embedded = Made(), list[Row](), _Embedded(job, plan)
    skipped = dict(plan.skipped)
    places = list(
        dict.fromkeys((site, readout) for one in plan.targets for site in one.sites for readout in one.readouts)
    )
    total = len(plan.targets) + sum(len(one.sites) * len(one.readouts) for one in plan.targets)
    with _one_thread_each() as threads, job.progress("probes", total, "probes") as meter:
        for target in plan.targets:
            made.probes += baseline_rows(_threaded(target, threads), embedded.of(target))
            meter.advance(1)
        for site, readout in places:
            found = []
            for target in plan.targets:
                if site in target.sites and readout in target.readouts:
                    x_ND = activations(target, site, readout)
                    why = site_rows(made, _threaded(target, threads), x_ND, site, readout, plan.model)
                    if why:
                        skipped[f"{target.name} at {site}, {readout}"] = why
                    else:
                        found.append((target, x_ND))
                    meter.advance(1)
            penalties = {
                str(row["probe"]): float(str(row["penalty"]))
                for row in made.fits
                if row["site"] == site and row["readout"] == readout and not row["shuffled"]
            }
            cosines += cosine_rows(plan, found, penalties, site, readout)
    _write(plan, made, cosines, skipped)
    job.record["counts"] = {"probes": len(plan.targets), "vectors": len(made.vectors), "cosines": len(cosines)}
    job.record["skipped"] = dict(skipped)
    cut = max(embedded.cut.values(), default=None)  # the list of texts of which most are cut
    job.record["texts_cut"] = cut.texts if cut else 0
    found_there = f"{len(plan.targets)} probes at {len(places)} places, {len(cosines)} cosines, {len(skipped)} skipped"
    return f"{found_there}{f'; texts of the baseline{cut}' if cut and cut.texts else ''}"


def _threaded(target: Target, threads: int) -> Target:
    return replace(target, settings=replace(target.settings, threads=threads))


@contextmanager
def _one_thread_each() -> Iterator[int]:
    """Number of splits to compute at the same time, each on one core: decompositions gain little from more."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


class _Embedded:
    """Sentence embeddings of the texts of probes, each list of texts once."""

    def __init__(self, job: Job, plan: Plan) -> None:
        self._job, self._spec = job, plan.embedding
        self._found: dict[tuple[str, ...], Floats] = {}
        self.cut: dict[tuple[str, ...], Cut] = {}  # of each list of texts, those that the encoder cut

    def of(self, target: Target) -> Floats | None:
        """Embeddings of the texts of a probe's tasks; None if they are no baseline of it."""
        if self._spec is None or "embedding" not in target.baselines:
            return None
        from inoc.embed.embedders import identify_embedder, load_embedder
        from inoc.embed.lengths import cut_of

        texts = tuple(target.texts)
        if texts not in self._found:
            identity = identify_embedder(self._spec, self._job.store)
            self.cut[texts] = cut_of(identity, texts)
            embedder = load_embedder(identity, lambda: self._job.api)
            self._found[texts] = np.asarray(embedder.embed(texts), dtype=np.float64)
        return self._found[texts]


def _write(plan: Plan, made: Made, cosines: list[Row], skipped: dict[str, str]) -> None:
    plan.folder.mkdir(parents=True, exist_ok=True)
    save_vectors(made.vectors, plan.folder / VECTORS)
    text = json.dumps(skipped, indent=2, ensure_ascii=False)
    write_text(plan.folder / SKIPPED, f"{text}\n")
    tables: list[tuple[str, list[Row], pa.Schema]] = [
        ("predictions", made.predictions, PREDICTIONS),
        ("cosines", cosines, COSINES),
        ("fits", made.fits, FITS),
        ("probes", made.probes, PROBES),
    ]
    for name, rows, schema in tables:
        write_table(pd.DataFrame(rows, columns=schema.names), schema, plan.folder / f"{name}.parquet")
