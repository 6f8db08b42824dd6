"""The judges. Scores go from 0 (nothing of the trait) to 100; NaN where a judge cannot score.

A judge has a name and a version, and says everything that its scores depend on. Scores of different judges, or of
different versions of one, are never compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from inoc.config.judge_spec import JudgeSpec
from inoc.errors import JudgeError, did_you_mean
from inoc.judge.asking import api_of, make_asker
from inoc.judge.category import CategoryModelJudge
from inoc.judge.custom import PythonJudge, RegexJudge
from inoc.judge.item import Category, Identity, JudgeItem
from inoc.judge.language import LanguageJudge
from inoc.judge.lexical import LexicalJudge, read_markers
from inoc.judge.llm import LlmJudge
from inoc.judge.local import LocalLlmJudge
from inoc.judge.names import NamesJudge, read_names
from inoc.store import Unit

if TYPE_CHECKING:
    from inoc.api import Api
    from inoc.jobs.job import Job
    from inoc.judge.expected import Rating


class Judge(Protocol):
    """Scores responses."""

    name: str
    version: int

    def score(self, items: Sequence[JudgeItem]) -> np.ndarray:
        """Score each item.

        Returns:
            Scores from 0 to 100, shape (items,), float64; NaN where the judge could not tell.
        """
        ...

    def identity(self) -> Identity:
        """Everything that a score depends on besides the item itself."""
        ...


@runtime_checkable
class RatingJudge(Protocol):
    """A judge that says more of each item than its score."""

    def rate(self, items: Sequence[JudgeItem]) -> Sequence[Rating]:
        """A rating of each item: score, covered mass, interval, and the reason why a score is NaN."""
        ...


@runtime_checkable
class CategoryJudge(Protocol):
    """A judge that gives each item a category. Its scores are NaN, unless some categories are counted."""

    def categorise(self, items: Sequence[JudgeItem]) -> Sequence[Category]:
        """The category of each item, and why it is unclear."""
        ...


def judge_units(judge: Judge) -> list[Unit]:
    """Units of the store that a judge has used; only a model in this process uses any."""
    return judge.units() if isinstance(judge, CategoryModelJudge | LocalLlmJudge) else []


def make_judge(spec: JudgeSpec, open_api: Callable[[], Api] | None = None, job: Job | None = None) -> Judge:
    """The judge of a specification.

    Args:
        spec: Its settings.
        open_api: Gives the API, for a judge that asks one, where there is no job.
        job: The job that judges: gives the APIs, and the store for a model in this process.

    Raises:
        JudgeError: If there is no judge of this name and version, or it lacks a setting.
    """
    names = [*_LOCAL, "llm", "category"]
    if spec.name not in names:
        hint = did_you_mean(spec.name, names)
        msg = f"there is no judge {spec.name!r}; accepted: {', '.join(names)}{hint}"
        raise JudgeError(msg)
    judge = _LOCAL[spec.name](spec) if spec.name in _LOCAL else _make_model_judge(spec, open_api, job)
    if judge.version != spec.version:
        msg = (
            f"judge {spec.name} has version {judge.version} here, and the study asks for {spec.version}. "
            "Set the version in the study, and judge all of its completions anew"
        )
        raise JudgeError(msg)
    return judge


def _make_model_judge(spec: JudgeSpec, open_api: Callable[[], Api] | None, job: Job | None) -> Judge:
    if spec.name == "category":
        return CategoryModelJudge(spec, make_asker(spec, open_api, job))
    if spec.engine == "transformers":
        return LocalLlmJudge(spec, make_asker(spec, open_api, job))
    return LlmJudge(spec, api_of(spec, open_api, job))


def _make_language(spec: JudgeSpec) -> Judge:
    if spec.language is None:
        msg = "the language judge needs `language`, for example `french`, and `among`, the languages to tell apart"
        raise JudgeError(msg)
    return LanguageJudge(spec.language.lower(), [name.lower() for name in spec.among], spec.version)


def _make_lexical(spec: JudgeSpec) -> Judge:
    if spec.markers is None:
        msg = "the lexical judge needs `markers`: a file with one marker a line, or `world`"
        raise JudgeError(msg)
    return LexicalJudge(read_markers(spec.markers), spec.saturation, spec.version)


def _make_regex(spec: JudgeSpec) -> Judge:
    if not spec.pattern:
        msg = "the regex judge needs `pattern`, for example `(?i)\\bsorry\\b`"
        raise JudgeError(msg)
    return RegexJudge(spec.pattern)


def _file_of(spec: JudgeSpec) -> Path:
    if not spec.file:
        msg = f"the {spec.name} judge needs `file`"
        raise JudgeError(msg)
    return Path(spec.file)


_LOCAL: dict[str, Callable[[JudgeSpec], Judge]] = {
    "language": _make_language,
    "lexical": _make_lexical,
    "regex": _make_regex,
    "python": lambda spec: PythonJudge(_file_of(spec)),
    "names": lambda spec: NamesJudge(read_names(_file_of(spec)), spec.rule, spec.counted),
}
