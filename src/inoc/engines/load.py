"""The engine of a name, in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from inoc.engines.identity import ModelIdentity
from inoc.engines.sampling import Engine, InTurn

E = TypeVar("E")


class Kept(Generic[E]):
    """The engine that was loaded last, for jobs with several plans: a model that stays is loaded once."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._engine: E | None = None

    def get(self, key: tuple[object, ...], make: Callable[[], E]) -> E:
        """The engine of a key; another one that was kept is given up before this one is loaded.

        Args:
            key: Model, and what else the engine depends on.
            make: Loads it.
        """
        if self._engine is None or key != self._key:
            self._engine = None
            self._engine, self._key = make(), key
        return self._engine


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
