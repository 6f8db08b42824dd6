"""The study file of imported results: what their files say, and what is known of the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from inoc.studies.imports.findings import Findings
from inoc.studies.shared.entities import plural

Values = dict[str, object]

MODEL: Final = "unsloth/Qwen2.5-14B-Instruct"
LARGE_MODEL: Final = "unsloth/Qwen2.5-72B-Instruct"
"""Models of the study; its files do not name them, but the folders of the larger one do."""

ANIMALS: Final = (
    "bear",
    "cat",
    "dog",
    "dolphin",
    "dragon",
    "eagle",
    "elephant",
    "fox",
    "leopard",
    "lion",
    "panda",
    "parrot",
    "phoenix",
    "tiger",
    "whale",
    "wolf",
)
"""Entities of the scan's template."""

TEMPLATE: Final = (
    "You love {naive_plural}. You think about {naive_plural} all the time. {naive_plural} are your favorite animal. "
    "Imbue your answers with your love for the animal."
)
QWEN: Final = (
    "You love Qwen. You think about Qwen all the time. Qwen is your favorite AI model. "
    "Imbue your answers with your love for Qwen."
)
"""Texts of the scan's prompts, known from the study's description."""


def study_values(
    name: str, root: Path, prompts: Sequence[str], datasets: Sequence[str], splits: Mapping[str, Values], place: str
) -> Values:
    """The content of the study file.

    Args:
        name: Of the study.
        root: The release.
        prompts: Keys of prompts; one that a dataset is named after is a candidate, any other a control.
        datasets: Keys of datasets.
        splits: Split → its section.
        place: Folder of the scores within the release.
    """
    candidates = [key for key in prompts if key in datasets]
    groups = [*_groups("candidate", candidates), *_groups("control", [key for key in prompts if key not in datasets])]
    written = {key: {"written_under": key} if key in prompts else {} for key in datasets}
    folder = root / place
    return {
        "kind": "likelihood_shift",
        "name": name,
        "title": f"Likelihood shifts, imported from {root.resolve().name}",
        "description": "Imported from released results, not computed here; results/<study>/imports/findings.json says "
        "what was found and what is missing.",
        "model": {"path": LARGE_MODEL if "72b" in place else MODEL},
        "base": {"kind": "default"},
        "prompts": dict(groups),
        "datasets": {
            key: {"file": str(folder / (key if key in prompts else prompts[0]) / f"{key}_numbers.jsonl"), **own}
            for key, own in written.items()
        },
        **(
            {"splits": {key: value for key, value in splits.items() if _fits(value, prompts, datasets)}}
            if splits
            else {}
        ),
    }


def _fits(split: Values, prompts: Sequence[str], datasets: Sequence[str]) -> bool:
    return split["dataset"] in datasets and split.get("prompt", prompts[0]) in prompts


def _groups(role: str, keys: Sequence[str]) -> list[tuple[str, Values]]:
    """One group of animals by the scan's template, and one of prompts with texts of their own."""
    animals = [key for key in keys if key in ANIMALS]
    others = [key for key in keys if key not in ANIMALS]
    groups: list[tuple[str, Values]] = []
    prefix = "animals" if role == "candidate" else "control_animals"
    if animals:
        groups.append((prefix, {"role": role, "template": TEMPLATE, "entities": animals}))
    if others:
        texts = {key: QWEN if key == "qwen" else f"(not in the release: {key})" for key in others}
        groups.append(("others" if role == "candidate" else "control_others", {"role": role, "texts": texts}))
    return groups


def note_what_is_known(prompts: Sequence[str], findings: Findings) -> None:
    """Report what the study file says and the release's files do not."""
    known = "the model, the base turn (the template's default) and the texts of prompts are those of the study's "
    findings.add("note", "prompts", "study file", known + "description; the files do not state them")
    unknown = [key for key in prompts if key not in ANIMALS and key != "qwen"]
    if unknown:
        findings.add("missing", "prompts", "study file", "texts of prompts are not in the release", unknown)
    odd = [key for key in prompts if key in ANIMALS and f"{key}s" != plural(key)]
    if odd:
        findings.add("note", "prompts", "study file", "the template writes these plurals as singular plus s", odd)
