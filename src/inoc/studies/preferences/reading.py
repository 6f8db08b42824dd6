"""Activations that probes and directions need: which chats, sites and read-outs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from inoc.chat.messages import Chat
from inoc.engines.readouts import Readout
from inoc.jobs.paths import Paths
from inoc.studies.preferences.inside import Probe
from inoc.studies.preferences.roles import inside_model, read_completer, role
from inoc.studies.preferences.study import NONE, Study
from inoc.studies.preferences.tasks import Task
from inoc.studies.preferences.texts import Completed
from inoc.vectors.sites import in_order, site_at

Part = Literal["prompts", "completions"]
PARTS: tuple[Part, ...] = ("prompts", "completions")
"""Parts of the stage `read`: the tasks alone, and the tasks with their completions."""


def part_of(probe: Probe) -> Part:
    """Part of the stage `read` whose activations a probe takes."""
    return "prompts" if probe.of == "prompt" else "completions"


def reads(study: Study, part: str) -> bool:
    """Whether a part is read at all."""
    return any(part_of(probe) == part for probe in study.probes.values()) or (
        part == "prompts" and study.inside.refusal
    )


def places(study: Study, part: str, layers: int) -> tuple[list[str], list[Readout]]:
    """All sites and read-outs that are needed of a part.

    Args:
        study: The study.
        part: Name of the part.
        layers: Number of blocks of the model.
    """
    own = [probe for probe in study.probes.values() if part_of(probe) == part]
    sites = [site_at(site, layers) for probe in own for site in probe.sites]
    readouts: list[Readout] = [readout for probe in own for readout in probe.readouts]
    if study.inside.refusal and part == "prompts":
        readouts.append("prompt_last")
        sites += [] if sites else [site_at(share, layers) for share in (0.25, 0.5, 0.75)]
        sites += [] if study.steering is None else [site_at(study.steering.site, layers)]
    return in_order(sites), list(dict.fromkeys(readouts))


def prompt_id(task: str) -> str:
    """Id of the chat that has a task alone."""
    return f"prompt|{task}"


def chat_ids(study: Study, probe: Probe, task: str) -> list[str]:
    """Ids of the chats of a task: the prompt, or its completions with every seed."""
    if probe.of == "prompt":
        return [prompt_id(task)]
    completer = read_completer(study, probe)
    return [Completed(completer, NONE, seed, task).id for seed in study.completions.seeds]


def chats(study: Study, part: str, tasks: Sequence[Task], completions: dict[str, str]) -> Iterator[tuple[str, Chat]]:
    """Chats of a part with their ids, as the model that is read sees them.

    Args:
        study: The study.
        part: Name of the part.
        tasks: The tasks.
        completions: Id of a completion → text.
    """
    system = role(study, inside_model(study)).system
    if part == "prompts":
        for task in tasks:
            yield prompt_id(task.id), Chat(system, task.text)
        return
    readers = [read_completer(study, probe) for probe in study.probes.values() if part_of(probe) == part]
    for completer in dict.fromkeys(readers):
        for seed in study.completions.seeds:
            for task in tasks:
                one = Completed(completer, NONE, seed, task.id)
                yield one.id, Chat(system, task.text, completions[one.id])


def read_folders(paths: Paths, part: str, shards: int) -> list[Path]:
    """Results folders of a part."""
    return [paths.part("read", part, shard) for shard in range(shards)]
