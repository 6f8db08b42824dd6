"""`inoc.load`: tables, completions and transcripts of a study."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import inoc
from inoc.errors import ConfigError, DataError
from inoc.jobs.paths import Paths
from inoc.python.found import table_name
from inoc.tables import read_table
from support.computed import computed


@pytest.fixture(scope="module")
def root(tiny_folder, tmp_path_factory):
    return computed(tmp_path_factory.mktemp("python"), tiny_folder)


@pytest.fixture
def results(root, monkeypatch):
    monkeypatch.chdir(root)
    return inoc.load("toy")


def test_the_package_alone_imports_nothing_that_takes_time():
    code = "import inoc, sys; print(*(x for x in ('numpy', 'pandas', 'torch', 'pydantic') if x in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_only_the_public_names_are_listed_and_others_are_refused():
    assert set(dir(inoc)) == {"Results", "__version__", "judge", "load", "read", "score"}
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = inoc.lod


def test_a_stage_is_a_package_and_a_function():
    import inoc.score.step as step

    assert callable(inoc.score)
    assert inoc.score.step is step


def test_tables_are_named_by_stage_and_read_as_they_are(results, root):
    assert results.tables()[:2] == ["generate/controls", "generate/eval"]
    assert {"elicit/completions", "judge/elicit", "rephrase/pools"} <= set(results.tables())
    path = Paths(root / "results", "toy").completions("elicit", 0)
    pd.testing.assert_frame_equal(results.table("elicit/completions").drop(columns="shard"), read_table(path))


@given(st.lists(st.sampled_from(["own", "other"]), max_size=1), st.sampled_from(["a", "b_c"]), st.integers(0, 99))
def test_shards_are_told_from_names(parts, last, shard):
    name = "/".join([*parts, last])
    assert table_name(Path(*parts, f"{last}-{shard}.parquet")) == (name, shard)
    assert table_name(Path(*parts, str(shard), f"{last}.parquet")) == (name, shard)
    assert table_name(Path(*parts, f"{last}.parquet")) == (name, None)


def test_completions_have_the_scores_of_their_judges(results):
    found = results.completions()
    asked = found[found["source"] == "elicit/completions"]
    judged = results.scores()
    assert len(asked) == len(judged) == len(results.table("judge/elicit"))
    np.testing.assert_allclose(sorted(asked["score.playful"]), sorted(judged["score"]))
    assert found.loc[found["source"] == "generate/controls", "score.playful"].isna().all()
    assert found.loc[found["source"] == "generate/controls", "prefix_text"].isna().all()


def test_transcripts_are_the_chats_that_were_asked(results):
    found = results.transcripts()
    for row in found.itertuples():
        assert row.as_asked == (row.source == "elicit/completions")
        assert row.messages[-1] == {"role": "assistant", "content": row.completion}
        if row.as_asked:
            text = f"{row.prefix_text} {row.instruction}" if row.prefix_text else row.instruction
            assert row.messages[:-1] == [{"role": "user", "content": text}]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("score/logprobs", "no table of the stage score of toy is computed in results/toy. Run: inoc score toy"),
        ("suppression", "no table of the stage analyse of toy is computed"),
        ("elicit/completion", "toy has no table 'elicit/completion' (did you mean"),
        ("nothing/such", "accepted: generate/controls"),
    ],
)
def test_a_table_that_is_not_there_is_told_with_what_to_do(results, name, says):
    with pytest.raises(DataError, match=re.escape(says)):
        results.table(name)


def test_a_study_of_which_nothing_is_computed_is_refused(results, tmp_path):
    with pytest.raises(DataError, match="nothing of the study toy is computed"):
        inoc.load("toy", results=tmp_path)
    with pytest.raises(ConfigError, match="did you mean"):
        inoc.load("tom")


def test_chats_of_imported_results_are_not_said_to_be_as_asked(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(computed(tmp_path, tiny_folder))
    imports = tmp_path / "results" / "toy" / "imports"
    imports.mkdir()
    (imports / "findings.json").write_text("[]")
    found = inoc.load("toy").transcripts()
    assert not found["as_asked"].any()
    asked = found[found["prefix_text"].fillna("") != ""]
    assert all(row.messages[0]["content"].startswith(row.prefix_text) for row in asked.itertuples())
