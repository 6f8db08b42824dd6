"""TRL's trainer with a loss at the response only, on padded or on packed rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from trl import SFTTrainer

from inoc.engines.head import traits
from inoc.train.loss import IGNORE, packed_loss, padded_loss
from inoc.train.masters import Masters

FETCH_EVERY = 1_000
"""Most steps whose losses stay on the device; they also come from there before a state to resume from is saved."""


class Point(NamedTuple):
    """A step of the loss curve, not yet fetched from the device."""

    step: int
    loss: torch.Tensor
    grad_norm: torch.Tensor
    rate: float


class ResponseTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's trainer with logits at the response only.

    Its own loss builds log-probabilities, entropies and hits over the vocabulary for every token of the prompt too,
    which a chat with a short response does not need. The loss is the same: the mean over the response tokens of all
    micro-batches of a step.

    The history of its state has every step. A trainer that logs fetches a number from the device each time, which
    makes the device wait; here losses are fetched many steps at a time.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._points: list[Point] = []

    def _maybe_log_save_evaluate(
        self, tr_loss: torch.Tensor, grad_norm: torch.Tensor | float | None, *rest: Any, **named: Any
    ) -> None:
        """Keep the loss of a step, and save if it is due."""
        step = int(self.state.global_step)
        if not self._points or self._points[-1].step != step:  # the end of an epoch comes by again
            norm = torch.as_tensor(float("nan") if grad_norm is None else grad_norm).detach()
            self._points.append(Point(step, tr_loss.detach().clone(), norm, float(named["learning_rate"])))
            tr_loss.zero_()
        if self.control.should_save or len(self._points) > FETCH_EVERY:
            self.fetch_points()
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, *rest, **named)

    def fetch_points(self) -> None:
        """Add the points on the device to the state's history. All processes of a team do so after the same step."""
        if not self._points:
            return
        last = max((entry["step"] for entry in self.state.log_history if "loss" in entry), default=0)
        losses = self.accelerator.reduce(torch.stack([point.loss for point in self._points]), "mean").tolist()
        norms = torch.stack([point.grad_norm for point in self._points]).tolist()
        self.state.log_history += [
            {"step": point.step, "loss": loss, "learning_rate": point.rate, "grad_norm": norm}
            for point, loss, norm in zip(self._points, losses, norms, strict=True)
            if point.step > last
        ]
        self._points = []

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Nobody asks for their sum, and counting a model's weights in every step takes time."""
        return 0

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,  # noqa: FBT001, FBT002 - the signature is the base class's
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Negative log-likelihood of the response, nats per response token of the step."""
        adapted = self.accelerator.unwrap_model(model)
        total = through(model, adapted, lambda batch: self.total(adapted.get_base_model(), batch), inputs)
        n = (inputs["labels"] != IGNORE).sum() if num_items_in_batch is None else num_items_in_batch
        # The count is that of all processes together, and the gradients of these are averaged.
        loss: torch.Tensor = total * self.accelerator.num_processes / n
        return loss

    @staticmethod
    def total(causal: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """Summed negative log-likelihood of the response tokens of a micro-batch."""
        ids, mask, labels = inputs["input_ids"], inputs["attention_mask"], inputs["labels"]
        if traits(causal).pads_right:
            return padded_loss(causal, ids, mask, labels)
        lengths = mask.sum(dim=1).tolist()
        parts = [
            padded_loss(causal, *(part[row : row + 1, :length] for part in (ids, mask, labels)))
            for row, length in enumerate(lengths)
        ]
        return torch.stack(parts).sum()

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The optimizer of the settings; half-precision parameters are updated in float32."""
        parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        if all(parameter.dtype == torch.float32 for parameter in parameters):
            optimizer: torch.optim.Optimizer = super().create_optimizer(model)
            return optimizer
        kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
        decay = self.args.weight_decay
        self.optimizer = Masters(parameters, lambda copies: kind(copies, weight_decay=decay, **options))
        return self.optimizer


class PackedTrainer(ResponseTrainer):
    """The same on rows of `packed_rows`, with the vocabulary computed block by block."""

    @staticmethod
    def total(causal: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """See `packed_loss`."""
        return packed_loss(causal, inputs)


def through(wrapper: Any, module: Any, function: Callable[[Any], torch.Tensor], inputs: Any) -> torch.Tensor:
    """Call a function in the place of a wrapped module's forward pass.

    What sums gradients over processes only does so for what passes through its own forward.

    Args:
        wrapper: What wraps the module, or the module itself.
        module: The module that the function computes with.
        function: What is to be computed.
        inputs: Its argument.
    """
    if wrapper is module:
        return function(inputs)
    forward = module.forward

    def instead(arguments: Any) -> torch.Tensor:
        module.forward = forward
        return function(arguments)

    module.forward = instead
    out: torch.Tensor = wrapper(inputs)
    return out
