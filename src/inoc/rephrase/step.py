"""The stage `rephrase`: a pool of rephrasings for each prompt, and how far it spreads."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from inoc.api.lists import Usable
from inoc.config.models import RephraseSpec
from inoc.errors import ConfigError, DataError
from inoc.rephrase.ask import ask_pools
from inoc.rephrase.clean import clean
from inoc.rephrase.spread import pool_spread
from inoc.runs import prompt_texts
from inoc.tables import POOLS, SPREAD, write_table

if TYPE_CHECKING:
    from inoc.job import Job

_MORE = {
    "files": "add rephrasings to its file",
    "procedural": "give some in files",
    "api": "raise `rephrase.max_requests` or `rephrase.temperature`",
}


def run(job: Job) -> str:
    """Make the pool of every prompt of the study, and measure its spread."""
    spec, texts = job.study.rephrase, prompt_texts(job.study)
    asked = ask_pools(texts, spec, job.api) if spec.source == "api" else {}
    pools: dict[str, Usable] = {}
    spreads = []
    with job.progress("rephrasing", len(texts), "prompts") as bar:
        for key, text in texts.items():
            pools[key] = make_pool(key, text, spec, asked.get(key))
            spreads.append(_spread_row(key, text, pools[key]))
            bar.advance(1)
    rows = [(key, index, text) for key, pool in pools.items() for index, text in enumerate(pool.texts)]
    write_table(pd.DataFrame(rows, columns=POOLS.names), POOLS, job.paths.pools)
    write_table(pd.DataFrame(spreads, columns=SPREAD.names), SPREAD, job.paths.spread, csv=True)
    dropped = sum(sum(pool.dropped.values()) for pool in pools.values())
    return f"{len(pools)} prompts × {spec.n} rephrasings from {spec.source}, {dropped} dropped"


def make_pool(key: str, text: str, spec: RephraseSpec, asked: Usable | None = None) -> Usable:
    """Exactly `spec.n` rephrasings of one prompt, in an order that the seed sets.

    Nothing but the prompt, its file, the number and the seed matters: another prompt changes no pool.

    Args:
        key: Key of the prompt: the name of its file, for `source: files`.
        text: The prompt.
        spec: Source, number and seed.
        asked: For `source: api`: the usable answers.

    Raises:
        DataError: If there are fewer than `spec.n` usable rephrasings.
    """
    found = asked or clean(_procedural(text, spec) if spec.source == "procedural" else _read(key, spec), text)
    if len(found.texts) < spec.n:
        msg = (
            f"prompt {key!r} has {len(found.texts)} usable rephrasings, and {spec.n} are wanted "
            f"(dropped: {_reasons(found) or 'none'}). Lower `rephrase.n`, or {_MORE[spec.source]}"
        )
        raise DataError(msg)
    if spec.source == "procedural":
        return found
    chosen = random.Random(f"pool:{spec.seed}:{text}").sample(found.texts, spec.n)
    return Usable(chosen, found.dropped)


def _procedural(text: str, spec: RephraseSpec) -> list[str]:
    from inoc.world.grammar import rephrasings

    return rephrasings(text, spec.n, spec.seed)


def _read(key: str, spec: RephraseSpec) -> list[str]:
    if spec.folder is None:
        msg = "`rephrase.source: files` needs `rephrase.folder`, the folder of `<prompt>.jsonl`"
        raise ConfigError(msg)
    path = Path(spec.folder) / f"{key}.jsonl"
    if not path.is_file():
        msg = f"there is no file of rephrasings {path}. Write one with a rephrasing of prompt {key!r} a line"
        raise DataError(msg)
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_rephrasing(line, path, number) for number, line in enumerate(lines, start=1)]


def _rephrasing(line: str, path: Path, number: int) -> str:
    """A line of JSON with the field `rephrasing`, or the line itself."""
    if not line.lstrip().startswith("{"):
        return line
    try:
        text = json.loads(line)["rephrasing"]
    except (json.JSONDecodeError, KeyError) as error:
        msg = f"{path}, line {number}: expected an object with the field `rephrasing` ({error!r})"
        raise DataError(msg) from error
    if not isinstance(text, str):
        msg = f"{path}, line {number}: `rephrasing` is {text!r}, expected a text"
        raise DataError(msg)
    return text


def _spread_row(key: str, text: str, pool: Usable) -> tuple[object, ...]:
    return (key, len(pool.texts), *pool_spread(text, pool.texts), sum(pool.dropped.values()), _reasons(pool))


def _reasons(pool: Usable) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in pool.dropped.items())
