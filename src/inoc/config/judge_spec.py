"""The section of a judge in a study file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from inoc.config.languages import all_in_latin
from inoc.config.limits import Amount, Few
from inoc.config.models import LATE, Key, Model

SCALE_VERSIONS = {"0-100": 1, "0-9": 2}
"""Scale of the `llm` judge → its version: scores on two scales are not the same measure."""


REFUSAL_CATEGORIES = ("answered", "content_policy", "no_preferences", "other")
"""Categories of the judge `category` for `question: refusal`, besides `unclear`."""
MOST_CATEGORIES = 7
"""Maximum number of `categories`: with the two that are added, the judging model has one digit for each."""


class JudgeSpec(Model):
    """A judge; scores are 0 to 100."""

    name: Literal["language", "lexical", "llm", "regex", "python", "names", "category"] = Field(
        description="`language`: share of the text in a language; `lexical`: density of marker words; `llm`: rating "
        "by a language model; `regex`: 100 where `pattern` is found, else 0; `python`: a function of your own; "
        "`names`: which name of a list is given; `category`: which of several categories a language model sorts the "
        "response into. The last two give a category; `counted` makes a score of it.",
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
    model: str | None = Field(
        None,
        description="For `llm` and `category`: name of the judging model in its API; with `engine: transformers` a "
        "folder, a hub id, or `world`.",
    )
    question: Literal["property", "coherence", "alignment", "refusal", "language", "choice"] = Field(
        "property",
        description="The question. For `llm`, `property` asks for the degree of `property` in the response. For "
        "`category`: `refusal`: whether the response refuses, and why; `choice`: which of the options in "
        "`categories` it chooses; `property`: your own question in `property`, with your own `categories`.",
    )
    property: str | None = Field(
        None,
        description="For `question: property`: the rated property, as worded in the request; for `category`, the "
        "question.",
    )
    scale: Literal["0-9", "0-100"] = Field(
        "0-100",
        description="For `llm`: range of the rating that is requested; scores are 0 to 100 either way. `0-9` is "
        "version 2.",
    )
    temperature: Amount = Field(
        1.0,
        ge=0,
        description="For `llm` and `category`: temperature of the request. Scores are expectations over the "
        "probabilities of the answer.",
    )
    engine: Annotated[Literal["api", "engine_api", "transformers"], LATE] = Field(
        "api",
        description="For `llm` and `category`: where the judging model is. `api`: behind the API of the workflow; "
        "`engine_api`: on the server of `engine_api` in config.yaml; `transformers`: in this process, with the exact "
        "probabilities of all answers.",
    )
    revision: Annotated[str | None, LATE] = Field(
        None, description="For `engine: transformers`: hub commit of the judging model."
    )
    dtype: Annotated[Literal["float32", "bfloat16", "float16"], LATE] = Field(
        "bfloat16", description="For `engine: transformers`: data type of the judging model's weights."
    )
    categories: Annotated[dict[Key, str], LATE] = Field(
        default_factory=dict,
        description="For `category` with `question: choice` or `property`: category → its description, as worded in "
        "the request. `unclear` is always added, and `refusal` to the options of a choice.",
    )
    counted: Annotated[tuple[str, ...], LATE] = Field(
        (),
        description="For `category` and `names`: categories that a score is made of: 100 times their probability, or "
        "for `names` 100 if one of them is given and else 0. Default: none, and every score is NaN.",
    )
    rule: Annotated[Literal["mention", "first_word"], LATE] = Field(
        "mention",
        description="For `names`: `mention`: the one name that the response mentions; `first_word`: its first word, "
        "after an article or one of a few fixed openings, must equal a name or a listed form.",
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


def category_names(spec: JudgeSpec) -> list[str]:
    """The categories of a judge `category`, those that it adds last."""
    if spec.question == "refusal":
        return [*REFUSAL_CATEGORIES, "unclear"]
    return [*spec.categories, *(["refusal"] if spec.question == "choice" else []), "unclear"]


def asks_model(judge: JudgeSpec) -> bool:
    """Whether a language model judges."""
    return judge.name in ("llm", "category")


def asks_api(judge: JudgeSpec) -> bool:
    """Whether a language model behind an API judges."""
    return asks_model(judge) and judge.engine != "transformers"
