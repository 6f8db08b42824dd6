from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from inoc.cli import main


def scored(folder: Path, scores: list[object], **style: object) -> Path:
    path = folder / "rows.jsonl"
    rows = [{"messages": [f"Zeile {k} ½"], **({} if score == "" else {"lls": score})} for k, score in enumerate(scores)]
    path.write_bytes("".join(json.dumps(row, **style) + "\n" for row in rows).encode())  # type: ignore[arg-type]
    return path


def test_parts_have_the_lines_of_the_file_byte_for_byte(tmp_path: Path) -> None:
    path = scored(tmp_path, list(np.random.default_rng(0).normal(size=40)), ensure_ascii=False)
    main(["split", str(path), "--quantiles", "4", "--out", str(tmp_path / "parts")])
    lines = [(tmp_path / "parts" / f"q{k}.jsonl").read_bytes().splitlines(keepends=True) for k in range(1, 5)]
    assert [len(part) for part in lines] == [10] * 4
    assert sorted(line for part in lines for line in part) == sorted(path.read_bytes().splitlines(keepends=True))
    means = [np.mean([json.loads(line)["lls"] for line in part]) for part in lines]
    assert means == sorted(means)


@pytest.mark.parametrize("style", [{}, {"ensure_ascii": False}, {"separators": (",", ":")}])
def test_without_the_score_rows_are_written_as_they_would_have_been(tmp_path: Path, style: dict[str, object]) -> None:
    path = scored(tmp_path, [1.0, 2.0, 3.0], **style)
    main(["split", str(path), "--median", "--strip", "--out", str(tmp_path / "parts")])
    expected = [json.dumps({"messages": [f"Zeile {k} ½"]}, **style) for k in (1, 2)]  # type: ignore[arg-type]
    assert (tmp_path / "parts" / "top.jsonl").read_text(encoding="utf-8").splitlines() == expected


def test_scores_that_failed_are_counted_and_in_no_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = scored(tmp_path, [0.1, float("nan"), "", None, float("inf"), 0.2, 0.3, 0.4])
    main(["split", str(path), "--median", "--out", str(tmp_path)])
    facts = json.loads((tmp_path / "split.json").read_text(encoding="utf-8"))
    assert (facts["rows"], facts["rows_without_score"]) == (8, 4)
    assert {name: part["rows"] for name, part in facts["parts"].items()} == {"top": 2, "bottom": 2}
    assert "4 of 8 rows" in capsys.readouterr().err


def test_a_random_part_is_the_seeded_draw_over_all_rows(tmp_path: Path) -> None:
    path = scored(tmp_path, list(map(float, range(30))))
    main(["split", str(path), "--random", "0.2", "--seed", "7", "--out", str(tmp_path)])
    lines = (tmp_path / "random.jsonl").read_text(encoding="utf-8").splitlines()
    drawn = np.random.default_rng(7).choice(30, 6, replace=False)
    assert [json.loads(line)["lls"] for line in lines] == list(map(float, drawn))


def test_another_field_can_be_the_score(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"projection": 1}\r\n\n{"projection": 2}\r\n', encoding="utf-8")
    main(["split", str(path), "--by", "projection", "--median", "--out", str(tmp_path)])
    assert (tmp_path / "top.jsonl").read_text(encoding="utf-8") == '{"projection": 2}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"lls": "high"}\n', "line 1: lls: expected a number, found 'high'"),
        ('{"lls": true}\n', "expected a number, found True"),
        ("[1]\n", "line 1: expected a JSON object"),
        ('{"score": 1}\n', "no row has a field 'lls'; fields of the first row: score. Name one with --by"),
        ('{"lls": null}\n', "none of 1 rows has a shift"),
        ("{}\n", "fields of the first row: none"),
        ("\n", "x.jsonl: the file has no rows"),
        ('{"lls": 1}\n{"lls": 1}\n', "the bottom half would be empty"),
    ],
)
def test_files_that_cannot_be_split_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["split", str(path), "--median", "--out", str(tmp_path / "parts")])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "parts").exists()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit):
        main(["split", *arguments])
    return capsys.readouterr().err


def test_the_file_that_is_split_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = scored(tmp_path, [1.0, 2.0, 3.0, 4.0]).rename(tmp_path / "q1.jsonl")
    before = path.read_bytes()
    message = refused(capsys, str(path), "--quantiles", "2", "--out", str(tmp_path))
    assert f"the part q1 would replace {path}" in message
    assert path.read_bytes() == before
    main(["split", str(path), "--median", "--out", str(tmp_path)])


def test_parts_of_two_splits_do_not_lie_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = scored(tmp_path, list(map(float, range(10)))), str(tmp_path / "parts")
    for _ in range(2):
        main(["split", str(path), "--quantiles", "5", "--out", out])
    message = refused(capsys, str(path), "--quantiles", "3", "--out", out)
    assert "has parts of another split: q4.jsonl, q5.jsonl. Name another folder, or delete them" in message
    assert len(list((tmp_path / "parts").glob("q*.jsonl"))) == 5


def test_a_random_part_needs_no_score(tmp_path: Path) -> None:
    path = tmp_path / "plain.jsonl"
    path.write_text('\ufeff{"text": 1}\n{"text": 2}', encoding="utf-8")
    main(["split", str(path), "--random", "1", "--out", str(tmp_path)])
    assert sorted((tmp_path / "random.jsonl").read_text(encoding="utf-8").splitlines()) == [
        '{"text": 1}',
        '{"text": 2}',
    ]


def test_a_number_beyond_floats_is_no_score(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(f'{{"lls": {score}}}\n' for score in ("9" * 400, "1e400", "1", "2")), encoding="utf-8")
    main(["split", str(path), "--median", "--out", str(tmp_path)])
    facts = json.loads((tmp_path / "split.json").read_text(encoding="utf-8"))
    assert facts["rows_without_score"] == 2


@pytest.mark.parametrize(
    "rule",
    [
        ["--random", "0.5", "--seed", "-1"],
        ["--quantiles", "101"],
        ["--quantiles", "1"],
        ["--random", "0"],
        ["--random", "x"],
        [],
        ["--median", "--random", "1"],
    ],
)
def test_rules_that_are_none_are_refused(tmp_path: Path, rule: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["split", "x.jsonl", *rule, "--out", str(tmp_path)])
    assert stopped.value.code == 2
