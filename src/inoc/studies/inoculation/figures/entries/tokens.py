"""Figures of the effects of prompts on single tokens."""

from __future__ import annotations

from inoc.figures.entries import Entry
from inoc.studies.inoculation.figures.entries.reasons import first_of, no_prompts, no_suppression, none_scored
from inoc.studies.inoculation.study import Study

HERE = "inoc.studies.inoculation.figures.tokens"


def none_stored(study: Study) -> str:
    """Values of tokens are not kept."""
    return "" if study.scoring.tokens else "`scoring.tokens` is off"


no_tokens = first_of(none_scored, none_stored, no_prompts)

ENTRIES: tuple[Entry[Study], ...] = (
    Entry(
        "token_rescued",
        "Rescued tokens against suppression",
        f"{HERE}:draw_rescued",
        ("token_summary", "suppression"),
        "Tokens",
        {"figure": "Rescued tokens", "step axis": "before training"},
        first_of(no_suppression, no_tokens),
    ),
    Entry(
        "token_histogram",
        "Token shifts",
        f"{HERE}:draw_histogram",
        ("token_shifts", "token_summary"),
        "Tokens",
        {"figure": "Histogram of token shifts", "step axis": "before training"},
        no_tokens,
    ),
    Entry(
        "token_ccdf",
        "Tokens that are moved far",
        f"{HERE}:draw_ccdf",
        ("token_shifts", "token_summary"),
        "Tokens",
        {"figure": "Sizes of token shifts", "step axis": "before training"},
        no_tokens,
    ),
)
