"""Cosines between all probes of a site and read-out, and between those of single origins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from inoc.digest import digest
from inoc.probe.fitting import MIN_TASKS, Row, enough, of_origin, refits_of
from inoc.probe.inputs import Cases, cases_of, finite
from inoc.probe.plan import Plan, Target
from inoc.stats.means import Floats
from inoc.stats.probes.cosines import Refits, cosine_of, resampled_groups
from inoc.stats.probes.folds import Indices, merged


class _Direction(NamedTuple):
    probe: str
    origin: str
    refits: Refits


def cosine_rows(
    plan: Plan, found: Sequence[tuple[Target, Floats]], penalties: Mapping[str, float], site: str, readout: str
) -> Iterator[Row]:
    """Rows of `tables.COSINES` of one site and read-out.

    Args:
        plan: The plan.
        found: Probes with their activations there.
        penalties: Probe → penalty that was chosen for all of its tasks.
        site: Name of the site.
        readout: Name of the read-out.
    """
    if not found:
        return
    group_of = _groups([target for target, _ in found])
    counts = resampled_groups(max(group_of.values(), default=-1) + 1, plan.refits, plan.seed)
    directions = [
        one
        for target, x_ND in found
        if target.name in penalties
        for one in _directions(plan, target, x_ND, group_of, counts, penalties[target.name])
    ]
    for a, b in combinations(directions, 2):
        if a.probe != b.probe and (a.origin or b.origin):
            continue  # of different probes, only those of all tasks
        cosine = cosine_of(a.refits, b.refits, plan.confidence)
        yield {
            "probe_a": a.probe,
            "origin_a": a.origin,
            "probe_b": b.probe,
            "origin_b": b.origin,
            "site": site,
            "readout": readout,
            "cosine": cosine.value,
            "lo": cosine.lo,
            "hi": cosine.hi,
            "null_lo": cosine.null_lo,
            "null_hi": cosine.null_hi,
            "p": cosine.p,
            "n_a": a.refits.n,
            "n_b": b.refits.n,
            "n_refits": cosine.n,
        }


def _groups(targets: Sequence[Target]) -> dict[str, int]:
    """Task → group, the same for all probes: groups of any of them are joined."""
    tasks = list(dict.fromkeys(task for target in targets for task in target.tasks))
    text = {task: one for target in targets for task, one in zip(target.tasks, target.texts, strict=True)}
    numbers = merged(tasks, [text[task] for task in tasks]) if tasks else np.empty(0, dtype=np.int64)
    return {task: int(number) for task, number in zip(tasks, numbers, strict=True)}


def _directions(
    plan: Plan, target: Target, x_ND: Floats, group_of: dict[str, int], counts: Indices, penalty: float
) -> Iterator[_Direction]:
    cases = cases_of(target, finite(x_ND))
    own = x_ND[cases.rows]
    yield _direction(plan, cases, own, "", group_of, counts, penalty)
    origins = sorted(set(cases.labels.origins))
    for origin in origins if len(origins) > 1 else []:
        part, rows = of_origin(cases, origin)
        outcomes = part.labels.outcomes
        if len(rows) >= MIN_TASKS and not enough(part) and (outcomes is None or len(outcomes.a)):
            yield _direction(plan, part, own[rows], origin, group_of, counts, penalty)


def _direction(
    plan: Plan, cases: Cases, x_ND: Floats, origin: str, group_of: dict[str, int], counts: Indices, penalty: float
) -> _Direction:
    name = cases.target.name
    seed = int(digest({"probe": name, "origin": origin, "seed": plan.seed})[:8], 16)
    return _Direction(name, origin, refits_of(cases, x_ND, group_of, counts, penalty, seed))
