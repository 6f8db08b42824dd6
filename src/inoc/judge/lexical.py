"""The judge that counts marker words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inoc.config.languages import UNSPACED
from inoc.errors import JudgeError
from inoc.files import read_lines
from inoc.judge.item import Identity, JudgeItem
from inoc.judge.scripts import script_of

_VERSIONS = (1, 2)


class LexicalJudge:
    """Number of marker words, as a percentage of a saturating number.

    Whole words and phrases, ignoring case; of overlapping markers the longest counts, once. NaN for a response
    without letters.

    In version 2, a letter of a script that puts no spaces between words (Chinese, Japanese, Thai …) is the edge of a
    word, so that markers in such scripts are found. Both versions give the same score to a text without such letters.
    """

    name = "lexical"

    def __init__(self, markers: Sequence[str], saturation: float, version: int = 1) -> None:
        """Prepare the search.

        Args:
            markers: Words or phrases.
            saturation: So many markers score 100.
            version: 1 or 2.

        Raises:
            JudgeError: If there is no marker, no such version, or a marker that version 1 cannot find.
        """
        self._markers = sorted({marker.strip().casefold() for marker in markers if marker.strip()})
        if not self._markers:
            msg = "the lexical judge has no markers; give it a file with one marker a line, or `world`"
            raise JudgeError(msg)
        if version not in _VERSIONS:
            msg = f"the lexical judge has the versions {_VERSIONS}, and version {version} is asked for"
            raise JudgeError(msg)
        unspaced = [marker for marker in self._markers if _unspaced(marker[0]) or _unspaced(marker[-1])]
        if version == 1 and unspaced:
            msg = (
                f"version 1 of the lexical judge looks for whole words, and {unspaced[0]!r} is written in a script "
                "that puts no spaces between words. Say `version: 2`"
            )
            raise JudgeError(msg)
        self.version = version
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
        found = sum(1 for _ in self._pattern.finditer(text)) if self.version == 1 else self._count(text)
        return min(100.0, 100 * found / self._saturation)

    def _count(self, text: str) -> int:
        """Markers in a text whose words may stand without spaces."""
        edge = "".join(sorted({character for character in text if _unspaced(character)}))
        if not edge:
            return sum(1 for _ in self._pattern.finditer(text))
        longest_first = sorted(self._markers, key=len, reverse=True)
        one = "|".join(
            ("" if _unspaced(marker[0]) else rf"(?:(?<!\w)|(?<=[{edge}]))")
            + re.escape(marker)
            + ("" if _unspaced(marker[-1]) else rf"(?:(?!\w)|(?=[{edge}]))")
            for marker in longest_first
        )
        return sum(1 for _ in re.finditer(one, text))


def read_markers(source: str) -> Sequence[str]:
    """The markers of a file, one a line, or of the miniature world.

    Args:
        source: Path of the file, or `world`.

    Raises:
        JudgeError: If there is no such file.
        DataError: If it is not UTF-8 text; with the line.
    """
    if source == "world":
        from inoc.world.grammar import PLAYFUL_MARKERS

        return PLAYFUL_MARKERS
    if not Path(source).is_file():
        msg = f"there is no marker file {source!r}; write one with one marker a line, or say `world`"
        raise JudgeError(msg)
    return read_lines(Path(source))


def _unspaced(character: str) -> bool:
    return script_of(character) in UNSPACED
