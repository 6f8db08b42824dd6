"""A model whose linear layers are kept in 4 bits, with bitsandbytes: a quarter of the memory, for large models.

The weights are rounded to the 16 values of NF4 in blocks of 64, and the blocks' scales once more to 8 bits: "QLoRA:
Efficient Finetuning of Quantized LLMs" (Dettmers et al., 2023). Before each product they are widened to the type that
is computed in. Embeddings, norms and the head are not rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from inoc.errors import MissingExtraError, ModelError


def nf4(dtype: torch.dtype, device: torch.device) -> Any:
    """Configuration with which `from_pretrained` quantises the weights while it loads them.

    Args:
        dtype: The type that is computed in.
        device: The device that is computed on.

    Raises:
        MissingExtraError: If bitsandbytes is not installed.
        ModelError: If it cannot compute on the device.
    """
    try:
        from bitsandbytes.functional import dequantize_4bit, quantize_4bit
    except ImportError as error:
        raise MissingExtraError("bitsandbytes", "bits") from error
    from transformers import BitsAndBytesConfig

    try:
        tried = quantize_4bit(
            torch.ones(64, 64, dtype=dtype, device=device), quant_type="nf4", compress_statistics=True
        )
        dequantize_4bit(*tried)
    except RuntimeError as error:
        msg = (
            f"model.quantization: bitsandbytes cannot compute in {dtype} on {device} here: {error}. Its build must fit "
            "the GPU and torch's CUDA (`python -m bitsandbytes` says more); or leave quantization out"
        )
        raise ModelError(msg) from error
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def keep_layout(model: Any) -> None:
    """Keep the weights as they were rounded, on processors for which bitsandbytes would rearrange them.

    With AVX512-BF16 it rearranges them at the first product outside of training: only widths that are multiples of 64
    fit, and the blocks' scales are rounded to bfloat16, so that numbers would depend on the processor.
    """
    for part in model.modules():
        if hasattr(part, "support_avx512bf16_for_cpu"):
            part.support_avx512bf16_for_cpu = False


BLOCKS = (64, 256)
"""Numbers with one scale, and scales with one scale of their own."""
PARTS = 5
"""Tensors of a weight: its bits, the scales of blocks, and what these stand for: scales, values and an offset."""


def type_of(layer: Any) -> torch.dtype | None:
    """The type in which a layer computes whose weight is kept as `nf4` says; None for all other layers."""
    state = getattr(getattr(layer, "weight", None), "quant_state", None)
    if state is None or state.quant_type != "nf4" or not state.nested:
        return None
    same = (state.blocksize, state.state2.blocksize) == BLOCKS and layer.compute_dtype in (None, state.dtype)
    dtype: torch.dtype = state.dtype
    return dtype if same else None


def parts(layer: Any) -> list[torch.Tensor]:
    """The tensors of the weight of such a layer, `PARTS` of them."""
    state = layer.weight.quant_state
    return [layer.weight.data, state.absmax, state.state2.absmax, state.state2.code, state.offset]


def widened(parts: Sequence[torch.Tensor], shape: tuple[int, int], dtype: torch.dtype) -> torch.Tensor:
    """The weight that such tensors stand for, shape (out, in)."""
    bits, scales, wide, values, offset = parts
    operators = torch.ops.bitsandbytes
    blocks = operators.dequantize_blockwise(scales, wide, values, BLOCKS[1], torch.float32) + offset
    weight: torch.Tensor = operators.dequantize_4bit(bits, blocks, BLOCKS[0], "nf4", shape, dtype)
    return weight
