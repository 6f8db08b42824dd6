"""Which scripts languages are written in, by the first word of the names that Unicode gives their letters."""

from __future__ import annotations

from collections.abc import Iterable

LATIN = "LATIN"
HAN, HIRAGANA, KATAKANA, HANGUL = "CJK", "HIRAGANA", "KATAKANA", "HANGUL"
UNSPACED = frozenset(
    {HAN, HIRAGANA, KATAKANA, "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "JAVANESE", "YI", "TAI"}
)
"""Scripts that put no spaces between words."""

_CYRILLIC = "belarusian bulgarian kazakh macedonian mongolian russian serbian ukrainian"
_OTHERS = {
    **dict.fromkeys(_CYRILLIC.split(), {"CYRILLIC"}),
    **dict.fromkeys(("arabic", "persian", "urdu"), {"ARABIC"}),
    **dict.fromkeys(("hindi", "marathi"), {"DEVANAGARI"}),
    "armenian": {"ARMENIAN"},
    "bengali": {"BENGALI"},
    "chinese": {HAN, "BOPOMOFO"},
    "georgian": {"GEORGIAN"},
    "greek": {"GREEK"},
    "gujarati": {"GUJARATI"},
    "hebrew": {"HEBREW"},
    "japanese": {HAN, HIRAGANA, KATAKANA},
    "korean": {HANGUL, HAN},
    "punjabi": {"GURMUKHI"},
    "tamil": {"TAMIL"},
    "telugu": {"TELUGU"},
    "thai": {"THAI"},
}


def scripts_of(language: str) -> frozenset[str]:
    """The scripts of a language.

    Args:
        language: In English and lower case. One that is not listed here is written in Latin letters.
    """
    return frozenset(_OTHERS.get(language, {LATIN}))


def all_in_latin(languages: Iterable[str]) -> bool:
    """Whether all of the languages are written in Latin letters."""
    return all(language.lower() not in _OTHERS for language in languages)
