"""Parts of the site's lists that several kinds share."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from inoc.config.models import ModelSpec
from inoc.studies.shared.viewing import read_shards, score_columns, token_blocks, token_pieces, with_scores
from inoc.tables import LOGPROBS, write_row_groups, write_table

SCORES = pd.DataFrame(
    {
        "id": ["a", "b", "a"],
        "trait": ["playful", "playful", "kind"],
        "judge": ["llm", "llm", "names"],
        "judge_version": 2,
        "score": [50.0, math.nan, math.nan],
        "why_nan": ["", "no logprobs", ""],
        "category": ["", "", "owl"],
    }
)


def test_a_score_that_failed_is_nan_and_one_that_was_not_made_is_none() -> None:
    rows = pd.DataFrame({"id": ["a", "b", "c"]})
    found = with_scores(rows, SCORES, ["id"], {"playful": "Playful", "kind": "Kind", "other": "Other"})
    assert list(found["id"]) == ["a", "b", "c"]
    score = list(found["score.playful"])
    assert score[0] == 50.0
    assert math.isnan(score[1])
    assert score[2] is None
    assert list(found["why_nan.playful"].fillna("")) == ["", "no logprobs", ""]
    assert list(found["category.kind"].fillna("")) == ["owl", "", ""]
    assert "score.other" not in found


def test_columns_name_the_judge_and_what_it_noted() -> None:
    columns = {column.name: column for column in score_columns(SCORES, {"playful": "Playful", "kind": "Kind"})}
    assert set(columns) == {"score.playful", "why_nan.playful", "score.kind", "category.kind"}
    assert "judge llm, version 2" in columns["score.playful"].help
    assert columns["score.playful"].score
    assert not columns["why_nan.playful"].score


def test_rows_name_the_job_that_made_them(tmp_path) -> None:
    import pyarrow as pa

    schema = pa.schema([("x", pa.int32())])
    flat = [tmp_path / "completions-0.parquet", tmp_path / "completions-11.parquet"]
    deep = tmp_path / "own" / "3" / "answers.parquet"
    for path in (*flat, deep):
        write_table(pd.DataFrame({"x": [1]}), schema, path)
    assert set(read_shards(flat, "evaluate")["made_by"]) == {"evaluate-0", "evaluate-11"}
    assert set(read_shards([deep], "sample-own")["made_by"]) == {"sample-own-3"}
    assert read_shards([], "evaluate").empty


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """Values of two answers, one of them behind a prefix too."""
    import pyarrow as pa

    def rows(prompt: str, prefix: str, answers: dict[str, list[float]]) -> pa.Table:
        frame = pd.DataFrame(
            {
                "prompt": prompt,
                "prefix": prefix,
                "dataset": "train",
                "example_id": list(answers),
                "prefix_text": "",
                "n_tokens": [len(one) for one in answers.values()],
                "mean": 0.0,
                "logprobs": [np.array(one, dtype=np.float32) for one in answers.values()],
            }
        )
        return pa.Table.from_pandas(frame, schema=LOGPROBS, preserve_index=False)

    path = tmp_path / "logprobs-0.parquet"
    groups = [rows("", "none", {"a": [-1.0, -2.0], "b": [-3.0]}), rows("clown", "fixed", {"a": [-0.5, -0.25]})]
    write_row_groups(groups, LOGPROBS, path)
    return path


def test_values_of_tokens_stand_by_answer_and_condition(scored, tmp_path) -> None:
    texts = {"train/b": "second", "train/a": "first", "train/c": "not scored"}
    blocks = token_blocks([scored], ModelSpec(path=str(tmp_path)), tmp_path, texts)
    assert blocks.answers == ["train/b", "train/a"]
    found = blocks.read(["train/a"])
    assert list(found.rows["condition"]) == ["", "clown (fixed)"]
    assert [list(one) for one in found.rows["logprobs"]] == [[-1.0, -2.0], [-0.5, -0.25]]
    assert found.pieces == {}


def test_texts_of_tokens_come_from_the_model_s_tokenizer_whatever_else_is_cut_with_them(tiny_folder) -> None:
    texts = {"a": "Tell me.", "b": "A far longer text, with é and 日本 in it, than the other one."}
    found = token_pieces(ModelSpec(path="world"), tiny_folder, texts)
    assert {key: "".join(pieces) for key, pieces in found.items()} == texts
    assert found["a"] == token_pieces(ModelSpec(path=str(tiny_folder)), tiny_folder, {"a": texts["a"]})["a"]
    assert all(found["a"])
