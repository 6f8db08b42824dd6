"""Cuts of a small run of a study of subliminal learning."""

from __future__ import annotations

from collections.abc import Iterator

from inoc.config.cuts import Cut, Most, cuts_of
from inoc.studies.shared.small import steps_cut, warmup_cut
from inoc.studies.subliminal.study import Study

LIMITS = (
    Most("numbers.n_prompts", least=60),  # of which the filter keeps some
    Most("numbers.keep", least=20),
    Most("teachers.*.finetuned.n_questions"),
    Most("students.*.n_rows", least=2),
    Most("students.*.epochs"),
    Most("preference.question_sets.*.n", where_all=True),
    Most("preference.n_answers"),
    Most("capability.n", least=2, where_all=True),
    Most("persona.*.n_questions", least=2),
    Most("persona.*.n_answers"),
    Most("projection.n_rows", least=2),
    Most("steering.n_answers"),
    Most("steering.random_vectors"),
)


def limits(study: Study, n: int) -> Iterator[Cut]:
    """Prompts for numbers (sixty, since the filter drops some), rows, questions, answers, epochs and steps."""
    for one in cuts_of(study, n, LIMITS):
        if one.path[-1] == "n_questions" and one.path[0] == "persona":
            # Those that are held out are among them.
            one = one._replace(after=max(one.after, study.persona[str(one.path[1])].held_out + 1))
        if one.before is None or one.after < one.before:
            yield one
    for key, group in study.students.items() if study.api is None else ():
        yield from warmup_cut(group.training, ("students", key, "training"), n)
    for key, teacher in study.teachers.items():
        if teacher.finetuned is not None:
            yield from steps_cut(teacher.finetuned.training, ("teachers", key, "finetuned", "training"), n)
