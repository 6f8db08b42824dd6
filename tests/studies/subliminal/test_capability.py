"""Closed questions to the untrained models and to every student, from the check to the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from inoc.config.cuts import Cut
from inoc.config.models import SystemTurn
from inoc.figures.step import draw_figure
from inoc.jobs.costs import Rates, Size
from inoc.jobs.paths import Paths
from inoc.jobs.rates import GPUS
from inoc.jobs.work import expected_jobs, settings_of
from inoc.plots.style import house_style, settle
from inoc.stats.paired_shares import paired_share_difference
from inoc.store import Store
from inoc.studies.shared.capability import asked_questions
from inoc.studies.subliminal.analyse.capability import CAPABILITY
from inoc.studies.subliminal.checks import study_problems
from inoc.studies.subliminal.costs import costs
from inoc.studies.subliminal.figures.entries import ENTRIES
from inoc.studies.subliminal.needs import needs
from inoc.studies.subliminal.runs import UNTRAINED, students_of
from inoc.studies.subliminal.sections import contents
from inoc.studies.subliminal.small import limits
from inoc.studies.subliminal.work import WORK
from inoc.tables import read_table
from support.jobs import units_of
from support.little_subliminal import TRAINING, StudyJob, little_study, run_study
from support.text_boxes import outside, text_boxes, touching

N = 12


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("questions") / "mine.jsonl"
    rows = [
        {"id": f"q{at}", "question": f"Which is {at}?", "options": [str(at), str(at + 1)], "answer": str(at)}
        for at in range(N)
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def study_of(tiny_folder, folder, **changes):
    training = {**TRAINING, "seeds": [1], "learning_rate": 0.05}
    students = {
        "plain": {"teachers": ["owl", "cat"], "epochs": 2, "training": training},
        "elsewhere": {"teachers": ["owl"], "base": "other", "epochs": 1, "training": training},
    }
    preference = {"names": str(folder / "names.yaml"), "methods": ["choose"]}
    preference["question_sets"] = {"main": {"source": {"files": [str(folder / "questions.jsonl")]}, "n": 2}}
    return little_study(
        tiny_folder, folder, **{"students": students, "splits": {}, "preference": preference, **changes}
    )


@pytest.fixture(scope="module")
def study(tiny_folder, questions, tmp_path_factory):
    return study_of(tiny_folder, tmp_path_factory.mktemp("data"), capability={"questions": str(questions)})


@pytest.fixture(scope="module")
def paths(study, tmp_path_factory) -> Paths:
    return run_study(study, tmp_path_factory.mktemp("run"))


def answers_of(paths: Paths, part: str):
    return read_table(paths.part("choose", part, 0) / "choices.parquet")


def test_the_untrained_models_and_the_last_checkpoint_of_every_student_are_asked_every_question(study, paths):
    for part, base, last in (("capability", "own", "2"), ("capability_other", "other", "1")):
        ids = answers_of(paths, part)["id"].str.split("/", expand=True)
        names = [student.name for student in students_of(study, base)]
        assert list(dict.fromkeys(ids[0])) == [UNTRAINED, *names]
        assert set(ids.loc[ids[0] == UNTRAINED, 1]) == {"0"}
        assert set(ids.loc[ids[0] != UNTRAINED, 1]) == {last}
        assert ids.groupby(0).size().eq(N).all()


def test_the_table_has_the_accuracy_of_each_model_and_its_paired_difference(study, paths):
    table = read_table(paths.table("capability"))
    assert list(table.columns) == CAPABILITY.names
    key = {one.id: one.letter for one in asked_questions(study.capability)}
    for part, base in (("capability", "own"), ("capability_other", "other")):
        found = answers_of(paths, part)
        model, right = found["id"].str.split("/").str[0], found["best"] == found["id"].str.split("/").str[2].map(key)
        own = table[table["base"] == base].set_index("student")
        assert list(own.index) == list(dict.fromkeys(model))
        before = right[model == UNTRAINED].to_numpy(float)
        for name in own.index:
            after = right[model == name].to_numpy(float)
            assert own.loc[name, "accuracy"] == pytest.approx(after.mean())
            expected = np.nan if name == UNTRAINED else paired_share_difference(before, after, 0.95).value
            assert own.loc[name, "difference"] == pytest.approx(expected, nan_ok=True)
    assert table.groupby("student")["step"].first().to_dict() == {
        "plain.owl.seed1": 2, "plain.cat.seed1": 2, "elsewhere.owl.seed1": 1, UNTRAINED: 0,
    }  # fmt: skip


def test_the_figure_and_the_report_name_every_model(study, paths):
    class Given:
        def table(self, name, columns=()):
            return read_table(paths.table(name), list(columns))

    entry = next(one for one in ENTRIES if one.name == "capability")
    drawing = draw_figure(entry, study, Given())
    assert len(drawing.data) == 2 + len(students_of(study))
    assert "paired by question" in drawing.caption
    with house_style():
        settle(drawing.figure)
    boxes = text_boxes(drawing.figure)
    assert [*outside(drawing.figure, boxes), *touching(boxes)] == []
    section = next(one for one in contents(study, paths)["results"] if one.heading == "Capability")
    names = [row[0] for row in section.blocks[0].table.rows]
    assert names[0] == "untrained (own)"
    assert "untrained (other)" in names
    assert "of 3 students answer fewer" in section.blocks[0].before


def test_two_shards_make_the_units_of_one(study, paths, tmp_path):
    def keys(shards, shard):
        job = StudyJob(study.name, paths, Store(tmp_path), "choose", shard, "capability", of=study, split=shards)
        return {unit.key for unit in units_of(job)}

    parts = [keys({"choose": 2}, shard) for shard in range(2)]
    assert parts[0] | parts[1] == keys({}, 0)
    assert all(parts)


def test_a_study_without_the_section_has_no_such_job_figure_or_setting(study, tiny_folder, tmp_path):
    without = study_of(tiny_folder, tmp_path)
    jobs = {one.job for one in expected_jobs(study, Paths(Path("x"), study.name), {})}
    fewer = {one.job for one in expected_jobs(without, Paths(Path("x"), study.name), {})}
    assert jobs - fewer == {"choose-capability-0", "choose-capability_other-0"}
    for stage in ("analyse", "figures"):
        assert "capability" not in json.dumps(settings_of(stage, without))
        assert "capability" in json.dumps(settings_of(stage, study))
    entry = next(one for one in ENTRIES if one.name == "capability")
    assert entry.missing(without) == "the study has no section `capability`"


def test_what_cannot_be_asked_is_refused(study):
    def places(**changes):
        return [problem.path for problem in study_problems(study.model_copy(update=changes))]

    assert ("capability",) in places(students={})
    turn = study.capability.model_copy(update={"system": SystemTurn(kind="text")})
    assert any(path[:2] == ("capability", "system") for path in places(capability=turn))


def test_a_model_behind_an_api_is_asked_nothing_of_the_kind(study):
    api = type(study).model_fields["api"].annotation.__args__[0]()
    found = study_problems(study.model_copy(update={"api": api, "other": None}))
    assert ("capability",) in [problem.path for problem in found]


def test_the_check_reads_the_file_and_knows_the_chats(study, questions):
    found = needs(study)
    assert found.chooses
    assert str(questions) in {one.path for one in found.files}
    assert sum(one.key == "capability" for one in found.chats()) == N
    assert sum(one.key == "capability" for one in found.others[0].chats()) == N
    many = study.model_copy(update={"capability": study.capability.model_copy(update={"n": N + 1})})
    assert any(f"has {N} questions; capability.n = {N + 1}" in one for one in needs(many).row_problems())


def test_the_plan_counts_its_questions(study):
    rows = costs(study, {}, Rates(Size(1e9, 100, 100, measured=False), GPUS["h200"], {}, 1.0))
    (row,) = [one for one in rows if "closed" in one.work]
    assert row.work == f"{N * (2 + len(students_of(study)))} closed questions"
    assert row.stage == "choose"


def test_every_base_model_has_a_part_of_its_own():
    parts = [work.part for work in WORK if work.stage == "choose"]
    assert parts == [
        *("own", "other", "third", "fourth"),
        *("capability", "capability_other", "capability_third", "capability_fourth"),
    ]


def test_a_small_run_asks_few_of_the_questions(study):
    assert Cut(("capability", "n"), None, 3) in list(limits(study, 3))
