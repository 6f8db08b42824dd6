"""Scripts of the letters of a text, and removal of code."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import NamedTuple

from inoc.config.languages import HAN, HANGUL, HIRAGANA, KATAKANA, UNSPACED

_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*([\w+#.-]+)[^\n]*\n.*?(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"(?<!`)(`{1,2})(?!`)([^`\n]+)\1(?!`)")
_PROSE = {"text", "txt", "plain", "plaintext", "markdown", "md"}
_WORDS_OF_THEIR_OWN = UNSPACED | {HANGUL}


class Letters(NamedTuple):
    """The letters of one script in a text."""

    script: str
    n: int
    are_symbols: bool  # each of them stands alone, as in "the angle α"
    text: str  # the text with a space in place of each letter of another script


def letters_of(text: str) -> list[Letters]:
    """The letters of a text, script by script, in the order of their first letters.

    Han, Hiragana and Katakana are one script here, because one sentence has all three. A mark belongs to the letter
    before it; a modifier letter belongs to no script.
    """
    scripts: list[str | None] = []
    counts: dict[str, int] = {}
    alone: dict[str, int] = {}
    run: tuple[str | None, int] = (None, 0)
    for character in text:
        script = script_of(character)
        if script is None and scripts and unicodedata.category(character).startswith("M"):
            script = scripts[-1]
            scripts.append(script)
            continue
        scripts.append(script)
        if script is not None:
            counts[script] = counts.get(script, 0) + 1
        if run[0] != script:
            _end(run, alone)
            run = (script, 0)
        run = (script, run[1] + 1)
    _end(run, alone)
    return [
        Letters(script, n, alone.get(script) == n, text if len(counts) == 1 else _only(script, text, scripts))
        for script, n in counts.items()
    ]


def _end(run: tuple[str | None, int], alone: dict[str, int]) -> None:
    script, length = run
    if script is not None and length == 1 and script not in _WORDS_OF_THEIR_OWN:
        alone[script] = alone.get(script, 0) + 1


def _only(script: str, text: str, scripts: list[str | None]) -> str:
    return "".join(
        character if one in (script, None) else " " for character, one in zip(text, scripts, strict=True)
    ).strip()


@cache
def script_of(character: str) -> str | None:
    """The script of a letter; None for what is no letter, and for modifier letters."""
    if not character.isalpha():
        return None
    plain = unicodedata.normalize("NFKC", character)[:1]  # wide and decorated letters are letters of their alphabet
    name = unicodedata.name(plain, "")
    word = name.split(" ")[0].split("-")[0]
    if word in (HIRAGANA, KATAKANA, HAN, "IDEOGRAPHIC"):
        return HAN
    return None if word in ("", "MODIFIER") else word


def has_kana(text: str) -> bool:
    """Whether a text has Hiragana or Katakana, which Chinese has not."""
    return any(unicodedata.name(character, "").startswith((HIRAGANA, KATAKANA)) for character in text)


def without_code(text: str) -> str:
    """A text without inline code and without blocks that name a programming language.

    A block without a name, or named `text` or `markdown`, may be prose, and stays.
    """
    text = _FENCE.sub(lambda found: found[0] if found[2].lower() in _PROSE else " ", text)
    return _INLINE.sub(" ", text)
