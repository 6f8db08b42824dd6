"""The stage `rephrase`: a pool of rephrasings for each prompt, and its spread."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from inoc.api.lists import Usable
from inoc.config.models import RephraseSpec
from inoc.errors import ConfigError, DataError
from inoc.rephrase.ask import ask_pools
from inoc.rephrase.clean import clean
from inoc.rephrase.files import read_rephrasings
from inoc.rephrase.spread import pool_spread
from inoc.tables import POOLS, SPREAD, write_table

if TYPE_CHECKING:
    from inoc.jobs.job import Job

_MORE = {
    "files": "add rephrasings to its file",
    "procedural": "give some in files",
    "api": "raise `{0}.max_requests` or `{0}.temperature`",
}


class Pool(NamedTuple):
    """A pool of rephrasings for each of some prompts."""

    name: str  # mix, or the key of a further pool
    place: str  # its key in the study's file, for messages
    spec: RephraseSpec
    texts: dict[str, str]  # prompt → text


def run(job: Job, plan: Sequence[Pool]) -> str:
    """Make the pools of every prompt, and measure their spread."""
    rows: list[tuple[object, ...]] = []
    spreads: list[tuple[object, ...]] = []
    said = []
    for name, place, spec, wanted in plan:
        asked = ask_pools(wanted, spec, job.api) if spec.source == "api" and wanted else {}
        dropped = 0
        with job.progress(f"rephrasing for {name}", len(wanted), "prompts") as bar:
            for key, text in wanted.items():
                pool = make_pool(key, text, spec, asked.get(key), place)
                rows += [(key, index, one, name) for index, one in enumerate(pool.texts)]
                spreads.append((*_spread_row(key, text, pool), name))
                dropped += sum(pool.dropped.values())
                bar.advance(1)
        said.append(f"{name}: {len(wanted)} prompts × {spec.n} rephrasings from {spec.source}, {dropped} dropped")
    write_table(pd.DataFrame(rows, columns=POOLS.names), POOLS, job.paths.pools)
    write_table(pd.DataFrame(spreads, columns=SPREAD.names), SPREAD, job.paths.spread, csv=True)
    return "; ".join(said) or "no pools, as nothing asks for one"


def make_pool(key: str, text: str, spec: RephraseSpec, asked: Usable | None = None, place: str = "rephrase") -> Usable:
    """Exactly `spec.n` rephrasings of one prompt, in an order that the seed sets.

    Nothing but the prompt, its file, the number and the seed matters: another prompt changes no pool.

    Args:
        key: Key of the prompt: the name of its file, for `source: files`.
        text: The prompt.
        spec: Source, number and seed.
        asked: For `source: api`: the usable answers.
        place: Key of the pool in the study's file, for messages.

    Raises:
        DataError: If there are fewer than `spec.n` usable rephrasings.
    """
    found = asked or clean(_procedural(text, spec) if spec.source == "procedural" else _read(key, spec), text)
    if len(found.texts) < spec.n:
        msg = (
            f"prompt {key!r} has {len(found.texts)} usable rephrasings, and {spec.n} are wanted "
            f"(dropped: {_reasons(found) or 'none'}). Lower `{place}.n`, or {_MORE[spec.source].format(place)}"
        )
        raise DataError(msg)
    if spec.source == "procedural":
        return found
    chosen = random.Random(f"pool:{spec.seed}:{text}").sample(found.texts, spec.n)
    return Usable(chosen, found.dropped)


def _procedural(text: str, spec: RephraseSpec) -> list[str]:
    from inoc.world.grammar import rephrasings

    return rephrasings(text, spec.n, spec.seed, near=spec.closeness != "free")


def _read(key: str, spec: RephraseSpec) -> list[str]:
    if spec.folder is None:
        msg = "`rephrase.source: files` needs `rephrase.folder`, the folder of `<prompt>.jsonl`"
        raise ConfigError(msg)
    path = Path(spec.folder) / f"{key}.jsonl"
    if not path.is_file():
        msg = f"there is no file of rephrasings {path}. Write one with a rephrasing of prompt {key!r} a line"
        raise DataError(msg)
    return read_rephrasings(path)


def _spread_row(key: str, text: str, pool: Usable) -> tuple[object, ...]:
    return (key, len(pool.texts), *pool_spread(text, pool.texts), sum(pool.dropped.values()), _reasons(pool))


def _reasons(pool: Usable) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in pool.dropped.items())
