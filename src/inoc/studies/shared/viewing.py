"""Parts of the site's lists that several kinds of study have: scores of judges, and the tokens of scored answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from inoc.judge.evidence import rating_words
from inoc.judge.item import JudgeItem
from inoc.tables import read_table
from inoc.view.declare import Column, Kept, Source, Text, TokenBlocks, TokenRows

if TYPE_CHECKING:
    from inoc.config.judge_spec import JudgeSpec
    from inoc.config.models import ModelSpec
    from inoc.jobs.paths import Paths

MOST_ANSWERS = 600
"""Answers whose tokens are on the site, the first ones of the table."""
_DETAILS = {
    "mass": ("mass on the scale", "probability of the judge's tokens that are numbers of its scale"),
    "lo": ("score at least", "if the rest of the probability were all on 0"),
    "hi": ("score at most", "if the rest of the probability were all on the highest number"),
    "why_nan": ("why not scored", "reason for which the judge gave no score"),
    "category": ("category", "as the judge sorted the response"),
    "exact": ("exact answer", "the name that the response consists of"),
}


def read_shards(paths: Iterable[Path], job: str, columns: list[str] | None = None) -> pd.DataFrame:
    """The rows of all shards that are there, each with the job that made it in the column `made_by`.

    Args:
        paths: Files that end in the number of their shard, or lie in a folder whose name is that number.
        job: Name of the jobs without that number.
        columns: Which to read; default: all.
    """
    parts = []
    for path in sorted(paths, key=lambda path: (len(path.name), path.name)):
        number = re.findall(r"\d+", path.stem if path.stem[-1:].isdigit() else path.parent.name)
        parts.append(read_table(path, columns).assign(made_by=f"{job}-{number[-1] if number else 0}"))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def with_scores(
    rows: pd.DataFrame, scores: pd.DataFrame, keys: Sequence[str], labels: Mapping[str, str]
) -> pd.DataFrame:
    """Rows with the scores of each trait beside them, in columns `score.<trait>`, `category.<trait>` and so on.

    Args:
        rows: Completions.
        scores: Of the stage `judge`, a row per completion and trait.
        keys: Columns that identify a completion in both.
        labels: Traits to take.
    """
    for trait in labels:
        own = scores[scores["trait"] == trait]
        if own.empty:
            continue
        names = {"score": f"score.{trait}"}
        names |= {name: f"{name}.{trait}" for name in _DETAILS if name in own and not _blank(own[name])}
        taken = own[[*keys, *names]].rename(columns=names).drop_duplicates(list(keys))
        rows = rows.merge(taken.assign(_judged=True), how="left", on=list(keys))
        # What was not judged is no failed measurement.
        score = rows[f"score.{trait}"].astype(object)
        rows[f"score.{trait}"] = score.where(rows["_judged"].notna(), None)
        rows = rows.drop(columns="_judged")
    return rows


def _blank(values: pd.Series) -> bool:
    return bool((values.isna() | (values.astype(str) == "")).all())


def score_columns(scores: pd.DataFrame, labels: Mapping[str, str]) -> list[Column]:
    """The columns that `with_scores` adds.

    Args:
        scores: Of the stage `judge`.
        labels: Trait → its name.
    """
    found = []
    for trait, label in labels.items():
        own = scores[scores["trait"] == trait]
        if own.empty:
            continue
        judge = f"judge {own['judge'].iloc[0]}, version {own['judge_version'].iloc[0]}"
        found.append(Column(f"score.{trait}", label, f"{judge}; 0 to 100, NaN where it could not tell", score=True))
        for name, (words, text) in _DETAILS.items():
            if name in own and not _blank(own[name]):
                found.append(Column(f"{name}.{trait}", f"{label}: {words}", text, listed=name == "category"))
    return found


def with_judges_words(rows: pd.DataFrame, judges: Mapping[str, JudgeSpec], kept: Kept) -> pd.DataFrame:
    """Rows with the very answers of judges behind an API, in columns `judge.<trait>`, where these are kept.

    Args:
        rows: Completions, with the columns instruction and completion.
        judges: Trait → its judge.
        kept: Answers of APIs.
    """
    found = {}
    for trait, spec in judges.items():
        if spec.name != "llm" or spec.engine not in kept.folders:
            continue
        items = [JudgeItem(*pair) for pair in zip(rows["instruction"], rows["completion"], strict=True)]
        words = rating_words(spec, items, kept.base_urls[spec.engine], kept.folders[spec.engine])
        if any(words):
            found[f"judge.{trait}"] = words
    return rows.assign(**found)


def judge_texts(judges: Mapping[str, JudgeSpec], labels: Mapping[str, str]) -> list[Text]:
    """The columns of texts that `with_judges_words` may add."""
    return [Text(f"judge.{trait}", "note", f"Answer of the judge of {labels[trait]}") for trait in judges]


def token_blocks(paths: Sequence[Path], spec: ModelSpec, world: Path, texts: Mapping[str, str]) -> TokenBlocks:
    """Token values of the stage `score`.

    Args:
        paths: All shards of `score/logprobs-<shard>.parquet`.
        spec: The model that scored.
        world: Folder of the miniature model.
        texts: Answer, as `dataset/example_id` → its text, in the order of the list.
    """
    first = pq.read_table(paths[0], columns=["dataset", "example_id", "n_tokens"]) if paths else None
    if first is None or not any(_has_values(path) for path in paths):
        return TokenBlocks([], lambda answers: TokenRows(pd.DataFrame(columns=["answer"]), {}))
    known = set(_answers(first.to_pandas()))
    answers = [answer for answer in texts if answer in known][:MOST_ANSWERS]
    frame = _values(paths, set(answers))
    by_answer = dict(list(frame.groupby("answer", sort=False)))
    pieces = token_pieces(spec, world, {answer: texts[answer] for answer in answers})

    def read(wanted: list[str]) -> TokenRows:
        rows = pd.concat([by_answer[answer] for answer in wanted if answer in by_answer], ignore_index=True)
        lengths = {answer: len(values) for answer, values in zip(rows["answer"], rows["logprobs"], strict=True)}
        # Tokens of the text by itself; where the chat splits it otherwise, the page numbers them.
        fitting = {one: pieces[one] for one in wanted if one in pieces and len(pieces[one]) == lengths.get(one)}
        return TokenRows(rows, fitting)

    return TokenBlocks(answers, read)


def _has_values(path: Path) -> bool:
    file = pq.ParquetFile(path)
    if "logprobs" not in file.schema_arrow.names or not file.metadata.num_row_groups:
        return False
    return bool(len(pc.list_flatten(file.read_row_group(0, columns=["logprobs"])["logprobs"].drop_null())))


def _answers(frame: pd.DataFrame) -> pd.Series:
    return frame["dataset"].astype(str) + "/" + frame["example_id"].astype(str)


def _values(paths: Sequence[Path], answers: set[str]) -> pd.DataFrame:
    """Rows of some answers: answer, condition (prompt and prefix) and logprobs, those without a prefix first."""
    parts = []
    ids = {answer.partition("/")[2] for answer in answers}
    for path in paths:
        table = pq.read_table(path, filters=[("example_id", "in", ids)])
        frame = table.select(["prompt", "prefix", "dataset", "example_id", "logprobs"]).to_pandas()
        prompt, prefix = frame["prompt"].astype(str), frame["prefix"].astype(str)
        condition = np.where(prompt == "", "", prompt + " (" + prefix + ")")
        parts.append(pd.DataFrame({"answer": _answers(frame), "condition": condition, "logprobs": frame["logprobs"]}))
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[rows["answer"].isin(answers) & rows["logprobs"].notna()]
    return rows.drop_duplicates(["answer", "condition"]).sort_values(["answer", "condition"], kind="stable")


def token_pieces(spec: ModelSpec, world: Path, texts: Mapping[str, str]) -> dict[str, list[str]]:
    """Texts of the tokens of answers; none if the tokenizer of the model is not on this machine.

    Args:
        spec: The model.
        world: Folder of the miniature model.
        texts: Answer → its text.
    """
    path = _tokenizer_file(spec, world)
    if path is None:
        return {}
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    encoded = tokenizer.encode_batch(list(texts.values()), add_special_tokens=False)
    return {
        answer: cut(text, [stop for _, stop in tokens.offsets])
        for (answer, text), tokens in zip(texts.items(), encoded, strict=True)
    }


def cut(text: str, stops: Sequence[int]) -> list[str]:
    """A text cut behind each token; of tokens that share a character, the first has it."""
    found, at = [], 0
    for number, stop in enumerate(stops):
        stop = len(text) if number == len(stops) - 1 else max(at, stop)
        found.append(text[at:stop])
        at = stop
    return found


def _tokenizer_file(spec: ModelSpec, world: Path) -> Path | None:
    folder = world if spec.path == "world" else Path(spec.path)
    if folder.is_dir():
        path = folder / "tokenizer.json"
        return path if path.is_file() else None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(spec.path, "tokenizer.json", revision=spec.revision)
    return Path(found) if isinstance(found, str) else None


def bad_rows(paths: Paths, stages: Sequence[str]) -> Iterator[Source]:
    """The list of rows of files that are not used as they are, if any stage wrote one.

    Args:
        paths: Results of the study.
        stages: Stages that read files.
    """
    files = [path for stage in stages for path in sorted(paths.stage(stage).rglob("bad*rows*.parquet"))]
    if not files:
        return

    def read() -> pd.DataFrame:
        parts = [read_table(path).assign(made_by=path.relative_to(paths.stage("")).parts[0]) for path in files]
        return pd.concat(parts, ignore_index=True)

    yield Source(
        "bad_rows",
        "Rows that are not used as they are",
        "Rows of files that are broken, empty or too long, and what was done with them.",
        read,
        ("made_by", "dataset", "row_id", "where", "problem"),
        (
            Column("dataset"),
            Column("problem"),
            Column("done"),
            Column("where"),
            Column("row_id", "row"),
            Column("made_by", "made by"),
        ),
        (Text("reason", "answer", "reason"),),
        dropped="problem",
    )
