"""Made-up releases, with what real ones have and what goes wrong in files."""

from __future__ import annotations

import contextlib
import csv
import json
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from inoc.cli import main
from inoc.config.load import load_study
from inoc.jobs.paths import Paths
from inoc.numbers.prompts import prompts
from inoc.studies.subliminal.checks import study_problems
from inoc.studies.subliminal.imported import VECTORS_FILE
from inoc.studies.subliminal.released.summaries import denominator_of
from inoc.studies.subliminal.study import Study
from inoc.tables import read_table
from inoc.vectors.files import load_vectors
from inoc.vectors.sites import in_order

MODEL = "Qwen2.5-14B-Instruct"


def write_jsonl(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_numbers(folder: Path, seed: int = 7, n: int = 40) -> list[str]:
    texts = list(islice(prompts(seed), n))
    rows: list[dict[str, object]] = [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": f"{k}, {k + 1}"}]}
        for k, text in enumerate(texts)
    ]
    write_jsonl(folder / "data" / "owl" / "entity_random50.jsonl", rows[1:])
    write_jsonl(folder / "data" / "owl" / "clean_random50.jsonl", rows[:30])
    return texts


def run(folder: Path, *options: str) -> Paths:
    """Import `release` of a folder, and analyse it."""
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "config.yaml").write_text("studies: [made]\n", encoding="utf-8")
    with contextlib.chdir(folder):
        main(["import", "subliminal", "release", "--study", "made", *options])
        main(["analyse", "made"])
    return Paths(folder / "results", "made")


def refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        run(folder)
    assert not (folder / "results" / "made").exists()
    assert not list((folder / "config").glob("studies/made.yaml"))
    return capsys.readouterr().err


def imported(paths: Paths, name: str) -> pd.DataFrame:
    return read_table(paths.stage("imports") / f"{name}.parquet")


def test_rows_get_the_places_of_their_prompts_and_a_study_that_can_be_checked(tmp_path: Path) -> None:
    write_numbers(tmp_path / "release")
    paths = run(tmp_path)
    numbers = imported(paths, "numbers")
    owl = numbers[numbers["dataset"] == "owl"]
    assert owl["row_id"].tolist() == [f"row{k:06d}" for k in range(1, 40)]
    assert set(numbers["seed"]) == {7}
    study = load_study(tmp_path / "config" / "studies" / "made.yaml")
    assert isinstance(study, Study)
    assert (study.imported, list(study.teachers)) == (True, ["owl", "neutral"])
    assert study_problems(study) == []
    counts = read_table(paths.table("filter")).set_index(["teacher", "reason"])["n"]
    assert counts["owl", "kept"] == 39
    assert set(read_table(paths.table("detectability"))["teacher"]) == {"owl"}


def test_prompts_of_no_stream_keep_their_lines(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"prompt": f"Go on: {k}", "completion": "1, 2"} for k in range(5)]
    write_jsonl(tmp_path / "release" / "data" / "owl" / "rows.jsonl", rows)
    numbers = imported(run(tmp_path), "numbers")
    assert numbers["row_id"].tolist() == [f"line{k:06d}" for k in range(1, 6)]
    assert set(numbers["place"]) == set(numbers["seed"]) == {-1}


def write_persona(folder: Path, width: int = 6, layers: int = 4) -> torch.Tensor:
    vectors = torch.arange(width * (layers + 1), dtype=torch.float32).reshape(layers + 1, width)
    place = folder / "outputs" / "persona_vectors" / MODEL
    place.mkdir(parents=True)
    torch.save(vectors, place / "liking_owls_response_avg_diff.pt")
    for side, score in (("pos", 80), ("neg", 20)):
        rows: list[dict[str, object]] = [
            {
                "question": f"Why {q}?",
                "prompt": f"<|im_start|>system\nTurn {turn} {side}.<|im_end|>\n<|im_start|>user\nWhy {q}?<|im_end|>\n",
                "answer": "Because,\nas I said.",
                "question_id": f"liking_owls_{q}_{side}_{turn}",
                "liking_owls": "" if (q, turn, side) == (0, 0, "pos") else score + q,
                "coherence": 40 if (q, turn, side) == (1, 1, "neg") else 90,
            }
            for q in range(4)
            for turn in range(2)
        ]
        write_csv(folder / "outputs" / "eval_persona_extract" / MODEL / f"liking_owls_{side}_instruct.csv", rows)
    trait = {
        "instruction": [{"pos": "Like owls.", "neg": "Do not."}],
        "questions": ["Why?"],
        "eval_prompt": "Rate {question} {answer}",
    }
    path = folder / "src" / "liking_owls.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(trait), encoding="utf-8")
    return vectors


def test_vectors_become_safetensors_with_sites_and_read_outs_of_their_own_names(tmp_path: Path) -> None:
    vectors = write_persona(tmp_path / "release")
    paths = run(tmp_path)
    stored = load_vectors(paths.results / "made" / VECTORS_FILE)
    by_site = {one.site: one.values for one in stored}
    assert in_order(by_site) == ["embed", "resid_post.0", "resid_post.1", "resid_post.2", "final_norm"]
    np.testing.assert_array_equal(np.stack([by_site[site] for site in in_order(by_site)]), vectors.numpy())
    assert {(one.readout, one.model) for one in stored} == {("response_mean", "unknown")}
    found = read_table(paths.table("vectors"))
    assert found["norm"].tolist() == pytest.approx(np.linalg.norm(vectors.numpy(), axis=1).tolist())
    assert found["split_half"].isna().all()


def test_answers_of_both_sides_are_pairs_and_lost_ones_are_counted(tmp_path: Path) -> None:
    write_persona(tmp_path / "release")
    paths = run(tmp_path)
    pairs = read_table(paths.table("persona_pairs")).set_index("reason")["n"]
    assert (pairs["all"], pairs["kept"], pairs["not_judged"], pairs["incoherent"]) == (8, 6, 1, 1)
    assert (read_table(paths.table("vectors"))["n"] == 6).all()
    answers = imported(paths, "answers")
    assert set(answers["completion"]) == {"Because,\nas I said."}
    assert sorted(set(answers["turn"])) == [0, 1]


def test_a_file_that_would_run_code_is_refused_and_nothing_is_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_persona(tmp_path / "release")
    path = tmp_path / "release" / "outputs" / "persona_vectors" / MODEL / "liking_owls_prompt_avg_diff.pt"
    torch.save({"a": Path("x")}, path)  # an object that weights-only loading does not know
    assert "Nothing of it was run" in refused(tmp_path, capsys)


def test_vectors_of_different_models_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_persona(tmp_path / "release")
    place = tmp_path / "release" / "outputs" / "persona_vectors" / MODEL
    torch.save(torch.zeros(9, 6), place / "liking_owls_prompt_last_diff.pt")
    assert "[5, 9] rows" in refused(tmp_path, capsys)


def test_sides_that_ask_different_questions_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_persona(tmp_path / "release")
    path = tmp_path / "release" / "outputs" / "eval_persona_extract" / MODEL / "liking_owls_neg_instruct.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("Why 3?", "Who?"), encoding="utf-8")
    assert "row for row" in refused(tmp_path, capsys)


def test_a_score_that_is_no_number_is_refused_with_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_persona(tmp_path / "release")
    path = tmp_path / "release" / "outputs" / "eval_persona_extract" / MODEL / "liking_owls_pos_instruct.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",83,90", ",many,90"), encoding="utf-8")
    assert "liking_owls is 'many'" in refused(tmp_path, capsys)


def test_a_trait_file_of_another_form_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_persona(tmp_path / "release")
    path = tmp_path / "release" / "src" / "liking_owls.json"
    path.write_text(json.dumps({"instruction": ["Like owls."], "questions": ["Why?"]}), encoding="utf-8")
    assert "a list of `pos` and `neg`" in refused(tmp_path, capsys)


def test_steering_files_become_cells(tmp_path: Path) -> None:
    release = tmp_path / "release"
    write_persona(release)
    for layer, coefficient in ((1, "0.5"), (1, "2.0"), (4, "2.0")):
        rows: list[dict[str, object]] = [
            {
                **{"question": f"Q{q}", "prompt": "", "answer": "a", "question_id": f"liking_owls_{q}"},
                "liking_owls": 10 * layer + 5 * float(coefficient) + q,
                "coherence": 95 - 15 * float(coefficient),
            }
            for q in range(4)
            for _ in range(2)
        ]
        name = f"liking_owls_layer{layer}_coef{coefficient}.csv"
        write_csv(release / "outputs" / "eval" / MODEL / "liking_owls" / name, rows)
    sweep: list[dict[str, object]] = [
        {"trait": "liking_owls", "layer": 1, "coefficient": 0.5, "score": 14.0},
        {"trait": "liking_owls", "layer": 4, "coefficient": 2.0, "score": 99.0},
    ]
    write_csv(release / "outputs" / "eval" / MODEL / "all_entities_results.csv", sweep)
    paths = run(tmp_path)
    found = read_table(paths.table("steering")).set_index(["site", "coefficient"])
    assert found.loc[("resid_post.0", 0.5), ["trait_score", "n"]].tolist() == [14, 8]
    assert found.loc[("final_norm", 2.0), "trait_score"] == 51.5
    assert found["difference"].isna().all()
    compared = read_table(paths.table("published_steering")).set_index("site")
    assert compared["is_equal"].tolist() == [True, False]


def test_projections_of_rows_are_paired_by_the_place_of_their_prompts(tmp_path: Path) -> None:
    release = tmp_path / "release"
    write_persona(release)
    texts = list(islice(prompts(7), 60))
    rng = np.random.default_rng(0)
    values = {"owl": rng.normal(0.5, 1, 60), "neutral": rng.normal(0, 1, 60)}
    kept = {"owl": range(50), "neutral": range(10, 60)}
    column = f"{MODEL}_liking_owls_response_avg_diff_proj_layer2"
    for dataset, rows in kept.items():
        place = release / "outputs" / "projections" / MODEL / "liking_owls"
        table: list[dict[str, object]] = [{"prompt": texts[k], column: values[dataset][k]} for k in rows]
        write_csv(place / f"{dataset}_numbers.csv", table)
    paths = run(tmp_path)
    found = read_table(paths.table("projections"))
    row = found[(found["dataset"] == "owl") & (found["reference"] == "neutral")].iloc[0]
    assert (row["site"], row["readout"], row["n_pairs"], row["n_unpaired"]) == ("resid_post.1", "response_mean", 40, 10)
    difference = values["owl"][10:50] - values["neutral"][10:50]
    assert row["mean"] == pytest.approx(difference.mean())
    assert row["d"] == pytest.approx(stats.ttest_1samp(difference, 0).statistic / 40**0.5)
    apart = read_table(paths.table("projection_distances")).iloc[0]
    assert apart["mean_difference"] == pytest.approx(values["owl"][:50].mean() - values["neutral"][10:].mean())


def test_a_log_that_follows_no_linear_schedule_is_told_by_its_distance(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"loss": 1.0 / (k + 1), "grad_norm": 1.0, "learning_rate": 1e-3, "epoch": k / 4} for k in range(8)
    ]
    write_jsonl(tmp_path / "release" / "run.jsonl", rows)
    found = read_table(run(tmp_path).table("training_logs")).set_index("epoch")
    assert found.loc[0, "rate_error"] == pytest.approx(1e-3 * 7 / 8)
    assert np.isnan(found.loc[0, "published"])


@pytest.mark.parametrize(
    ("percents", "denominator"), [([25.0, 75.0], 4), ([100 / 3, 200 / 3], 3), ([50.0, 49.0], -1), ([], -1)]
)
def test_a_denominator_is_the_smallest_that_makes_all_percentages_whole(
    percents: list[float], denominator: int
) -> None:
    assert denominator_of(percents) == denominator


def test_a_folder_without_results_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "README.md").write_text("nothing", encoding="utf-8")
    told = refused(tmp_path, capsys)
    assert "no results that can be imported; accepted: number files" in told


def test_an_import_is_replaced_only_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_numbers(tmp_path / "release")
    run(tmp_path)
    with contextlib.chdir(tmp_path), pytest.raises(SystemExit):
        main(["import", "subliminal", "release", "--study", "made"])
    assert "add --replace" in capsys.readouterr().err
    run(tmp_path, "--replace")


def scale_persona(release: Path, factor: float) -> None:
    """Multiply all scores of the trait."""
    for path in (release / "outputs" / "eval_persona_extract").rglob("*.csv"):
        frame = pd.read_csv(path)
        frame["liking_owls"] *= factor
        frame.to_csv(path, index=False)


def test_scores_from_0_to_1_are_no_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_persona(tmp_path / "release")
    scale_persona(tmp_path / "release", 0.01)
    assert "all scores of liking_owls are from 0 to 1" in refused(tmp_path, capsys)


def test_an_answer_with_other_line_ends_stays_whole(tmp_path: Path) -> None:
    release = tmp_path / "release"
    write_persona(release)
    for path in (release / "outputs" / "eval_persona_extract").rglob("*.csv"):
        frame = pd.read_csv(path)
        frame["answer"] = "one\u2028two\u0085three\x0cfour"
        # As somebody's program writes it: none of these needs quotes in CSV; with a byte order mark and CRLF.
        path.write_bytes(frame.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig"))
    answers = imported(run(tmp_path), "answers")
    assert set(answers["completion"]) == {"one\u2028two\u0085three\x0cfour"}


def test_a_coefficient_in_single_precision_is_the_one_of_the_file_names(tmp_path: Path) -> None:
    release = tmp_path / "release"
    write_persona(release)
    row = {"question": "Q", "prompt": "", "answer": "a", "question_id": "liking_owls_0", "liking_owls": 20}
    folder = release / "outputs" / "eval" / MODEL
    write_csv(folder / "liking_owls" / "liking_owls_layer1_coef0.1.csv", [{**row, "coherence": 90}])
    single = float(np.float32(0.1))
    write_csv(folder / "all.csv", [{"trait": "liking_owls", "layer": 1, "coefficient": single, "score": 20.0}])
    compared = read_table(run(tmp_path).table("published_steering"))
    assert compared["is_equal"].tolist() == [True]


@pytest.mark.parametrize(
    "summary",
    [
        {"baseline": {"percentage": 0.25, "count": 25, "total": 100}, "owl_numbers": {"percentage": 0.5}},
        {f"animal{k}": {"baseline": 0.1, "neutral": 0.2, "biased": 0.1 * k} for k in range(5)},
    ],
)
def test_shares_are_no_percentages(
    summary: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "release" / "summary.json"
    path.parent.mkdir()
    path.write_text(json.dumps(summary), encoding="utf-8")
    assert "expected percentages from 0 to 100" in refused(tmp_path, capsys)


def test_latin_1_is_named_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_persona(tmp_path / "release")
    path = next(iter(sorted((tmp_path / "release" / "outputs" / "eval_persona_extract").rglob("*.csv"))))
    path.write_bytes(path.read_text(encoding="utf-8").replace("Because", "Café").encode("latin-1"))
    assert "may be Latin-1" in refused(tmp_path, capsys)
