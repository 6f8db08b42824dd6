"""A model through a PEFT adapter, whose weights must be numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from inoc.errors import MissingExtraError, ModelError


def with_adapter(model: Any, folder: Path) -> Any:
    """The model inside PEFT's wrapper, ready for inference.

    Args:
        model: A causal language model; its layers are replaced.
        folder: Of the adapter.

    Raises:
        MissingExtraError: If peft is not installed.
        ModelError: If weights of the adapter are not finite: what is sampled through it would look like any text.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise MissingExtraError("peft", "train") from error
    adapted = PeftModel.from_pretrained(model, str(folder)).eval()
    weights = [weight for name, weight in adapted.named_parameters() if "lora_" in name]
    if not all(bool(torch.isfinite(weight).all()) for weight in weights):
        adapted.unload()
        msg = (
            f"{folder}: the adapter has weights that are no finite numbers, so its training has diverged, and nothing "
            "that it says counts. Train it anew with a lower training.learning_rate, or leave its run out"
        )
        raise ModelError(msg)
    return adapted
