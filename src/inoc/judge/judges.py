"""The judges: what scores a response, from 0 (nothing of the trait) to 100, with NaN where it cannot tell.

A judge has a name and a version, and says everything that its scores depend on. Scores of different judges, or of
different versions of one, are never compared.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from inoc.config.models import JudgeSpec
from inoc.errors import JudgeError, MissingExtraError, did_you_mean
from inoc.files import read_lines
from inoc.judge.item import Identity, JudgeItem
from inoc.judge.llm import LlmJudge

if TYPE_CHECKING:
    from lingua import Language, LanguageDetector

    from inoc.api import Api

_SURE = 0.8  # confidence from which a part of a text may be of another language than the whole


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
        """Everything that a score depends on beside the item itself."""
        ...


class LanguageJudge:
    """Share of a response's letters that are in one language, in percent.

    The identifier splits a text into stretches of one language. A short one, such as an interjection or a proper name
    between sentences, is easily taken for the other language; so a stretch counts as its own language only if the
    identifier is sure of it on its own, and else as the language of the whole text. NaN for a response without
    letters, and where no language is found.
    """

    name = "language"
    version = 1

    def __init__(self, language: str, among: Sequence[str]) -> None:
        """Load the language models.

        Args:
            language: The language whose share is the score, in English and lower case: `french`.
            among: All languages that may be answered, `language` among them; the fewer, the surer.

        Raises:
            JudgeError: If a language is unknown, or `language` is not in `among`.
            MissingExtraError: If the identifier is not installed.
        """
        if language not in among:
            msg = f"the language judge is to score {language!r}, which must be one of `among`: {list(among)}"
            raise JudgeError(msg)
        self._language, self._among = _language(language), [_language(name) for name in sorted(set(among))]
        self._detector = _detector(self._among)

    def score(self, items: Sequence[JudgeItem]) -> np.ndarray:
        """Percentage of letters in the language; NaN where no language is found."""
        return np.array([self._share(item.response) for item in items], dtype=np.float64)

    def identity(self) -> Identity:
        """Languages, and the version of the identifier."""
        return {
            "judge": self.name,
            "version": self.version,
            "language": self._language.name.lower(),
            "among": [language.name.lower() for language in self._among],
            "identifier": f"lingua {version('lingua-language-detector')}",
        }

    def _share(self, text: str) -> float:
        parts = [
            (part.language, text[part.start_index : part.end_index])
            for part in self._detector.detect_multiple_languages_of(text)
        ]
        whole = self._detector.detect_language_of(text)
        if whole is None:
            return float("nan")
        letters = dict.fromkeys(self._among, 0)
        for language, part in parts:
            sure = self._detector.compute_language_confidence(part, language) >= _SURE
            letters[language if sure else whole] += sum(character.isalpha() for character in part)
        total = sum(letters.values())
        return 100 * letters[self._language] / total if total else float("nan")


class LexicalJudge:
    """Number of marker words, as a percentage of a saturating number.

    Whole words and phrases, ignoring case; of overlapping markers the longest counts, once. NaN for a response
    without letters.
    """

    name = "lexical"
    version = 1

    def __init__(self, markers: Sequence[str], saturation: float) -> None:
        """Prepare the search.

        Args:
            markers: Words or phrases.
            saturation: So many markers score 100.

        Raises:
            JudgeError: If there is no marker.
        """
        self._markers = sorted({marker.strip().casefold() for marker in markers if marker.strip()})
        if not self._markers:
            msg = "the lexical judge has no markers; give it a file with one marker a line, or `world`"
            raise JudgeError(msg)
        self._saturation = saturation
        longest_first = sorted(self._markers, key=len, reverse=True)
        self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")

    def score(self, items: Sequence[JudgeItem]) -> np.ndarray:
        """Markers per response, 100 from the saturating number on; NaN for a response without letters."""
        return np.array([self._density(item.response.casefold()) for item in items], dtype=np.float64)

    def identity(self) -> Identity:
        """Saturation, and a digest of the markers."""
        digest = hashlib.sha256("\n".join(self._markers).encode()).hexdigest()
        return {
            "judge": self.name,
            "version": self.version,
            "saturation": self._saturation,
            "markers": digest,
        }

    def _density(self, text: str) -> float:
        if not any(character.isalpha() for character in text):
            return float("nan")
        return min(100.0, 100 * sum(1 for _ in self._pattern.finditer(text)) / self._saturation)


def make_judge(spec: JudgeSpec, open_api: Callable[[], Api] | None = None) -> Judge:
    """The judge that a study asks for.

    Args:
        spec: Its settings.
        open_api: Gives the API, for a judge that asks one.

    Raises:
        JudgeError: If there is no judge of this name and version, or it lacks a setting.
    """
    names = [*_LOCAL, "llm"]
    if spec.name not in names:
        hint = did_you_mean(spec.name, names)
        msg = f"there is no judge {spec.name!r}; accepted: {', '.join(names)}{hint}"
        raise JudgeError(msg)
    judge = _make_llm(spec, open_api) if spec.name == "llm" else _LOCAL[spec.name](spec)
    if judge.version != spec.version:
        msg = (
            f"judge {spec.name} has version {judge.version} here, and the study asks for {spec.version}. "
            "Set the version in the study, and judge all of its completions anew"
        )
        raise JudgeError(msg)
    return judge


def _make_language(spec: JudgeSpec) -> Judge:
    if spec.language is None:
        msg = "the language judge needs `language`, for example `french`, and `among`, the languages to tell apart"
        raise JudgeError(msg)
    return LanguageJudge(spec.language.lower(), [name.lower() for name in spec.among])


def _make_lexical(spec: JudgeSpec) -> Judge:
    return LexicalJudge(_markers(spec.markers), spec.saturation)


def _make_llm(spec: JudgeSpec, open_api: Callable[[], Api] | None) -> Judge:
    if open_api is None:
        msg = "the llm judge needs an API to ask, and there is none here"
        raise JudgeError(msg)
    return LlmJudge(spec, open_api())


_LOCAL: dict[str, Callable[[JudgeSpec], Judge]] = {"language": _make_language, "lexical": _make_lexical}


def _markers(source: str | None) -> Sequence[str]:
    if source is None:
        msg = "the lexical judge needs `markers`: a file with one marker a line, or `world`"
        raise JudgeError(msg)
    if source == "world":
        from inoc.world.grammar import PLAYFUL_MARKERS

        return PLAYFUL_MARKERS
    path = Path(source)
    if not path.is_file():
        msg = f"there is no marker file {source!r}; write one with one marker a line, or say `world`"
        raise JudgeError(msg)
    return read_lines(path)


def _language(name: str) -> Language:
    try:
        from lingua import Language
    except ImportError as error:
        raise MissingExtraError("lingua", "judge") from error
    known = {language.name.lower(): language for language in Language.all()}
    if name not in known:
        hint, accepted = did_you_mean(name, known), ", ".join(sorted(known))
        msg = f"the language judge does not know {name!r}{hint}; accepted: {accepted}"
        raise JudgeError(msg)
    return known[name]


def _detector(among: Sequence[Language]) -> LanguageDetector:
    from lingua import LanguageDetectorBuilder

    if len(among) < 2:
        msg = f"the language judge needs two or more languages in `among`, not {[one.name.lower() for one in among]}"
        raise JudgeError(msg)
    return LanguageDetectorBuilder.from_languages(*among).with_preloaded_language_models().build()
