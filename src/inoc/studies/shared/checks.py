"""Checks of sections that several kinds of study have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from inoc.config.document import KeyPath, Problem
from inoc.config.models import InstructionSource, ModelSpec, WorldSpec
from inoc.engines.model_files import layer_count
from inoc.errors import InocError, did_you_mean
from inoc.studies.shared.entities import SLOTS, slots_of
from inoc.vectors.sites import site_at
from inoc.world.favorites import unknown_words


def template_problems(template: str, path: KeyPath, *, may_be_plain: bool = False) -> Iterator[Problem]:
    """A template has slots, all of which are known.

    Args:
        template: The template.
        path: Its place in the study file.
        may_be_plain: Whether it may also have none.
    """
    try:
        slots = slots_of(template)
    except ValueError as error:
        yield Problem(path, f"is not a template ({error}); write a brace of the text itself twice", template)
        return
    accepted = ", ".join(f"{{{slot}}}" for slot in SLOTS)
    for slot in slots:
        if slot not in SLOTS:
            yield Problem(path, f"has the slot {{{slot}}}; accepted: {accepted}{did_you_mean(slot, SLOTS)}", template)
    if not slots and not may_be_plain:
        yield Problem(path, f"has no slot, so all of its prompts would be the same; accepted: {accepted}", template)


def source_problems(source: InstructionSource, path: KeyPath) -> Iterator[Problem]:
    """Questions are procedural or come from files.

    Args:
        source: The source.
        path: Its place in the study file.
    """
    if source.kind == "api":
        yield Problem((*path, "kind"), "is not for this kind of study; accepted: files, world", source.kind)
    if (source.kind == "files") != bool(source.files):
        yield Problem(
            (*path, "files"), f"go with `kind: files` and with no other; kind = {source.kind!r}", list(source.files)
        )


def word_problems(texts: Iterable[tuple[KeyPath, str]]) -> Iterator[Problem]:
    """Texts with words that the miniature world of favorites has not: to its model they are one unknown token.

    Args:
        texts: Place in the study file and text.
    """
    for path, text in texts:
        unknown = unknown_words(text)
        if unknown:
            msg = (
                f"has words that the miniature world of favorites has not: {', '.join(unknown)}; accepted: those of "
                "inoc.world.favorites.words()"
            )
            yield Problem(path, msg, text)


def site_problems(model: ModelSpec, world: WorldSpec | None, asked: Iterable[tuple[str, float | str]]) -> Iterator[str]:
    """Sites that a model does not have. The number of its blocks is in its folder, or in the section `world`.

    Args:
        model: The model; nothing is said of one that is not here.
        world: The section `world` of the study.
        asked: Place in the study file, and the site or the share of blocks before it.
    """
    folder = Path(model.path).expanduser()
    if model.path == "world" and world is not None:
        layers = world.layers
    elif (folder / "config.json").is_file():
        try:
            layers = layer_count(folder)
        except InocError:
            return
    else:
        return
    for key, place in asked:
        try:
            site_at(place, layers)
        except InocError as error:
            yield f"{key}: {error}"
