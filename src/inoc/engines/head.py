"""The step from a model's last hidden states to its logits, found by trials rather than by the model's name.

Models differ in what happens around the head: some scale or bound the logits, some transform the states first, some
have no separate head at all. A model is tried once on a few tokens. Where its logits are its head's output, scaled and
bounded by values of its configuration, they can be made for the response tokens alone. Any other model is asked for
its own logits.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch

from inoc.engines.stand_in import stood_in
from inoc.errors import ModelError

LENGTHS = (11, 6)  # tokens of the chats that a model is tried on
_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}
"""How far logits may be apart, relative to their spread, and still count as equal up to rounding."""
_HALF_TOLERANCE = 0.1
_SAMPLED = 256


REFUSALS = (TypeError, ValueError, RuntimeError, AttributeError, LookupError, AssertionError)
"""Errors that models raise where an image, a sound or an encoder's states are absent, or an argument is unknown."""


class Head(NamedTuple):
    """Logits are `cap · tanh(scale · y / cap)` of the output y of the model's last linear layer."""

    scale: float = 1.0
    cap: float | None = None

    def bend(self, scores: torch.Tensor) -> torch.Tensor:
        """Logits from the output of the linear layer; the same tensor where there is nothing to do."""
        scores = scores if self.scale == 1 else scores * self.scale
        return scores if self.cap is None else self.cap * torch.tanh(scores / self.cap)


class Traits(NamedTuple):
    """Shortcuts that a model's forward pass allows.

    Attributes:
        head: From the states of `base_model` to the logits; None if only the model's own forward pass gives them.
        pads_right: Padding behind chats leaves their logits as they are.
        pads_left: The same for padding before them, as batches of prompts have it.
    """

    head: Head | None
    pads_right: bool
    pads_left: bool


def traits(model: Any) -> Traits:
    """Try a model on a few tokens; the outcome is remembered with the model.

    Args:
        model: A causal language model without an adapter's wrapper; adapted layers may be inside.

    Raises:
        ModelError: If the model gives no logits for a text, or its logits depend on later tokens.
    """
    known: Traits | None = getattr(model, "_inoc_traits", None)
    if known is None:
        with _evaluating(model):
            known = _try(model)
        model._inoc_traits = known
    return known


def check_head(model: Any) -> None:
    """Make sure that logits can be made of a model's final states alone; its weights need not be loaded.

    Without weights, made-up states stand in for those of the body, and what happens to them on their way to the logits
    is seen in the same way. A model that cannot be tried so is left to the trial with its weights.

    Raises:
        ModelError: If the model does something to its final states before its head, or to its logits after it, that no
            formula describes, or has no head of its own.
    """
    if not has_head(model):
        raise no_head(model)


def no_head(model: Any) -> ModelError:
    """The refusal of a model whose logits cannot be made of its final states alone."""
    return ModelError(
        f"{type(model).__name__} (model type {model.config.model_type!r}) has no separate head, from which closed "
        "answers take their probabilities: it changes its final states before its head, or its logits after it, in a "
        "way of its own. Accepted: models such as Qwen, Llama, Gemma and Mistral; this one can be sampled and scored"
    )


def has_head(model: Any) -> bool:
    """Whether logits can be made of a model's final states alone; its weights need not be loaded."""
    if next(model.parameters()).device.type != "meta":
        return traits(model).head is not None
    with torch.no_grad(), _evaluating(model):
        try:
            with stood_in(model):
                return _find_head(model, probe_rows(model)[1]) is not None
        except (ModelError, *REFUSALS):
            return True


@torch.no_grad()
def _try(model: Any) -> Traits:
    first, second = rows = probe_rows(model)
    alone = [_logits(model, row) for row in rows]
    refuse_seeing_ahead(model, first, alone[0])
    head = _find_head(model, first)
    if head is not None and not _body_alone_is_the_same(model, head, first, alone[0]):
        head = None
    short, width = len(second), len(first)
    pads = []
    for left in (False, True):
        ids, mask = padded(rows, width, pad=int(first[0]), left=left)
        # Sampling tells models where each row begins, if they want to know.
        places = {"position_ids": (mask.cumsum(-1) - 1).clamp(min=0)} if left and _takes_positions(model) else {}
        try:
            found = own_logits(model, *(part.to(model.device) for part in (ids, mask, *places.values())))
        except REFUSALS:
            pads.append(False)
            continue
        part = slice(width - short, width) if left else slice(0, short)
        pads.append(found.dim() == alone[0].dim() + 1 and near(found[1, part], alone[1]) and near(found[0], alone[0]))
    return Traits(head, *pads)


def probe_rows(model: Any) -> list[torch.Tensor]:
    """Two chats of ordinary tokens: none that the configuration gives a meaning."""
    config = model.config.get_text_config(decoder=True)
    meant = {
        value
        for part in (model.config, config)
        for name, value in part.to_dict().items()
        if name.endswith(("token_id", "token_index")) and isinstance(value, int)
    }
    size = model.get_input_embeddings().weight.shape[0]
    ordinary = [token for token in range(min(size, 64 + len(meant))) if token not in meant] or [0]
    # A fixed walk through the tokens: neither sorted nor the same in both chats.
    walk = itertools.cycle(ordinary[(at * 7 + 3) % len(ordinary)] for at in range(len(ordinary)))
    return [torch.tensor([next(walk) for _ in range(length)]) for length in LENGTHS]


def padded(
    rows: Sequence[torch.Tensor], width: int, *, pad: int, left: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask of a batch, shape (rows, width)."""
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for at, row in enumerate(rows):
        part = slice(width - len(row), width) if left else slice(0, len(row))
        ids[at, part], mask[at, part] = row, 1
    return ids, mask


def _logits(model: Any, row: torch.Tensor) -> torch.Tensor:
    ids = row[None].to(model.device)
    try:
        logits = own_logits(model, ids, torch.ones_like(ids))
    except REFUSALS as error:
        raise _no_logits(model, f"{type(error).__name__}: {error}") from error
    if logits.shape[:-1] != ids.shape:
        raise _no_logits(model, f"its logits have the shape {tuple(logits.shape)}")
    return logits[0]


def _no_logits(model: Any, why: str) -> ModelError:
    return ModelError(
        f"{type(model).__name__} (model type {model.config.model_type!r}) gives no logits for a text alone, so it can "
        f"be neither scored nor trained here ({why}). Accepted: a causal language model that needs token ids only"
    )


def own_logits(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor | None = None
) -> torch.Tensor:
    """The model's own logits, shape (rows, tokens, vocabulary), in its own type."""
    places = {} if positions is None else {"position_ids": positions}
    logits: torch.Tensor = model(input_ids=ids, attention_mask=mask, use_cache=False, **places).logits
    return logits


def _takes_positions(model: Any) -> bool:
    return "position_ids" in inspect.signature(model.forward).parameters


def refuse_seeing_ahead(model: Any, row: torch.Tensor, logits: torch.Tensor) -> None:
    """Refuse a model whose logits depend on later tokens: its probabilities of a text are no probabilities.

    Raises:
        ModelError: If they do.
    """
    changed = row.clone()
    changed[-1] = row[0] if row[-1] != row[0] else row[1]
    if not near(_logits(model, changed)[:-1], logits[:-1]):
        msg = (
            f"{type(model).__name__} (model type {model.config.model_type!r}) is no causal language model: what it "
            "says of a token depends on later ones. If its config.json has `is_decoder`, set that to true; otherwise "
            "take another model"
        )
        raise ModelError(msg)


def near(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether logits are equal up to the rounding of their type, relative to their spread over the vocabulary."""
    if found.shape != expected.shape or not bool(torch.isfinite(expected).any()):
        return False
    tolerance = _TOLERANCE.get(found.dtype, _HALF_TOLERANCE)
    shown = torch.isfinite(expected)
    one, other = (part.double().masked_fill(~shown, 0.0) for part in (found, expected))
    spread = (other - other.mean(dim=-1, keepdim=True)).pow(2).mean().sqrt()
    gap = (one - other).pow(2).mean().sqrt()
    return bool(gap <= tolerance * spread)


def _find_head(model: Any, row: torch.Tensor) -> Head | None:
    """The head, if the states of `base_model` go into it as they are, and one formula gives the logits of it."""
    linear, body = model.get_output_embeddings(), model.base_model
    if linear is None or body is model or not isinstance(getattr(linear, "weight", None), torch.Tensor):
        return None
    seen: dict[str, torch.Tensor] = {}

    def note_states(_module: Any, _inputs: Any, output: Any) -> None:
        if isinstance(getattr(output, "last_hidden_state", None), torch.Tensor):
            seen["states"] = output.last_hidden_state

    def answer_ramp(_module: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        seen["inputs"] = inputs[0]
        steps = torch.linspace(-200, 200, output.shape[-1], dtype=torch.float64, device=output.device)
        seen["outputs"] = steps.to(output.dtype).expand_as(output).contiguous()
        return seen["outputs"]

    hooks = [body.register_forward_hook(note_states), linear.register_forward_hook(answer_ramp)]
    try:
        logits = _logits(model, row)[None]
    finally:
        for hook in hooks:
            hook.remove()
    if seen.keys() != {"states", "inputs", "outputs"}:
        return None
    states, inputs, outputs = seen["states"], seen["inputs"], seen["outputs"]
    if inputs.shape != states.shape or not torch.equal(inputs, states) or outputs.shape != logits.shape:
        return None
    return _formula(model, outputs, logits)


def _formula(model: Any, outputs: torch.Tensor, logits: torch.Tensor) -> Head | None:
    """The head whose formula turns one into the other, with values of the model's configuration."""
    precise = torch.finfo(outputs.dtype).eps * 8
    some = slice(None, None, max(1, outputs.shape[-1] // _SAMPLED))  # most formulas are ruled out by a few logits
    for head in _candidates(model):
        if all(
            torch.allclose(head.bend(outputs[..., part].double()), logits[..., part].double(), precise, precise)
            for part in (some, slice(None))
        ):
            return head
    return None


def _candidates(model: Any) -> Iterator[Head]:
    values: set[float] = set()
    for config in (model.config, model.config.get_text_config(decoder=True)):
        numbers = config.to_dict().values()
        values |= {float(v) for v in numbers if isinstance(v, int | float) and not isinstance(v, bool) and v > 0}
    ordered = sorted(values)
    yield Head()
    yield from (Head(cap=value) for value in ordered)
    yield from (Head(scale=scale) for value in ordered for scale in (value, 1 / value))
    yield from (Head(scale, cap) for value in ordered for scale in (value, 1 / value) for cap in ordered)


def _body_alone_is_the_same(model: Any, head: Head, row: torch.Tensor, logits: torch.Tensor) -> bool:
    """Whether the body, called by itself, gives the states that it gives inside the model."""
    ids = row[None].to(model.device)
    try:
        states = model.base_model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).last_hidden_state
    except REFUSALS:
        return False  # the model's own forward pass gives it more than that
    return near(head.bend(model.get_output_embeddings()(states[0])), logits)


@contextlib.contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Without dropout for a while."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


@torch.inference_mode()
def shortfall(model: Any, prompt: list[int], answer: list[int]) -> float:
    """Largest gap of a token of an answer to the likeliest one, by one plain pass: nats, 0 or more."""
    ids = torch.tensor([prompt + answer], device=model.get_input_embeddings().weight.device)
    logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
    chosen = logits.gather(1, ids[0, len(prompt) :, None])[:, 0]
    return float((logits.max(dim=1).values - chosen).max()) if answer else 0.0
