"""`inoc export`: what it writes is read by the tools that it is for."""

from __future__ import annotations

import csv
import math
import re

import pandas as pd
import pytest

import inoc
from inoc.cli import main
from inoc.errors import DataError, MissingExtraError
from inoc.export.csv import write_csv
from inoc.export.folder import filled
from inoc.export.inspect import write
from support.computed import computed

HOSTILE = ["=1+1", "@SUM(A1)", 'a "quote", a\nline', "<script>", "", "NaN", "é\u2028\u0085x", "-1"]


@pytest.fixture(scope="module")
def root(tiny_folder, tmp_path_factory):
    return computed(tmp_path_factory.mktemp("export"), tiny_folder)


@pytest.fixture
def results(root, monkeypatch):
    monkeypatch.chdir(root)
    return inoc.load("toy")


def test_csv_has_every_table_and_the_completions(results, tmp_path, capsys):
    out = tmp_path / "out"
    main(["export", "toy", "--format", "csv", "--out", str(out)])
    files = {path.relative_to(out).with_suffix("").as_posix() for path in out.rglob("*.csv")}
    assert files == {*results.tables(), "completions"}
    assert f"{len(files)} files" in capsys.readouterr().out
    found = pd.read_csv(out / "completions.csv", keep_default_na=False)
    assert list(found["completion"]) == list(results.completions()["completion"])


def test_texts_in_csv_stay_as_they_are(tmp_path):
    frame = pd.DataFrame({"text": HOSTILE, "value": [math.nan, *range(1, len(HOSTILE))], "none": None})
    write_csv(frame.assign(many=[[1.5, math.nan]] * len(frame)), tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == HOSTILE
    assert rows[0]["value"] == "NaN"
    assert rows[0]["none"] == ""
    assert rows[0]["many"] == "[1.5, NaN]"


def test_datasets_loads_every_configuration(results, tmp_path):
    datasets = pytest.importorskip("datasets")
    main(["export", "toy", "--format", "hf", "--out", str(tmp_path / "out")])
    names = datasets.get_dataset_config_names(str(tmp_path / "out"))
    assert set(names) == {"completions", "transcripts", *(one.replace("/", ".") for one in results.tables())}
    for name in names:
        assert len(datasets.load_dataset(str(tmp_path / "out"), name, split="train", cache_dir=str(tmp_path / "c")))
    found = datasets.load_dataset(str(tmp_path / "out"), "transcripts", split="train", cache_dir=str(tmp_path / "c"))
    expected = results.transcripts()
    assert found["messages"] == list(expected["messages"])
    assert found["prefix_text"] == list(expected["prefix_text"])


def test_inspect_opens_every_log(results, tmp_path):
    log = pytest.importorskip("inspect_ai.log")
    main(["export", "toy", "--format", "inspect", "--out", str(tmp_path / "out")])
    found = log.read_eval_log(str(tmp_path / "out" / "elicit.completions.eval"))
    chats = results.transcripts()
    chats = chats[chats["source"] == "elicit/completions"]
    assert [sample.output.completion for sample in found.samples] == list(chats["completion"])
    assert [sample.scores["playful"].value for sample in found.samples] == list(chats["score.playful"])
    assert [[one.role for one in sample.messages] for sample in found.samples] == [["user", "assistant"]] * len(chats)
    metrics = found.results.scores[0].metrics
    assert metrics["mean"].value == pytest.approx(chats["score.playful"].mean())
    assert metrics["n"].value == len(chats)
    assert len(list((tmp_path / "out").iterdir())) == chats["source"].nunique() + 2


def test_without_inspect_the_message_says_what_to_install(results, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "inspect_ai.log", None)
    with pytest.raises(MissingExtraError, match=re.escape('pip install "inoc[inspect]"')):
        write(results, tmp_path)


def test_nothing_is_overwritten_and_nothing_half_done_stays(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(DataError, match="not an empty folder"):
        filled(tmp_path / "full", lambda place: None)

    def fail(place):
        (place / "a").touch()
        raise DataError("no")

    with pytest.raises(DataError, match="no"):
        filled(tmp_path / "new", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_a_link_to_an_empty_folder_is_filled_and_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    assert filled(tmp_path / "link", lambda place: (place / "a").touch()) == 1
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["a"]


def test_failed_scores_and_categories_come_back_from_inspect(tmp_path):
    log = pytest.importorskip("inspect_ai.log")
    from inoc.export.inspect import samples_of, summaries_of

    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    rows = pd.DataFrame({"id": ["x", "y"], "sample": [0, 0], "completion": "b", "finish": "stop"})
    rows["messages"] = [chat, chat]
    keyed = {"id": ["x", "y", "x"], "sample": 0, "trait": ["good", "good", "kind"], "judge": "j", "judge_version": 1}
    scores = pd.DataFrame({**keyed, "score": [math.nan, 5.0, math.nan], "category": ["", "", "owl"]})
    samples = list(samples_of("m", rows, scores))
    spec = log.EvalSpec(created="2026-01-01", task="t", dataset=log.EvalDataset(), model="m", config=log.EvalConfig())
    results = log.EvalResults(scores=list(summaries_of(scores)))
    path = str(tmp_path / "a.eval")
    log.write_eval_log(log.EvalLog(eval=spec, samples=samples, results=results), path)
    found = log.read_eval_log(path)
    assert math.isnan(found.samples[0].scores["good"].value)
    assert found.samples[0].scores["kind"].value == "owl"
    assert found.samples[1].scores["good"].value == 5
    assert set(found.samples[1].scores) == {"good"}
    good, kind = found.results.scores
    assert (good.metrics["mean"].value, good.metrics["n"].value, good.metrics["n_nan"].value) == (5, 1, 1)
    assert {name: metric.value for name, metric in kind.metrics.items()} == {"owl": 1}
