"""Fields of batches, jobs and files, whose types the SDK does not check: a server may send anything."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import TypeVar

import openai

from inoc.api.request import as_count

T = TypeVar("T", bound=openai.BaseModel)


async def items(listed: AsyncIterable[T]) -> AsyncIterator[T]:
    """The objects of a list, up to the first that comes again: some servers send the first page again and again."""
    seen: set[str] = set()
    async for one in listed:
        name = text_in(one, "id")
        if not isinstance(one, openai.BaseModel) or name in seen:
            return
        seen.add(name)
        yield one


def text_in(thing: object, name: str) -> str:
    """A text; empty if the field is absent or something else."""
    value = getattr(thing, name, None)
    return value if isinstance(value, str) else ""


def count_in(thing: object, name: str) -> int | None:
    """A number of things, 0 or more; None if the field is absent or something else."""
    return as_count(getattr(thing, name, None))


def mark_in(thing: object, name: str) -> object:
    """An entry of an object's metadata; None if it has none."""
    metadata = getattr(thing, "metadata", None)
    return metadata.get(name) if isinstance(metadata, Mapping) else None


def reasons_in(errors: object) -> list[str]:
    """Messages of an error, a list of errors, or an object that holds such a list."""
    if isinstance(errors, str):
        return [errors] if errors else []
    inner = errors if isinstance(errors, list) else getattr(errors, "data", None)
    if isinstance(inner, list):
        return [reason for one in inner for reason in reasons_in(one)]
    message = errors.get("message") if isinstance(errors, Mapping) else text_in(errors, "message")
    return [message] if isinstance(message, str) and message else []
