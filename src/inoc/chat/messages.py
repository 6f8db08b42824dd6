"""Chats before they are rendered: pure text, so that keys and tables need no tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from inoc.config.models import SystemTurn
from inoc.digest import Json
from inoc.errors import DataError


class Turn(NamedTuple):
    """An earlier exchange of a chat."""

    user: str
    assistant: str


class TurnPlace(NamedTuple):
    """A place in what was said before the answer of a chat."""

    turn: int  # 0 for the first turn after the system turn
    start: int  # character of the turn


class Chat(NamedTuple):
    """A chat of which one answer is meant: `response`, which is empty where it is still to be sampled."""

    system: SystemTurn
    user: str
    response: str = ""
    earlier: tuple[Turn, ...] = ()  # exchanges before the last user turn

    def as_key(self) -> list[Json]:
        """The chat as plain values, for a digest. A chat of one exchange has the key that it always had."""
        key: list[Json] = [self.system.kind, self.system.text, self.user, self.response]
        return [*key, [list(turn) for turn in self.earlier]] if self.earlier else key

    @property
    def turns(self) -> tuple[str, ...]:
        """The turns before the answer, without the system turn: the user's and the assistant's in their order."""
        return (*(text for turn in self.earlier for text in turn), self.user)

    @property
    def n_bytes(self) -> int:
        """Bytes of its texts, which are no fewer than their tokens."""
        texts = [self.system.text, self.user, self.response, *(text for turn in self.earlier for text in turn)]
        return sum(len(text.encode("utf-8", "replace")) for text in texts)


class Framing(NamedTuple):
    """Placement of a prefix relative to the instruction in a chat."""

    system: SystemTurn  # of a chat whose prefix is not the system turn
    placement: Literal["user", "system"] = "user"  # where a prefix goes
    separator: str = " "  # between prefix and instruction


class Asked(NamedTuple):
    """A way of asking: a prompt and its kind of prefix, fixed or from a pool; empty and `none` without one."""

    prompt: str
    prefix: str


PLAIN = Asked("", "none")


def compose(
    framing: Framing, prefix_text: str, instruction: str, response: str = "", earlier: tuple[Turn, ...] = ()
) -> Chat:
    """Put a prefix where it belongs.

    Args:
        framing: Placement, separator and system turn.
        prefix_text: The prefix; empty for none. In the user's turn, it goes before the first one of the chat.
        instruction: The last user turn.
        response: The answer, if there is one.
        earlier: Exchanges before the last user turn.
    """
    if not prefix_text:
        return Chat(framing.system, instruction, response, earlier)
    if framing.placement == "system":
        return Chat(SystemTurn(kind="text", text=prefix_text), instruction, response, earlier)
    if earlier:
        first = earlier[0]._replace(user=f"{prefix_text}{framing.separator}{earlier[0].user}")
        return Chat(framing.system, instruction, response, (first, *earlier[1:]))
    return Chat(framing.system, f"{prefix_text}{framing.separator}{instruction}", response)


def turns_text(earlier: Sequence[Turn]) -> str:
    """Exchanges as a text for a column of a table: JSON, or nothing for none."""
    return json.dumps([list(turn) for turn in earlier], ensure_ascii=False) if earlier else ""


def turns_of_text(text: str) -> tuple[Turn, ...]:
    """The exchanges of `turns_text`."""
    return tuple(Turn(*turn) for turn in json.loads(text)) if text else ()


def sample_identity(identity: str, sample: int) -> str:
    """The identity of one of several answers to a question, from which its seed comes.

    Args:
        identity: Of the question.
        sample: Which answer, from 0; the first one has the question's own identity.
    """
    return identity if sample == 0 else f"{identity}#{sample}"


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
    """The very prefix of each identity: empty without, the prompt's text if fixed, else one drawn from its pool.

    Raises:
        DataError: If there is no such pool.
    """
    if asked.prefix in ("none", "fixed"):
        return [texts[asked.prompt] if asked.prefix == "fixed" else ""] * len(identities)
    if asked not in pools:
        msg = f"the prompt {asked.prompt} has no rephrasings of the pool {asked.prefix}. Run the stage rephrase first"
        raise DataError(msg)
    return assign(pools[asked], identities, seed)


def longest(texts: Iterable[str]) -> list[str]:
    """The texts of which one has the most tokens, whatever the tokenizer; none for none.

    Which one that is depends on the tokenizer, so these are the longest in bytes, in characters, in words and in
    characters that are not ASCII.
    """
    known = list(texts)
    sizes = (_n_bytes, len, lambda text: len(text.split()), lambda text: (_n_beyond_ascii(text), _n_bytes(text)))
    return list(dict.fromkeys(max(known, key=size) for size in sizes)) if known else []


def _n_bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _n_beyond_ascii(text: str) -> int:
    return sum(not character.isascii() for character in text)
