"""Questions that are asked in one way, as blocks for an engine."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from inoc.chat.messages import Asked, Framing, compose, prefix_texts, sample_identity
from inoc.chat.pools import Pools
from inoc.config.models import Sampling
from inoc.engines.sampling import Answer, Block, blocks_of
from inoc.tables import COMPLETIONS, INSTRUCTIONS, read_table


def evaluation_instructions(path: Path, n: int | None) -> pd.DataFrame:
    """The evaluation instructions of a study, or the first n of each set of questions."""
    table = read_table(path, INSTRUCTIONS.names)
    return table if n is None else table.groupby("questions", sort=False).head(n).reset_index(drop=True)


class Questions(NamedTuple):
    """All questions that are asked in one way."""

    prefixes: list[str]  # text of the prefix before each instruction
    blocks: list[Block]


class Asker(NamedTuple):
    """Settings that all ways of asking share.

    Which rephrasing comes before an instruction depends on the sampling's seed and the instruction, not on who is
    asked: a control is asked with the very rephrasings of its partner.
    """

    framing: Framing
    instructions: pd.DataFrame
    texts: Mapping[str, str]
    pools: Pools
    sampling: Sampling

    def questions(self, way: Asked, adapter: str, who: str, sample: int = 0) -> Questions:
        """The questions of one way of asking.

        Args:
            way: With which prompt's prefix.
            adapter: Digest of the adapter that is asked.
            who: Its name, for the label.
            sample: Which of several answers to each question, from 0. Each has units of its own, so that further
                answers leave those that are there as they are.
        """
        ids = list(self.instructions["instruction_id"])
        prefixes = prefix_texts(way, self.texts, self.pools, ids, self.sampling.seed)
        pairs = zip(prefixes, self.instructions["instruction"], strict=True)
        chats = [compose(self.framing, prefix, instruction) for prefix, instruction in pairs]
        identities = [sample_identity(one, sample) for one in ids]
        label = f"{who} asked {way.prefix} {way.prompt}".strip() + (f", answer {sample + 1}" if sample else "")
        # Sets of questions are asked apart, so that another set changes no block.
        sets = self.instructions.groupby("questions", sort=False).indices.values()
        parts = [([chats[k] for k in rows], [identities[k] for k in rows]) for rows in sets]
        blocks = [blocks_of(adapter, *part, self.sampling, label) for part in parts]
        return Questions(prefixes, list(itertools.chain(*blocks)))


def untrained_canary(canary: int, sampling: Sampling) -> int:
    """Number of canary chats for the untrained model, where it is sampled alone.

    Args:
        canary: The number for each adapter.
        sampling: How it is sampled.
    """
    return 0 if sampling.engine == "transformers" else canary


def joined(rows: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Ways of asking, one below the other; an empty table if there is none."""
    answers = {"completion", "n_tokens", "finish"}
    columns = [name for name in COMPLETIONS.names if name not in answers]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns)


def with_answers(rows: pd.DataFrame, blocks: Sequence[Sequence[Answer]]) -> pd.DataFrame:
    """Questions with their answers, which come in the same order."""
    flat = [answer for block in blocks for answer in block]
    return rows.assign(
        completion=[answer.text for answer in flat],
        n_tokens=[answer.n_tokens for answer in flat],
        finish=[answer.finish for answer in flat],
    )
