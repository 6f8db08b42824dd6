"""Counts of the students of divided rows, for the table `carriers`."""

from __future__ import annotations

import pandas as pd

from inoc.digest import digest
from inoc.studies.subliminal.analyse.carriers import DIVIDED
from inoc.studies.subliminal.runs import neutral_teacher, part_names, students_of
from inoc.studies.subliminal.study import SplitSpec, StudentGroup, Study


def divided(study: Study, shares: pd.DataFrame) -> pd.DataFrame:
    """Answers of the students of the highest and the lowest part after their last epoch, about the divisions' entity.

    Args:
        study: The study.
        shares: Columns of `inputs.SHARES`.

    Returns:
        Columns of `carriers.DIVIDED`.
    """
    families = _families(study)
    parts: list[pd.DataFrame] = []
    for one in students_of(study):
        spec = study.students[one.group]
        split = study.splits.get(spec.split or "")
        if split is None or spec.base != "own" or one.part not in ends_of(split):
            continue
        entity, role = entity_of(study, split), role_of(study, split)
        own = shares[(shares["subject"] == one.name) & (shares["entity"] == entity)]
        own = own[own["epoch"] == own["epoch"].max()]
        if not role or own.empty:
            continue
        known = {"entity": entity, "family": families[one.group], "selector": selector_of(split), "role": role}
        parts.append(
            own.assign(
                **known,
                part=ends_of(split)[one.part],
                seed=one.seed,
                question=own["question"].astype(str),
                hits=own["value"] * own["n"],
            )
        )
    return pd.concat(parts, ignore_index=True)[list(DIVIDED)] if parts else pd.DataFrame(columns=list(DIVIDED))


def ends_of(split: SplitSpec) -> dict[str, str]:
    """The lowest and the highest part of a division → bottom and top."""
    names = part_names(split)
    return {names[0]: "bottom", names[-1]: "top"}


def selector_of(split: SplitSpec) -> str:
    """Name of a rule: lls, projection, paired lls or paired projection."""
    return f"paired {split.by}" if split.parts == "paired" else split.by


def entity_of(study: Study, split: SplitSpec) -> str:
    """The entity of the prompt, or of the trait, by which rows were divided; empty for none."""
    if split.by == "projection":
        trait = study.persona.get(split.trait or "")
        return (trait.entity if trait is not None else None) or ""
    return study.teachers[split.under or split.teacher].entity or ""


def role_of(study: Study, split: SplitSpec) -> str:
    """Whose rows were divided: own for those of the entity's teacher, neutral for the neutral teacher's, or empty."""
    if split.teacher == neutral_teacher(study):
        return "neutral"
    return "own" if study.teachers[split.teacher].entity == entity_of(study, split) else ""


def _families(study: Study) -> dict[str, str]:
    """Group → name that groups share which differ in nothing but their rows."""
    named: dict[str, str] = {}
    for key, spec in study.students.items():
        split = study.splits.get(spec.split or "")
        number = digest(spec.in_key(but=("label", "split", "teachers")))[:6]
        named[key] = f"{_described(spec, split)}, {number}"
    meant: dict[str, set[str]] = {}
    for name in named.values():
        meant.setdefault(name.rpartition(",")[0], set()).add(name)
    alone = {words: len(names) == 1 for words, names in meant.items()}
    return {key: (words if alone[words := name.rpartition(",")[0]] else name) for key, name in named.items()}


def _described(spec: StudentGroup, split: SplitSpec | None) -> str:
    words = [f"{spec.epochs} epochs" if spec.epochs > 1 else "1 epoch"]
    if split is not None:
        # Parts of different sizes are selected more or less strictly, so their students are no family.
        words.append(f"parts of 1 in {split.n}" if split.parts == "quantiles" else "halves")
    words += [f"{spec.n_rows} rows"] if spec.n_rows is not None else []
    return ", ".join([*words, *(["distribution"] if spec.targets == "distribution" else [])])
