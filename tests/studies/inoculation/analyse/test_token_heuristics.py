from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from inoc.studies.inoculation.analyse import token_heuristics as module
from inoc.studies.inoculation.analyse import tokens as stream
from inoc.studies.inoculation.analyse.token_heuristics import TokenHeuristics, token_heuristics
from inoc.studies.inoculation.analyse.tokens import open_tokens
from support.token_tables import Tokens, brute_heuristics, ragged, token_shifts, write_tokens

PROMPTS = ["a", "b", "c"]
IDS = [f"e{place}" for place in range(60)]


def found(folder: Path, tokens: Tokens) -> list[TokenHeuristics]:
    return token_heuristics(open_tokens([write_tokens(folder / "t.parquet", tokens, IDS)], PROMPTS, "fixed"))


@pytest.mark.parametrize("seed", range(4))
def test_every_heuristic_is_its_formula(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In batches of a few examples, so that what is added up over batches shows."""
    monkeypatch.setattr(stream.TokenSource.batches, "__defaults__", (3_000,))
    tokens = ragged(PROMPTS, len(IDS), seed)
    for prompt, one in zip(PROMPTS, found(tmp_path, tokens), strict=True):
        expected = brute_heuristics(token_shifts(tokens, prompt), list(tokens[""]))
        assert {name: getattr(one, name) for name in expected} == pytest.approx(expected, rel=1e-7)
        assert (one.n, one.n_nan) == (sum(map(len, tokens[""])), 0)


@pytest.mark.parametrize("batch_bytes", [3_000, 100_000, 10_000_000])
def test_the_stream_gives_what_all_examples_at_once_give(
    tmp_path: Path, batch_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Components of examples × positions, from one plain product, whatever the batches."""
    monkeypatch.setattr(stream.TokenSource.batches, "__defaults__", (batch_bytes,))
    tokens = ragged(PROMPTS, len(IDS), 5)
    for prompt, one in zip(PROMPTS, found(tmp_path, tokens), strict=True):
        rows = token_shifts(tokens, prompt)
        table = np.zeros((len(IDS), max(map(len, rows))))
        for place, row in enumerate(rows):
            table[place, : len(row)] = row
        # The directions of the uncentred matrix, and the variance along each.
        _, vectors = np.linalg.eigh(table.T @ table)
        variance = (table @ vectors[:, ::-1]).var(axis=0)
        flat = np.concatenate(rows)
        assert one.hb1 == pytest.approx(variance[0] / table.var(axis=0).sum(), rel=1e-12)
        assert one.h13 == pytest.approx(flat @ flat / len(flat), rel=1e-12)


def test_only_the_first_positions_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    monkeypatch.setattr(module, "N_POSITIONS", 5)
    cut = {prompt: [row[:5] for row in rows] for prompt, rows in tokens.items()}
    for prompt, one in zip(PROMPTS, found(tmp_path, tokens), strict=True):
        expected = brute_heuristics(token_shifts(cut, prompt), list(cut[""]))
        assert [one.hb1, one.hb3, one.hb5] == pytest.approx([expected[name] for name in ("hb1", "hb3", "hb5")])


def test_tokens_that_tie_at_the_edge_share_its_places(tmp_path: Path) -> None:
    tokens = {key: [np.zeros(2) for _ in IDS] for key in ["", *PROMPTS]}
    for place in range(60):
        tokens["a"][place] = np.array([1.0, -1.0 if place < 30 else 1.0])  # 120 tokens, of which 30 are negative
    one = found(tmp_path, tokens)[0]
    assert one.ha3 == pytest.approx(0.5)


def test_the_edge_is_exact_for_values_that_are_nearly_equal(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tokens = {key: [np.zeros(4) for _ in IDS] for key in ["", *PROMPTS]}
    tokens["b"] = [(1 + rng.integers(0, 9, 4) * 2.0**-23) * rng.choice([-1, 1], 4) for _ in IDS]
    flat = np.sort(np.abs(np.concatenate(token_shifts(tokens, "b"))))[::-1]
    edge, signed = flat[59], np.concatenate(token_shifts(tokens, "b"))
    above, tied = signed[np.abs(signed) > edge], signed[np.abs(signed) == edge]
    expected = (above.sum() + tied.mean() * (60 - len(above))) / 60
    assert found(tmp_path, tokens)[1].ha3 == pytest.approx(expected, rel=1e-12)


def test_a_token_without_value_is_left_out_for_all_and_counted(tmp_path: Path) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    longest = max(range(len(IDS)), key=lambda place: len(tokens[""][place]))
    tokens["b"][longest][-1] = np.nan
    cut = {p: [row[:-1] if k == longest else row for k, row in enumerate(rows)] for p, rows in tokens.items()}
    for prompt, one in zip(PROMPTS, found(tmp_path, tokens), strict=True):
        expected = brute_heuristics(token_shifts(cut, prompt), list(cut[""]))
        assert [one.h11, one.ha3, one.hb2] == pytest.approx([expected[name] for name in ("h11", "ha3", "hb2")])
        assert (one.n, one.n_nan) == (sum(map(len, tokens[""])) - 1, 1)


def test_no_token_gives_no_number(tmp_path: Path) -> None:
    tokens = {key: [np.zeros(0) for _ in IDS] for key in ["", *PROMPTS]}
    for one in found(tmp_path, tokens):
        assert all(math.isnan(value) for value in one[:-2])
        assert one.n == 0


def test_a_prefix_that_moves_nothing_has_no_shape(tmp_path: Path) -> None:
    tokens = ragged(PROMPTS, len(IDS))
    tokens["c"] = list(tokens[""])
    one = found(tmp_path, tokens)[2]
    assert (one.h11, one.hb2, one.hb6, one.hb3) == (0, 0, 0, 0)
    assert math.isnan(one.hb1)
    assert math.isnan(one.hb5)
    assert math.isnan(one.absolute_snr)
