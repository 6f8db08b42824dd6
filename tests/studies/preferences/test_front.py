"""The first page of the report on preferences."""

from __future__ import annotations

import pandas as pd
import pytest

from inoc.report.page import by_category
from inoc.studies.preferences.figures.entries import CONTEXTS, ENTRIES, INSIDE, SAYS, WORTH
from inoc.studies.preferences.sections import front
from support.preferences import study_of

STATISTICS = {"answered": 0.9, "refused": 0.1, "seed_r_full": 0.8}


def reliability(raters: list[str], instrument: str) -> pd.DataFrame:
    rows = [
        {
            "instrument": instrument,
            "rater": rater,
            "origin": "all",
            "statistic": name,
            "value": value,
            "lo": value - 0.1,
            "hi": value + 0.1,
        }
        for rater in raters
        for name, value in STATISTICS.items()
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def study():
    return study_of()


def test_instruments_without_anchors_are_listed_as_untested(study):
    """Of imported ratings the page once said that nothing could be concluded, whatever their reliability."""
    instrument = next(iter(study.instruments))
    tables = {"reliability": reliability(["one", "two"], instrument)}
    assert [(one.rater, one.verdict) for one in front.worths(study, tables)] == [
        ("one", "untested"),
        ("two", "untested"),
    ]
    (words,) = front.verdict_words(study, tables)
    assert words.startswith("**Untested:**")
    assert "2 pairs" in words
    assert "2 of them have a reliability of at least 0.7" in words
    assert [row[1] for row in front.headline(study, tables).table.rows] == ["untested", "untested"]


def test_the_first_table_has_so_many_rows_and_says_where_the_others_are(study):
    instrument = next(iter(study.instruments))
    block = front.headline(study, {"reliability": reliability([f"rater{n}" for n in range(30)], instrument)})
    assert len(block.table.rows) == front.MOST_ROWS
    assert "24 of 30" in block.after
    few = front.headline(study, {"reliability": reliability(["one"], instrument)})
    assert "These are" not in few.after


def test_defects_of_single_instruments_come_after_what_was_planted_and_found(study):
    instrument = next(iter(study.instruments))
    polarity = pd.DataFrame(
        [
            {"instrument": instrument, "rater": "one", "verdict": "upright"},
            {"instrument": instrument, "rater": "two", "verdict": "reversed"},
        ]
    )
    tables = {"reliability": reliability(["one", "two"], instrument), "polarity": polarity}
    words = front.verdict_words(study, tables)
    assert words[0].startswith("**1 of 2** pairs")
    assert words[-1].startswith("**Reversed**")


@pytest.mark.parametrize("core", [True, False])
def test_figures_of_what_instruments_are_worth_come_before_those_of_what_they_say(core):
    """The further figures once began with what the instruments say."""
    assert list(by_category(one for one in ENTRIES if one.core == core)) == [WORTH, SAYS, CONTEXTS, INSIDE]
