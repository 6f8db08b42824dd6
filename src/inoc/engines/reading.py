"""Activations at named sites, reduced to read-outs on the device, at about the speed of scoring.

A pass ends after the last site that is read, and leaves out the tokens that come after the last read-out. Means are
taken in float32. With vectors, only dot products leave the device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from inoc.chat.render import Rendered
from inoc.engines.passes import Layout, Passes, Stem
from inoc.engines.readouts import Readout, Span, check_readouts, span_of_readout
from inoc.engines.taps import Tap
from inoc.engines.transfer import to_host
from inoc.errors import ConfigError
from inoc.vectors.sites import depth
from inoc.vectors.steering import Steering
from inoc.vectors.vector import Vector

Activations = dict[str, np.ndarray]
"""Site → float32, shape (chats, read-outs, width). Of projections: (chats, read-outs, vectors + 1), the last column
being the norm of the activation itself. NaN where a read-out has no token, as the mean of an empty response."""
Pending = Callable[[], Activations]


class Reader:
    """Reads activations of one model.

    Args:
        model: A causal language model without an adapter's wrapper (adapted layers may be inside), in eval mode.
        compiled: Compile its layers, unless they are, which takes about a minute before the first batch.
    """

    def __init__(self, model: Any, *, compiled: bool = False) -> None:
        self._passes = Passes(model, compiled=compiled)

    @property
    def layers(self) -> int:
        """Number of blocks of the model."""
        return self._passes.layers

    def submit(
        self,
        chats: Sequence[Rendered],
        sites: Sequence[str],
        readouts: Sequence[Readout],
        batch_tokens: int,
        *,
        steerings: Sequence[Steering | None] = (),
    ) -> Pending:
        """Start to read activations. A GPU goes on while the caller prepares the next chats.

        Args:
            chats: Rendered chats, with the end of turn excluded from their spans.
            sites: Names of sites; see `inoc.vectors.sites`.
            readouts: Names of read-outs.
            batch_tokens: Maximum number of tokens in a batch; a longer chat goes alone.
            steerings: How each chat is steered while it is read; empty for none.

        Returns:
            A function that waits and gives the activations.

        Raises:
            ConfigError: If a site or a read-out does not exist.
        """
        return self._submit(chats, dict.fromkeys(sites), readouts, batch_tokens, steerings)

    def project(
        self,
        chats: Sequence[Rendered],
        vectors: Sequence[Vector],
        readouts: Sequence[Readout],
        batch_tokens: int,
        *,
        steerings: Sequence[Steering | None] = (),
    ) -> Pending:
        """Start to take dot products of activations with vectors, each at its own site; activations are not kept.

        Args:
            chats: As for `submit`.
            vectors: Of any sites, as they are: not scaled to norm 1.
            readouts: As for `submit`.
            batch_tokens: As for `submit`.
            steerings: As for `submit`.

        Returns:
            A function that waits and gives, for each site, dot products in the order of its vectors, then the norm of
            the activation, by which a dot product becomes a cosine.

        Raises:
            ConfigError: If a site or a read-out does not exist, or no vector is given.
            DataError: If a vector has another width than the activations.
        """
        sites: dict[str, list[Vector]] = {}
        for vector in vectors:
            sites.setdefault(vector.site, []).append(vector)
            vector.check_site(vector.site, self._passes.model.config.hidden_size)
        rows = {site: np.stack([vector.values for vector in found]) for site, found in sites.items()}
        onto = {site: self._passes.to_device(np.ascontiguousarray(value.T)) for site, value in rows.items()}
        return self._submit(chats, onto, readouts, batch_tokens, steerings)

    def _submit(
        self,
        chats: Sequence[Rendered],
        sites: Mapping[str, torch.Tensor | None],
        readouts: Sequence[Readout],
        batch_tokens: int,
        steerings: Sequence[Steering | None],
    ) -> Pending:
        check_readouts(readouts)
        if not sites:
            msg = "nothing to read: at least one site, or one vector, is needed"
            raise ConfigError(msg)
        ordered = sorted(sites, key=lambda site: depth(site, self.layers))
        items = [_item(chat, readouts) for chat in chats]
        stems = [item.stem for item in items]

        def start(batch: list[int]) -> Callable[[], torch.Tensor]:
            steered = [steerings[index] for index in batch] if steerings else []
            return self._start([items[index] for index in batch], {site: sites[site] for site in ordered}, steered)

        started = self._passes.in_batches(stems, batch_tokens, start)

        def wait() -> Activations:
            out: list[np.ndarray | None] = [None] * len(chats)
            for batch, values in started:
                for index, row in zip(batch, values().numpy(), strict=True):
                    out[index] = row
            return self._by_site(out, ordered, sites, len(readouts))

        return wait

    def _by_site(
        self, rows: Sequence[np.ndarray | None], ordered: Sequence[str], sites: Mapping[str, Any], n: int
    ) -> Activations:
        width = self._passes.model.config.hidden_size
        widths = [width if sites[site] is None else int(sites[site].shape[1]) + 1 for site in ordered]
        whole = (
            np.stack([row for row in rows if row is not None]) if rows else np.empty((0, n, sum(widths)), np.float32)
        )
        parts = np.split(whole, np.cumsum(widths)[:-1], axis=2)
        return {site: np.ascontiguousarray(part) for site, part in zip(ordered, parts, strict=True)}

    def _start(
        self, items: Sequence[_Item], sites: Mapping[str, torch.Tensor | None], steerings: Sequence[Steering | None]
    ) -> Callable[[], torch.Tensor]:
        stems = [item.stem for item in items]
        layout = self._passes.lay(stems, steerings)
        positions, lengths = (self._passes.to_device(part) for part in _segments(layout, items))
        found: list[torch.Tensor] = []
        self._passes.run(
            layout,
            {site: _collect(found, positions, lengths, onto) for site, onto in sites.items()},
            stems,
            steerings,
        )
        return to_host(torch.cat(found, dim=1).view(len(items), len(items[0].spans), -1))


class _Item(NamedTuple):
    """A chat up to the last token that is read, and the tokens of each read-out."""

    stem: Stem
    spans: list[Span]


def _item(chat: Rendered, readouts: Sequence[Readout]) -> _Item:
    spans = [span_of_readout(chat, readout) for readout in readouts]
    full = [span for span in spans if span.stop > span.start]
    needed = max((span.stop for span in full), default=1)
    own = min((span.start for span in full), default=0)
    return _Item(Stem(chat.token_ids[:needed], chat.response.start, own=own), spans)


def _segments(layout: Layout, items: Sequence[_Item]) -> tuple[np.ndarray, np.ndarray]:
    """Positions of all read-outs' tokens, one read-out after the other, and how many each has."""
    spans = [
        (start + span.start, start + span.stop)
        for start, item in zip(layout.starts, items, strict=True)
        for span in item.spans
    ]
    lengths = np.array([stop - start for start, stop in spans], dtype=np.int64)
    return np.concatenate([np.arange(*span) for span in spans]).astype(np.int64), lengths


def _collect(
    found: list[torch.Tensor], positions: torch.Tensor, lengths: torch.Tensor, onto: torch.Tensor | None
) -> Tap:
    def tap(states: torch.Tensor) -> None:
        # Sums of each read-out's own tokens, in their order: what else is in the batch does not enter. The check that
        # `unsafe` leaves out would wait for the device.
        sums = torch.segment_reduce(states[positions].float(), "sum", lengths=lengths, axis=0, unsafe=True)
        means = sums / lengths[:, None]  # 0 / 0 is NaN
        found.append(means if onto is None else torch.cat([means @ onto, means.norm(dim=1, keepdim=True)], dim=1))

    return tap
