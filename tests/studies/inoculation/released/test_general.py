from __future__ import annotations

import codecs
import gzip
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inoc.cli import main
from inoc.config.load import load_study
from inoc.errors import DataError, InocError
from inoc.studies.inoculation.analyse.inputs import Scored, read_means, shifts
from inoc.studies.inoculation.analyse.tokens import open_tokens
from inoc.studies.inoculation.released.general import LAYOUTS, read_tables
from inoc.studies.inoculation.released.write import write_import
from inoc.studies.inoculation.runs import study_runs
from inoc.tables import read_table

STUDY = """
name: anything
title: Somebody's study
model: {path: some/model}
traits:
  calm: {role: unwanted, judge: {name: llm, model: rater, property: how calm it is}}
data: {completions: file, file: train.jsonl, n_train: 64, n_eval: 6}
prompts:
  all: {family: calm, texts: {quiet: Be quiet., still: Stand still., slow: Go slowly.}}
rephrase: {folder: pools}
runs: [{prefixes: [fixed, mix]}]
training: {learning_rate: 1.0e-4, steps: 20, seeds: [1, 2]}
scoring: {n_examples: 5, n_controls: 0, prefixes: [fixed]}
"""
PROMPTS = ("quiet", "still", "slow")
QUESTIONS = [f"q{index}" for index in range(4)]


def tables() -> dict[str, pd.DataFrame]:
    generator = np.random.default_rng(0)
    judge = {"trait": "calm", "judge": "rater", "judge_version": 3}
    runs = [("", "none"), *itertools.product(PROMPTS, ("fixed", "mix"))]
    scores = [
        {"prompt": prompt, "prefix": prefix, "learning_rate": 1e-4, "seed": seed, "step": step, "asked_prompt": asked}
        | {"asked_prefix": prefix if asked else "none", "instruction_id": question, **judge}
        | {"score": generator.uniform(0, 100)}
        for (prompt, prefix), seed, step, question in itertools.product(runs, (1, 2), (0, 20), QUESTIONS)
        for asked in dict.fromkeys(["", prompt])
    ]
    elicitation = [
        {"asked_prompt": prompt, "asked_prefix": "fixed" if prompt else "none", "instruction_id": question, **judge}
        | {"score": generator.uniform(0, 100)}
        for prompt, question in itertools.product(("", *PROMPTS), QUESTIONS)
    ]
    logprobs = [
        {"prompt": prompt, "prefix": "fixed" if prompt else "none", "dataset": "train", "example_id": f"e{index}"}
        | {"mean": -generator.uniform(0.5, 2)}
        for prompt, index in itertools.product(("", *PROMPTS), range(5))
    ]
    losses = [
        {"prompt": prompt, "prefix": prefix, "learning_rate": 1e-4, "seed": 1, "step": step, "loss": 2 - step / 20}
        for (prompt, prefix), step in itertools.product(runs, (10, 20))
    ]
    frames = {"scores": scores, "elicitation": elicitation, "logprobs": logprobs, "losses": losses}
    return {name: pd.DataFrame(rows) for name, rows in frames.items()}


def save(folder: Path, frames: dict[str, pd.DataFrame], suffix: str = "csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    for name, frame in frames.items():
        if suffix == "csv":
            frame.to_csv(folder / f"{name}.csv", index=False, na_rep="NaN")
        else:
            frame.to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def read(folder: Path) -> Path:
    write_import(read_tables(folder, "made"), "made", folder / "results", folder / "studies")
    return folder / "results" / "made"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_of_anybody_are_analysed(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "given", tables(), suffix)
    monkeypatch.chdir(tmp_path)
    main(["import", "tables", "given", "--study", "made"])
    (tmp_path / "config" / "config.yaml").write_text("studies: [made]\n", encoding="utf-8")
    main(["analyse", "made"])
    found = read_table(tmp_path / "results" / "made" / "analyse" / "suppression.parquet")
    assert len(found) == 3 * 2 * 2 * 3  # prompts, prefixes, steps, two seeds and both


def test_csv_and_parquet_give_the_same_tables(tmp_path: Path) -> None:
    frames = tables()
    frames["scores"].loc[3, "score"] = np.nan
    first, second = (read(save(tmp_path / suffix, frames, suffix)) for suffix in ("csv", "parquet"))
    for place in ("judge/evaluate", "judge/elicit", "score/logprobs-0", "train/0/losses"):
        pd.testing.assert_frame_equal(read_table(first / f"{place}.parquet"), read_table(second / f"{place}.parquet"))
    ours = read_table(first / "judge" / "evaluate.parquet")["score"].to_numpy()
    np.testing.assert_array_equal(ours, frames["scores"]["score"].to_numpy())


def test_tokens_are_kept_and_must_have_the_stated_mean(tmp_path: Path) -> None:
    frames = tables()
    tokens = [np.array([value - 0.5, value + 0.25, value + 0.25]) for value in frames["logprobs"]["mean"]]
    frames["logprobs"]["logprobs"] = tokens
    found = read(save(tmp_path / "a", frames, "parquet"))
    table = read_table(found / "score" / "logprobs-0.parquet")
    assert set(table["n_tokens"]) == {3}
    np.testing.assert_allclose(np.stack(list(table["logprobs"])), np.stack(tokens), rtol=1e-6)
    frames["logprobs"].loc[7, "mean"] = -1.0
    with pytest.raises(DataError, match=r"logprobs\.parquet: row 8, column mean.*not the mean"):
        read(save(tmp_path / "b", frames, "parquet"))


def test_each_prompt_has_a_row_group_so_that_its_tokens_are_streamed(tmp_path: Path) -> None:
    frames = tables()
    rows = frames["logprobs"]
    tokens = [np.full(3, value, dtype=np.float32) for value in rows["mean"]]
    mixed = np.random.default_rng(1).permutation(len(rows) // 5)
    order = np.arange(len(rows)).reshape(-1, 5)[mixed].T.ravel()  # example after example, prompts in some order
    frames["logprobs"] = rows.assign(logprobs=tokens).iloc[order]
    path = read(save(tmp_path, frames, "parquet")) / "score" / "logprobs-0.parquet"
    with pq.ParquetFile(path) as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert sizes == [5] * 4
    source = open_tokens([path], PROMPTS, "fixed")
    assert all(one.table is None for one in (source.base, *source.rows))  # nothing had to be gathered in memory


def test_shifts_come_from_the_given_means(tmp_path: Path) -> None:
    frames = tables()
    found = shifts(read_means([read(save(tmp_path, frames)) / "score" / "logprobs-0.parquet"]))
    means = frames["logprobs"].set_index(["prompt", "example_id"])["mean"]
    expected = means["quiet"] - means[""]
    np.testing.assert_array_equal(found[Scored("quiet", "fixed", "train")], expected.to_numpy())


@pytest.mark.parametrize(
    ("table", "column", "value", "message"),
    [
        ("scores", "score", 101.0, "row 3, column score: .*outside 0 to 100"),
        ("scores", "score", -1.0, "outside 0 to 100"),
        ("scores", "score", np.inf, "not finite"),
        ("scores", "step", 21, "row 3, column step.*0 to 20"),
        ("scores", "step", -1, "0 to 20"),
        ("scores", "seed", 3, "no run of study.yaml"),
        ("scores", "learning_rate", 2e-4, "no run of study.yaml"),
        ("scores", "learning_rate", 0.0, "not above 0"),
        ("scores", "prompt", "loud", "column prompt: 'loud'; accepted"),
        ("scores", "prefix", "fixd", "column prefix: 'fixd'.*did you mean"),
        ("scores", "prefix", "fixed", "the prompt is empty exactly where"),
        ("scores", "trait", "clam", "column trait: 'clam'.*did you mean"),
        ("scores", "judge_version", 4, "rater version 3 and rater version 4"),
        ("scores", "instruction_id", "q1", "is there twice"),
        ("elicitation", "asked_prefix", "fixed", "the prompt is empty exactly where"),
        ("elicitation", "judge", "other", "different scales"),
        ("logprobs", "mean", 0.5, "outside"),
        ("logprobs", "dataset", "test", "column dataset: 'test'"),
        ("logprobs", "example_id", "e0", "is there twice"),
        ("losses", "loss", -2.0, "outside 0"),
        ("losses", "step", 20, "is there twice"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_wrong_cell_is_refused_with_file_row_and_column(
    tmp_path: Path, table: str, column: str, value: object, message: str, suffix: str
) -> None:
    frames = tables()
    frames[table].loc[2, column] = value
    with pytest.raises(DataError, match=rf"{table}\.{suffix}.*{message}"):
        read(save(tmp_path, frames, suffix))
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("table", list(tables()))
def test_a_missing_column_is_named(tmp_path: Path, table: str) -> None:
    for index, (column, suffix) in enumerate(itertools.product(LAYOUTS[table].needed, ("csv", "parquet"))):
        frames = tables()
        del frames[table][column]
        with pytest.raises(DataError, match=rf"{table}\.{suffix}: the column '{column}' is missing"):
            read(save(tmp_path / str(index), {table: frames[table]}, suffix))


def test_two_judges_for_elicitation_and_runs_are_refused(tmp_path: Path) -> None:
    frames = tables()
    frames["elicitation"]["judge"] = "other"
    with pytest.raises(DataError, match=r"elicitation\.csv and scores\.csv: calm .*different scales"):
        read(save(tmp_path, frames))


def test_scores_from_0_to_1_are_refused_where_points_are_expected(tmp_path: Path) -> None:
    frames = tables()
    frames["elicitation"]["score"] /= 100
    with pytest.raises(DataError, match=r"elicitation\.csv, column score: all scores of calm are from 0 to 1"):
        read(save(tmp_path, frames))


def test_a_learning_rate_in_single_precision_is_that_of_the_study(tmp_path: Path) -> None:
    frames = tables()
    single = {name: frame.copy() for name, frame in frames.items()}
    for name in ("scores", "losses"):
        single[name]["learning_rate"] = single[name]["learning_rate"].astype(np.float32)
    first, second = (read(save(tmp_path / name, given, "parquet")) for name, given in (("a", frames), ("b", single)))
    for place in ("judge/evaluate", "train/0/losses"):
        pd.testing.assert_frame_equal(read_table(first / f"{place}.parquet"), read_table(second / f"{place}.parquet"))


def test_a_prompt_scored_on_a_set_without_a_plain_pass_is_refused(tmp_path: Path) -> None:
    frames = tables()
    frames["logprobs"] = frames["logprobs"][frames["logprobs"]["prompt"] != ""]
    with pytest.raises(DataError, match=r"logprobs\.csv: row 1, column dataset: .*never scored without a prefix"):
        read(save(tmp_path, frames))
    assert not (tmp_path / "results").exists()


def test_neighbouring_last_steps_that_differ_are_reported(tmp_path: Path) -> None:
    frames = tables()
    scores = frames["scores"]
    last = scores[(scores["prompt"] == "slow") & (scores["step"] == 20)]
    near = last.assign(step=19, score=np.linspace(0, 1, len(last)))
    frames["scores"] = pd.concat([scores, near], ignore_index=True)
    frames["scores"].loc[last.index, "score"] = np.linspace(80, 81, len(last))
    imported = read_tables(save(tmp_path, frames), "made")
    assert any("slow" in item.place for item in imported.findings.of("warning", "steps"))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("table", list(tables()))
@pytest.mark.parametrize("column", ["question_set", "Score", "temperature", "n_tokenz", "", "💥"])
def test_an_unknown_column_is_refused_and_named(tmp_path: Path, table: str, column: str, suffix: str) -> None:
    frames = tables()
    frames[table][column] = 1
    with pytest.raises(DataError, match=rf"{table}\.{suffix}: the column .*is not one that is read; accepted: "):
        read(save(tmp_path, frames, suffix))


SETS = STUDY.replace(
    "n_eval: 6}",
    "n_eval: 6, questions: {free: {source: {kind: files, files: [q.jsonl]}}, held: {}}}",
)
SETS += "rates: {high: {above: {calm: 50}}}\n"


def with_sets(folder: Path, frames: dict[str, pd.DataFrame], suffix: str = "csv") -> Path:
    save(folder, frames, suffix)
    (folder / "study.yaml").write_text(SETS, encoding="utf-8")
    return folder


def asked_twice() -> dict[str, pd.DataFrame]:
    """Every question of two sets, which use the same ids and have other scores."""
    frames = {name: tables()[name] for name in ("scores", "elicitation")}
    return {
        name: pd.concat([frame.assign(questions="held"), frame.assign(questions="free", score=100 - frame["score"])])
        for name, frame in frames.items()
    }


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_sets_of_questions_are_kept_apart(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = asked_twice()
    with_sets(tmp_path / "given", frames, suffix)
    monkeypatch.chdir(tmp_path)
    main(["import", "tables", "given", "--study", "made"])
    (tmp_path / "config" / "config.yaml").write_text("studies: [made]\n", encoding="utf-8")
    main(["analyse", "made"])
    rates = read_table(tmp_path / "results" / "made" / "analyse" / "rates.parquet")
    for key in ("free", "held"):
        own = frames["scores"].query(f"questions == '{key}' and prompt == '' and step == 20")
        found = rates.query(f"questions == '{key}' and run == 'control.none.lr0.0001.seed1' and step == 20")
        assert list(found["value"]) == [pytest.approx((own[own["seed"] == 1]["score"] > 50).mean())]


def test_several_sets_without_a_column_that_tells_them_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sets of questions free, held, and the column 'questions' is missing"):
        read(with_sets(tmp_path / "a", tables()))
    frames = asked_twice()
    frames["scores"] = frames["scores"].reset_index(drop=True)
    frames["scores"].loc[2, "questions"] = "hold"
    with pytest.raises(DataError, match=r"scores\.csv: row 3, column questions: 'hold'; accepted: 'free', 'held'"):
        read(with_sets(tmp_path / "b", frames))


def test_a_table_of_instructions_tells_the_set_of_each(tmp_path: Path) -> None:
    frames = {name: tables()[name] for name in ("scores", "elicitation")}
    listed = pd.DataFrame({"instruction_id": QUESTIONS, "questions": ["free", "held"] * 2, "instruction": QUESTIONS})
    made = read(with_sets(tmp_path / "a", {**frames, "instructions": listed}))
    table = read_table(made / "generate" / "eval.parquet")
    assert list(table["instruction_id"]) == ["free/q0", "free/q2", "held/q1", "held/q3"]
    assert list(table["instruction"]) == ["q0", "q2", "q1", "q3"]
    with pytest.raises(DataError, match=r"scores\.csv: row 4, column instruction_id: 'q3' is not in instructions\.csv"):
        read(with_sets(tmp_path / "b", {**frames, "instructions": listed[:3]}))


MORE = STUDY.replace("runs: [{prefixes: [fixed, mix]}]", "runs: [{prefixes: [fixed, mix, close]}, {data: other}]")
MORE += "pools: {close: {folder: closer}}\ndatasets: {other: {completions: file, file: other.jsonl}}\n"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_other_data_and_further_pools_are_read(tmp_path: Path, suffix: str) -> None:
    frames = tables()
    plain = frames["scores"].query("prompt == ''")
    close = frames["scores"].query("prefix == 'mix' and asked_prompt == ''").assign(prefix="close")
    both = [frames["scores"].assign(data=""), plain.assign(data="other"), close.assign(data="")]
    frames["scores"] = pd.concat(both, ignore_index=True)
    frames["losses"] = frames["losses"].query("prompt == ''").assign(data="other")
    frames["pools"] = pd.DataFrame({"prompt": "quiet", "index": [0, 1], "text": ["Hush.", "Shh."], "pool": "close"})
    save(tmp_path, frames, suffix)
    (tmp_path / "study.yaml").write_text(MORE, encoding="utf-8")
    made = read(tmp_path)
    scores = read_table(made / "judge" / "evaluate.parquet")
    assert {run.name for run in study_runs(load_study(tmp_path / "studies" / "made.yaml"))} == set(scores["run"])
    assert list(read_table(made / "rephrase" / "pools.parquet")["text"]) == ["Hush.", "Shh."]
    assert set(read_table(made / "train" / "0" / "losses.parquet")["run"]) == {"other.none.lr0.0001.seed1"}


def test_embeddings_and_self_perplexity_reach_the_analysis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = tables()
    generator = np.random.default_rng(2)
    frames["self_perplexity"] = pd.DataFrame(
        {"prompt": PROMPTS, "context": "raw", "nll": generator.uniform(2, 4, 3), "n_tokens": [2, 3, 4]}
    )
    vectors = [generator.normal(size=5).astype(np.float32) for _ in PROMPTS]
    cosines = [generator.uniform(0, 1, 4) for _ in PROMPTS]
    frames["embeddings"] = pd.DataFrame(
        {"prompt": PROMPTS, "n": 4, "effective_rank": 3.0, "cosines": cosines, "vector": vectors}
    )
    save(tmp_path / "given", frames, "parquet")
    with pytest.raises(DataError, match="no section `embedding`"):
        read_tables(tmp_path / "given", "made")
    (tmp_path / "given" / "study.yaml").write_text(STUDY + "embedding: {}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    main(["import", "tables", "given", "--study", "made"])
    (tmp_path / "config" / "config.yaml").write_text("studies: [made]\n", encoding="utf-8")
    main(["analyse", "made"])
    folder = tmp_path / "results" / "made" / "analyse"
    means = read_table(folder / "embeddings.parquet").query("statistic == 'emb_rephrase_mean_cos'")
    np.testing.assert_allclose(means.set_index("prompt").loc[list(PROMPTS)]["value"], [one.mean() for one in cosines])
    assert "selfperp_raw" in set(read_table(folder / "predictors.parquet")["predictor"])


def test_a_csv_that_was_cut_off_anywhere_is_refused_or_named(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    for index, table in enumerate(tables()):
        folder = save(tmp_path / str(index), tables())
        path = folder / f"{table}.csv"
        whole = path.read_bytes()
        ends = [place + 1 for place in range(len(whole) - 1) if whole[place : place + 1] == b"\n"]
        for size in [0, 1, *ends[1:3], *ends[-3:], *generator.integers(2, len(whole) - 1, 15)]:
            path.write_bytes(whole[:size])
            try:
                said = [item.place for item in read_tables(folder, "made").findings.of("missing")]
            except DataError as error:
                said = [str(error)]
            assert any(path.name in one for one in said), size


@pytest.mark.parametrize("content", ["utf-16", "latin-1", "lfs", "gzip"])
def test_a_csv_in_another_encoding_is_refused_by_name(tmp_path: Path, content: str) -> None:
    folder = save(tmp_path, tables())
    path = folder / "scores.csv"
    text = path.read_text(encoding="utf-8").replace("rater", "räter")
    if content == "lfs":
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n", encoding="utf-8")
    elif content == "gzip":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_bytes(text.encode(content))
    with pytest.raises(DataError, match=r"scores\.csv.*"):
        read_tables(folder, "made")


def test_a_byte_order_mark_changes_nothing(tmp_path: Path) -> None:
    plain = read(save(tmp_path / "plain", tables()))
    folder = save(tmp_path / "marked", tables())
    for path in folder.glob("*.csv"):
        path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    for path in sorted(plain.rglob("*.parquet")):
        assert path.read_bytes() == (read(folder) / path.relative_to(plain)).read_bytes()


def test_files_that_are_no_table_are_named(tmp_path: Path) -> None:
    folder = save(tmp_path, tables())
    (folder / "score.csv").write_text("x\n", encoding="utf-8")
    left_out = read_tables(folder, "made").findings.of("left_out", "files")
    assert [(item.place, "did you mean" in item.text) for item in left_out] == [("score.csv", True)]


HOSTILE: list[Any] = [
    "",
    "NaN",
    "x",
    "'",
    '"',
    "\n",
    "💥",
    "-1",
    "1e400",
    "../up",
    "=1+1",
    "\x00",
    "true",
    "٣",
    ",",
    "9" * 400,
]


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(list(tables())), st.integers(0, 10**6), st.sampled_from(HOSTILE))
def test_a_csv_with_anything_written_into_it_is_refused_by_name_or_read_with_every_row(
    tmp_path_factory: pytest.TempPathFactory, table: str, position: int, text: str
) -> None:
    folder = save(tmp_path_factory.mktemp("given"), {table: tables()[table]})
    path = folder / f"{table}.csv"
    content = path.read_text(encoding="utf-8")
    place = position % len(content)
    path.write_text(content[:place] + text + content[place + 1 :], encoding="utf-8")
    try:
        imported = read_tables(folder, "made")
    except InocError as error:
        named = f"{table}.csv" in str(error)
    else:
        counts = [sum(map(len, rows)) if isinstance(rows, list) else len(rows) for rows, _ in imported.tables.values()]
        named = max(counts) == len(tables()[table])
    assert named


def test_a_cut_off_or_garbled_parquet_file_is_refused(tmp_path: Path) -> None:
    save(tmp_path, {"scores": tables()["scores"]}, "parquet")
    path = tmp_path / "scores.parquet"
    whole = path.read_bytes()
    for size in np.linspace(0, len(whole) - 1, 30).astype(int):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"scores\.parquet"):
            read_tables(tmp_path, "made")
    path.write_text("prompt,prefix\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"scores\.parquet"):
        read_tables(tmp_path, "made")


def test_one_wrong_score_among_a_million_rows_is_found_and_named_by_its_row(tmp_path: Path) -> None:
    n = 1_000_000
    row = {"asked_prompt": "", "asked_prefix": "none", "trait": "calm", "judge": "rater", "judge_version": 3}
    names = {name: pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), [value]) for name, value in row.items()}
    scores = np.full(n, 50.0)
    scores[-1] = 101
    ids = pa.array(np.arange(n)).cast(pa.string())
    names |= {"instruction_id": ids, "score": pa.array(scores), "judge_version": pa.array(np.full(n, 3))}
    save(tmp_path, {})
    pq.write_table(pa.table(names), tmp_path / "elicitation.parquet")
    with pytest.raises(DataError, match=r"elicitation\.parquet: row 1000000, column score: 101\.0 is outside 0 to 100"):
        read_tables(tmp_path, "made")
