"""Tables of questions and their answers, as `elicit` and `evaluate` write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from inoc.chat.messages import compose, prefix_texts
from inoc.config.models import Sampling, Study
from inoc.engines.sampling import Answer, Block, blocks_of
from inoc.paths import Paths
from inoc.runs import Asked
from inoc.tables import COMPLETIONS, read_table


def evaluation_instructions(paths: Paths, n: int | None) -> pd.DataFrame:
    """The study's evaluation instructions, or the first n of them."""
    table = read_table(paths.instructions)
    return table if n is None else table.head(n)


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
    pools: Mapping[str, Sequence[str]]
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
        return Questions(prefixes, blocks_of(adapter, chats, ids, self.sampling, label))


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
