"""Reading and changing the states of a model at its sites while it computes.

A block that is tapped stands inside a small module that calls it. Layers that were compiled stay compiled, and what is
done at a site runs outside of them, so nothing is compiled anew. Modules are put back when the work is done.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from inoc.engines.head import check_head
from inoc.engines.layers import decoder_layers, has_plain_layers
from inoc.errors import ModelError
from inoc.vectors.sites import EMBED, FINAL_NORM, depth

Tap = Callable[[torch.Tensor], torch.Tensor | None]
"""Is given the states of a site, shape (rows, tokens, width), and gives what is to stand there instead, or None."""


class _ReachedError(Exception):
    """The last site of interest has been reached."""


class _Tapped(torch.nn.Module):
    """A module whose input and output pass through taps."""

    def __init__(self, module: torch.nn.Module, before: Sequence[Tap], after: Sequence[Tap], *, stop: str) -> None:
        super().__init__()
        self.module = module
        self._before, self._after, self._stop = before, after, stop

    def __getattr__(self, name: str) -> Any:
        # A model may ask its block for more than its output, such as the type of its attention.
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)

    def forward(self, states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        states = _through(self._before, states)
        if self._stop == "before":
            raise _ReachedError
        out = self.module(states, *args, **kwargs)
        out = (_through(self._after, out[0]), *out[1:]) if isinstance(out, tuple) else _through(self._after, out)
        if self._stop == "after":
            raise _ReachedError
        return out


def _through(taps: Sequence[Tap], states: torch.Tensor) -> torch.Tensor:
    for tap in taps:
        instead = tap(states)
        states = states if instead is None else instead
    return states


class _Tried(NamedTuple):
    """The beginning of a forward pass, before the first block; nothing is known of a model that cannot be tried."""

    states: tuple[int, ...]  # shape of the states that the block is given
    norms: int  # times that the final norm was called before


class _Probe(_Tapped):
    """A module that notes its input, and may end the pass there."""

    def __init__(self, module: torch.nn.Module, note: Tap, *, stop: str) -> None:
        super().__init__(module, [note], [], stop=stop)

    def forward(self, states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        _through(self._before, states)
        if self._stop:
            raise _ReachedError
        return self.module(states, *args, **kwargs)


_KNOWN: weakref.WeakKeyDictionary[torch.nn.Module, _Tried] = weakref.WeakKeyDictionary()


def _tried(model: Any) -> _Tried:
    """The beginning of a forward pass, up to the first block; each model is tried once."""
    if model in _KNOWN:
        return _KNOWN[model]
    body, shapes, norms = model.base_model, list[int](), list[int]()
    first, norm = body.layers[0], body.norm
    body.layers[0] = _Probe(first, lambda states: shapes.extend(states.shape), stop="before")
    body.norm = _Probe(norm, lambda states: norms.append(states.dim()), stop="")
    try:
        with torch.no_grad():
            device = model.get_input_embeddings().weight.device
            ids = torch.ones((1, 2), dtype=torch.long, device=device)
            # Without weights, a mask of fewer dimensions could not be looked at.
            mask = torch.zeros((1, 1, 2, 2), device=device) if device.type == "meta" else None
            model(input_ids=ids, attention_mask=mask, use_cache=False)
    except _ReachedError:
        _KNOWN[model] = _Tried(tuple(shapes), len(norms))
    except (RuntimeError, NotImplementedError, TypeError, ValueError, AttributeError, IndexError):
        _KNOWN[model] = _Tried((), 0)  # without weights, some cannot be computed
    finally:
        body.layers[0], body.norm = first, norm
    return _KNOWN.setdefault(model, _Tried((), 0))


def check_tappable(model: Any) -> None:
    """Make sure that the final states of a causal language model can be reached; its weights need not be loaded.

    Raises:
        ModelError: If its body is not made of layers and a final norm.
    """
    if not has_plain_layers(model):
        msg = (
            f"{_named(model)} has no plain `layers` and `norm`, whose sites could be read or steered; models such as "
            "Qwen, Llama, Gemma and Mistral have"
        )
        raise ModelError(msg)
    if _tried(model).norms:
        msg = (
            f"{_named(model)} uses its final norm before its first layer too, so that its final states cannot be told "
            "apart; models such as Qwen, Llama, Gemma and Mistral use it once"
        )
        raise ModelError(msg)


def check_readable(model: Any) -> None:
    """Make sure that the states at all sites of a model can be read and steered; its weights need not be loaded.

    Raises:
        ModelError: If its sites cannot be reached, or a token has several states at one.
    """
    check_tappable(model)
    states = _tried(model).states
    # Gemma 3n and DeepSeek V4 have several, of which none is the one.
    if len(states) not in (0, 3):
        msg = (
            f"the layers of {_named(model)} have several states for each token (shape {states}), so there is no one "
            "state to read or steer; models such as Qwen, Llama, Gemma 2 and Mistral have one"
        )
        raise ModelError(msg)


def check_choosable(model: Any) -> None:
    """Make sure that probabilities of closed answers can be measured; the model's weights need not be loaded.

    Raises:
        ModelError: If its final states cannot be reached, or its logits cannot be made of them alone.
    """
    check_tappable(model)
    check_head(model)


def _named(model: Any) -> str:
    return f"{type(model).__name__} (model type {model.config.model_type!r})"


@contextlib.contextmanager
def tapped(model: Any, taps: Mapping[str, Sequence[Tap]], *, stop: bool = False) -> Iterator[None]:
    """Tap a causal language model for a while.

    Args:
        model: Without an adapter's wrapper; adapted layers may be inside.
        taps: Site → taps, in the order in which they see the states.
        stop: End each forward pass after the last of these sites, by an exception that `until_stopped` catches.

    Raises:
        ConfigError: If the model has no such site.
        ModelError: If its sites cannot be reached.
    """
    if set(taps) <= {FINAL_NORM}:
        check_tappable(model)
    else:
        check_readable(model)
    layers = model.base_model.layers
    n = len(layers)
    last = max((depth(site, n) for site in taps), default=-1) if stop else -1
    before = {0: list(taps.get(EMBED, []))}
    after = {depth(site, n) - 1: list(found) for site, found in taps.items() if site not in (EMBED, FINAL_NORM)}
    originals = decoder_layers(model)
    norm = model.base_model.norm
    try:
        for index, layer in enumerate(originals):
            stops = "before" if last == 0 and index == 0 else "after" if last == index + 1 else ""
            if before.get(index) or after.get(index) or stops:
                layers[index] = _Tapped(layer, before.get(index, []), after.get(index, []), stop=stops)
        if FINAL_NORM in taps:
            model.base_model.norm = _Tapped(norm, [], list(taps[FINAL_NORM]), stop="after" if last == n + 1 else "")
        yield
    finally:
        for index, layer in enumerate(originals):
            layers[index] = layer
        model.base_model.norm = norm


def until_stopped(forward: Callable[[], Any]) -> Any:
    """The result of a forward pass, or None if it was stopped at its last tapped site."""
    try:
        return forward()
    except _ReachedError:
        return None
