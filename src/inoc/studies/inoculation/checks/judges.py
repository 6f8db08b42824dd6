"""Checks of traits, judges, rates and the expectation."""

from __future__ import annotations

from collections.abc import Iterator

from inoc.config.document import KeyPath, Problem, listed
from inoc.config.judges import SCORING, judge_problems
from inoc.errors import did_you_mean
from inoc.studies.inoculation.checks.runs import own_runs
from inoc.studies.inoculation.study import Study

RESERVED_TRAITS = ("neutral", "train", "all")
"""Words that tables use beside trait keys; none of them can be a trait key."""


def trait_judges(study: Study) -> Iterator[Problem]:
    """Every trait has a judge, whose settings belong to it; its key is not a reserved word."""
    for key, trait in study.traits.items():
        path: KeyPath = ("traits", key)
        if key in RESERVED_TRAITS:
            yield Problem(path, f"the word is reserved; accepted: any key but {listed(RESERVED_TRAITS)}")
        if trait.judge is None:
            yield Problem((*path, "judge"), f"the trait has no judge; accepted: a judge named {listed(SCORING)}")
        else:
            yield from judge_problems(trait.judge, (*path, "judge"))


def rate_conditions(study: Study) -> Iterator[Problem]:
    """Every rate has a condition, on traits that exist."""
    for key, rate in study.rates.items():
        if not rate.above and not rate.below:
            yield Problem(("rates", key), "has no condition; accepted: `above` or `below` with a trait and a score")
        for side, limits in (("above", rate.above), ("below", rate.below)):
            for trait in limits:
                if trait not in study.traits:
                    hint = did_you_mean(trait, study.traits)
                    known = f"there is no trait of this key; accepted: {listed(study.traits)}{hint}"
                    yield Problem(("rates", key, side, trait), known)


def expectation(study: Study) -> Iterator[Problem]:
    """The expected trait exists, and there is a control run to judge it by."""
    if study.expect is None:
        return
    if study.expect.trait not in study.traits:
        yield Problem(
            ("expect", "trait"),
            f"there is no trait of this key; accepted: {listed(study.traits)}"
            f"{did_you_mean(study.expect.trait, study.traits)}",
            study.expect.trait,
        )
    if not any(spec.control for _, spec in own_runs(study)):
        yield Problem(("expect",), "needs a control run; accepted: runs with `control: true`")
