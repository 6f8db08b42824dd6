"""Steering: a coefficient times a vector added to the states at a site, for each row of a batch its own.

Positions have names, and mean the same where an answer is sampled, scored and chosen from:

- `all`: every token of the chat;
- `answer`: the answer's own tokens;
- `last`: the last position of each step of decoding, that is the last token of the prompt and every token of the answer.

A coefficient is in units of the mean norm of activations at the vector's site, or raw. A coefficient of 0 adds nothing
at all, so its numbers are those of the unsteered model to the last bit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import torch

from inoc.digest import Json
from inoc.engines.sites import depth
from inoc.engines.taps import Tap, tapped
from inoc.errors import ConfigError, DataError
from inoc.vectors.vector import Vector

if TYPE_CHECKING:
    from inoc.engines.identity import ModelIdentity

Positions = Literal["all", "answer", "last"]
Units = Literal["activation_norm", "raw"]


class Steering(NamedTuple):
    """How one chat is steered."""

    vector: Vector
    coefficient: float
    positions: Positions = "all"
    units: Units = "activation_norm"

    def added(self) -> np.ndarray:
        """The very vector that is added: float32, shape (width,).

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
        """The part of a key that says how it was steered."""
        return {
            "vector": self.vector.digest,
            "site": self.vector.site,
            "coefficient": self.coefficient,
            "positions": self.positions,
            "units": self.units,
            # The activation norm is no part of a vector's digest, but scales what is added.
            "activation_norm": self.vector.activation_norm if self.units == "activation_norm" else None,
        }


def steering_key(steering: Steering | None) -> dict[str, Json]:
    """What a store key gets: nothing without steering or with a coefficient of 0, which is the unsteered model."""
    return {} if steering is None or steering.coefficient == 0 else {"steering": steering.as_key()}


def check_steering(steering: Steering, model: ModelIdentity, layers: int, adapter: str = "base") -> None:
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


def row_taps(
    owners: torch.Tensor,
    places: torch.Tensor,
    answers: Sequence[int],
    steerings: Sequence[Steering | None],
    device: torch.device,
) -> dict[str, list[Tap]]:
    """Taps that steer whole chats in one pass.

    Args:
        owners: Chat of each position, -1 for none; int64, shape (positions,).
        places: Position within the chat, same shape.
        answers: Chat → position of the first token of its answer.
        steerings: Chat → how it is steered; empty for none.
        device: Where the states will be.
    """
    first = torch.full((len(answers) + 1,), torch.iinfo(torch.int64).max)  # the last entry: nobody's positions
    deltas: dict[str, dict[int, np.ndarray]] = {}
    for chat, (steering, answer) in enumerate(zip(steerings, answers, strict=False)):
        if steering is not None and steering.coefficient != 0:
            deltas.setdefault(steering.vector.site, {})[chat] = steering.added()
            first[chat] = {"all": 0, "answer": answer, "last": answer - 1}[steering.positions]
    taps: dict[str, list[Tap]] = {}
    for site, found in deltas.items():
        which = torch.full((len(answers) + 1,), -1)
        which[list(found)] = torch.arange(len(found))
        rows = torch.nonzero((places >= first[owners]) & (which[owners] >= 0))[:, 0]
        added = torch.from_numpy(np.stack(list(found.values())))
        taps[site] = [_at_positions(rows.to(device), which[owners[rows]].to(device), added.to(device))]
    return taps


def _at_positions(rows: torch.Tensor, which: torch.Tensor, added: torch.Tensor) -> Tap:
    def tap(states: torch.Tensor) -> torch.Tensor:
        flat = states.reshape(-1, states.shape[-1]).clone()
        # Summed in float32 and rounded once.
        flat[rows] = (flat[rows].float() + added[which]).to(flat.dtype)
        return flat.view_as(states)

    return tap


class Decoding:
    """Taps that steer the rows of a batch while it decodes: a first call over the prompts, then one call per token.

    Prompts are padded on the left, so that the last position of the first call is each prompt's last token.

    Args:
        steerings: Row → how it is steered.
        device: Where the states will be.
    """

    def __init__(self, steerings: Sequence[Steering | None], device: torch.device) -> None:
        self.taps: Mapping[str, Sequence[Tap]] = {
            site: [self._tap(site, steerings, device)]
            for site in {one.vector.site for one in steerings if one is not None and one.coefficient != 0}
        }

    @staticmethod
    def _tap(site: str, steerings: Sequence[Steering | None], device: torch.device) -> Tap:
        active = [
            (row, one)
            for row, one in enumerate(steerings)
            if one is not None and one.coefficient != 0 and one.vector.site == site
        ]
        rows = torch.tensor([row for row, _ in active], device=device)
        added = torch.from_numpy(np.stack([one.added() for _, one in active])).to(device)[:, None]
        everywhere = torch.tensor([one.positions == "all" for _, one in active], device=device)[:, None]
        at_end = torch.tensor([one.positions != "answer" for _, one in active], device=device)[:, None]
        calls = 0

        def tap(states: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += 1
            states = states.clone()
            chosen = states[rows].float() + added
            if calls == 1:  # the prompts
                keep = torch.arange(states.shape[1], device=device) < states.shape[1] - 1
                wanted = torch.where(keep, everywhere, at_end)
                chosen = torch.where(wanted[..., None], chosen, states[rows].float())
            states[rows] = chosen.to(states.dtype)
            return states

        return tap


@contextlib.contextmanager
def steered_decoding(model: Any, steerings: Sequence[Steering | None], device: torch.device) -> Iterator[None]:
    """Steer one batch while it decodes, one row of it like the other or not.

    Args:
        model: A causal language model without an adapter's wrapper.
        steerings: How each row is steered; empty, or None for a row that is not.
        device: Where the model is.
    """
    with tapped(model, Decoding(steerings, device).taps):
        yield
