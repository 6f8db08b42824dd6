"""Judges of a user's own: a regular expression, and a function in a Python file."""

from __future__ import annotations

import re
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from inoc.digest import digest
from inoc.errors import JudgeError
from inoc.files import read_text
from inoc.judge.item import Identity, JudgeItem

LONGEST_S = 60.0
"""Seconds that an expression may take with one response."""


class RegexJudge:
    """100 for a response in which a regular expression is found, and 0 for any other."""

    name = "regex"
    version = 1

    def __init__(self, pattern: str) -> None:
        """Compile the expression.

        Args:
            pattern: In Python's syntax; `(?i)` at its start ignores case.

        Raises:
            JudgeError: If it is not a regular expression.
        """
        try:
            self._pattern = re.compile(pattern)
        except re.error as error:
            msg = f"the regex judge: {pattern!r} is not a regular expression: {error}"
            raise JudgeError(msg) from error

    def score(self, items: Sequence[JudgeItem]) -> np.ndarray:
        """100 or 0.

        Raises:
            JudgeError: If the expression takes longer than a minute with one response.
        """
        return np.array([100.0 if self._is_in(item.response) else 0.0 for item in items], dtype=np.float64)

    def _is_in(self, text: str) -> bool:
        def give_up(number: int, frame: object) -> None:
            msg = (
                f"the regex judge: {self._pattern.pattern!r} takes longer than {LONGEST_S:g} s with one response, "
                f"{text[:80]!r}. A repetition in a repetition, such as `(a+)+`, tries all ways to share the text among "
                "them; write it with one"
            )
            raise JudgeError(msg)

        if threading.current_thread() is not threading.main_thread():
            return bool(self._pattern.search(text))  # no signal can end it there
        handler, rest = signal.signal(signal.SIGALRM, give_up), signal.setitimer(signal.ITIMER_REAL, LONGEST_S)[0]
        try:
            return bool(self._pattern.search(text))
        finally:
            signal.setitimer(signal.ITIMER_REAL, rest)
            signal.signal(signal.SIGALRM, handler)

    def identity(self) -> Identity:
        """The expression."""
        return {"judge": self.name, "version": self.version, "pattern": self._pattern.pattern}


@contextmanager
def _their_own(what: str) -> Iterator[None]:
    """Errors of a user's code as one message, with the line of that code.

    Args:
        what: Where they happen.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f" (line {last.lineno} of {last.filename})" if last.filename != __file__ else ""
        msg = f"{what}: {type(error).__name__}: {error}{where}"
        raise JudgeError(msg) from error


class PythonJudge:
    """Scores of a function `score(texts) -> floats` in a Python file, which is run as a part of the program."""

    name = "python"
    version = 1

    def __init__(self, file: Path) -> None:
        """Run the file.

        Args:
            file: Defines `score`, which takes the list of responses and gives a score from 0 to 100 for each, or NaN.

        Raises:
            JudgeError: If there is no such file, it cannot be run, or it defines no function `score`.
            DataError: If it is not UTF-8.
        """
        if not file.is_file():
            msg = f"there is no file {str(file)!r}; write one with a function `score(texts)`, which gives floats"
            raise JudgeError(msg)
        self._file = file
        space: dict[str, Any] = {"__name__": "inoc_judge", "__file__": str(file)}
        self._source = read_text(file)
        with _their_own(f"{file} cannot be run"):
            exec(compile(self._source, str(file), "exec"), space)
        if not callable(space.get("score")):
            msg = f"{file} has no function `score`; define `def score(texts): ...`, which gives a float for each text"
            raise JudgeError(msg)
        self._score: Callable[[list[str]], Any] = space["score"]

    def score(self, items: Sequence[JudgeItem]) -> np.ndarray:
        """The function's scores.

        Raises:
            JudgeError: If they are not one number from 0 to 100, or NaN, for each response.
        """
        with _their_own(f"{self._file}: `score` failed"):
            given = self._score([item.response for item in items])
        try:
            scores = np.asarray(list(given), dtype=np.float64)
        except (TypeError, ValueError) as error:
            msg = f"{self._file}: `score` gave {type(given).__name__}, not a list of floats: {error}"
            raise JudgeError(msg) from error
        known = scores[~np.isnan(scores)]
        if scores.shape != (len(items),) or ((known < 0) | (known > 100)).any():
            msg = (
                f"{self._file}: `score` gave an array of shape {scores.shape} for {len(items)} texts, from "
                f"{known.min(initial=np.inf):g} to {known.max(initial=-np.inf):g}; expected a number from 0 to 100, or "
                "NaN, for each"
            )
            raise JudgeError(msg)
        return scores

    def identity(self) -> Identity:
        """The digest of the source."""
        return {"judge": self.name, "version": self.version, "source": digest(self._source)}
