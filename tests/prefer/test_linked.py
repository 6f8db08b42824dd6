"""The verb `inoc prefer link`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inoc.cli import main
from inoc.tables import read_table


def write(path, mu: np.ndarray, first: int = 0, name: str = "item") -> str:
    items = [f"item {number}" for number in range(first, first + len(mu))]
    pd.DataFrame({name: items, "mu": mu, "sigma": 1.0}).to_csv(path, index=False)
    return str(path)


def test_two_fits_are_brought_to_one_scale(tmp_path, capsys):
    mu = np.random.default_rng(0).normal(size=20)
    files = (write(tmp_path / "a.csv", mu[:14]), write(tmp_path / "b.csv", 3 * mu[6:] + 2, 6, "task_id"))
    main(["prefer", "link", *files, "--out", str(tmp_path / "out")])
    table = read_table(tmp_path / "out" / "linked.parquet")
    np.testing.assert_allclose(table["linked"][6:], mu[6:], atol=1e-9)
    assert table["difference"].notna().sum() == 8
    assert table["first"].isna().sum() == 6
    assert "8 common items" in capsys.readouterr().out
    assert (tmp_path / "out" / "linked.csv").exists()


@pytest.mark.parametrize(
    ("mu", "first", "said"),
    [
        (np.arange(1.0, 9), 20, "cannot be linked"),
        (-np.arange(1.0, 9), 0, "no common scale"),
        (np.r_[0.0, 1, 2, 0.0, 3], 0, "are exactly 0 (rows 1, 4)"),
        (np.array([1.0, np.nan, 2]), 0, "no number"),
    ],
)
def test_what_has_no_common_scale_is_refused(tmp_path, capsys, mu, first, said):
    files = (write(tmp_path / "a.csv", np.arange(1.0, 9)), write(tmp_path / "b.csv", mu, first))
    with pytest.raises(SystemExit):
        main(["prefer", "link", *files, "--out", str(tmp_path / "out")])
    assert said in capsys.readouterr().err


def test_tables_that_are_not_of_one_fit_are_refused(tmp_path, capsys):
    one = write(tmp_path / "a.csv", np.arange(1.0, 9))
    frame = pd.read_csv(one)
    pd.concat([frame.assign(fit="x"), frame.assign(fit="y")]).to_csv(tmp_path / "two.csv", index=False)
    pd.concat([frame, frame]).to_csv(tmp_path / "twice.csv", index=False)
    frame.drop(columns="mu").to_csv(tmp_path / "none.csv", index=False)
    for name, said in (("two", "2 fits in one table"), ("twice", "is there twice"), ("none", "expected columns")):
        with pytest.raises(SystemExit):
            main(["prefer", "link", one, str(tmp_path / f"{name}.csv"), "--out", str(tmp_path / "out")])
        assert said in capsys.readouterr().err
