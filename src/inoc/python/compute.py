"""`inoc.score`, `inoc.judge` and `inoc.read`: what the stages of these names compute, for texts of one's own.

Nothing is kept: the store and the results of studies are neither read nor written, except for the answers of judges
behind an API, which cost money.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import pandas as pd
from pydantic import ValidationError

from inoc.chat.messages import Framing, compose
from inoc.config.judge_spec import JudgeSpec
from inoc.config.models import Model, ModelSpec
from inoc.errors import ConfigError, DataError

if TYPE_CHECKING:
    from inoc.engines.transformers import TransformersEngine
    from inoc.jobs.job import Job

M = TypeVar("M", bound=Model)
Texts = Sequence[str] | Sequence[tuple[str, str]] | pd.DataFrame
"""Responses alone, pairs of instruction and response, or a frame with the columns `instruction` and `completion`."""
ModelName = str | Path | Mapping[str, Any] | ModelSpec
"""A model's folder or hub id, or a section `model` of a study file, as a mapping or as `Results.study.model`."""
JudgeName = str | Mapping[str, Any] | JudgeSpec
"""A judge's name, or a section `judge` of a study file."""
Placement = Literal["user", "system"]

BATCH_TOKENS = 8192


def score(
    model: ModelName,
    texts: Texts,
    prefixes: Sequence[str] = ("",),
    *,
    placement: Placement = "user",
    separator: str = " ",
    end_of_turn: Literal["include", "exclude"] = "exclude",
    batch_tokens: int = BATCH_TOKENS,
) -> pd.DataFrame:
    """Log-probability of each token of responses, behind each of some prefixes.

    Args:
        model: The model. It stays in memory until another one is asked for.
        texts: Responses with their instructions; those that are given alone answer an empty user turn.
        prefixes: Texts in front of each instruction; the empty one is no prefix.
        placement: `user`: the prefix is in the user's turn; `system`: it is the system turn.
        separator: Text between a prefix and an instruction in the user's turn.
        end_of_turn: Whether what the chat template puts after the response is scored too.
        batch_tokens: Maximum number of tokens of a batch. It may change the last digits.

    Returns:
        A row per prefix and text, prefix by prefix: `prefix`; `text`, its position from 0; `n_tokens`; `mean`, nats
        per response token, NaN for an empty response; `logprobs`, float32, nats, shape (n_tokens,).

    Raises:
        ConfigError: If `model` is not a model's section.
        ModelError: If the model cannot be had.
        DataError: If the chat template changes a response, or a chat is longer than the model can read.
    """
    from inoc.chat.render import render

    engine, spec = _engine(model)
    if spec.compute != "dtype":
        msg = f"model.compute {spec.compute!r}: is for the stages of a study; accepted here: dtype"
        raise ConfigError(msg)
    framing = Framing(spec.system, placement, separator)
    pairs = _pairs(texts)
    parts = []
    for prefix in [prefixes] if isinstance(prefixes, str) else prefixes:
        chats = [compose(framing, prefix, *pair) for pair in pairs]
        values = engine.logprobs(render(engine.tokenizer, chats, end_of_turn), batch_tokens)
        means = [float(one.mean(dtype=np.float64)) if len(one) else float("nan") for one in values]
        columns = {"prefix": prefix, "text": range(len(pairs)), "n_tokens": [len(one) for one in values]}
        parts.append(pd.DataFrame({**columns, "mean": means, "logprobs": pd.Series(values, dtype=object)}))
    if not parts:
        raise ConfigError('prefixes []: at least one is needed; "" scores without a prefix')
    return pd.concat(parts, ignore_index=True)


def read(
    model: ModelName,
    texts: Texts,
    sites: Sequence[str],
    readouts: Sequence[str] = ("response_mean",),
    *,
    prefix: str = "",
    placement: Placement = "user",
    separator: str = " ",
    batch_tokens: int = BATCH_TOKENS,
) -> dict[str, np.ndarray]:
    """Activations of a model on chats, at named sites.

    Args:
        model: As for `score`.
        texts: As for `score`.
        sites: `embed`, or `resid_post.0` and so on: after that block.
        readouts: `prompt_last`, `prompt_mean`, `response_first`, `response_last`, `response_mean` or `turn_boundary`;
            docs/read.md defines them.
        prefix: Text in front of each instruction.
        placement: As for `score`.
        separator: As for `score`.
        batch_tokens: As for `score`.

    Returns:
        Site → float32, shape (texts, read-outs, width). NaN where a read-out has no token, as the mean of an empty
        response.

    Raises:
        ConfigError: If a site or a read-out does not exist, or `model` is not a model's section.
        ModelError: If the model cannot be had, or its activations cannot be read.
        DataError: As for `score`.
    """
    from inoc.chat.render import render
    from inoc.engines.reading import Reader
    from inoc.engines.readouts import check_readouts

    check_readouts([readouts] if isinstance(readouts, str) else readouts)
    engine, spec = _engine(model)
    framing = Framing(spec.system, placement, separator)
    chats = [compose(framing, prefix, *pair) for pair in _pairs(texts)]
    rendered = render(engine.tokenizer, chats, "exclude")
    named: Any = ([readouts] if isinstance(readouts, str) else readouts, [sites] if isinstance(sites, str) else sites)
    return Reader(engine.causal).submit(rendered, named[1], named[0], batch_tokens)()


def judge(texts: Texts, judge: JudgeName, *, config: str | Path = "config") -> pd.DataFrame:
    """Scores of a judge.

    Args:
        texts: Responses with their instructions; those that are given alone have an empty one.
        judge: The judge. One that asks a language model needs the mapping, with `model` and so on.
        config: Folder of `config.yaml`, which says where APIs and the store of their answers are; read only for
            judges that ask a language model.

    Returns:
        A row per text: `text`, its position from 0; `judge`; `judge_version`; `score`, 0 to 100, NaN if the judge could
        not tell or gives categories only. Judges add columns: docs/judge.md lists them.

    Raises:
        ConfigError: If `judge` is not a judge's section.
        JudgeError: If there is no such judge, or it lacks a setting.
        ApiError: If an API could not be asked.
    """
    from inoc.judge.judges import make_judge
    from inoc.judge.step import score_table

    spec = _section(JudgeSpec, judge if isinstance(judge, JudgeSpec) else _named("name", judge), "judge")
    rows = pd.DataFrame(_pairs(texts), columns=["instruction", "completion"])
    rows.insert(0, "text", range(len(rows)))
    with tempfile.TemporaryDirectory() as scratch:
        job = _job(Path(config), Path(scratch)) if spec.name in ("llm", "category") else None
        return score_table(rows, "", make_judge(spec, job=job), ["text"]).drop(columns="trait")


def _job(config: Path, scratch: Path) -> Job:
    """A job for judges that ask a model: it keeps answers in the store, and its progress nowhere."""
    from inoc.config.load import load_workflow
    from inoc.jobs.job import Job
    from inoc.jobs.make import store_folder
    from inoc.jobs.paths import Paths
    from inoc.store import Store

    workflow = load_workflow(config / "config.yaml")
    return Job(
        "python",
        Paths(scratch, "python"),
        Store(store_folder(workflow)),
        "judge",
        api_spec=workflow.api,
        engine_api_spec=workflow.engine_api or workflow.api,
    )


def _pairs(texts: Texts) -> list[tuple[str, str]]:
    """Pairs of instruction and response.

    Raises:
        DataError: If something is neither.
    """
    if isinstance(texts, pd.DataFrame):
        absent = [name for name in ("instruction", "completion") if name not in texts]
        if absent:
            raise DataError(f"texts: the frame has no column {absent[0]!r}; accepted: instruction and completion")
        return list(zip(texts["instruction"], texts["completion"], strict=True))
    if isinstance(texts, str):
        raise DataError(f"texts {texts[:40]!r}: accepted: a list of texts, of pairs, or a frame")
    return [_pair(one, at) for at, one in enumerate(texts)]


def _pair(one: object, at: int) -> tuple[str, str]:
    found = ("", one) if isinstance(one, str) else tuple(one) if isinstance(one, Sequence) else ()
    if len(found) == 2 and isinstance(found[0], str) and isinstance(found[1], str):
        return found[0], found[1]
    raise DataError(f"texts[{at}] is {one!r}; accepted: a response, or a pair of instruction and response")


def _named(key: str, value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else {key: str(value)}


def _section(kind: type[M], value: object, name: str) -> M:
    """A section of a study file.

    Raises:
        ConfigError: With its first problem.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([name, *map(str, first["loc"])])
        raise ConfigError(f"{place}: {first['msg']}, and it is {first['input']!r}") from None


def _engine(model: ModelName) -> tuple[TransformersEngine, ModelSpec]:
    """The model in memory, with its settings."""
    spec = _section(ModelSpec, model if isinstance(model, ModelSpec) else _named("path", model), "model")
    if spec.path == "world":
        raise ConfigError("model.path 'world' has no folder here; use that of a study: inoc.load(study).model")
    return _loaded().get((spec.model_dump_json(),), lambda: _load(spec)), spec


def _load(spec: ModelSpec) -> TransformersEngine:
    from inoc.chat.template import TemplateSettings
    from inoc.engines.identity import ModelIdentity, locate
    from inoc.engines.model_files import own_stops
    from inoc.engines.transformers import TransformersEngine

    folder = locate(spec, Path())
    settings = TemplateSettings(spec.template_date, spec.thinking, spec.fold_system)
    # Without digests: nothing goes into the store.
    identity = ModelIdentity(
        folder, "", "", spec.dtype, spec.chat_template, spec.quantization, spec.path, own_stops(folder), settings
    )
    return TransformersEngine(identity)


@cache
def _loaded() -> Any:
    from inoc.engines.load import Kept

    return Kept()
