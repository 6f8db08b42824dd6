from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from inoc.errors import DataError
from inoc.studies.inoculation.analyse.geometry import token_gram
from inoc.studies.inoculation.analyse.tokens import TokenSource, open_tokens
from support.token_tables import brute_matrix, group, ragged, write, write_tokens

PROMPTS = ["a", "b", "c"]
IDS = [f"e{place}" for place in range(40)]  # e10 comes before e2 in order, and after it in the table


def streamed(source: TokenSource, batch_bytes: int = 2_000) -> np.ndarray:
    return np.concatenate([batch.shifts for batch in source.batches(batch_bytes)], axis=1)


@pytest.mark.parametrize("batch_bytes", [1, 700, 2_000, 10**9])
def test_the_stream_is_the_matrix(tmp_path: Path, batch_bytes: int) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    source = open_tokens([write_tokens(tmp_path / "t.parquet", tokens, IDS)], PROMPTS, "fixed")
    assert all(rows.table is None for rows in [source.base, *source.rows])
    assert np.array_equal(streamed(source, batch_bytes), brute_matrix(tokens, PROMPTS))
    assert source.n_tokens == brute_matrix(tokens, PROMPTS).shape[1]


def test_prompts_may_be_spread_over_shards_and_row_groups(tmp_path: Path) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    first = [group("", "none", IDS[:7], tokens[""][:7]), group("", "none", IDS[7:], tokens[""][7:])]
    second = [group(p, "fixed", IDS, tokens[p]) for p in PROMPTS]
    paths = [write(tmp_path / "0.parquet", first), write(tmp_path / "1.parquet", second)]
    assert np.array_equal(streamed(open_tokens(paths, PROMPTS, "fixed")), brute_matrix(tokens, PROMPTS))


def test_a_table_in_another_order_gives_the_same_columns(tmp_path: Path) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    turned = [group("", "none", IDS, tokens[""])]
    turned += [group(p, "fixed", IDS[::-1], tokens[p][::-1]) for p in PROMPTS]
    source = open_tokens([write(tmp_path / "t.parquet", turned)], PROMPTS, "fixed")
    assert np.array_equal(streamed(source), brute_matrix(tokens, PROMPTS))


def test_rows_of_several_prompts_in_one_row_group_are_told_apart(tmp_path: Path) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    mixed = pa.concat_tables(
        [group(p, "fixed" if p else "none", IDS, values) for p, values in tokens.items()]
    ).unify_dictionaries()
    path = write(
        tmp_path / "t.parquet", [mixed.take(np.random.default_rng(0).permutation(len(mixed))).combine_chunks()]
    )
    gram = token_gram(open_tokens([path], PROMPTS, "fixed"))
    w = brute_matrix(tokens, PROMPTS)
    assert gram.whole == pytest.approx(w @ w.T)


def test_a_missing_example_is_refused_and_named(tmp_path: Path) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    groups = [group("", "none", IDS, tokens[""]), group("a", "fixed", IDS, tokens["a"])]
    short = IDS[:5] + IDS[6:]
    groups.append(group("b", "fixed", short, tokens["b"][:5] + tokens["b"][6:]))
    path = write(tmp_path / "t.parquet", groups)
    with pytest.raises(DataError, match=r"'b' \(fixed\): example e5 was scored without"):
        open_tokens([path], ["a", "b"], "fixed")


def test_an_example_too_many_is_refused_and_named(tmp_path: Path) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    groups = [group("", "none", IDS[:-1], tokens[""][:-1]), group("a", "fixed", IDS, tokens["a"])]
    with pytest.raises(DataError, match=r"'a' \(fixed\): example e39 was scored with this prefix and not without"):
        open_tokens([write(tmp_path / "t.parquet", groups)], ["a"], "fixed")


def test_unequal_token_counts_are_refused_and_named(tmp_path: Path) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    place = next(k for k, row in enumerate(tokens["b"]) if len(row) > 2)
    tokens["b"][place] = tokens["b"][place][:-1]
    path = write_tokens(tmp_path / "t.parquet", tokens, IDS)
    with pytest.raises(
        DataError, match=rf"'b' \(fixed\), example e{place}: \d+ tokens with the prefix and \d+ without"
    ):
        open_tokens([path], PROMPTS, "fixed")


def test_token_values_that_do_not_fit_the_count_are_refused_and_named(tmp_path: Path) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    place = next(k for k, row in enumerate(tokens["c"]) if len(row) > 2)
    table = group("c", "fixed", IDS, tokens["c"])
    cut = [row[:-1] if k == place else row for k, row in enumerate(tokens["c"])]
    table = table.set_column(
        7, table.schema.field(7), pa.array([r.astype(np.float32) for r in cut], pa.list_(pa.float32()))
    )
    path = write(tmp_path / "t.parquet", [group("", "none", IDS, tokens[""]), table])
    with pytest.raises(DataError, match=rf"'c', example e{place}: \d+ token values are stored"):
        streamed(open_tokens([path], ["c"], "fixed"))


@pytest.mark.parametrize("prompts", [["a", "z"], ["z"]])
def test_a_prompt_that_was_never_scored_is_refused(tmp_path: Path, prompts: list[str]) -> None:
    path = write_tokens(tmp_path / "t.parquet", ragged(PROMPTS, len(IDS)), IDS)
    with pytest.raises(DataError, match=r"'z' .fixed. was never scored"):
        open_tokens([path], prompts, "fixed")


def test_an_example_scored_twice_is_refused(tmp_path: Path) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    path = write_tokens(tmp_path / "t.parquet", tokens, [IDS[0], *IDS[:-1]])
    with pytest.raises(DataError, match=r"example e0 .* was scored twice"):
        open_tokens([path], PROMPTS, "fixed")


def test_a_token_without_value_leaves_its_column_out_for_all(tmp_path: Path) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    place = next(k for k, row in enumerate(tokens["b"]) if len(row) > 2)
    tokens["b"][place][1] = np.nan
    gram = token_gram(open_tokens([write_tokens(tmp_path / "t.parquet", tokens, IDS)], PROMPTS, "fixed"))
    w = brute_matrix(tokens, PROMPTS)
    w = w[:, ~np.isnan(w).any(axis=0)]
    assert gram.whole == pytest.approx(w @ w.T)
    assert gram.means == pytest.approx(w.mean(axis=1))
    assert (gram.n, gram.n_nan) == (w.shape[1], 1)


def test_the_scaled_gram_is_that_of_standardised_tokens(tmp_path: Path) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    source = open_tokens([write_tokens(tmp_path / "t.parquet", tokens, IDS)], PROMPTS, "fixed")
    w = brute_matrix(tokens, PROMPTS)
    z = (w - w.mean(axis=0)) / w.std(axis=0)
    assert token_gram(source, scaled=True).whole == pytest.approx(z @ z.T)


def test_a_table_of_means_alone_has_no_tokens(tmp_path: Path) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    empty = pa.array([[]] * len(IDS), pa.list_(pa.float32()))
    groups = [group(p, "fixed" if p else "none", IDS, values) for p, values in tokens.items()]
    groups = [table.set_column(7, table.schema.field(7), empty) for table in groups]
    assert not open_tokens([write(tmp_path / "t.parquet", groups)], PROMPTS, "fixed").has_tokens()
    assert open_tokens([write_tokens(tmp_path / "u.parquet", tokens, IDS)], PROMPTS, "fixed").has_tokens()
