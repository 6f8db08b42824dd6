"""Checks of the sections about persona vectors: `persona`, `projection` and `steering`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from inoc.config.document import KeyPath, Problem
from inoc.config.judge_spec import JudgeSpec
from inoc.config.judges import judge_problems
from inoc.config.models import InstructionSource
from inoc.errors import did_you_mean
from inoc.studies.shared.checks import source_problems
from inoc.studies.subliminal.study import Study, Trait, entity_table


def persona_problems(study: Study) -> Iterator[Problem]:
    """Disagreements between traits, projections, steering and the rest of a study."""
    for key, trait in study.persona.items():
        yield from _trait(study, key, trait)
    if study.projection is not None:
        yield from _known(study.projection.traits, study.persona, "persona", ("projection", "traits"))
        yield from _known(study.projection.teachers, study.teachers, "teachers", ("projection", "teachers"))
        yield from _once(study.projection.readouts, ("projection", "readouts"))
        yield from _once(study.projection.sites, ("projection", "sites"))
    if study.steering is not None:
        yield from _steering(study)
    for name in ("projection", "steering"):
        if getattr(study, name) is not None and not study.persona:
            yield Problem((name,), "needs traits; add a section `persona`", name)


def _known(keys: Iterable[str], known: Collection[str], section: str, path: KeyPath) -> Iterator[Problem]:
    for key in keys:
        if key not in known:
            yield Problem(
                path, f"{key!r} is no key of `{section}`; accepted: one of them{did_you_mean(key, known)}", key
            )


def _once(values: Collection[str] | Collection[float], path: KeyPath) -> Iterator[Problem]:
    if len(set(values)) < len(values):
        yield Problem(path, "names something twice; accepted: each once", list(values))


def _trait(study: Study, key: str, trait: Trait) -> Iterator[Problem]:
    path: KeyPath = ("persona", key)
    if trait.entity is not None:
        yield from _known([trait.entity], entity_table(study), "entities", (*path, "entity"))
    sources = [name for name in ("file", "positive", "vectors") if getattr(trait, name)]
    if len(sources) != 1:
        said = " and ".join(sources) or "none of them"
        yield Problem(path, f"sets {said}; accepted: exactly one of `file`, `positive` and `vectors`", key)
    if len(trait.positive) != len(trait.negative):
        yield Problem((*path, "negative"), "accepted: one system turn for each positive one", list(trait.negative))
    if trait.file is None and trait.vectors is None and trait.questions is None:
        yield Problem((*path, "questions"), "are missing; only a `file` brings questions of its own", None)
    if trait.evaluation_questions is not None and trait.held_out:
        yield Problem((*path, "held_out"), "does not go with `evaluation_questions`; set one of them", trait.held_out)
    for name in ("questions", "evaluation_questions"):
        source: InstructionSource | None = getattr(trait, name)
        if source is not None:
            yield from source_problems(source, (*path, name))
    for name in ("judge", "coherence"):
        judge: JudgeSpec | None = getattr(trait, name)
        if judge is not None:
            yield from _judge(judge, trait, (*path, name))


def _judge(judge: JudgeSpec, trait: Trait, path: KeyPath) -> Iterator[Problem]:
    if judge.name != "names":
        yield from judge_problems(judge, path)
        return
    if not judge.file:
        yield Problem((*path, "file"), "is missing; accepted: a YAML file of names", judge.file)
    if path[-1] == "judge" and trait.entity is None:
        yield Problem(path, "is `names`, and the trait has no `entity` for it to find; add one", judge.name)


def _steering(study: Study) -> Iterator[Problem]:
    spec = study.steering
    if spec is None:
        return
    yield from _known(spec.traits, study.persona, "persona", ("steering", "traits"))
    if 0.0 not in spec.coefficients:
        yield Problem(("steering", "coefficients"), "0 is missing; add it", list(spec.coefficients))
    yield from _once(spec.coefficients, ("steering", "coefficients"))
    yield from _once(spec.sites, ("steering", "sites"))
    for key in spec.traits or study.persona:
        trait = study.persona.get(key)
        if trait is None:
            continue
        if trait.judge is None:
            yield Problem(("persona", key, "judge"), "is missing, and the answers under steering need it", None)
        given = trait.vectors is not None and trait.questions is not None
        if trait.evaluation_questions is None and not trait.held_out and not given:
            msg = "has no questions for the steering; add `evaluation_questions`, or `held_out` of its questions"
            yield Problem(("persona", key), msg, key)
