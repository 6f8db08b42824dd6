"""Plans that depend on one another: run in order, and known as far as their results are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from inoc.jobs.series import Series, run_series, series_units


def next_of(found):
    """Three plans, each named by what was found before."""
    return None if len(found) == 3 else f"plan after {sum(found)}"


def test_each_plan_sees_what_those_before_it_found():
    asked = []

    def compute(plan):
        asked.append(plan)
        return len(asked)

    assert run_series(Series(next_of, Path("x")), compute) == [1, 2, 3]
    assert asked == ["plan after 0", "plan after 1", "plan after 3"]


def test_units_are_known_up_to_the_first_plan_that_lacks_one():
    for present, expected in ((set(), 1), ({"plan after 0"}, 2), ({"plan after 0", "plan after 5"}, 3)):
        store = SimpleNamespace(missing=lambda units, have=present: [one for one in units if one not in have])
        known = series_units(Series(next_of, Path("x")), store, lambda plan: [plan], lambda plan: 5)
        assert len(known) == expected
