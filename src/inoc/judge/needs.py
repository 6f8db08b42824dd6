"""Needs of a judge from the machine it runs on, which every kind of study asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from inoc.config.judge_spec import JudgeSpec, asks_api, asks_model
from inoc.config.needs import ApiUse, GivenChat, GivenFile, LocalModel, ModelUse, is_a_path
from inoc.errors import MissingExtraError


def judge_files(spec: JudgeSpec, key: str) -> Iterator[GivenFile]:
    """Files that a judge reads, each with its reader.

    Args:
        spec: Its settings.
        key: Its place in the study file.
    """
    if spec.markers not in (None, "world"):
        yield GivenFile(f"{key}.markers", str(spec.markers), read=lambda path: _read_markers(path, spec.version))
    if spec.file is not None:
        read = _read_names if spec.name == "names" else _read_python
        yield GivenFile(f"{key}.file", spec.file, read=lambda path: read(path, spec))
    if asks_model(spec) and not asks_api(spec) and is_a_path(str(spec.model)):
        yield GivenFile(f"{key}.model", str(spec.model))


def judge_apis(spec: JudgeSpec | None, key: str, stages: Iterable[str] = ("judge",)) -> Iterator[ApiUse]:
    """The API that a judge asks, in each of some stages.

    Args:
        spec: Its settings.
        key: Its place in the study file.
        stages: Names of the stages that ask it.
    """
    if spec is not None and asks_api(spec):
        for stage in stages:
            yield ApiUse(stage, f"{key}.name = {spec.name!r}", str(spec.model), served=spec.engine == "engine_api")


def judge_models(spec: JudgeSpec | None, key: str, stages: Iterable[str] = ("judge",)) -> Iterator[LocalModel]:
    """The model that a judge computes with in the process of each of some stages; see `judge_apis`."""
    if spec is not None and asks_model(spec) and not asks_api(spec):
        for stage in stages:
            yield LocalModel(stage, f"{key}.model", str(spec.model))


def judge_uses(spec: JudgeSpec | None, key: str, chats: Callable[[], Iterator[GivenChat]]) -> Iterator[ModelUse]:
    """The model that a judge computes with, as one that must take the judge's questions about all answers.

    Args:
        spec: Its settings.
        key: Its place in the study file.
        chats: Yields the chats whose answers are judged; the user's turn of each is shown to the judge.
    """
    if spec is None or not asks_model(spec) or asks_api(spec) or not spec.model:
        return
    from inoc.judge.asking import judging_model
    from inoc.world import MAX_TOKENS

    asked = partial(_questions, spec, key, chats)
    model = judging_model(spec)
    yield ModelUse(
        f"{key}.model",
        model,
        chats=asked,
        chooses=f"{key}.engine: transformers",
        judges=True,
        positions=MAX_TOKENS if spec.model == "world" else None,
    )


def _questions(spec: JudgeSpec, key: str, chats: Callable[[], Iterator[GivenChat]]) -> Iterator[GivenChat]:
    """Questions to a judge about answers of the maximum length, each once."""
    from inoc.judge.asking import ANSWER_TOKENS, asked_chat
    from inoc.judge.category import sorting_of
    from inoc.judge.item import JudgeItem
    from inoc.judge.llm import question_of, rating_prompt

    seen = set[tuple[str, int]]()
    for one in chats():
        longest = one.new_tokens + one.unknown_tokens
        if (one.chat.user, longest) in seen:
            continue
        seen.add((one.chat.user, longest))
        item = JudgeItem(one.chat.user, "")
        if spec.name == "category":
            prompt = sorting_of(spec).prompt(item)
        else:
            prompt = rating_prompt(question_of(spec), int(spec.scale.partition("-")[2]), item)
        where = f"the question of {key} about an answer to {one.where}"
        yield GivenChat(where, asked_chat(*prompt), key, unknown_tokens=longest + ANSWER_TOKENS)


def absent_identifier(spec: JudgeSpec, key: str) -> Iterator[str]:
    """The problem that a judge of languages has where nothing identifies them.

    Args:
        spec: Its settings.
        key: Its place in the study file.
    """
    if spec.name == "language" and find_spec("lingua") is None:
        yield f"{key}.name = 'language': {MissingExtraError('lingua', 'judge')}"


def _read_markers(path: Path, version: int) -> object:
    from inoc.judge.lexical import LexicalJudge, read_markers

    return LexicalJudge(read_markers(str(path)), 1.0, version)


def _read_names(path: Path, spec: JudgeSpec) -> object:
    from inoc.judge.names import NamesJudge, read_names

    return NamesJudge(read_names(path), spec.rule, spec.counted)


def _read_python(path: Path, spec: JudgeSpec) -> object:
    from inoc.judge.custom import PythonJudge

    return PythonJudge(path)
