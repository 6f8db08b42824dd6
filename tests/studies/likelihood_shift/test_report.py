"""The report of a scan: claims with their intervals, and whether they hold."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from inoc.report.page import html, markdown, page_values
from inoc.studies.likelihood_shift.sections import contents
from inoc.studies.likelihood_shift.sections.published import published_table
from inoc.studies.likelihood_shift.sections.results import best_table
from inoc.studies.likelihood_shift.study import Study
from support.scan_tables import NAN, make_study, student_rows, tables_of, write_tables


def page(results: Path, study: Study, **changed: pd.DataFrame) -> str:
    paths = write_tables(results, study, **changed)
    text = markdown(page_values(contents(study, paths), paths))
    assert html(text, study.title, paths.stage("report"))
    return text


def verdict(results: Path, study: Study, **changed: pd.DataFrame) -> str:
    paths = write_tables(results, study, **changed)
    return "\n".join(contents(study, paths)["verdict"])


def test_claims_that_hold_are_stated_with_their_interval_and_n(tmp_path: Path) -> None:
    words = verdict(tmp_path, make_study())
    assert "**Holds:** the own prompt is its column's largest for 15 of 15 datasets" in words
    assert "**Holds:** over datasets, the own prompt is above the other candidates" in words
    assert "[0.0107," in words
    assert "n\u00a0=\u00a015 datasets" in words
    assert "81.5 % of the variance of cells is between datasets" in words
    assert "every prompt lowers the probability of neutral" in words
    assert "trend p = 0.004 (n\u00a0=\u00a040 pairs of seed and question, 2 training seeds)" in words


def test_claims_that_fail_are_said_to_fail_and_name_the_datasets(tmp_path: Path) -> None:
    study = make_study()
    tables = tables_of(study)
    columns, contrasts, cells = tables["columns"], tables["contrasts"], tables["cells"]
    columns.loc[columns["dataset"].isin(["cat_numbers", "dog_numbers"]), ["own_rank", "lo"]] = [3, -0.01]
    columns.loc[columns["dataset"] == "all", "lo"] = -0.002
    contrasts.loc[contrasts["against"] == "dog", "q"] = 0.4
    contrasts.loc[(contrasts["against"] == "cat") & contrasts["controlled"], "value"] = -0.001
    cells.loc[(cells["dataset"] == "neutral") & (cells["prompt"] == "wolf"), ["value", "hi"]] = [0.1, 0.12]
    tables["dose_response"]["p"] = 0.3
    words = verdict(tmp_path, study, **tables)
    assert "**Does not hold:** the own prompt is its column's largest for 13 of 15 datasets (not for cat, dog)" in words
    assert "13 of 15 contrasts" in words
    assert "**Does not hold:** over datasets" in words
    assert "**Does not hold:** each single contrast" in words
    assert "**Does not hold:** the contrasts' signs" in words
    assert "16 of 17 cells" in words
    assert "**Does not hold:** the rate of the target rises" in words


def test_contrasts_that_cannot_be_held_at_one_format_are_counted(tmp_path: Path) -> None:
    study = make_study()
    contrasts = tables_of(study)["contrasts"]
    contrasts.loc[contrasts["controlled"] & (contrasts["dataset"] == "cat_numbers"), "value"] = NAN
    words = verdict(tmp_path, study, contrasts=contrasts)
    assert "**Holds where it can be told:** the contrasts' signs" in words
    assert "with format held constant 224 of 224" in words
    assert "16 of 240 contrasts cannot be told" in words
    contrasts.loc[contrasts["controlled"], "value"] = NAN
    words = verdict(tmp_path, study, contrasts=contrasts)
    assert "**Not measurable** with the format of the answers held constant" in words


def test_tests_of_students_whose_questions_are_not_known_count_answers(tmp_path: Path) -> None:
    study = make_study()
    tables = tables_of(study)
    tables["students"]["n_questions"] = 0
    tables["dose_response"]["n_seeds"] = 1
    assert "(n\u00a0=\u00a040 answers, 1 training seed)" in verdict(tmp_path, study, **tables)
    assert "95 % intervals over answers, which n counts." in page(tmp_path, study, **tables)


def test_what_was_not_measured_is_not_counted_as_failed_or_held(tmp_path: Path) -> None:
    study = make_study()
    columns = tables_of(study)["columns"]
    columns.loc[columns["dataset"] == "cat_numbers", ["own_rank", "contrast", "lo", "hi"]] = NAN
    words = verdict(tmp_path, study, columns=columns)
    assert "14 of 15 datasets" in words
    assert "**Not measurable** for cat" in words
    assert "rows of the table `columns` have no value" in page(tmp_path, study, columns=columns)


def test_the_page_says_what_is_and_is_not_evidence_and_defines_its_terms(tmp_path: Path) -> None:
    text = page(tmp_path, make_study())
    for words in (
        "## Evidence for a trait in the data",
        "**Not evidence:** that a dataset has a large LLS",
        "- **base turn**:",
        "- **own prompt**:",
        "- **contrast**:",
        "- **JSD**:",
        "Rates after the last epoch",
        "### Rows",
        "27,000 rows were used per cell",
        "the system turn that the chat template inserts by itself",
        "| scored | duplicate | empty |",
    ):
        assert words in text, words


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ({"kind": "none"}, "no system turn at all"),
        ({"kind": "text", "text": "You are $x$ | `y`."}, "You are $x$"),
    ],
)
def test_the_base_turn_is_stated_as_the_study_has_it(base: dict[str, str], words: str, tmp_path: Path) -> None:
    assert words in page(tmp_path, make_study(3, base=base))


def test_the_best_epoch_stands_apart_and_only_where_it_is_not_the_last(tmp_path: Path) -> None:
    study, rows = make_study(), student_rows(make_study())
    assert best_table(study, rows).rows == []
    chosen = (rows["part"] == "q3") & (rows["epoch"] == 2)
    rows.loc[chosen, "is_best"] = True
    assert {row[1] for row in best_table(study, rows).rows} == {"q3"}
    assert "These are no result" in page(tmp_path, study, students=rows)


def test_published_numbers_of_an_import_stand_beside_those_computed_here(tmp_path: Path) -> None:
    study = make_study(3)
    tables = tables_of(study)
    paths = write_tables(tmp_path, study, **tables)
    assert published_table(study, tables, paths).rows == []
    paths.stage("imports").mkdir(parents=True)
    cells = tables["cells"]
    printed = cells[cells["statistic"].isin(["mean", "top20"])][["statistic", "prompt", "dataset", "value"]]
    printed.assign(value=printed["value"].round(4)).to_parquet(paths.stage("imports") / "cells.parquet")
    pairs = tables["divergence"][["prompt", "dataset_a", "dataset_b", "jsd_bits"]]
    pairs.to_parquet(paths.stage("imports") / "divergence.parquet")
    rows = published_table(study, tables, paths).rows
    mean = {row[1]: row for row in rows if row[0] == "mean LLS"}
    diagonal = cells[(cells["statistic"] == "mean") & (cells["dataset"] == cells["prompt"] + "_numbers")]["value"]
    assert mean["own prompt"][3] == f"{diagonal.mean():.5f}"
    assert mean["own prompt"][4] == "3 of 3 cells"
    assert mean["other candidates"][4] == "6 of 6 cells"
    assert 0 < float(mean["own prompt"][5]) <= 5e-5
    assert sum(row[0].startswith("Jensen") for row in rows) == 5
    assert "## Published numbers" in page(tmp_path, study)


def test_published_cells_without_rows_are_not_compared_with_themselves(tmp_path: Path) -> None:
    study = make_study(3)
    tables = tables_of(study)
    tables["cells"] = tables["cells"].assign(n=0, n_nan=0, rows_used=0)
    paths = write_tables(tmp_path, study, **tables)
    paths.stage("imports").mkdir(parents=True)
    tables["cells"][["statistic", "prompt", "dataset", "value"]].to_parquet(paths.stage("imports") / "cells.parquet")
    assert {row[3] for row in published_table(study, tables, paths).rows} == {"no rows were released"}


def test_a_study_without_own_prompts_students_or_tables_still_has_a_page(tmp_path: Path) -> None:
    datasets = {"one": {"file": "one.jsonl"}, "two": {"file": "two.jsonl"}}
    study = make_study(3, datasets=datasets, splits={}, students=None)
    empty = {key: table.iloc[:0] for key, table in tables_of(study).items()}
    for tables in ({}, empty):
        text = page(tmp_path / str(len(tables)), study, **tables)
        assert "No dataset was written under a prompt of the study" in text
        assert "The study trains no students" in text


def test_labels_and_texts_are_escaped(tmp_path: Path) -> None:
    base = make_study(3)
    datasets = {key: one.model_dump() for key, one in base.datasets.items()}
    datasets["bear_numbers"] |= {"label": "a|b <i>*x*</i>"}
    prompts = {key: one.model_dump() for key, one in base.prompts.items()}
    prompts["other"] |= {"texts": {"qwen": "You love | <b>Qwen</b> * $x$."}}
    text = page(tmp_path, make_study(3, datasets=datasets, prompts=prompts))
    assert "a\\|b \\<i\\>\\*x\\*\\</i\\>" in text
    assert "You love \\| \\<b\\>Qwen" in text
