"""The numbers of the overview of a study of preferences."""

from __future__ import annotations

from inoc.figures.sources import Sources
from inoc.jobs.paths import Paths
from inoc.studies.preferences.sections.front import Worth, worths
from inoc.studies.preferences.study import Study
from inoc.view.declare import KeyNumber


def key_numbers(study: Study, paths: Paths) -> tuple[KeyNumber, ...]:
    """Instruments without a known defect, the ends of their reliability, answered questions, the effect of order."""
    sources = Sources(paths)
    names = ("polarity", "reliability")
    tables = {name: frame for name in names if (frame := sources.optional(name)) is not None}
    found = worths(study, tables)
    if not found:
        return ()
    sound = [one for one in found if not one.doubts]
    numbers = [
        KeyNumber(
            "Instruments without a known defect",
            float(len(sound)),
            unit=f"of {len(found)}",
            note="each with one rater; see the table below for what is wrong with the others",
            link="/figure/polarity",
            digits=0,
        )
    ]
    known = sorted(
        (one for one in found if one.reliability[0] == one.reliability[0]), key=lambda one: one.reliability[0]
    )
    if known:
        numbers += [_reliability("Highest reliability", known[-1]), _reliability("Lowest reliability", known[0])]
    answered = [one for one in found if one.answered == one.answered]
    if answered:
        least = min(answered, key=lambda one: one.answered)
        note = f"lowest share over instruments: {least.instrument}, rater {least.rater}"
        numbers.append(
            KeyNumber("Questions answered", 100 * least.answered, unit="%", note=note, link="/figure/categories")
        )
    placed = [one for one in found if one.position == one.position]
    if placed:
        worst = max(placed, key=lambda one: abs(one.position))
        note = f"share of choices for the first task less one half, at most: {worst.instrument}, rater {worst.rater}"
        link = f"/rows/comparisons?instrument={worst.instrument}&rater={worst.rater}"
        numbers.append(KeyNumber("Effect of the order", 100 * worst.position, unit="points", note=note, link=link))
    return tuple(numbers[:5])


def _reliability(label: str, worth: Worth) -> KeyNumber:
    note = f"{worth.instrument}, rater {worth.rater}; {worth.rests_on}"
    return KeyNumber(label, *worth.reliability, "", note, "/figure/seeds", 2)
