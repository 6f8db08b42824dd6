"""Teachers and students behind an API: asked and trained there, inside the budget, and paid for once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from inoc.config.workflow import Price
from inoc.errors import ApiError, BudgetError, ConfigError
from inoc.jobs.check import check_study
from inoc.jobs.costs import Rates, Size
from inoc.jobs.rates import GPUS
from inoc.jobs.ready import check_api, needs_of
from inoc.jobs.work import settings_of
from inoc.studies.subliminal.checks import study_problems
from inoc.studies.subliminal.costs import costs
from inoc.studies.subliminal.runs import students_of
from inoc.studies.subliminal.study import Study
from support.asking import PUPIL, spec, spent
from support.served_subliminal import run_served, served_sections, served_study, teach
from support.server import Fault, Server

HERE = "needs a model that is here"


def test_a_study_behind_an_api_runs_to_its_tables_and_pays_each_student_once(server: Server, tmp_path: Path) -> None:
    teach(server)
    study = served_study(tmp_path)
    paths = run_served(study, tmp_path, server)
    assert sorted(server.tuner.paid.values()) == [1] * len(students_of(study))
    checkpoints = pd.read_parquet(paths.checkpoints(0, "own"))
    of_one = checkpoints[checkpoints["run"] == "same.owl.seed1"].sort_values("step")
    assert of_one["epoch"].tolist() == [2.0, 3.0, 4.0]  # those that the server keeps
    assert of_one["path"].str.startswith("ft:pupil:us:inoc-").all()
    found = pd.read_parquet(paths.table("preferences"))
    assert sorted(found.loc[found["group"] == "same", "epoch"].unique()) == [2, 3, 4]
    last = found[found["is_last"]].set_index(["group", "teacher", "seed", "method", "entity"])["rate"]
    for method, high in (("choose", 0.9), ("sample", 1.0)):
        for seed in (1, 2):
            assert last["same", "owl", seed, method, "owl"] == pytest.approx(high)
            assert last["same", "cat", seed, method, "cat"] == pytest.approx(high)
            assert last["same", "neutral", seed, method, "owl"] == pytest.approx(0.02 if method == "choose" else 0.0)
    before = spent(tmp_path / "store"), len(server.asked)
    run_served(study, tmp_path, server, until="judge")
    assert (spent(tmp_path / "store"), len(server.asked)) == before


def test_students_are_trained_on_the_kept_rows_without_the_teachers_turn(server: Server, tmp_path: Path) -> None:
    teach(server)
    run_served(served_study(tmp_path), tmp_path, server, until="train")
    job = next(iter(server.tuner.jobs.values()))
    rows = [json.loads(line)["messages"] for line in server.files[job["training_file"]].decode().splitlines()]
    assert {tuple(turn["role"] for turn in row) for row in rows} == {("user", "assistant")}
    assert (job["hyper"], job["seed"]) == ({"n_epochs": 4, "batch_size": 4}, 1)
    asked = [body for body in server.asked if body["messages"][0]["role"] == "system"]
    assert {body["messages"][0]["content"] for body in asked} == {"You love owls.", "You love cats."}


def test_a_study_that_was_stopped_at_any_student_is_taken_up_and_pays_nothing_twice(
    server: Server, tmp_path: Path
) -> None:
    teach(server)
    study = served_study(tmp_path)
    n = len(students_of(study))
    for _ in range(3):
        server.tuner.faults["retrieve"].extend([Fault("none")] * 4 + [Fault("status", 403)])
        with pytest.raises(ApiError):
            run_served(study, tmp_path, server, until="train", tuning_jobs=2)
    paths = run_served(study, tmp_path, server, until="train")
    assert sorted(server.tuner.paid.values()) == [1] * n
    assert len(server.tuner.jobs) == n
    assert len(pd.read_parquet(paths.checkpoints(0, "own"))["run"].unique()) == n


def test_a_budget_that_the_students_exceed_is_told_before_the_first_job(server: Server, tmp_path: Path) -> None:
    teach(server)
    study = served_study(tmp_path)
    with pytest.raises(BudgetError, match="No job was created"):
        run_served(study, tmp_path, server, until="train", budget=0.02)
    assert not server.tuner.jobs


def test_an_answer_that_a_filter_withholds_is_unclear_and_not_a_name(server: Server, tmp_path: Path) -> None:
    teach(server)
    answer = server.answer

    def filtered(body: Mapping[str, Any]) -> dict[str, Any]:
        found = answer(dict(body))
        if "number 2" in body["messages"][-1]["content"]:
            found["choices"][0]["finish_reason"] = "content_filter"
        return found

    server.answer = filtered
    paths = run_served(served_study(tmp_path), tmp_path, server)
    found = pd.read_parquet(paths.table("preferences"))
    assert set(found.loc[found["method"] == "sample", "n_unclear"]) == {2}  # one of six questions, asked twice
    assert set(found.loc[found["method"] == "choose", "n_unclear"]) == {1}


def test_a_teacher_can_be_fine_tuned_behind_the_api(server: Server, tmp_path: Path) -> None:
    teach(server)
    source = served_sections(tmp_path)["preference"]["question_sets"]["main"]["source"]
    trained = {"questions": source, "n_questions": 3, "training": {"epochs": 2}, "api": {"batch_size": 1}}
    teachers = {"neutral": {"neutral": True}, "owl": {"entity": "owl", "finetuned": trained}}
    students = {"same": {"epochs": 1, "training": {"seeds": [1]}}}
    study = served_study(tmp_path, teachers=teachers, students=students)
    run_served(study, tmp_path, server)
    job = server.tuner.jobs["ftjob-0"]
    assert job["hyper"] == {"n_epochs": 2, "batch_size": 1}
    assert sum(body["model"] == server.tuner.tuned(job) for body in server.asked) == 16 + 6 * 2 + 6
    assert len(server.tuner.jobs) == 3


UNMEASURED = Size(float("nan"), 70, 350, measured=False)


def test_the_plan_says_what_jobs_and_questions_cost(tmp_path: Path) -> None:
    study = served_study(tmp_path)
    rows = costs(study, {}, Rates(UNMEASURED, GPUS["h200"], {"pupil": PUPIL}, 0.5))
    assert [(row.stage, row.calls) for row in rows] == [
        ("sample", 48),
        ("train", 7),
        ("sample", 2 * 50 * (3 + 6 * 3 + 1)),
        ("choose", 50 * (3 + 6 * 3 + 1)),
    ]
    tokens = (6 * 4 * 16 + 10) * 100
    assert (rows[1].tokens, rows[1].dollars) == (tokens, pytest.approx(tokens * 4 / 1e6))
    assert rows[0].dollars == pytest.approx(0.5 * 48 * (60 * 1 + 40 * 2) / 1e6)
    assert rows[2].dollars == pytest.approx(0.5 * 100 * (3 * (60 + 8 * 2) + 19 * (60 * 2 + 8 * 4)) / 1e6)
    assert not any(row.gpu_hours for row in rows)
    unpriced = costs(study, {}, Rates(UNMEASURED, GPUS["h200"], {"pupil": Price(input=1)}, 1))
    assert pd.isna(unpriced[1].dollars)


def test_the_check_wants_a_price_for_the_training(server: Server, tmp_path: Path) -> None:
    study = served_study(tmp_path)
    check_api(study, spec(server))
    with pytest.raises(ConfigError, match="has no price for training"):
        check_api(study, spec(server, prices={"pupil": Price(input=1, output=2)}))
    assert {use.stage for use in needs_of(study).apis} == {"train", "sample", "choose"}


def test_the_check_refuses_jobs_that_exceed_the_whole_budget(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config" / "studies").mkdir(parents=True)
    sections = json.dumps(served_sections(tmp_path / "given"))
    (tmp_path / "config" / "studies" / "served.yaml").write_text(sections, encoding="utf-8")
    for budget, refused in ((1.0, False), (0.1, True)):
        text = spec(server, budget=budget).model_dump_json()
        (tmp_path / "config" / "config.yaml").write_text(f"studies: [served]\napi: {text}\n", encoding="utf-8")
        if refused:
            with pytest.raises(ConfigError, match=r"likely to cost 0\.16 dollars, and api\.budget .* is 0\.1"):
                check_study("served", tmp_path / "config")
        else:
            check_study("served", tmp_path / "config")


def problems(folder: Path, **changes: Any) -> list[str]:
    study = Study.model_validate(served_sections(folder, **changes))
    return [f"{'.'.join(map(str, one.path))}: {one.message}" for one in study_problems(study)]


def test_the_study_is_valid(tmp_path: Path) -> None:
    assert problems(tmp_path) == []


TRAIT = {"positive": ["Love owls."], "negative": [""]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": {"path": "world"}, "world": {}}, "model.path: accepted with `api`: the name of a model of the API"),
        ({"model": {"path": "pupil", "dtype": "float16"}}, "model.dtype: is not for a model behind an API"),
        ({"other": {"model": {"path": "some/model"}}}, f"other: {HERE}"),
        ({"splits": {"halves": {"teacher": "owl"}}}, f"splits: {HERE}"),
        ({"projection": {}}, f"projection: {HERE}"),
        ({"persona": {"love": TRAIT}}, f"persona: {HERE}"),
        ({"numbers": {"source": "world"}}, "numbers.source: accepted with `api`: stream"),
        ({"numbers": {"sampling": {"engine": "vllm"}}}, "numbers.sampling.engine: is not for a model behind an API"),
        ({"numbers": {"sampling": {"seed": 3}}}, "numbers.sampling.seed: has no effect on a model behind an API"),
        ({"teachers": {"owl": {"entity": "owl", "adapter": "a"}}}, f"teachers.owl.adapter: {HERE}"),
        ({"students": {"same": {"targets": "distribution"}}}, "students.same.targets: accepted with `api`: samples"),
        ({"students": {"same": {"base": "other"}}}, "students.same.base: accepted with `api`: own"),
        ({"students": {"same": {"training": {"learning_rate": 1e-3}}}}, "training.learning_rate: is not for a model"),
        (
            {"teachers": {"owl": {"entity": "owl", "finetuned": {"file": "a.jsonl", "training": {"epochs": 1.5}}}}},
            "teachers.owl.finetuned.training.epochs: accepted with `api`: whole numbers",
        ),
        ({"api": None}, "students.same.api: is for a study whose model is behind an API"),
    ],
)
def test_what_no_api_can_do_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    assert any(words in problem for problem in problems(tmp_path, **changes)), problems(tmp_path, **changes)


def test_slices_of_studies_that_are_not_behind_an_api_have_no_trace_of_it(tmp_path: Path) -> None:
    study = served_study(tmp_path, api=None, students={"same": {}})
    for stage, part in (("train", "own"), ("sample", "numbers"), ("sample", "own"), ("choose", "own")):
        assert '"api"' not in json.dumps(settings_of(stage, study, part=part)).replace('"engine": "api"', "")
    served = served_study(tmp_path)
    assert settings_of("train", served, part="own")["students"]["same.owl.seed1"]["api"] == {"batch_size": 4}
