"""A little study through every stage, on a model that has learned nothing."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest

from inoc.engines import transformers
from inoc.studies.subliminal.analyse.names import TABLES
from support.little_subliminal import little_study, run_study


@pytest.fixture(scope="module")
def study(tiny_folder, tmp_path_factory):
    return little_study(tiny_folder, tmp_path_factory.mktemp("given"))


@pytest.fixture(scope="module")
def loads():
    """Stage and part → how often a model was loaded."""
    return Counter()


@pytest.fixture(scope="module")
def done(study, loads, tmp_path_factory):
    jobs = []
    load = transformers.load_model

    def counted(identity):
        loads[jobs[-1]] += 1
        return load(identity)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformers, "load_model", counted)
        folder = tmp_path_factory.mktemp("little")
        return run_study(study, folder, until="report", before=lambda *job: jobs.append(job))


def test_all_checkpoints_of_a_base_model_are_asked_in_one_load(done, loads):
    assert done
    for stage in ("choose", "sample"):
        assert (loads[stage, "own"], loads[stage, "other"]) == (1, 1)


def table(done, name) -> pd.DataFrame:
    return pd.read_parquet(done.table(name))


def test_every_table_is_written_with_its_csv_twin(done):
    for name in TABLES:
        assert done.table(name).exists(), name
        assert done.table(name).with_suffix(".csv").exists(), name


def test_the_filter_counts_every_row_of_every_teacher(done):
    rows = table(done, "filter")
    totals = rows[rows["kind"] == "total"].set_index(["teacher", "reason"])["n"]
    assert totals["owl", "written"] == 24
    assert totals["owl", "kept"] == totals["owl", "trained_on"] == 21
    reasons = rows[rows["kind"] == "reason"].set_index(["teacher", "reason"])["n"]
    assert reasons["owl", "format"] == 3


def test_every_subject_is_asked_by_both_methods(done):
    rows = table(done, "preferences")
    students = {"plain.plain", "plain.owl", "plain.cat", "shuffled.owl", "shuffled.cat", "elsewhere.owl"}
    students |= {"elsewhere.cat", "halves.owl.top", "halves.owl.bottom", "untrained", "teacher.prompted"}
    assert set(rows["student"]) == students
    assert set(rows["method"]) == {"choose", "sample"}
    plain = rows[(rows["student"] == "plain.owl") & (rows["question_set"] == "main")]
    assert set(plain["epoch"]) == {1, 2}
    assert set(plain["seed"]) == {1, 2}
    assert (plain[plain["method"] == "sample"]["n"] == 12).all()
    assert (plain[plain["method"] == "choose"]["n"] == 6).all()
    assert plain[plain["epoch"] == 2]["is_last"].all()
    assert plain.groupby(["seed", "method", "entity"])["is_best"].sum().eq(1).all()


def test_the_other_base_has_its_own_untrained_model(done):
    rows = table(done, "preferences")
    assert set(rows[rows["student"] == "untrained"]["base"]) == {"own", "other"}


def test_transfer_has_both_references_and_its_difference_is_that_of_the_rates(done):
    rows = table(done, "transfer")
    assert set(rows["reference"]) == {"untrained"}  # no student is trained on the neutral teacher's rows
    assert ((rows["rate"] - rows["reference_rate"] - rows["difference"]).abs() < 1e-12).all()
    own = rows[(rows["teacher"] == "owl") & (rows["entity"] == "owl")]
    assert own["matched"].all()
    assert not rows[rows["teacher"] == "plain"]["matched"].any()


def test_the_matched_contrast_is_given_for_every_epoch_and_group(done):
    rows = table(done, "matched")
    whole = rows[(rows["teacher"] == "all") & (rows["question_set"] == "main")]
    assert set(whole["group"]) == {"plain", "shuffled", "elsewhere"}
    assert (whole["n_teachers"] == 2).all()
    mechanism = table(done, "mechanism")
    assert set(mechanism["base"]) == {"own", "other"}
    assert dict(zip(mechanism["group"], mechanism["n_rows"], strict=True))["shuffled"] == 8


def test_a_split_gives_the_rates_of_its_parts(done):
    rows = table(done, "split_students")
    assert set(rows["statistic"]) == {"rate", "slope", "trend", "top_minus_bottom"}
    assert set(rows[rows["statistic"] == "rate"]["part"]) == {"bottom", "top"}
    keys = ["group", "teacher", "part", "entity", "question_set"]
    own = rows[(rows["statistic"] == "rate") & (rows["method"] == "choose")].set_index(keys)
    rates = table(done, "rates")
    same = rates[(rates["method"] == "choose") & rates["is_last"]].set_index(keys).loc[own.index]
    assert len(own) > 1
    assert own[["lo", "hi"]].to_numpy() == pytest.approx(same[["lo", "hi"]].to_numpy(), nan_ok=True)
