from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from inoc.errors import DataError
from inoc.stats.two_way import two_way


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(2, 6))
def test_the_sums_of_squares_are_those_of_an_analysis_of_variance(seed: int, n_rows: int, n_columns: int) -> None:
    table = np.random.default_rng(seed).normal(size=(n_rows, n_columns))
    long = pd.DataFrame(table).stack().rename("y").rename_axis(["row", "column"]).reset_index()
    theirs = anova_lm(ols("y ~ C(row) + C(column)", long).fit())["sum_sq"]
    assert np.allclose(two_way(table)[:2], theirs[:2])
    assert two_way(table).interaction == pytest.approx(theirs["Residual"], abs=1e-9)
    assert two_way(table).total == pytest.approx(((table - table.mean()) ** 2).sum())


def test_a_constant_table_has_no_shares() -> None:
    found = two_way(np.ones((3, 3)))
    assert found.total == 0
    assert np.isnan(found.share(found.rows))


def test_a_table_has_two_dimensions() -> None:
    with pytest.raises(DataError, match="two dimensions, not 1"):
        two_way(np.ones(3))
