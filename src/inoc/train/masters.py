"""An optimizer for half-precision parameters: small updates would be lost in their rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch


class Masters(torch.optim.Optimizer):
    """Updates float32 copies of parameters, and rounds these into the parameters.

    Args:
        parameters: What is trained.
        make: Makes the optimizer of the copies.
    """

    def __init__(
        self, parameters: Sequence[torch.Tensor], make: Callable[[list[torch.Tensor]], torch.optim.Optimizer]
    ) -> None:
        self._parameters = list(parameters)
        self._copies = [parameter.detach().float() for parameter in self._parameters]
        super().__init__(self._copies, {})
        self._inner = make(self._copies)
        self._adopt()

    def _adopt(self) -> None:
        # Schedulers change learning rates in `param_groups`; they have to be the inner optimizer's.
        self.param_groups, self.state = self._inner.param_groups, self._inner.state

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the copies with the parameters' gradients."""
        given = []
        for copy, parameter in zip(self._copies, self._parameters, strict=True):
            copy.grad = None if parameter.grad is None else torch.empty_like(copy)
            given += [] if parameter.grad is None else [parameter.grad]
        # Together: adapters have hundreds of tensors, and a kernel for each keeps the host busy.
        torch._foreach_copy_([copy.grad for copy in self._copies if copy.grad is not None], given)
        self._inner.step(closure)
        with torch.no_grad():
            torch._foreach_copy_(self._parameters, self._copies)

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: FBT001, FBT002 - the base class's signature
        """Clear the gradients."""
        for tensor in [*self._parameters, *self._copies]:
            tensor.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The inner optimizer's state and the copies, which hold what rounding leaves out."""
        return {"inner": self._inner.state_dict(), "copies": self._copies}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state."""
        self._inner.load_state_dict(state_dict["inner"])
        for copy, kept in zip(self._copies, state_dict["copies"], strict=True):
            copy.copy_(kept)
        self._adopt()
