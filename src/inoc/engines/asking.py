"""Tables of questions and their answers, as `elicit` and `evaluate` write them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from inoc.chat.messages import compose, prefix_texts
from inoc.chat.pools import Pools
from inoc.config.models import Sampling, Study
from inoc.digest import Json
from inoc.engines.identity import ModelIdentity
from inoc.engines.load import load_engine
from inoc.engines.sampling import Answer, Block, Engine, answer_blocks, blocks_of
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.studies.inoculation.runs import Asked
from inoc.tables import COMPLETIONS, INSTRUCTIONS, read_table, write_table


def evaluation_instructions(paths: Paths, n: int | None) -> pd.DataFrame:
    """The study's evaluation instructions, or the first n of each set of questions."""
    table = read_table(paths.instructions, INSTRUCTIONS.names)
    return table if n is None else table.groupby("questions", sort=False).head(n).reset_index(drop=True)


class Questions(NamedTuple):
    """Everything that is asked in one way."""

    prefixes: list[str]  # the very prefix before each instruction
    blocks: list[Block]


class Asker(NamedTuple):
    """What all ways of asking share.

    Which rephrasing comes before an instruction depends on the sampling's seed and the instruction, not on who is
    asked: a control is asked with the very rephrasings of its partner.
    """

    study: Study
    instructions: pd.DataFrame
    texts: Mapping[str, str]
    pools: Pools
    sampling: Sampling

    def questions(self, way: Asked, adapter: str, who: str) -> Questions:
        """The questions of one way of asking.

        Args:
            way: With which prompt's prefix.
            adapter: Digest of the adapter that is asked.
            who: Its name, for the label.
        """
        ids = list(self.instructions["instruction_id"])
        prefixes = prefix_texts(way, self.texts, self.pools, ids, self.sampling.seed)
        pairs = zip(prefixes, self.instructions["instruction"], strict=True)
        chats = [compose(self.study, prefix, instruction) for prefix, instruction in pairs]
        label = f"{who} asked {way.prefix} {way.prompt}".strip()
        # Sets of questions are asked apart, so that another set changes no block.
        sets = self.instructions.groupby("questions", sort=False).indices.values()
        parts = [([chats[k] for k in rows], [ids[k] for k in rows]) for rows in sets]
        blocks = [blocks_of(adapter, *part, self.sampling, label) for part in parts]
        return Questions(prefixes, list(itertools.chain(*blocks)))


def untrained_canary(study: Study, sampling: Sampling) -> int:
    """How many chats the untrained model answers greedily before it is believed, where it is sampled alone."""
    return 0 if sampling.engine == "transformers" else study.evaluation.canary


def engine_loader(job: Job, model: ModelIdentity) -> Callable[[str], Engine]:
    """What loads the engine of a name, for `answer_blocks`."""

    def load(name: str) -> Engine:
        if name != "api":
            return load_engine(model, name)
        from inoc.engines.api import ApiEngine

        return ApiEngine(model, job.study.model.path, job.engine_api)

    return load


def joined(rows: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Ways of asking, one below the other; an empty table if there is none."""
    answers = {"completion", "n_tokens", "finish"}
    columns = [name for name in COMPLETIONS.names if name not in answers]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns)


def ask_and_write(
    job: Job,
    model: ModelIdentity,
    blocks: Sequence[Block],
    rows: pd.DataFrame,
    path: Path,
    *,
    doing: str,
    adapters: Mapping[str, Path] | None = None,
    canary: int = 0,
) -> dict[str, Json]:
    """Answer a job's questions and write them as `tables.COMPLETIONS`.

    Args:
        job: The job; its references and its model are noted.
        model: The model.
        blocks: The questions.
        rows: Who is asked what, in the order of the blocks.
        path: Where.
        doing: What the progress says.
        adapters: Adapter digest → folder.
        canary: So many chats per adapter are first answered greedily, and must be answered right.

    Returns:
        The number of completions, and of those that were cut.
    """
    with job.progress(doing, len(rows), "completions") as meter:
        answers = answer_blocks(
            job.store,
            model,
            blocks,
            engine_loader(job, model),
            adapters or {},
            canary=canary,
            advance=meter.advance,
        )
    job.store.refer(job.study.name, job.name, [block.unit(model) for block in blocks])
    frame = with_answers(rows, answers)
    write_table(frame, COMPLETIONS, path)
    job.record["model"] = {"path": job.study.model.path, **model.as_key()}
    return {"completions": len(frame), "cut": int((frame["finish"] == "length").sum())}


def with_answers(rows: pd.DataFrame, blocks: Sequence[Sequence[Answer]]) -> pd.DataFrame:
    """Questions with their answers, which come in the same order."""
    flat = [answer for block in blocks for answer in block]
    return rows.assign(
        completion=[answer.text for answer in flat],
        n_tokens=[answer.n_tokens for answer in flat],
        finish=[answer.finish for answer in flat],
    )
