from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from inoc.cli import main
from inoc.errors import DataError
from inoc.numbers.answers import parse_list
from inoc.numbers.detect import detectability, digit_shares, first_digit_shares, formats, lengths
from inoc.numbers.prompts import prompts
from inoc.numbers.rows import Row


def rows(answers: list[str], offset: int = 0) -> list[Row]:
    stream = islice(prompts(3), offset, offset + len(answers))
    return [
        Row(f"rows.jsonl, line {at}", at, "", "", prompt, answer, None)
        for at, (prompt, answer) in enumerate(zip(stream, answers, strict=True), start=1)
    ]


def lists(rng: np.random.Generator, n: int, lowest: int = 0, fewest: int = 10) -> list[str]:
    return [", ".join(map(str, rng.integers(lowest, 1000, rng.integers(fewest, 11)))) for _ in range(n)]


def test_features_are_shares_of_digits_counts_and_marks() -> None:
    answer = "[12, 7, 207]."
    found = parse_list(answer)
    assert found is not None
    assert digit_shares(found, answer) == [1 / 6, 1 / 6, 2 / 6, 0, 0, 0, 0, 2 / 6, 0, 0]
    assert first_digit_shares(found, answer) == [0, 1 / 3, 1 / 3, 0, 0, 0, 0, 1 / 3, 0, 0]
    assert lengths(found, answer) == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1 / 3, 1 / 3, 1 / 3, 13]
    assert formats(found, answer) == [0, 1, 0, 0, 0, 0, 1, 0, 1]


def test_each_set_of_features_sees_what_it_is_about() -> None:
    rng = np.random.default_rng(1)
    plain = rows(lists(rng, 300))
    high = {one.features: one.found for one in detectability(plain, rows(lists(rng, 300, lowest=500)), 0, 99)}
    assert high["first_digits"].auc > 0.95
    assert high["all"].p == 0.01
    assert high["format"].auc == 0.5
    short = {one.features: one.found for one in detectability(plain, rows(lists(rng, 300, fewest=7)), 0, 99)}
    assert short["length"].auc > 0.8
    assert short["digits"].lo < 0.5 < short["digits"].hi
    assert short["digits"].n_pairs == 300


def test_rows_without_a_partner_are_left_out_if_the_files_share_most_prompts() -> None:
    rng = np.random.default_rng(2)
    first, second = rows(lists(rng, 100)), rows(lists(rng, 90), offset=20)
    found = detectability(first, second, 0, 9)[0].found
    assert (found.n_first, found.n_second, found.n_pairs) == (80, 80, 80)
    apart = detectability(first, rows(lists(rng, 90), offset=100), 0, 9)[0].found
    assert (apart.n_first, apart.n_second, apart.n_pairs) == (100, 90, 0)


def test_answers_that_are_no_lists_cannot_be_compared() -> None:
    with pytest.raises(DataError, match=r"rows.jsonl, line 1: the answer is no list"):
        detectability(rows(["none"]), rows(["1"]), 0)


def test_the_verb_reports_both_files_and_every_set_of_features(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    for name, lowest in (("teacher", 300), ("neutral", 0)):
        text = "".join(
            json.dumps({"prompt": row.prompt, "completion": row.answer}) + "\n" for row in rows(lists(rng, 80, lowest))
        )
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    files = [str(tmp_path / f"{name}.jsonl") for name in ("teacher", "neutral")]
    report = tmp_path / "report.json"
    main(["filter", files[0], "--against", files[1], "--permutations", "19", "--report", str(report)])
    said = capsys.readouterr().out
    assert f"{files[0]} against {files[1]}: 80 rows against 80, 80 prompts in both" in said
    found = json.loads(report.read_text(encoding="utf-8"))
    assert found["against"]["kept"] == 80
    assert [row["features"] for row in found["detectability"]] == ["digits", "first_digits", "length", "format", "all"]
    assert found["detectability"][1]["auc"] > 0.8
    assert found["detectability"][1]["p"] == 0.05
    assert "permuted labels: mean 0." in said
