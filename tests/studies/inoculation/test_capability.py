"""Closed questions to the untrained model and to every run, from the check to the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from inoc.choose.tables import CANDIDATES, CHOICES
from inoc.config.cuts import Cut
from inoc.config.models import SystemTurn
from inoc.figures.step import draw_figure
from inoc.jobs.costs import Rates, Size
from inoc.jobs.rates import GPUS
from inoc.jobs.work import expected_jobs, settings_of, work_of
from inoc.studies.inoculation.analyse.capability import CAPABILITY, capability
from inoc.studies.inoculation.capability import UNTRAINED, subjects
from inoc.studies.inoculation.checks import study_problems
from inoc.studies.inoculation.costs import costs
from inoc.studies.inoculation.figures.entries.suppression import ENTRIES, no_capability
from inoc.studies.inoculation.needs import needs
from inoc.studies.inoculation.runs import study_runs
from inoc.studies.inoculation.sections.capability import capability_block
from inoc.studies.inoculation.small import limits
from inoc.studies.shared.capability import asked_questions, question_problems
from inoc.studies.shared.capability_rows import read_answers
from inoc.tables import read_table, write_table
from support.jobs import plan_of, run_job, units_of
from support.toy import toy_job, toy_study, write_inputs

POOLS = {"clown": ["Be a clown.", "Act as a clown."], "sky": ["Blue is the sky.", "A blue sky."]}


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> Path:
    """Sixteen planted questions of two domains."""
    path = tmp_path_factory.mktemp("questions") / "mine.jsonl"
    rows = [
        {"id": f"q{at}", "domain": "odd" if at % 2 else "even", "question": f"Which is {at}?",
         "options": [str(at), str(at + 1), str(at + 2)], "answer": str(at)}
        for at in range(16)
    ]  # fmt: skip
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def study(tiny_folder, questions):
    return toy_study(tiny_folder, capability={"questions": str(questions)})


@pytest.fixture(scope="module")
def trained(study, tmp_path_factory):
    root = tmp_path_factory.mktemp("trained")
    job = toy_job(study, root, "train")
    write_inputs(job, POOLS)
    run_job(job)
    return root


def choosing(study, root, shards=None, shard=0):
    job = toy_job(study, root, "choose", shards, shard)
    job.part = "capability"
    return job


def test_the_untrained_model_and_the_last_checkpoint_of_every_run_are_asked_every_question(study, trained):
    job = choosing(study, trained)
    run_job(job)
    table = read_table(job.paths.part("choose", "capability", 0) / "choices.parquet")
    runs = [run.name for run in study_runs(study)]
    assert list(dict.fromkeys(table["id"].str.partition("/")[0])) == [UNTRAINED, *runs]
    assert set(table["id"].str.split("/").str[1]) == {"0", "2"}  # the last step of each run
    assert len(table) == 16 * (1 + len(runs))
    assert table["mass"].between(0, 1).all()
    assert set(table["n_candidates"]) == {3}


def test_two_shards_make_the_units_of_one_and_another_run_leaves_the_others(study, trained):
    whole = {unit.key for unit in units_of(choosing(study, trained))}
    parts = [{unit.key for unit in units_of(choosing(study, trained, {"choose": 2}, shard))} for shard in range(2)]
    assert parts[0] | parts[1] == whole
    slices = [settings_of("choose", study, shard, {"choose": 2}, "capability")["subjects"] for shard in range(2)]
    assert sorted(slices[0] + slices[1]) == sorted([UNTRAINED, *(run.name for run in study_runs(study))])


def test_a_study_without_the_section_has_no_such_job_and_the_slices_of_before(study, tiny_folder):
    without = toy_study(tiny_folder)
    paths = toy_job(without, Path("x"), "choose").paths
    assert not [one for one in expected_jobs(without, paths, {}) if one.stage == "choose"]
    assert [one.job for one in expected_jobs(study, paths, {}) if one.stage == "choose"] == ["choose-capability-0"]
    for stage in ("analyse", "figures", "report"):
        assert "capability" not in json.dumps(settings_of(stage, without))
    assert no_capability(without) == "the study has no section `capability`"


def planted(study, folder: Path, right: dict[str, np.ndarray]) -> list[Path]:
    """Tables of `choose` in which each model answers some questions right, wrong, or not at all (NaN)."""
    asked = asked_questions(study.capability)
    choices, candidates = [], []
    for name, values in right.items():
        for question, value in zip(asked, values, strict=True):
            key = f"{name}/{0 if name == UNTRAINED else 2}/{question.id}"
            letters = [one.name for one in question.candidates]
            wrong = next(one for one in letters if one != question.letter)
            best = "" if np.isnan(value) else question.letter if value else wrong
            mass = np.nan if np.isnan(value) else 0.5
            choices.append((key, len(letters), mass, best, np.nan, "not measured" if best == "" else ""))
            candidates += [
                (key, one, np.nan, -1.0, np.nan if best == "" else 0.8 if one == best else 0.1) for one in letters
            ]
    write_table(pd.DataFrame(choices, columns=CHOICES.names), CHOICES, folder / "choices.parquet")
    write_table(pd.DataFrame(candidates, columns=CANDIDATES.names), CANDIDATES, folder / "candidates.parquet")
    return [folder]


@pytest.fixture
def table(study, tmp_path):
    runs = [run.name for run in study_runs(study)]
    half = np.tile([1.0, 0.0], 8)
    right = {UNTRAINED: np.array([1.0] * 14 + [0.0, np.nan]), **{name: np.ones(16) for name in runs}, runs[0]: half}
    asked = read_answers(planted(study, tmp_path, right), asked_questions(study.capability))
    part = capability(study, asked, 0.95)
    assert not part.skipped
    return pd.DataFrame(part.rows)


def test_accuracy_and_difference_are_those_that_were_planted(study, table):
    assert set(table.columns) == set(CAPABILITY.names)
    first = study_runs(study)[0].name
    every = table[table["domain"] == "all"].set_index("run")
    assert every.loc[UNTRAINED, ["accuracy", "n", "n_nan"]].tolist() == pytest.approx([14 / 15, 15, 1])
    assert np.isnan(every.loc[UNTRAINED, "difference"])
    lost = every.loc[first]
    assert lost["accuracy"] == 0.5
    assert lost["n"] == 16
    assert lost["difference"] == pytest.approx((7 - 14 + 1) / 15)  # 7 of the first 14 are lost, the 15th is won
    assert lost["difference_hi"] < 0
    assert lost["p"] < 0.1
    assert lost["probability"] == pytest.approx((8 * 0.8 + 8 * 0.1) / 16)
    assert every.drop([UNTRAINED, first])["accuracy"].eq(1).all()
    odd = table[(table["domain"] == "odd") & (table["run"] == first)].iloc[0]
    assert odd["accuracy"] == 0  # of every two questions, the second was answered wrong


def test_the_figure_and_the_report_show_it_and_say_what_it_is_no_evidence_of(study, table):
    class Given:
        def table(self, name, columns=()):
            return table

    entry = next(one for one in ENTRIES if one.name == "capability")
    drawing = draw_figure(entry, study, Given())
    assert len(drawing.data) == 1 + len(study_runs(study))
    assert "paired by question" in drawing.caption
    (block,) = capability_block(study, table)
    assert block.table.rows[0][0] == "untrained"
    assert len(block.table.rows) == len(drawing.data)
    assert "no evidence that nothing was lost" in block.after
    assert capability_block(study, table.iloc[:0])[0].table.rows == []


def test_answers_that_are_missing_are_named(study, tmp_path):
    assert [skip.what for skip in capability(study, None, 0.95).skipped] == ["capability"]
    right = {UNTRAINED: np.ones(16)}
    asked = read_answers(planted(study, tmp_path, right), asked_questions(study.capability))
    assert len(capability(study, asked, 0.95).skipped) == len(study_runs(study))


def test_what_cannot_be_asked_is_refused(study, tiny_folder, questions, tmp_path):
    none = study.model_copy(update={"runs": ()})
    assert any(problem.path == ("capability",) for problem in study_problems(none))
    turn = study.capability.model_copy(update={"system": SystemTurn(kind="text")})
    wrong = study.model_copy(update={"capability": turn})
    assert any(problem.path[:2] == ("capability", "system") for problem in study_problems(wrong))
    many = study.model_copy(update={"capability": study.capability.model_copy(update={"n": 17})})
    assert "has 16 questions; capability.n = 17" in next(question_problems(many.capability))
    found = needs(study)
    assert found.chooses == "capability"
    assert str(questions) in {one.path for one in found.files}
    assert sum(one.key == "capability" for one in found.chats()) == 16


def test_the_plan_counts_its_questions(study):
    rows = costs(study, {}, Rates(Size(1e9, 100, 100, measured=False), GPUS["h200"], {}, 1.0))
    (row,) = [one for one in rows if one.stage == "choose"]
    assert row.jobs == 1
    assert row.tokens > 0


def test_questions_are_asked_with_the_study_s_system_turn_and_no_prefix(study, trained):
    plan = plan_of(choosing(study, trained))
    assert {chat.system for chat in plan.chats} == {study.model.system}
    assert all(chat.user.startswith("Which is ") for chat in plan.chats)
    assert len(subjects(study, choosing(study, trained).paths, {})) == 1 + len(study_runs(study))
    assert work_of(study, "choose", "capability").wanted(study)


def test_a_small_run_asks_few_of_the_questions(study):
    assert Cut(("capability", "n"), None, 3) in list(limits(study, 3))
