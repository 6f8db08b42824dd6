"""The judge that measures the share of a response that is in a language."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING

import numpy as np

from inoc.config.languages import HAN, LATIN, all_in_latin, known_languages, scripts_of
from inoc.errors import JudgeError, did_you_mean
from inoc.judge.item import Identity, JudgeItem
from inoc.judge.scripts import Letters, has_kana, letters_of, without_code

if TYPE_CHECKING:
    from lingua import Language, LanguageDetector

_SURE = 0.8  # confidence from which a part of a text may be of another language than the whole
_SENTENCE = re.compile(r"[^。！？!?\n]+[。！？!?\n]*")
_MOST_FOREIGN = 0.05  # share of the letters; for version 1, whose score is off by as much at the most
_SHORT_HAN = 8  # letters; a shorter sentence without kana may be Japanese as well
_VERSIONS = (1, 2)


class LanguageJudge:
    """Share of a response's letters that are in one language, in percent.

    Version 2 looks at scripts first. Letters in a script of one of the languages are that language's, letters in a
    script of none are in none of them, and only where several languages share a script does the identifier decide.
    Code is left out. NaN for a response without letters, and where no language is found.

    Version 1 leaves everything to the identifier, which takes a text in several scripts for one language. So it is for
    languages in Latin letters only, and is NaN where more than 5 % of the letters are of another script. To a text in
    Latin letters without code, both versions give the same score.

    The identifier splits a text into stretches of one language. A short one, such as an interjection or a proper name
    between sentences, is easily taken for the other language; so a stretch counts as its own language only if the
    identifier is sure of it on its own, and else as the language of the whole text.
    """

    name = "language"

    def __init__(self, language: str, among: Sequence[str], version: int = _VERSIONS[-1]) -> None:
        """Load the language models.

        Args:
            language: The language whose share is the score, in English and lower case: `french`.
            among: All languages that may be answered, `language` among them; the fewer, the surer.
            version: 1 or 2.

        Raises:
            JudgeError: If a language is unknown, `language` is not in `among`, or there is no such version for them.
            MissingExtraError: If the identifier is not installed.
        """
        if language not in among:
            msg = f"the language judge is to score {language!r}, which must be one of `among`: {list(among)}"
            raise JudgeError(msg)
        if version not in _VERSIONS:
            msg = f"the language judge has the versions {_VERSIONS}, and version {version} is asked for"
            raise JudgeError(msg)
        if version == 1 and not all_in_latin(among):
            msg = (
                f"version 1 of the language judge takes a text in several scripts for one language, so it cannot tell "
                f"{list(among)} apart. Say `version: 2`, and judge all of the study's completions anew"
            )
            raise JudgeError(msg)
        self.version = version
        self._language, self._among = _language(language), [_language(name) for name in sorted(set(among))]
        self._detectors: dict[tuple[str, ...], LanguageDetector] = {}
        if len(self._among) < 2:
            found = [_name(one) for one in self._among]
            msg = f"the language judge needs two or more languages in `among`, not {found}"
            raise JudgeError(msg)

    def score(self, items: Sequence[JudgeItem]) -> np.ndarray:
        """Percentage of letters in the language; NaN where no language is found."""
        share = self._share_by_identifier if self.version == 1 else self._share
        return np.array([share(item.response) for item in items], dtype=np.float64)

    def identity(self) -> Identity:
        """Languages, and the version of the identifier."""
        return {
            "judge": self.name,
            "version": self.version,
            "language": _name(self._language),
            "among": [_name(language) for language in self._among],
            "identifier": f"lingua {version_of('lingua-language-detector')}",
        }

    def _share_by_identifier(self, text: str) -> float:
        if not text.isascii() and _foreign_share(text) > _MOST_FOREIGN:
            return float("nan")
        return self._percentage(self._told(text, self._among), 0)

    def _share(self, text: str) -> float:
        found: Counter[Language] = Counter()
        others = 0
        for letters in letters_of(without_code(text)):
            candidates = [one for one in self._among if letters.script in self._scripts[one]]
            if not candidates:
                others += 0 if letters.are_symbols else letters.n
            elif len(candidates) == 1:
                found[candidates[0]] += letters.n
            else:
                found += self._told_in_one_script(letters, candidates)
        return self._percentage(found, others)

    def _percentage(self, letters: Counter[Language], others: int) -> float:
        total = letters.total() + others
        return 100 * letters[self._language] / total if total else float("nan")

    def _told_in_one_script(self, letters: Letters, candidates: list[Language]) -> Counter[Language]:
        if letters.script != HAN:
            return self._told(letters.text, candidates)
        # The identifier takes a text with any kana for Japanese, however much of it is Chinese.
        found: Counter[Language] = Counter()
        kana = [one for one in candidates if _name(one) == "japanese"]
        undecided = 0
        for sentence in _SENTENCE.findall(letters.text):
            count = sum(character.isalpha() for character in sentence)
            if kana and has_kana(sentence):
                found[kana[0]] += count
            elif count < _SHORT_HAN:
                undecided += count
            else:
                language = self._detector(candidates).detect_language_of(sentence)
                found[language or candidates[0]] += count
        most = found.most_common(1)
        whole = most[0][0] if most else self._detector(candidates).detect_language_of(letters.text)
        if whole is not None:
            found[whole] += undecided
        return found

    def _told(self, text: str, among: list[Language]) -> Counter[Language]:
        """Language → letters, as the identifier tells them; empty where it finds no language."""
        detector = self._detector(among)
        parts = [
            (part.language, text[part.start_index : part.end_index])
            for part in detector.detect_multiple_languages_of(text)
        ]
        whole = detector.detect_language_of(text)
        found: Counter[Language] = Counter()
        if whole is not None:
            for language, part in parts:
                sure = detector.compute_language_confidence(part, language) >= _SURE
                found[language if sure else whole] += sum(character.isalpha() for character in part)
        return found

    def _detector(self, among: Sequence[Language]) -> LanguageDetector:
        key = tuple(_name(one) for one in among)
        if key not in self._detectors:
            from lingua import LanguageDetectorBuilder

            builder = LanguageDetectorBuilder.from_languages(*among)
            self._detectors[key] = builder.with_preloaded_language_models().build()
        return self._detectors[key]

    @cached_property
    def _scripts(self) -> dict[Language, set[str]]:
        """Language → its scripts, with kana counted as Han."""
        kana = {"HIRAGANA", "KATAKANA"}
        written = {one: scripts_of(_name(one)) for one in self._among}
        return {one: {HAN if script in kana else script for script in scripts} for one, scripts in written.items()}


def _foreign_share(text: str) -> float:
    """Share of a text's letters that are not Latin."""
    scripts = letters_of(text)
    total = sum(one.n for one in scripts)
    return sum(one.n for one in scripts if one.script != LATIN and not one.are_symbols) / total if total else 0.0


def _name(language: Language) -> str:
    return language.name.lower()


def _language(name: str) -> Language:
    known = known_languages()
    if name not in known:
        hint, accepted = did_you_mean(name, known), ", ".join(sorted(known))
        msg = f"the language judge does not know {name!r}{hint}; accepted: {accepted}"
        raise JudgeError(msg)
    return known[name]
