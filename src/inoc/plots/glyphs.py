"""Characters of figures: which fonts have them, and powers of ten without mathematical markup.

Labels come from people and are drawn as they are written, dollar signs and backslashes included. So no text of a figure
is markup, and numbers on a logarithmic axis are written with Unicode's own superscripts.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import LogFormatterSciNotation

MAIN = "DejaVu Sans"
_EAST_ASIAN = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK TC", "Noto Sans CJK KR", "Noto Sans JP", "Noto Sans SC",
    "Noto Sans TC", "Noto Sans KR", "Source Han Sans", "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei",
    "Droid Sans Fallback", "IPAexGothic", "IPAGothic", "TakaoGothic", "VL Gothic", "Hiragino Sans", "PingFang SC",
    "Heiti TC", "Apple SD Gothic Neo", "Arial Unicode MS", "Microsoft YaHei", "SimHei", "Yu Gothic", "MS Gothic",
    "Malgun Gothic", "NanumGothic", "Baekmuk Gulim",
)  # fmt: skip
"""Fonts for Chinese, Japanese and Korean, as systems name them."""
_INVISIBLE = re.compile(r"[\s\u200b-\u200f\u2028-\u202f\u2060\ufe0f\ufeff]")
_SUPERSCRIPTS = str.maketrans("-−0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@functools.cache
def families() -> tuple[str, ...]:
    """Fonts of a figure's text, in the order in which they are asked for a character: only those of this machine."""
    here = set(font_manager.get_font_names())
    return (MAIN, *(name for name in _EAST_ASIAN if name in here))


def lacking(texts: Iterable[str]) -> str:
    """Characters for which this machine has no font, each once; a box is drawn in the place of each."""
    characters = {character for text in texts for character in text}
    return "".join(sorted(one for one in characters if not _INVISIBLE.match(one) and not _drawable(one)))


def _drawable(character: str) -> bool:
    return any(font.get_char_index(ord(character)) for font in _fonts())


@functools.cache
def _fonts() -> tuple[FT2Font, ...]:
    return tuple(font_manager.get_font(font_manager.findfont(name)) for name in families())


class PowersOfTen(LogFormatterSciNotation):
    """Labels of a logarithmic axis: 10⁻³, 2×10⁻³."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Label of a tick; empty where matplotlib leaves it out."""
        return without_markup(str(super().__call__(x, pos)))


def without_markup(text: str) -> str:
    r"""A number as matplotlib marks it up, `$\mathdefault{2\times10^{-3}}$`, in plain characters."""
    text = re.sub(r"^\$\\mathdefault\{(.*)\}\$$", r"\1", text).replace(r"\times", "×")
    return re.sub(r"\^\{([^}]*)\}", lambda power: power[1].translate(_SUPERSCRIPTS), text)
