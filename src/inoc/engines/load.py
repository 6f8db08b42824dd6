"""The engine of a name, in this process."""

from __future__ import annotations

from inoc.engines.identity import ModelIdentity
from inoc.engines.sampling import Engine, InTurn


def load_engine(model: ModelIdentity, name: str) -> Engine:
    """An engine in this process; imported only when something must be computed.

    Args:
        model: The model.
        name: `transformers` or `vllm`.
    """
    if name == "vllm":
        from inoc.engines.vllm import VllmEngine

        return VllmEngine(model)
    from inoc.engines.transformers import TransformersEngine

    return InTurn(TransformersEngine(model))
