"""The report: claims with their intervals, and whether they hold."""

from __future__ import annotations

import pandas as pd

from inoc.report.page import html, markdown, page_values
from inoc.studies.subliminal.sections import contents
from support.made_subliminal import made_study, write_tables


def test_transfer_holds_with_the_own_base_model_and_the_controls_show_none(tmp_path):
    study = made_study()
    words = "\n".join(contents(study, write_tables(tmp_path, study))["verdict"])
    assert "**Holds:** students of Same initial weights come to share their own teacher's preference" in words
    assert "**Undecided:** students of Another initialisation, a control, carry nothing over" in words
    assert "above zero in 10 of 10 cells of entity × seed (5 teachers, 2 seeds)" in words


def test_a_transfer_that_fails_is_said_to_fail(tmp_path):
    study = made_study()
    tables = write_tables(tmp_path / "first", study)
    matched = pd.read_parquet(tables.table("matched"))
    matched.loc[matched["group"] == "same", "p"] = 0.4
    words = "\n".join(contents(study, write_tables(tmp_path / "second", study, matched=matched))["verdict"])
    assert "**Does not hold:** students of Same initial weights" in words


def verdict_of_control(study, folder, **values):
    matched = pd.read_parquet(write_tables(folder / "made", study).table("matched"))
    matched.loc[matched["group"] == "another", list(values)] = list(values.values())
    words = contents(study, write_tables(folder / "changed", study, matched=matched))["verdict"]
    return next(one for one in words if "Another initialisation, a control" in one)


def test_a_control_holds_only_if_its_contrast_is_shown_to_be_negligible(tmp_path):
    study = made_study()
    shown = verdict_of_control(study, tmp_path / "a", null_p=0.01, null_lo=-0.02, null_hi=0.03)
    assert shown.startswith("**Holds:**")
    assert "stays within ±0.05 nats by two one-sided tests (90 % interval -0.020 to 0.030, p = 0.01" in shown
    transfer = verdict_of_control(study, tmp_path / "b", null_p=0.6, p=0.001)
    assert transfer.startswith("**Does not hold:**")
    unknown = verdict_of_control(study, tmp_path / "c", null_p=0.2, p=0.8)
    assert unknown.startswith("**Undecided:**")
    assert "is not shown to stay within" in unknown


def test_the_page_has_every_section_and_can_be_shown(tmp_path):
    study = made_study()
    paths = write_tables(tmp_path, study)
    text = markdown(page_values(contents(study, paths), paths))
    assert html(text, study.title, paths.stage("report"))
    for heading in ("Numbers", "Preferences", "Transfer", "Mechanism", "Splits", "Methods"):
        assert f"# {heading}" in text


def test_a_study_of_which_nothing_is_there_still_gives_a_page(tmp_path):
    study = made_study()
    paths = write_tables(tmp_path, study)
    for path in paths.stage("analyse").iterdir():
        path.unlink()
    text = markdown(page_values(contents(study, paths), paths))
    assert "Nothing could be concluded" in text
