"""Steering of a chat: a coefficient times a vector is added to the states at the vector's site.

Positions have names, and mean the same where an answer is sampled, scored and chosen from:

- `all`: every token of the chat;
- `answer`: the answer's own tokens;
- `last`: the last position of each step of decoding: the last token of the prompt and every token of the answer.

Instead, a steering may name texts of the prompt, each with a weight: it is then added to the tokens of these texts
alone, times their weights, so that one of two texts is steered, or both in opposite directions. Only the measurement of
choices supports this.

A coefficient is in units of the mean norm of activations at the vector's site, or raw. A coefficient of 0 adds nothing
at all, so its numbers are those of the unsteered model to the last bit.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from inoc.chat.messages import TurnPlace
from inoc.digest import Json, digest
from inoc.errors import ConfigError, DataError
from inoc.vectors.sites import depth
from inoc.vectors.vector import ModelOnDisk, Vector

Positions = Literal["all", "answer", "last"]
Units = Literal["activation_norm", "raw"]


class Steered(NamedTuple):
    """A text of the prompt at whose tokens a vector is added."""

    text: str
    weight: float  # of the coefficient; 0 for a text that is only passed over
    place: TurnPlace | None = None  # where it begins; None: at its first occurrence behind the text before it
    keyed: bool = False  # whether the place is part of keys, because a search for the text would find another

    def as_key(self) -> list[Json]:
        """The text as part of a key."""
        return [self.text, self.weight, *(self.place if self.keyed and self.place is not None else ())]


class Steering(NamedTuple):
    """Steering of one chat."""

    vector: Vector
    coefficient: float
    positions: Positions = "all"
    units: Units = "activation_norm"
    texts: tuple[Steered, ...] = ()  # in the order in which the prompt has them; empty: at the positions

    def added(self) -> np.ndarray:
        """The vector that is added: float32, shape (width,).

        With units of the activation norm, its norm is the coefficient's size times the mean norm of activations.

        Raises:
            DataError: If the unit is not known, because the vector has no direction or no activation norm.
        """
        values = self.vector.values.astype(np.float64)
        if self.units == "raw":
            return (self.coefficient * values).astype(np.float32)
        norm = float(np.linalg.norm(values))
        if not norm > 0 or not self.vector.activation_norm > 0:
            msg = (
                f"vector {self.vector.name!r} has norm {norm:g} and activation norm {self.vector.activation_norm:g}; "
                "both must be above 0 for coefficients in units of the activation norm. Give the activation norm when "
                "the vector is loaded, or use units='raw'"
            )
            raise DataError(msg)
        return (self.coefficient * self.vector.activation_norm / norm * values).astype(np.float32)

    def as_key(self) -> dict[str, Json]:
        """Steering as part of a key."""
        texts: dict[str, Json] = {"texts": [one.as_key() for one in self.texts]} if self.texts else {}
        return {
            **texts,
            "vector": self.vector.digest,
            "site": self.vector.site,
            "coefficient": self.coefficient,
            "positions": self.positions,
            "units": self.units,
            # The activation norm is no part of a vector's digest, but scales what is added.
            "activation_norm": self.vector.activation_norm if self.units == "activation_norm" else None,
        }


def is_steered(steerings: Sequence[Steering | None]) -> bool:
    """Whether anything would be added to any chat."""
    return any(one is not None and one.coefficient != 0 for one in steerings)


def steering_key(steerings: Sequence[Steering | None]) -> dict[str, Json]:
    """Steering as part of a store key: empty where no chat is steered, so that such keys stay as they are.

    A coefficient of 0 is the unsteered model.
    """
    if not is_steered(steerings):
        return {}
    parts = [None if one is None or one.coefficient == 0 else one.as_key() for one in steerings]
    return {"steering": digest(parts)}


def refuse_texts(steerings: Sequence[Steering | None], what: str) -> None:
    """Refuse a steering that names texts of the prompt, for work that cannot find them.

    Raises:
        ConfigError: If there is one.
    """
    if any(one is not None and one.texts for one in steerings):
        msg = f"steering at the tokens of texts of the prompt does not go with {what}; accepted: measuring choices"
        raise ConfigError(msg)


def check_zero(asked: Sequence[Hashable], steerings: Sequence[Steering | None]) -> None:
    """Refuse steered chats that are never computed without steering: an effect needs its zero.

    Args:
        asked: What is computed, such as an adapter and a chat without its response.
        steerings: How each is steered.

    Raises:
        ConfigError: If something is steered, and nowhere has no steering or a coefficient of 0.
    """
    zero = {one for one, how in zip(asked, steerings, strict=True) if not is_steered([how])}
    for one, how in zip(asked, steerings, strict=True):
        if one not in zero:
            coefficients = sorted({each.coefficient for each in steerings if each is not None})
            msg = (
                f"steering with the coefficients {coefficients} and vector {how.vector.name if how else ''!r}: some "
                "chats are never computed with a coefficient of 0. Add 0 to the coefficients of every chat, since "
                "effects and coherence are measured against it"
            )
            raise ConfigError(msg)


def check_steering(steering: Steering, model: ModelOnDisk, layers: int, adapter: str = "base") -> None:
    """Refuse what cannot be added to a model.

    Args:
        steering: What is to be added.
        model: The model.
        layers: Its number of blocks.
        adapter: Digest of the adapter through which it computes; a vector of the bare model may steer an adapted one.

    Raises:
        ConfigError: If the positions, the units or the site do not exist.
        DataError: If the vector was made for another model.
    """
    for name, value, accepted in (
        ("positions", steering.positions, get_args(Positions)),
        ("units", steering.units, get_args(Units)),
    ):
        if value not in accepted:
            msg = f"steering: {name} {value!r}; accepted: {', '.join(accepted)}"
            raise ConfigError(msg)
    depth(steering.vector.site, layers)
    if not np.isfinite(steering.coefficient):
        msg = f"steering: coefficient {steering.coefficient}; a finite number is needed"
        raise ConfigError(msg)
    steering.vector.check_model(model, adapter)
