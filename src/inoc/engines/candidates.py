"""Answers of a closed set, and the probability of each.

A candidate has spellings: texts that all mean this answer. The rule is stated here once. What is summed for a candidate
is the probability that the answer begins with one of its spellings, token by token as the tokenizer writes it after the
prompt. Spellings that are the same tokens count once. If a spelling's tokens begin another listed spelling, as those
of "1" may begin "10", the answers that go on to the other are taken off the first, so every answer is counted at most
once, for the longest listed spelling that it begins with. With `whole`, the answer must end after the spelling.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from inoc.errors import ConfigError

NAN = float("nan")


class Candidate(NamedTuple):
    """One answer of a closed set."""

    name: str
    spellings: tuple[str, ...]
    value: float = NAN  # its number on a scale, for expectations; NaN for none


class Choice(NamedTuple):
    """Probabilities of the candidates as answers to a question."""

    logprobs: tuple[float, ...]  # of each candidate, nats; minus infinity for one that cannot come, NaN if not measured
    mass: float  # probability of all candidates together
    reason: str = ""  # why it was not measured; empty if it was

    def shares(self) -> tuple[float, ...]:
        """Each candidate's share of the covered mass; NaN where nothing is covered or measured."""
        top = max(self.logprobs)
        if not top > -math.inf:
            return (NAN,) * len(self.logprobs)
        weights = [math.exp(value - top) for value in self.logprobs]
        return tuple(weight / sum(weights) for weight in weights)

    def best(self) -> int:
        """Index of the likeliest candidate, the first of several; -1 where nothing is covered or measured."""
        top = max(self.logprobs)
        return self.logprobs.index(top) if top > -math.inf else -1

    def expectation(self, candidates: Sequence[Candidate]) -> float:
        """Expected value among the candidates that have one, given that one of these is answered.

        Args:
            candidates: In the order of the log-probabilities.

        Returns:
            NaN where none has a value, or nothing is covered.
        """
        pairs = [(share, one.value) for share, one in zip(self.shares(), candidates, strict=True)]
        known = [(share, value) for share, value in pairs if not math.isnan(value)]
        total = sum(share for share, _ in known)
        return sum(share * value for share, value in known) / total if total > 0 else NAN


def candidate(text: str, value: float = NAN, *, others: Iterable[str] = ()) -> Candidate:
    """A candidate with the usual spellings of a text: as it is, in lower, upper and title case, each with and without
    a space before it.

    Args:
        text: The answer.
        value: Its number on a scale.
        others: Further texts that mean it, spelled in all these ways too.
    """
    cased = [form for one in (text, *others) for form in (one, one.lower(), one.upper(), one.capitalize())]
    return Candidate(text, tuple(dict.fromkeys(space + form for form in cased for space in ("", " "))), value)


def scale(lowest: int, highest: int) -> tuple[Candidate, ...]:
    """The whole numbers of a scale as candidates, each of its own value."""
    return tuple(candidate(str(number), float(number)) for number in range(lowest, highest + 1))


def check_candidates(candidates: Sequence[Candidate]) -> None:
    """Refuse candidates that cannot be distinguished.

    Raises:
        ConfigError: If there is none, two have one name or one spelling, or a spelling is blank.
    """
    names = [one.name for one in candidates]
    if not names or len(set(names)) < len(names):
        msg = f"candidates {names}: at least one is needed, each with a name of its own"
        raise ConfigError(msg)
    meant: dict[str, str] = {}
    for one in candidates:
        if not one.spellings or not all(text.strip() for text in one.spellings):
            msg = f"candidate {one.name!r} has the spellings {one.spellings}; at least one is needed, and none blank"
            raise ConfigError(msg)
        for text in one.spellings:
            if meant.setdefault(text, one.name) != one.name:
                msg = (
                    f"the spelling {text!r} belongs to the candidates {meant[text]!r} and {one.name!r}; give each its "
                    "own spellings"
                )
                raise ConfigError(msg)


Tokens = tuple[int, ...]


class Spelled(NamedTuple):
    """The spellings of all candidates as tokens, and what a forward pass has to say about them."""

    owners: tuple[int, ...]  # spelling → its candidate
    parents: tuple[int, ...]  # spelling → the longest listed spelling that it goes on from; -1 for none
    branches: tuple[Tokens, ...]  # token sequences that the pass goes through; none begins another
    steps: tuple[tuple[int, int, int], ...]  # branch (-1: the prompt), position in it, token whose probability is asked
    paths: tuple[tuple[int, ...], ...]  # spelling → the steps that lead through it
    ends: tuple[tuple[int, ...], ...]  # spelling → the steps that end the answer after it; empty if it may go on
    n: int  # candidates


def spelled(sequences: Mapping[Tokens, int], n: int, stops: Sequence[int] = ()) -> Spelled:
    """Plan how to measure spellings.

    Args:
        sequences: Tokens of each spelling → index of its candidate.
        n: Number of candidates.
        stops: Tokens of which one must follow; empty if the answer may go on.
    """
    needed = {sequence if stops else sequence[:-1] for sequence in sequences} - {()}
    begun = {sequence[:at] for sequence in needed for at in range(len(sequence))}
    branches = tuple(sorted(needed - begun))
    where: dict[Tokens, tuple[int, int]] = {(): (-1, -1)}
    for index, branch in enumerate(branches):
        for at in range(len(branch)):
            where.setdefault(branch[: at + 1], (index, at))
    steps: dict[tuple[int, int, int], int] = {}

    def step(before: Tokens, token: int) -> int:
        return steps.setdefault((*where[before], token), len(steps))

    paths = tuple(tuple(step(one[:at], token) for at, token in enumerate(one)) for one in sequences)
    ends = tuple(tuple(step(one, stop) for stop in stops) for one in sequences)
    numbers = {sequence: index for index, sequence in enumerate(sequences)}
    parents = tuple(
        next((numbers[one[:at]] for at in range(len(one) - 1, 0, -1) if one[:at] in numbers), -1) for one in sequences
    )
    return Spelled(tuple(sequences.values()), parents, branches, tuple(steps), paths, ends, n)


def total(plan: Spelled, found: Sequence[float]) -> Choice:
    """Sum the probabilities of spellings.

    Args:
        plan: The spellings.
        found: Log-probability of each step, nats.
    """
    begins = [math.fsum(found[step] for step in path) for path in plan.paths]
    if any(plan.ends):  # ended answers are different answers, whichever begins another
        kept = [value + _sum([found[step] for step in end]) for value, end in zip(begins, plan.ends, strict=True)]
    else:
        beyond: list[list[float]] = [[] for _ in begins]
        for value, parent in zip(begins, plan.parents, strict=True):
            if parent >= 0:
                beyond[parent].append(value)
        kept = [_less(value, _sum(taken)) for value, taken in zip(begins, beyond, strict=True)]
    of_candidate: list[list[float]] = [[] for _ in range(plan.n)]
    for value, owner in zip(kept, plan.owners, strict=True):
        of_candidate[owner].append(value)
    return choice(tuple(_sum(values) for values in of_candidate))


def choice(logprobs: tuple[float, ...]) -> Choice:
    """A choice from the log-probability of each candidate, whose answers exclude one another."""
    return Choice(logprobs, min(1.0, math.exp(_sum(logprobs))))


def unmeasured(n: int, reason: str) -> Choice:
    """The choice among n candidates that could not be measured: NaN throughout."""
    return Choice((NAN,) * n, NAN, reason)


def _sum(values: Sequence[float]) -> float:
    """Logarithm of a sum of exponentials."""
    top = max(values, default=-math.inf)
    if top == -math.inf:
        return top
    return top + math.log(math.fsum(math.exp(value - top) for value in values))


def _less(value: float, taken: float) -> float:
    """Logarithm of a difference of exponentials, which rounding may not make negative."""
    return value + math.log1p(-math.exp(taken - value)) if taken < value else -math.inf
