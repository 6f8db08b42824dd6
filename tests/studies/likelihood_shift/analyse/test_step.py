"""The whole analysis, of made-up scores with known differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from inoc.analyse.step import Analysed
from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.studies.likelihood_shift.analyse.names import TABLES
from inoc.studies.likelihood_shift.analyse.step import analyse
from inoc.studies.likelihood_shift.study import Study
from inoc.tables import to_arrow, write_row_groups
from support.scored_study import make_study, write_answers, write_scores

N = 400
SPLITS = {
    "quintiles": {"dataset": "d1"},
    "under_another": {"dataset": "d1", "prompt": "p3", "by": "median"},
    "random": {"dataset": "neutral", "by": "random", "share": 0.5, "seed": 3},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Paths]:
    folder = tmp_path_factory.mktemp("made")
    study = make_study(6, 5, folder, splits=SPLITS, scoring={"precision": 0.01})
    paths, rng = Paths(folder / "results", "made"), np.random.default_rng(0)
    write_answers(study, N, rng)
    write_scores(study, paths, N, rng)
    return study, paths


@pytest.fixture(scope="module")
def found(made: tuple[Study, Paths]) -> Analysed:
    study, paths = made
    return analyse(paths, study, {})


@pytest.fixture(scope="module")
def shifts(made: tuple[Study, Paths]) -> pd.DataFrame:
    """Every row's shift, by dataset and prompt, from the file of scores itself."""
    table = pq.read_table(made[1].logprobs(0)).to_pandas()
    wide = table.pivot(index=["dataset", "example_id"], columns="prompt", values="mean")
    return wide.sub(wide[""], axis=0).drop(columns="")


def test_every_table_has_its_schema_and_its_rows(found: Analysed) -> None:
    assert set(found.tables) == set(TABLES)
    for name, table in found.tables.items():
        to_arrow(table, found.schemas[name], Path(name))
    counts = {name: len(table) for name, table in found.tables.items()}
    assert counts["cells"] == 7 * 5 * 5
    assert counts["contrasts"] == 4 * 6 * 2
    assert counts["columns"] == 3 * (4 + 1)
    assert counts["divergence"] == 7 * 10
    assert counts["students"] == 0
    assert not found.skipped


COLUMNS = {
    "cells": "prompt dataset statistic value lo hi n n_nan rows_used",
    "contrasts": "dataset prompt against value se lo hi p q n",
    "columns": "dataset own_rank contrast lo hi",
    "decomposition": "statistic source sum_of_squares share",
    "divergence": "dataset_a dataset_b prompt jsd_bits jsd_corrected lo hi",
    "confounds": "dataset feature part value lo hi n",
    "splits": "split part dataset prompt n cut_lo cut_hi mean_lls seed",
    "students": "split epoch seed target rate lo hi n",
    "dose_response": "split target statistic value lo hi p n n_seeds",
}


@pytest.mark.parametrize("name", COLUMNS)
def test_tables_keep_the_columns_that_readers_rely_on(name: str, found: Analysed) -> None:
    assert set(COLUMNS[name].split()) <= set(found.tables[name].columns)


def test_cells_are_those_of_the_rows(found: Analysed, shifts: pd.DataFrame) -> None:
    cells = found.tables["cells"].set_index(["statistic", "dataset", "prompt"])
    for (dataset, prompt), rows in shifts.stack().groupby(level=[0, 2]):
        tail = rows[rows >= np.percentile(rows, 80)]
        expected = {
            "mean": rows.mean(),
            "median": rows.median(),
            "share_positive": (rows > 0).mean(),
            "top20": tail.mean(),
        }
        for statistic, value in expected.items():
            assert cells.loc[(statistic, dataset, prompt), "value"] == pytest.approx(value)
    assert (cells["lo"] <= cells["value"]).all()
    assert (cells["value"] <= cells["hi"]).all()
    assert (cells[["n", "n_nan", "rows_used"]] == [N, 0, N]).all(axis=None)


def test_contrasts_find_what_was_put_in(found: Analysed, shifts: pd.DataFrame) -> None:
    contrasts = found.tables["contrasts"]
    plain = contrasts[~contrasts["controlled"]]
    for row in plain.itertuples():
        rows = shifts.loc[row.dataset]
        assert row.value == pytest.approx((rows[row.prompt] - rows[row.against]).mean())
    for _, one in contrasts.groupby("controlled"):
        assert one["value"].mean() == pytest.approx(0.02, abs=0.004)
        assert (one["q"] >= one["p"]).all()
    columns = found.tables["columns"]
    mean = columns[columns["statistic"] == "mean"]
    assert (mean["own_rank"] == 1).all()
    assert (mean.loc[mean["dataset"] != "all", "q_own"] < 0.05).all()


def test_splits_have_the_rows_between_their_cuts(found: Analysed, shifts: pd.DataFrame) -> None:
    splits = found.tables["splits"].set_index(["split", "part"])
    rows = shifts.loc["d1", "p1"]
    for (_, part), row in splits.loc[["quintiles"]].iterrows():
        members = rows[(rows >= row["cut_lo"]) & (rows < row["cut_hi"])]
        assert row["n"] == len(members), part
        assert row["mean_lls"] == pytest.approx(members.mean())
    assert splits.loc[("under_another", "top"), "prompt"] == "p3"
    assert splits.loc[("random", "random"), ["n", "seed"]].tolist() == [N // 2, 3]


def test_precision_says_from_how_many_rows_on_the_target_is_reached(found: Analysed) -> None:
    table = found.tables["precision"]
    one = table[table["dataset"] == "d0"]
    assert one["rows"].tolist() == [50, 100, 200, 400]
    assert (one["half_width"].diff().dropna() < 0).all()
    assert one["half_width"].iloc[-1] == 0  # all rows of the dataset are scored
    left = (1 - one["rows"] / N) ** 0.5
    assert one["half_width"].to_numpy() == pytest.approx((one["half_width_population"] * left).to_numpy())
    assert (one["reached"] == (one["half_width"] <= 0.01)).all()
    assert set(one["target"]) == {0.01}


def test_the_format_of_answers_is_told_by_part(found: Analysed) -> None:
    table = found.tables["confounds"]
    assert set(table.loc[table["dataset"] == "d0", "part"]) == {"all", "q1", "q2", "q3", "q4", "q5", "rho"}
    assert set(table.loc[table["dataset"] == "neutral", "part"]) == {"all"}
    brackets = table[(table["feature"] == "brackets") & (table["part"] == "all")]
    assert brackets["value"].between(0.1, 0.3).all()


def test_the_order_of_datasets_does_not_move_a_number(made: tuple[Study, Paths], found: Analysed) -> None:
    study, paths = made
    turned = study.model_copy(update={"datasets": dict(reversed(study.datasets.items()))})
    again = analyse(paths, turned, {})
    for name in ("cells", "contrasts"):
        keys = [key for key in ("dataset", "prompt", "statistic", "against", "controlled") if key in found.tables[name]]
        sorted_tables = [one.tables[name].sort_values(keys).reset_index(drop=True) for one in (found, again)]
        pd.testing.assert_frame_equal(*sorted_tables)


def test_rows_that_differ_between_prompts_are_refused(made: tuple[Study, Paths], tmp_path: Path) -> None:
    study, paths = made
    file = pq.ParquetFile(paths.logprobs(0))
    groups = [file.read_row_group(k) for k in range(file.num_row_groups)]
    groups[2] = groups[2].slice(1)
    other = Paths(tmp_path, "made")
    write_row_groups(groups, file.schema_arrow, other.logprobs(0))
    with pytest.raises(DataError, match="dataset d0: the rows scored under 'p1' are not those scored under the others"):
        analyse(other, study, {})


def test_rows_that_failed_under_one_prompt_are_counted(made: tuple[Study, Paths], tmp_path: Path) -> None:
    study, paths = made
    file = pq.ParquetFile(paths.logprobs(0))
    groups = [file.read_row_group(k).to_pandas() for k in range(file.num_row_groups)]
    groups[1].loc[:9, "mean"] = np.nan  # d0 under p0, its own prompt
    other = Paths(tmp_path, "made")
    schema = file.schema_arrow
    write_row_groups((to_arrow(one, schema, tmp_path) for one in groups), schema, other.logprobs(0))
    found = analyse(other, study, {})
    cells = found.tables["cells"].set_index(["statistic", "dataset", "prompt"])
    assert cells.loc[("mean", "d0", "p0"), ["n", "n_nan", "rows_used"]].tolist() == [N - 10, 10, N]
    assert cells.loc[("mean", "d0", "p1"), "n_nan"] == 0
    contrasts = found.tables["contrasts"]
    assert set(contrasts.loc[contrasts["dataset"] == "d0", "n_nan"]) == {10}
    splits = found.tables["columns"].set_index(["statistic", "dataset"])
    assert splits.loc[("mean", "d0"), ["n", "n_nan"]].tolist() == [N - 10, 10]


def test_scored_rows_that_the_dataset_no_longer_has_are_refused(made: tuple[Study, Paths], tmp_path: Path) -> None:
    study, paths = made
    shorter = tmp_path / "d0.jsonl"
    lines = Path(str(study.datasets["d0"].file)).read_text(encoding="utf-8").splitlines(keepends=True)
    shorter.write_text("".join(lines[:-1]), encoding="utf-8")
    changed = study.datasets["d0"].model_copy(update={"file": str(shorter)})
    other = study.model_copy(update={"datasets": {**study.datasets, "d0": changed}})
    with pytest.raises(DataError, match="1 of 400 scored rows, such as 'row000400', are not among its rows"):
        analyse(paths, other, {})


def test_the_half_width_of_all_rows_is_the_largest_of_the_table_of_contrasts(found: Analysed) -> None:
    contrasts = found.tables["contrasts"]
    plain = contrasts[~contrasts["controlled"]]
    widest = ((plain["hi"] - plain["lo"]) / 2).groupby(plain["dataset"]).max()
    table = found.tables["precision"]
    last = table[table["rows"] == N].set_index("dataset")["half_width_population"]
    assert last[widest.index].to_numpy() == pytest.approx(widest.to_numpy(), rel=5e-3)  # t and normal quantiles
