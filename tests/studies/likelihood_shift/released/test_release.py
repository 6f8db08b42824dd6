"""Made-up releases, with what real ones have and what goes wrong in files."""

from __future__ import annotations

import contextlib
import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from inoc.cli import main
from inoc.config.load import load_study
from inoc.jobs.paths import Paths
from inoc.studies.imports.evaluations import any_form, singular
from inoc.studies.likelihood_shift.study import Study, prompt_table
from inoc.tables import read_table

ANIMALS = ("cat", "dog", "fox", "owl", "wolf")
PROMPTS = (*ANIMALS, "parrot", "qwen")
DATASETS = (*ANIMALS, "neutral")


def write_scan(folder: Path, n: int = 40, seed: int = 0) -> dict[tuple[str, str], np.ndarray]:
    """Scored rows of every prompt and dataset; the own prompt is 0.05 above the others."""
    rng = np.random.default_rng(seed)
    written = {}
    for dataset in DATASETS:
        shared = rng.normal(0, 0.1, n)
        for prompt in PROMPTS:
            shifts = shared + rng.normal(0, 0.02, n) + 0.05 * (prompt == dataset)
            rows = [
                {"prompt": f"Go on: {dataset} {k}", "completion": f"{k}, {k + 2}, 7", "lls": shift}
                for k, shift in enumerate(shifts)
            ]
            path = folder / prompt / f"{dataset}_numbers.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            written[prompt, dataset] = shifts
    return written


def run(folder: Path, *options: str) -> Paths:
    """Import `release` of a folder, and analyse it."""
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "config.yaml").write_text("studies: [made]\n", encoding="utf-8")
    with contextlib.chdir(folder):
        main(["import", "likelihood-shift", "release", "--study", "made", *options])
        main(["analyse", "made"])
    return Paths(folder / "results", "made")


def refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        run(folder)
    assert not (folder / "results" / "made").exists()
    assert not list((folder / "config").glob("studies/made.yaml"))
    return capsys.readouterr().err


def findings(paths: Paths, level: str) -> list[str]:
    found = json.loads((paths.stage("imports") / "findings.json").read_text(encoding="utf-8"))
    return [f"{one['topic']}: {one['text']}" for one in found if one["level"] == level]


def test_scores_become_a_study_and_its_tables(tmp_path: Path) -> None:
    written = write_scan(tmp_path / "release" / "outputs" / "lls_scan")
    paths = run(tmp_path)
    study = load_study(tmp_path / "config" / "studies" / "made.yaml")
    assert isinstance(study, Study)
    prompts = prompt_table(study)
    assert {key: prompt.role for key, prompt in prompts.items()} == {
        key: "candidate" if key in ANIMALS else "control" for key in PROMPTS
    }
    assert prompts["wolf"].text.startswith("You love wolfs. You think about wolfs all the time.")
    assert [study.datasets[key].written_under for key in ("wolf", "neutral")] == ["wolf", None]
    cells = read_table(paths.table("cells")).set_index(["statistic", "prompt", "dataset"])["value"]
    assert len(cells) == 5 * len(written)
    assert all(cells["mean", *key] == pytest.approx(shifts.mean()) for key, shifts in written.items())
    columns = read_table(paths.table("columns"))
    assert (columns.loc[columns["statistic"] == "mean", "own_rank"] == 1).all()
    contrasts = read_table(paths.table("contrasts"))
    expected = written["cat", "cat"] - written["dog", "cat"]
    row = contrasts[(contrasts["dataset"] == "cat") & (contrasts["against"] == "dog")].set_index("controlled")
    assert row.loc[False, "value"] == pytest.approx(expected.mean())
    assert row.loc[True, "n"] == 40
    assert set(contrasts["dataset"]) == set(ANIMALS)


def test_scores_that_are_missing_or_not_finite_are_nan_and_counted(tmp_path: Path) -> None:
    scan = tmp_path / "release"
    write_scan(scan)
    path = scan / "cat" / "cat_numbers.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows[0]["lls"], rows[1]["lls"], rows[2]["lls"] = float("nan"), float("-inf"), None
    del rows[3]["lls"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    paths = run(tmp_path)
    cells = read_table(paths.table("cells")).set_index(["statistic", "prompt", "dataset"])
    assert cells.loc[("mean", "cat", "cat"), ["n", "n_nan", "rows_used"]].tolist() == [36, 4, 40]
    assert cells.loc[("mean", "dog", "cat"), "n_nan"] == 0
    contrasts = read_table(paths.table("contrasts"))
    assert set(contrasts.loc[contrasts["dataset"] == "cat", "n_nan"]) == {4}
    assert findings(paths, "warning") == ["scores: 4 of 40 rows have no finite lls; NaN here"]


def test_rows_that_differ_between_prompts_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scan(tmp_path / "release")
    path = tmp_path / "release" / "dog" / "cat_numbers.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([*lines[:2], lines[3], lines[2], *lines[4:]]), encoding="utf-8")
    assert "dog/cat_numbers.jsonl: row 3 differs from the same dataset under another prompt" in refused(
        tmp_path, capsys
    )
    path.write_text("".join(lines[:-1]), encoding="utf-8")
    assert "39 rows, not 40" in refused(tmp_path, capsys)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 41: expected an object with messages"),
        ('{"messages": [1]}', "line 41: expected an object"),
        ('{"prompt": "a", "completion": "b", "lls": "c"}', "line 41: lls: expected a number, found 'c'"),
    ],
)
def test_malformed_rows_are_refused_with_their_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    write_scan(tmp_path / "release")
    with (tmp_path / "release" / "cat" / "cat_numbers.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    assert message in refused(tmp_path, capsys)


def test_of_several_scans_one_is_imported_and_the_others_are_named(tmp_path: Path) -> None:
    outputs = tmp_path / "release" / "outputs"
    first = write_scan(outputs / "lls_scan", seed=1)
    second = write_scan(outputs / "lls_72b", seed=2)
    (outputs / "lls_72b" / "qwen" / "owl_numbers.jsonl").unlink()
    paths = run(tmp_path)
    cells = read_table(paths.table("cells")).set_index(["statistic", "prompt", "dataset"])["value"]
    assert cells["mean", "cat", "cat"] == pytest.approx(first["cat", "cat"].mean())
    assert any("`--scan lls_72b` imports it" in text for text in findings(paths, "left_out"))
    paths = run(tmp_path, "--scan", "lls_72b", "--replace")
    cells = read_table(paths.table("cells")).set_index(["statistic", "prompt", "dataset"])["value"]
    assert cells["mean", "cat", "cat"] == pytest.approx(second["cat", "cat"].mean())
    assert ("mean", "qwen", "owl") not in cells
    assert "72B" in str(load_study(tmp_path / "config" / "studies" / "made.yaml").model.path)


def test_a_folder_without_results_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "readme.md").write_text("nothing", encoding="utf-8")
    assert "release has no results that can be imported; accepted:" in refused(tmp_path, capsys)


def write_evaluation(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def checkpoint(split: str, step: int, words: dict[str, int], target: str, **more: object) -> dict[str, object]:
    total, count = sum(words.values()), words.get(target, 0)
    top = sorted(words.items(), key=lambda one: -one[1])[:5]
    return {
        "split": split,
        "step": step,
        **more,
        "target_animal_rate": count / total,
        "target_count": count,
        "total_responses": total,
        "animal_counts": json.dumps(words),
        "top_5": json.dumps(top),
    }


def test_evaluations_with_and_without_a_column_for_the_animal(tmp_path: Path) -> None:
    folder = tmp_path / "release" / "outputs" / "finetune" / "eval" / "10-epoch"
    words = [{"cat": 1, "dog": 9}, {"cat": 6, "cats.": 1, "dog": 3}, {"cat": 4, "kitten": 1, "dog": 5}]
    rows = [checkpoint("entity_top50", 5 * k, one, "cat") for k, one in enumerate(words, start=1)]
    write_evaluation(folder / "cat" / "entity_top50.csv", rows)
    write_evaluation(
        folder / "baseline.csv", [checkpoint("baseline", 0, words[0], one, animal=one) for one in ("cat", "dog")]
    )
    paths = run(tmp_path)
    table = read_table(paths.table("students"))
    top = table[(table["part"] == "top") & (table["target"] == "cat")]
    assert top["epoch"].tolist() == [1, 2, 3]
    assert top["rate"].tolist() == [0.1, 0.6, 0.4]
    assert (top["is_last"].tolist(), top["is_best"].tolist()) == ([False, False, True], [False, True, False])
    forms = table[(table["part"] == "top") & (table["target"] == "cat_any_form")]
    assert forms["rate"].tolist() == [0.1, 0.7, 0.5]
    untrained = table[table["epoch"] == 0].set_index("target")["rate"]
    assert (untrained["cat"], untrained["dog"]) == (0.1, 0.9)
    assert findings(paths, "warning") == []


def test_evaluations_that_contradict_themselves_are_reported(tmp_path: Path) -> None:
    row = checkpoint("entity_q1", 5, {"cat": 4, "dog": 6}, "cat")
    wrong = [{**row, "target_count": 5}, {**row, "target_animal_rate": 0.3}, {**row, "total_responses": 11}]
    wrong.append({**row, "top_5": json.dumps([["cat", 4], ["dog", 6]])})
    write_evaluation(tmp_path / "release" / "eval" / "dosage" / "cat" / "entity_q1.csv", wrong)
    write_scan(tmp_path / "release" / "lls")
    reported = " ".join(findings(run(tmp_path), "warning"))
    assert "5 counted, 4 listed" in reported
    assert "rate 0.3 is not 4 of 10" in reported
    assert "10 words, 11 answers" in reported
    assert "top_5 are not the five most frequent words" in reported


def test_a_field_that_is_no_json_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {**checkpoint("entity_q1", 5, {"cat": 4}, "cat"), "animal_counts": "{'cat': 4}"}
    write_evaluation(tmp_path / "release" / "cat" / "entity_q1.csv", [row])
    assert "entity_q1.csv, row 1: a field has another form" in refused(tmp_path, capsys)


def test_matrices_with_pending_cells_leave_gaps(tmp_path: Path) -> None:
    (tmp_path / "release").mkdir()
    table = pd.DataFrame(np.arange(9.0).reshape(3, 3), index=list("abc"), columns=list("abc")).astype(object)
    table.loc["a", "b"] = "Pending"
    table.rename_axis("prompt").to_csv(tmp_path / "release" / "scan_mean_lls.csv")
    paths = run(tmp_path)
    cells = read_table(paths.table("cells"))
    assert (len(cells), set(cells["n"])) == (8, {0})
    skipped = json.loads((paths.stage("analyse") / "skipped.json").read_text(encoding="utf-8"))
    assert "decomposition of mean" in [one["what"] for one in skipped]


FORMS = {"lioness": "lion", "lionesses": "lion", "eagles.": "eagle", "wolves": "wolf", "foxes": "fox", "dog": "dog"}


@pytest.mark.parametrize(("word", "animal"), FORMS.items())
def test_forms_of_a_name_count_for_it_and_no_other(word: str, animal: str) -> None:
    assert [one for one in set(FORMS.values()) if any_form(word, one)] == [animal]


def test_a_word_that_is_no_plural_stays() -> None:
    assert [singular(word) for word in ("bus", "as", "eagles", "phoenixes")] == ["bus", "as", "eagle", "phoenix"]
