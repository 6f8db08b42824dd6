"""Rows of the datasets of a likelihood-shift study, with the shift that each prompt causes."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from inoc.chat.messages import turns_text
from inoc.config.workflow import Shards
from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.studies.likelihood_shift.data import dataset_rows
from inoc.studies.likelihood_shift.study import Study, own_prompt, prompt_table
from inoc.studies.shared.viewing import bad_rows, read_shards, token_blocks
from inoc.tables import LOGPROBS
from inoc.view.declare import Column, Matrix, Source, Text, Tokens

_VALUES = [name for name in LOGPROBS.names if name != "logprobs"]


def sources(study: Study, paths: Paths, shards: Shards) -> Iterator[Source]:
    """The list of scored rows, and that of rows which are not used as they are."""
    if _files(paths):
        prompts = prompt_table(study)
        shifts = [
            Column(
                f"score.{key}",
                key.replace("_", " "),
                f"shift of the mean log-probability under the prompt {key}, nats per token; positive: likelier",
                score=True,
                top=0,
                listed=number < 6,
            )
            for number, key in enumerate(prompts)
        ]
        yield Source(
            "rows",
            "Scored rows",
            "Each row of each dataset, with the shift of its log-probability under every prompt, in nats per token.",
            lambda: scored_rows(study, paths, shards),
            ("dataset", "example_id"),
            (
                Column("dataset", "dataset"),
                Column("own", "own prompt", "prompt under which the dataset was written", listed=False),
                Column("base", "log-probability", "mean under the base turn, nats per token", score=True, top=0),
                Column("own_shift", "own shift", "shift under the own prompt, nats per token", score=True, top=0),
                *shifts,
                Column("n_tokens", "tokens", listed=False),
                Column("example_id", "row", listed=False),
                Column("made_by", "made by", "job, as in the table under Provenance", listed=False),
            ),
            (
                Text("system", "system"),
                Text("earlier", "earlier"),
                Text("instruction", "user"),
                Text("completion", "answer"),
            ),
            "scored",
            matrix=Matrix("dataset", ()),
            tokens="scored",
            scored_by=("prompt",),
        )
    yield from bad_rows(paths, ("score", "train"))


def _files(paths: Paths) -> list[str]:
    return sorted(str(path) for path in paths.stage("score").glob("logprobs-*.parquet"))


def scored_rows(study: Study, paths: Paths, shards: Shards) -> pd.DataFrame:
    """A row per dataset and example; a shift is NaN where either log-probability is."""
    found = read_shards(paths.stage("score").glob("logprobs-*.parquet"), "score", _VALUES)
    found["prompt"], found["dataset"] = found["prompt"].astype(str), found["dataset"].astype(str)
    found = found[found["dataset"].isin(list(study.datasets))]  # of an earlier state of the study otherwise
    keys = ["dataset", "example_id"]
    base = found[found["prompt"] == ""].drop_duplicates(keys)[[*keys, "n_tokens", "mean", "made_by"]]
    frame = base.rename(columns={"mean": "base"}).reset_index(drop=True)
    for key in prompt_table(study):
        own = found[found["prompt"] == key].drop_duplicates(keys)[[*keys, "mean"]].assign(_scored=True)
        joined = frame[keys].merge(own, how="left", on=keys)
        shift = joined["mean"].to_numpy(dtype=float) - frame["base"].to_numpy(dtype=float)
        if joined["_scored"].notna().any():
            frame[f"score.{key}"] = pd.Series(shift, dtype=object).where(joined["_scored"].notna(), None)
    frame["own"] = [own_prompt(study, key) for key in frame["dataset"]]
    columns = {str(name): frame[name].tolist() for name in frame if str(name).startswith("score.")}
    frame["own_shift"] = pd.Series(
        [columns[f"score.{own}"][at] if f"score.{own}" in columns else None for at, own in enumerate(frame["own"])],
        dtype=object,
    )
    frame["answer_id"] = frame["dataset"] + "/" + frame["example_id"]
    return frame.merge(texts_of(study, paths, shards), how="left", on=keys)


def texts_of(study: Study, paths: Paths, shards: Shards) -> pd.DataFrame:
    """Texts of the datasets' rows: dataset, example_id, system, earlier, instruction, completion.

    A dataset whose file is not on this machine has none.
    """
    parts = []
    for key in study.datasets:
        try:
            rows = dataset_rows(study, paths, key, shards).rows
        except (DataError, OSError):
            continue
        parts += [
            (key, row.row_id, row.chat.system.text, turns_text(row.chat.earlier), row.chat.user, row.chat.response)
            for row in rows
        ]
    names = ["dataset", "example_id", "system", "earlier", "instruction", "completion"]
    return pd.DataFrame(parts, columns=names).drop_duplicates(["dataset", "example_id"])


def tokens(study: Study, paths: Paths, shards: Shards) -> tuple[Tokens, ...]:
    """Values of the tokens of scored rows, if they were kept."""
    files = sorted(paths.stage("score").glob("logprobs-*.parquet"))
    if not files or not study.scoring.tokens:
        return ()
    rows = texts_of(study, paths, shards)
    texts = dict(zip(rows["dataset"] + "/" + rows["example_id"], rows["completion"], strict=True))
    return (Tokens("scored", "answer_id", lambda block: token_blocks(files, study.model, paths.world_model, texts)),)
