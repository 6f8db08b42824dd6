"""Agreement between the parts of a likelihood-shift study: every check that needs more than one field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from inoc.config.checks import computing, micro_batches, problems_of, turn_text, world_sizes
from inoc.config.document import KeyPath, Problem
from inoc.config.judges import judge_problems
from inoc.errors import did_you_mean
from inoc.studies.likelihood_shift.study import Study, own_prompt, prompt_table
from inoc.studies.shared.answers import is_sample_table
from inoc.studies.shared.checks import source_problems, template_problems, word_problems


def study_problems(study: Study, sections: Collection[str] | None = None) -> list[Problem]:
    """All disagreements between the parts of a study.

    Args:
        study: The study.
        sections: Names of its well-formed sections; checks that read any other are left out. None: all sections.
    """
    return problems_of(_CHECKS, study, sections)


def _base_turn(study: Study) -> Iterator[Problem]:
    yield from turn_text(study.base, ("base",))
    yield from turn_text(study.model.system, ("model", "system"))
    yield from computing(study.model, ("model",))


def _templates(study: Study) -> Iterator[Problem]:
    for name, group in study.prompts.items():
        path: KeyPath = ("prompts", name)
        if bool(group.entities) != (group.template is not None):
            yield Problem((*path, "entities"), "and `template` go together; set both or neither", list(group.entities))
        if not group.entities and not group.texts:
            yield Problem(path, "has no prompts; accepted: `template` with `entities`, or `texts`", name)
        if group.template is not None:
            yield from template_problems(group.template, (*path, "template"))


def _prompts(study: Study) -> Iterator[Problem]:
    if any(True for _ in _templates(study)):
        return
    keys = Counter(key for group in study.prompts.values() for key in (*list(group.entities), *group.texts))
    for name, group in study.prompts.items():
        for key in (*list(group.entities), *group.texts):
            if keys[key] > 1:
                yield Problem(("prompts", name), f"the key {key!r} occurs {keys[key]} times; accepted: once", key)
    texts: dict[str, str] = {}
    for key, prompt in prompt_table(study).items():
        path: KeyPath = ("prompts", prompt.group)
        if not prompt.text.strip():
            yield Problem((*path, "texts", key), "is empty; accepted: a text. The base turn is in `base`", prompt.text)
        elif prompt.text in texts:
            yield Problem(path, f"{key} has the text of {texts[prompt.text]}; accepted: a different one", prompt.text)
        texts.setdefault(prompt.text, key)


def _datasets(study: Study) -> Iterator[Problem]:
    prompts = prompt_table(study) if not any(True for _ in _templates(study)) else {}
    for key, spec in study.datasets.items():
        path: KeyPath = ("datasets", key)
        given = [name for name in ("file", "table", "written") if getattr(spec, name) is not None]
        if len(given) != 1:
            named = ", ".join(given) or "none"
            yield Problem(path, f"sets {named} of its sources; accepted: one of file, table, written", key)
        own = spec.written_under
        if own is not None and prompts and own not in prompts:
            hint = did_you_mean(own, prompts)
            yield Problem((*path, "written_under"), f"is no prompt; accepted: a key of `prompts`{hint}", own)
        if spec.table is not None and spec.table.partition("/")[0] == study.name:
            yield Problem((*path, "table"), "is of this study; accepted: a table of another study", spec.table)
        if spec.written is not None:
            yield from source_problems(spec.written.instructions, (*path, "written", "instructions"))
    engines = {spec.written.sampling.engine for spec in study.datasets.values() if spec.written is not None}
    if len(engines) > 1:
        named = ", ".join(sorted(engines))
        yield Problem(("datasets",), f"are written with several engines: {named}; accepted: one for all", named)


def _splits(study: Study) -> Iterator[Problem]:
    prompts = prompt_table(study) if not any(True for _ in _templates(study)) else {}
    for key, spec in study.splits.items():
        path: KeyPath = ("splits", key)
        if spec.dataset not in study.datasets:
            hint = did_you_mean(spec.dataset, study.datasets)
            yield Problem((*path, "dataset"), f"is no dataset; accepted: a key of `datasets`{hint}", spec.dataset)
            continue
        prompt = spec.prompt or own_prompt(study, spec.dataset)
        if spec.by != "random" and not prompt:
            yield Problem(
                (*path, "prompt"),
                f"is missing, and {spec.dataset} was written under no prompt; accepted: a key of `prompts`",
                spec.prompt,
            )
        elif spec.prompt is not None and prompts and spec.prompt not in prompts:
            hint = did_you_mean(spec.prompt, prompts)
            yield Problem((*path, "prompt"), f"is no prompt; accepted: a key of `prompts`{hint}", spec.prompt)
        partial = study.scoring.n_rows is not None or study.scoring.precision is not None
        if spec.by != "random" and partial:
            yield Problem(
                path,
                "needs the shift of every row; accepted with `scoring.n_rows` and `scoring.precision` unset",
                key,
            )


def _students(study: Study) -> Iterator[Problem]:
    spec = study.students
    if spec is None:
        return
    path: KeyPath = ("students",)
    for name, known, given in (
        ("splits", study.splits, spec.splits),
        ("datasets", study.datasets, spec.datasets),
    ):
        for key in given:
            if key not in known:
                hint = did_you_mean(key, known)
                yield Problem((*path, name), f"{key!r} is no key of `{name}`; accepted: one of them{hint}", key)
    if not spec.datasets and not study.splits:
        yield Problem(path, "has nothing to train on; accepted: `splits` in the study, or `datasets`", None)
    yield from micro_batches(spec.training, (*path, "training"))
    for name in ("epochs", "steps", "checkpoints"):
        if name in spec.training.model_fields_set:
            yield Problem((*path, "training", name), "is not for this kind of study; accepted: `students.epochs`", name)
    yield from source_problems(spec.questions, (*path, "questions"))
    for key, target in spec.targets.items():
        yield from judge_problems(target.judge, (*path, "targets", key, "judge"))


def _world(study: Study) -> Iterator[Problem]:
    students = study.students
    uses: list[tuple[KeyPath, bool, str]] = [
        (("model", "path"), study.model.path == "world", "world"),
        *(
            (("datasets", key, "written", "instructions", "kind"), spec.written.instructions.kind == "world", "world")
            for key, spec in study.datasets.items()
            if spec.written is not None
        ),
    ]
    if students is not None:
        uses.append((("students", "questions", "kind"), students.questions.kind == "world", "world"))
        uses += [
            (("students", "targets", key, "judge", "markers"), target.judge.markers == "world", "world")
            for key, target in students.targets.items()
        ]
    # Procedural questions and markers are about facts; rows of numbers and prompts of one's own can be about favorites.
    about_facts = any(used for path, used, _ in uses if path != ("model", "path"))
    yield from world_sizes(study.world, uses, ("facts",) if about_facts else ("facts", "favorites"))
    if study.model.path == "world" and study.world is not None and study.world.content == "favorites":
        yield from word_problems((("prompts", one.group), one.text) for one in prompt_table(study).values())


def _table_paths(study: Study) -> Iterator[Problem]:
    for key, spec in study.datasets.items():
        if spec.table is not None and not is_sample_table(spec.table):
            place = spec.table.partition(":")[0]
            if Path(place).name != "generate" or place.count("/") != 1:
                yield Problem(
                    ("datasets", key, "table"),
                    "accepted: `<study>/generate`, `<study>/generate:<dataset>`, or `<study>/sample:<dataset>`",
                    spec.table,
                )


_CHECKS: tuple[tuple[tuple[str, ...], Callable[[Study], Iterator[Problem]]], ...] = (
    (("base", "model"), _base_turn),
    (("prompts",), _templates),
    (("prompts",), _prompts),
    (("prompts", "datasets"), _datasets),
    (("datasets",), _table_paths),
    (("prompts", "datasets", "splits", "scoring"), _splits),
    (("students", "splits", "datasets"), _students),
    (("world", "model", "datasets", "students"), _world),
)
