"""The section of a judge in a study file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from inoc.config.languages import all_in_latin
from inoc.config.limits import Amount, Few
from inoc.config.models import LATE, Model

SCALE_VERSIONS = {"0-100": 1, "0-9": 2}
"""Scale of the `llm` judge → its version: scores on two scales are not the same measure."""


class JudgeSpec(Model):
    """A judge; scores are 0 to 100."""

    name: Literal["language", "lexical", "llm", "regex", "python", "names"] = Field(
        description="`language`: share of the text in a language; `lexical`: density of marker words; `llm`: rating "
        "by a language model behind an API; `regex`: 100 where `pattern` is found, else 0; `python`: a function of "
        "your own; `names`: which name of a list is given, a category and not a score.",
    )
    version: Few = Field(
        1,
        ge=1,
        description="Version of the judge; scores of different versions are never mixed. Default for `language`: 2 if "
        "a language of `among` is not written in Latin letters, else 1.",
    )
    language: str | None = Field(
        None,
        description="For `language`, and for `llm` with `question: language`: the language whose share is the score.",
    )
    among: tuple[str, ...] = Field((), description="For `language`: all languages that are considered.")
    markers: str | None = Field(
        None,
        description="For `lexical`: a file with one marker per line, or `world` for the markers of the miniature "
        "world.",
    )
    saturation: Amount = Field(2.5, gt=0, description="For `lexical`: number of markers for a score of 100.")
    model: str | None = Field(None, description="For `llm`: name of the rating model in its API.")
    question: Literal["property", "coherence", "alignment", "refusal", "language"] = Field(
        "property", description="For `llm`: the question; `property` asks for the degree of `property` in the response."
    )
    property: str | None = Field(
        None, description="For `llm` with `question: property`: the rated property, as worded in the request."
    )
    scale: Literal["0-9", "0-100"] = Field(
        "0-100",
        description="For `llm`: range of the rating that is requested; scores are 0 to 100 either way. `0-9` is "
        "version 2.",
    )
    temperature: Amount = Field(
        1.0,
        ge=0,
        description="For `llm`: temperature of the request. Scores are expectations over the probabilities of the "
        "answer.",
    )

    pattern: Annotated[str | None, LATE] = Field(
        None, description="For `regex`: a regular expression in Python's syntax; `(?i)` at its start ignores case."
    )
    file: Annotated[str | None, LATE] = Field(
        None,
        description="For `python`: a Python file with a function `score(texts)`, which gives a number from 0 to 100, "
        "or NaN, for each text. For `names`: a YAML file of names, each with a list of its further forms.",
    )

    @model_validator(mode="before")
    @classmethod
    def _choose_version(cls, given: object) -> object:
        """Version 1 of the language judge tells only languages in Latin letters apart."""
        if not isinstance(given, dict) or given.get("name") != "language" or "version" in given:
            return given
        among = given.get("among")
        names = [name for name in among if isinstance(name, str)] if isinstance(among, list | tuple) else []
        return given if all_in_latin(names) else {**given, "version": 2}
