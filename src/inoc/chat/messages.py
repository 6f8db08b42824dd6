"""Chats before they are rendered: pure text, so that keys and tables need no tokenizer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from inoc.config.models import Study, SystemTurn
from inoc.studies.inoculation.runs import Asked


class Chat(NamedTuple):
    """One exchange. `response` is empty where it is still to be sampled."""

    system: SystemTurn
    user: str
    response: str = ""

    def as_key(self) -> list[str]:
        """The chat as plain values, for a digest."""
        return [self.system.kind, self.system.text, self.user, self.response]


def compose(study: Study, prefix_text: str, instruction: str, response: str = "") -> Chat:
    """Put a prefix where the study places it.

    Args:
        study: For the placement, the separator and the system turn.
        prefix_text: The prefix; empty for none.
        instruction: The user's instruction.
        response: The answer, if there is one.
    """
    if not prefix_text:
        return Chat(study.model.system, instruction, response)
    if study.placement == "system":
        return Chat(SystemTurn(kind="text", text=prefix_text), instruction, response)
    return Chat(study.model.system, f"{prefix_text}{study.separator}{instruction}", response)


def assign(pool: Sequence[str], identities: Sequence[str], seed: int) -> list[str]:
    """Draw one rephrasing for each identity.

    The draw depends on the seed and the identity alone: not on the order, nor on what else is drawn, nor on the
    prompt, so that two pools of one length give the same indices. A pool of one gives that one to all.

    Args:
        pool: Rephrasings, at least one.
        identities: Ids of examples or instructions.
        seed: Seed of the draw.
    """
    return [pool[_uniform_index(f"{seed}:{identity}", len(pool))] for identity in identities]


def _uniform_index(text: str, n: int) -> int:
    # 256 bits modulo a pool's length is uniform to far below anything measurable.
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % n


def prefix_texts(
    asked: Asked,
    texts: Mapping[str, str],
    pools: Mapping[Asked, Sequence[str]],
    identities: Sequence[str],
    seed: int,
) -> list[str]:
    """The very prefix of each identity: empty without, the prompt's text if fixed, else one drawn from its pool."""
    if asked.prefix in ("none", "fixed"):
        return [texts[asked.prompt] if asked.prefix == "fixed" else ""] * len(identities)
    return assign(pools[asked], identities, seed)
