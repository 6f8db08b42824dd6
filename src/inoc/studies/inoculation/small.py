"""Cuts of a small run of an inoculation study."""

from __future__ import annotations

from collections.abc import Iterator

from inoc.config.cuts import Cut, Most, cuts_of
from inoc.studies.inoculation.runs import prompt_texts
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.small import steps_cut, taken_in_turn

LIMITS = (
    Most("data.n_train", least=2),
    Most("data.n_eval", least=6),
    Most("evaluation.n", least=6),
    Most("elicitation.n", least=6),
    Most("rephrase.n", least=2),
    Most("pools.*.n", least=2),
    Most("embedding.rephrasings", least=2),
    Most("scoring.n_examples", least=2),
    Most("scoring.n_controls"),
    Most("capability.n", least=2, where_all=True),
)


def limits(study: Study, n: int) -> Iterator[Cut]:
    """Rows, questions, rephrasings, steps and prompts, of which each group and each block of runs keeps one."""
    yield from cuts_of(study, n, LIMITS)
    yield from steps_cut(study.training, ("training",), n)
    named = {run.prompts[0] for run in study.runs if run.prompts}
    groups = {name: list(group.texts) for name, group in study.prompts.items()}
    if len(prompt_texts(study)) <= n:
        return
    kept = taken_in_turn(groups, n, named)
    for name, group in study.prompts.items():
        texts = {key: text for key, text in group.texts.items() if key in kept}
        if len(texts) < len(group.texts):
            yield Cut(("prompts", name, "texts"), dict(group.texts), texts)
    for at, run in enumerate(study.runs):
        left = [key for key in run.prompts if key in kept]
        if len(left) < len(run.prompts):
            yield Cut(("runs", at, "prompts"), list(run.prompts), left)
