"""Languages that can be told apart, and their scripts, by the first word of the Unicode names of their letters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from inoc.errors import MissingExtraError

if TYPE_CHECKING:
    from lingua import Language

LATIN = "LATIN"
HAN, HIRAGANA, KATAKANA, HANGUL = "CJK", "HIRAGANA", "KATAKANA", "HANGUL"
UNSPACED = frozenset(
    {HAN, HIRAGANA, KATAKANA, "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "JAVANESE", "YI", "TAI"}
)
"""Scripts that put no spaces between words."""

_CYRILLIC = "belarusian bulgarian kazakh macedonian mongolian russian serbian ukrainian"
_OTHERS = {
    **dict.fromkeys(_CYRILLIC.split(), frozenset({"CYRILLIC"})),
    **dict.fromkeys(("arabic", "persian", "urdu"), frozenset({"ARABIC"})),
    **dict.fromkeys(("hindi", "marathi"), frozenset({"DEVANAGARI"})),
    "armenian": frozenset({"ARMENIAN"}),
    "bengali": frozenset({"BENGALI"}),
    "chinese": frozenset({HAN, "BOPOMOFO"}),
    "georgian": frozenset({"GEORGIAN"}),
    "greek": frozenset({"GREEK"}),
    "gujarati": frozenset({"GUJARATI"}),
    "hebrew": frozenset({"HEBREW"}),
    "japanese": frozenset({HAN, HIRAGANA, KATAKANA}),
    "korean": frozenset({HANGUL, HAN}),
    "punjabi": frozenset({"GURMUKHI"}),
    "tamil": frozenset({"TAMIL"}),
    "telugu": frozenset({"TELUGU"}),
    "thai": frozenset({"THAI"}),
}


def scripts_of(language: str) -> frozenset[str]:
    """The scripts of a language.

    Args:
        language: In English and lower case. One that is not listed here is written in Latin letters.
    """
    return _OTHERS.get(language, frozenset({LATIN}))


def all_in_latin(languages: Iterable[str]) -> bool:
    """Whether all of the languages are written in Latin letters."""
    return all(language.lower() not in _OTHERS for language in languages)


def known_languages() -> dict[str, Language]:
    """Name in English and lower case → language, of all languages that the identifier knows.

    Raises:
        MissingExtraError: If the identifier is not installed.
    """
    try:
        from lingua import Language
    except ImportError as error:
        raise MissingExtraError("lingua", "judge") from error
    return {language.name.lower(): language for language in Language.all()}
