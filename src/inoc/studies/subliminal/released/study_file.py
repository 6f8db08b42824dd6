"""The study file of imported results: what their files say, and what is known of the studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from inoc.studies.imports.findings import Findings
from inoc.studies.subliminal.persona import read_trait_file
from inoc.studies.subliminal.released.persona import entity_of

Values = dict[str, object]

MODELS: Final = {"Qwen2.5-14B-Instruct": "unsloth/Qwen2.5-14B-Instruct", "": "allenai/Olmo-3-7B-Instruct"}
"""Folder of a release → its model. The release of the smaller model does not name it in its folders."""

NEUTRAL: Final = "neutral"


def study_values(
    name: str, roots: Sequence[Path], datasets: Sequence[str], traits: Sequence[Path], model: str
) -> Values:
    """The content of the study file.

    Args:
        name: Of the study.
        roots: The releases.
        datasets: Datasets that the release's files are about; those that are no neutral one are entities too.
        traits: Trait files.
        model: Folder name of the model; empty for the model that no folder is named after.
    """
    entities = [key for key in datasets if key != NEUTRAL]
    known = ", ".join(root.resolve().name for root in roots)
    return {
        "kind": "subliminal",
        "name": name,
        "title": f"Subliminal learning, imported from {known}",
        "imported": True,
        "description": "Imported from released results, not computed here; results/<study>/imports/findings.json says "
        "what was found and what is missing.",
        "model": {"path": MODELS.get(model, model)},
        "entities": entities,
        "template": "You love {naive_plural}. You think about {naive_plural} all the time. {naive_plural} are your "
        "favorite animal. Imbue your answers with your love for the animal.",
        "teachers": {**{key: {"entity": key} for key in entities}, NEUTRAL: {"neutral": True}},
        **({"persona": {path.stem: _trait(path, entities) for path in traits}} if traits else {}),
    }


def _trait(path: Path, entities: Sequence[str]) -> Values:
    entity = entity_of(path.stem)
    found: Values = {"file": str(path)}
    return {**found, "entity": entity} if entity in entities else found


def note_what_is_known(traits: Sequence[Path], findings: Findings) -> None:
    """Report what the study file says and the release's files do not, and what it cannot say."""
    known = "the model and the teachers' system turn are those of the studies' descriptions, not of their files"
    findings.add("note", "study", "study file", known)
    rated = [path.stem for path in traits if read_trait_file(path).rating]
    if rated:
        text = "each trait file has a request to its judge (`eval_prompt`), which no judge here takes over"
        findings.add("note", "judges", "study file", text, rated)
    counts: Mapping[str, int] = {path.stem: len(read_trait_file(path).questions) for path in traits}
    odd = sorted(key for key, n in counts.items() if n != 40)
    if odd:
        findings.add("note", "traits", "study file", "traits with another number of questions than 40", odd)
