"""The contents of a page, which a kind of study brings: finished Markdown, tables, and the figures that it has."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

from inoc.report.words import Table

EMPTY = Table([], [])


class Block(NamedTuple):
    """A part of a section."""

    heading: str
    before: str = ""  # Markdown above the table
    table: Table = EMPTY
    after: str = ""  # Markdown below the table, which is left out without one
    always: bool = True  # whether an empty table is reported as missing


class Section(NamedTuple):
    """A heading of the page with its parts."""

    heading: str
    blocks: list[Block]
    before: str = ""


class ListedFigure(NamedTuple):
    """A figure that a study can have."""

    name: str
    title: str
    category: str
    core: bool  # whether it shows a main result, and so is on the first page


class Contents(TypedDict):
    """Everything about a study that the page cannot derive by itself. All texts are Markdown."""

    title: str
    name: str
    question: str
    verdict: list[str]  # sentences, the most important ones first
    headline: Block
    reading: list[str]
    glossary: list[tuple[str, str]]
    results: list[Section]
    methods: list[Section]
    figures: list[ListedFigure]  # those that the study asks for
    absent: list[tuple[str, str]]  # figures that do not apply to it, with the reason
    unasked: list[ListedFigure]  # those that apply to it and that it does not ask for
    seeds: Table
    failed: list[str]
