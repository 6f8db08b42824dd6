"""The instructions of a study, for training and for evaluation."""

from __future__ import annotations

from collections.abc import Callable, Container
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from inoc.config.models import DataSpec, InstructionSource
from inoc.errors import DataError
from inoc.generate.ask import api_instructions
from inoc.generate.instructions import Split, given_examples, read_instructions, split
from inoc.generate.sets import held_out_set, set_names

if TYPE_CHECKING:
    from inoc.api import Api


class Parts(NamedTuple):
    """A study's instructions; no text is in two of these, nor twice in one."""

    train: list[str]
    questions: dict[str, list[str]]  # set → evaluation questions
    dropped: dict[str, int]  # reason → count


RESULTS = Path("results")


def read_parts(data: DataSpec, open_api: Callable[[], Api] | None = None, results: Path = RESULTS) -> Parts:
    """The instructions of a study, for training and in sets for evaluation.

    Args:
        data: Its section `data`.
        open_api: Gives the API, for instructions that are asked for.
        results: Folder of the results of all studies, for tables of others.
    """
    own = read_split(data, open_api, results)
    questions: dict[str, list[str]] = {}
    taken = {*own.train, *own.evaluation}
    for key in set_names(data):
        spec = data.questions.get(key)
        if spec is None or spec.source is None:
            questions[key] = own.evaluation
        else:
            questions[key] = _further_questions(data, key, spec.source, taken, open_api)
            taken.update(questions[key])
    return Parts(own.train, questions, own.dropped)


def _further_questions(
    data: DataSpec, key: str, source: InstructionSource, taken: Container[str], open_api: Callable[[], Api] | None
) -> list[str]:
    """A set of questions that is not held out from the training data, without those that are taken already."""
    if source.kind == "world":
        from inoc.world.grammar import instructions, instructions_about

        known = instructions(len(instructions_about(source.topics)), data.seed, source.topics)
    else:
        known, _ = _instructions(source, data.n_eval, data.seed, open_api)
        if source.kind == "files":
            known = [known[index] for index in np.random.default_rng(data.seed).permutation(len(known))]
    found = [text for text in known if text not in taken][: data.n_eval]
    if len(found) < data.n_eval:
        msg = (
            f"data.questions.{key}: {len(found)} questions that are in no other set and not trained on, but n_eval = "
            f"{data.n_eval}; lower it, or add questions"
        )
        raise DataError(msg)
    return found


def read_split(data: DataSpec, open_api: Callable[[], Api] | None = None, results: Path = RESULTS) -> Split:
    """The instructions of a study, without the sets of questions that come from elsewhere; see `read_parts`."""
    hold_out = held_out_set(data) is not None
    if data.given_in:
        return _given_split(data, open_api, results, hold_out=hold_out)
    n = data.n_train + (data.n_eval if hold_out else 0)
    if data.instructions.kind == "world":
        from inoc.world.grammar import instructions

        return split(instructions(n, data.seed, data.instructions.topics), data, {}, hold_out=hold_out)
    texts, dropped = _instructions(data.instructions, n, data.seed, open_api)
    return split(texts, data, dropped, hold_out=hold_out, source=", ".join(data.instructions.files))


def _instructions(
    source: InstructionSource, n: int, seed: int, open_api: Callable[[], Api] | None
) -> tuple[list[str], dict[str, int]]:
    """All instructions of files, or `n` from an API."""
    if source.kind == "api" and open_api is not None:
        return api_instructions(source, n, seed, open_api())
    return read_instructions(source)


def _given_split(data: DataSpec, open_api: Callable[[], Api] | None, results: Path, *, hold_out: bool) -> Split:
    given = list(dict.fromkeys(pair.opening for pair in given_examples(data, results).pairs))
    if not hold_out or (not data.instructions.files and data.instructions.kind != "api"):
        return split(given, data, {}, hold_out=hold_out, source=data.file or "")
    texts, dropped = _instructions(data.instructions, data.n_eval, data.seed, open_api)
    taken = set(given)
    evaluation = [text for text in texts if text not in taken]
    if len(evaluation) < data.n_eval:
        place = f"{', '.join(data.instructions.files)}: " if data.instructions.files else ""
        msg = (
            f"{place}{len(evaluation)} evaluation instructions outside the training file, but n_eval = {data.n_eval}; "
            "lower it or add files"
        )
        raise DataError(msg)
    order = np.random.default_rng(data.seed).permutation(len(evaluation))[: data.n_eval]
    return Split(given, [evaluation[index] for index in order], dropped)
