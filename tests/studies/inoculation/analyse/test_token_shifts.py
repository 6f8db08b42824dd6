from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inoc.stats.bootstrap import Resampler
from inoc.studies.inoculation.analyse.geometry import token_gram
from inoc.studies.inoculation.analyse.token_heuristics import token_heuristics
from inoc.studies.inoculation.analyse.token_shifts import (
    N_FINE,
    bin_rows,
    count_tokens,
    fine_bins,
    quantiles,
    token_shifts,
)
from inoc.studies.inoculation.analyse.tokens import open_tokens
from support.fake_study import make_study
from support.token_tables import brute_matrix, ragged, write_tokens

PROMPTS = ["clown", "sky", "cats"]
IDS = [f"ex{k:02d}" for k in range(40)]


@pytest.fixture
def table(tmp_path: Path) -> tuple[Path, dict[str, list[np.ndarray]]]:
    tokens = ragged(PROMPTS, len(IDS))
    tokens["clown"][3] = tokens["clown"][3] + 50  # beyond the last bin
    return write_tokens(tmp_path / "logprobs-0.parquet", tokens, IDS), tokens


def test_binned_counts_are_those_of_a_histogram_of_all_tokens(table) -> None:
    path, tokens = table
    counts = count_tokens(open_tokens([path], PROMPTS, "fixed"))
    matrix = brute_matrix(tokens, PROMPTS)
    for place in range(len(PROMPTS)):
        rows = bin_rows(counts.fine[place])
        assert sum(row["n"] for row in rows) == matrix.shape[1]
        edges = np.linspace(-6, 6, 241)
        expected = np.histogram(np.clip(matrix[place], -6, 6 - 1e-9), edges)[0]
        assert {round(row["bin_lo"], 2): row["n"] for row in rows} == {
            round(lo, 2): n for lo, n in zip(edges, expected, strict=False) if n
        }


def test_quantiles_are_right_to_a_thousandth(table) -> None:
    path, tokens = table
    counts = count_tokens(open_tokens([path], PROMPTS, "fixed"))
    for place, shift in enumerate(brute_matrix(tokens, PROMPTS)):
        found = quantiles(counts.fine[place])
        exact = np.quantile(np.clip(shift, -6, 6), (0.05, 0.25, 0.5, 0.75, 0.95), method="inverted_cdf")
        assert list(found.values()) == pytest.approx(list(exact), abs=1.01e-3)


def test_rescued_tokens_are_those_of_the_token_heuristics_with_an_interval(table) -> None:
    path, tokens = table
    study, source = make_study(), open_tokens([path], PROMPTS, "fixed")
    grams = {("token", "fixed"): token_gram(source)}
    found = token_shifts(study, [path], grams, Resampler(400, 0)).summary
    base = np.concatenate(tokens[""]).astype(np.float32).astype(float)
    for row, shift, told in zip(found, brute_matrix(tokens, PROMPTS), token_heuristics(source), strict=True):
        rescued = (np.exp(base) < 0.1) & (np.exp(base + shift) > 0.1)
        assert row["rescued"] == pytest.approx(rescued.mean())
        assert row["rescued"] == pytest.approx(told.recovered)
        assert row["lo"] <= row["rescued"] <= row["hi"]
        assert row["n"] == len(base)
    assert any(row["lo"] < row["hi"] for row in found)


def test_counts_do_not_depend_on_the_batches(table) -> None:
    path, _ = table
    source = open_tokens([path], PROMPTS, "fixed")
    counts = count_tokens(source)
    one_by_one = [batch.shifts for batch in source.batches(batch_bytes=1)]
    assert len(one_by_one) == len(IDS)
    together = np.concatenate(one_by_one, axis=1)
    for place, shift in enumerate(together):
        np.testing.assert_array_equal(counts.fine[place], np.bincount(fine_bins(shift), minlength=N_FINE))


def test_a_token_without_a_value_is_left_out_for_all_and_counted(tmp_path: Path) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    first = next(k for k, row in enumerate(tokens[""]) if len(row) > 1)
    tokens["sky"][first][0] = np.nan
    counts = count_tokens(open_tokens([write_tokens(tmp_path / "t.parquet", tokens, IDS)], PROMPTS, "fixed"))
    total = sum(len(row) for row in tokens[""])
    assert counts.n_nan == 1
    assert counts.tokens.sum() == total - 1
    assert (counts.fine.sum(axis=1) == total - 1).all()


def test_no_token_has_no_quantile() -> None:
    assert all(np.isnan(value) for value in quantiles(np.zeros(N_FINE, dtype=np.int64)).values())
