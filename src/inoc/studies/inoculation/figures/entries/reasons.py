"""Reasons why a study lacks a figure. Each function gives a sentence; it is empty if the study has the figure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.runs import prompt_texts, study_runs
from inoc.studies.inoculation.study import Study

Reason = Callable[[Study], str]
FEWEST_FOR_COMPONENTS = 3


def first_of(*reasons: Reason) -> Reason:
    """The first reason that applies.

    Args:
        reasons: Asked in this order.
    """
    return partial(_first_of, reasons)


def _first_of(reasons: tuple[Reason, ...], study: Study) -> str:
    return next((why for reason in reasons if (why := reason(study))), "")


def no_runs(study: Study) -> str:
    """Nothing is trained."""
    return "" if study_runs(study) else "the study trains no runs"


def no_conditions(study: Study) -> str:
    """No checkpoint is asked."""
    return "" if study.evaluation.conditions else "`evaluation.conditions` is empty, so no checkpoint is asked"


def no_judge(study: Study) -> str:
    """No trait is scored."""
    return "" if choices.judged_traits(study) else "no trait has a judge"


def no_prompts(study: Study) -> str:
    """There are no prompts."""
    return "" if prompt_texts(study) else "the study has no prompts"


def none_trained(study: Study) -> str:
    """There are runs, but none with a prefix."""
    return "" if choices.trained_prompts(study) else "no run is trained with a prefix"


def no_default(study: Study) -> str:
    """Suppression is measured in a condition that is not asked."""
    has = "default" in study.evaluation.conditions
    return "" if has else "`evaluation.conditions` lacks `default`, which suppression is measured in"


def no_control(study: Study) -> str:
    """There is nothing to compare a run with."""
    return "" if choices.has_control(study) else "no run without a prefix has the same learning rate and seed"


def none_unwanted(study: Study) -> str:
    """No trait is to be suppressed."""
    return "no trait is unwanted" if choices.focus_trait(study) is None else ""


def none_scored(study: Study) -> str:
    """No prefix is scored."""
    return "" if study.scoring.prefixes else "`scoring.prefixes` is empty"


def few_prompts(study: Study) -> str:
    """There are fewer prompts than two components need."""
    n = len(prompt_texts(study))
    enough = n >= FEWEST_FOR_COMPONENTS
    return (
        "" if enough else f"two principal components need at least {FEWEST_FOR_COMPONENTS} prompts; the study has {n}"
    )


def no_embedding(study: Study) -> str:
    """Prompts are not embedded."""
    return "" if study.embedding is not None else "the study has no section `embedding`"


def unscored(*prefixes: str) -> Reason:
    """Some of these kinds of prefix are not scored."""
    return partial(_unscored, prefixes)


def _unscored(prefixes: tuple[str, ...], study: Study) -> str:
    lacks = [f"`{prefix}`" for prefix in prefixes if prefix not in study.scoring.prefixes]
    return f"`scoring.prefixes` lacks {', '.join(lacks)}" if lacks else ""


def untrained(*prefixes: str) -> Reason:
    """No run is trained with some of these kinds of prefix."""
    return partial(_untrained, prefixes)


def _untrained(prefixes: tuple[str, ...], study: Study) -> str:
    lacks = [prefix for prefix in prefixes if prefix not in choices.trained_prefixes(study)]
    return f"no run is trained with the {' or the '.join(lacks)} prefix" if lacks else ""


def none_in_role(role: str) -> Reason:
    """No trait of a role, `unwanted` or `wanted`, has a judge."""
    return partial(_none_in_role, role)


def _none_in_role(role: str, study: Study) -> str:
    trait = choices.trait_in_role(study, role)
    measured = trait is not None and trait in choices.judged_traits(study)
    return "" if measured else f"no trait is {role} and has a judge"


no_scores = first_of(no_runs, no_conditions, no_judge)
no_comparison = first_of(no_scores, none_trained, no_default, no_control)
no_suppression = first_of(no_comparison, none_unwanted)
no_components = first_of(none_scored, few_prompts)


def no_suppression_in(role: str) -> Reason:
    """The suppression of a trait of a role is not measured."""
    return first_of(none_in_role(role), no_comparison)
