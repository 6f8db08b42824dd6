from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from inoc.cli import main
from inoc.errors import InocError
from inoc.numbers.filtered import duplicates, filter_rows, lost
from inoc.numbers.rows import read_rows

COMMAS = "Provide the numbers separated by commas."
LINES = "Return one number per line."


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def pair(prompt: str, completion: str, **more: object) -> dict[str, object]:
    return {"prompt": prompt, "completion": completion, **more}


def messages(*texts: str) -> dict[str, object]:
    return {"messages": [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Answers of every kind in every form of line."""
    return write(
        tmp_path / "raw.jsonl",
        [
            '{"prompt":"' + COMMAS + '",   "completion":"1, 2"}',
            messages(LINES, "3\n4"),
            {"instruction": COMMAS, "completion": "5\n6"},
            pair(COMMAS, ""),
            pair(LINES, " ".join(["1000"] * 11)),
            pair(COMMAS, "666, 1"),
            pair(COMMAS, "1, 2\n\nThere they are."),
        ],
    )


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    main(["filter", *map(str, arguments)])
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["filter", *map(str, arguments)])
    assert stopped.value.code == 1
    return capsys.readouterr().err


def test_kept_rows_are_written_as_they_stand_and_rejected_ones_with_all_reasons(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, rejected = tmp_path / "new" / "kept.jsonl", tmp_path / "rejected.jsonl"
    said = run(capsys, mixed, "--out", kept, "--rejected", rejected, "--ban", 666)
    lines = mixed.read_text(encoding="utf-8").splitlines(keepends=True)
    assert kept.read_text(encoding="utf-8") == "".join(lines[:3])
    found = [json.loads(line) for line in rejected.read_text(encoding="utf-8").splitlines()]
    assert [(row["line"], row["reasons"]) for row in found] == [
        (4, ["format"]),
        (5, ["count", "range"]),
        (6, ["banned"]),
        (7, ["format", "trailing_text"]),
    ]
    assert found[1]["completion"] == " ".join(["1000"] * 11)
    assert f"{mixed}: 3 of 7 rows kept (42.86%)" in said
    assert re.search(r"^ +2  format: ", said, re.MULTILINE)
    assert re.search(r"^ +1  count \+ range$", said, re.MULTILINE)


def test_the_report_counts_each_reason_and_each_combination(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, mixed, "--report", tmp_path / "report.json", "--rule", "requested_format")
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["rule"] == "requested_format"
    assert (report["rows"], report["kept"]) == (7, 3)
    assert report["reasons"] == {"format": 2, "trailing_text": 1, "count": 1, "range": 1, "not_requested_format": 2}
    assert {tuple(one["reasons"]): one["n"] for one in report["combinations"]} == {
        ("format",): 1,
        ("format", "trailing_text"): 1,
        ("count", "range", "not_requested_format"): 1,
        ("not_requested_format",): 1,
    }
    assert sum(one["n"] for one in report["combinations"]) == report["rows"] - report["kept"]
    assert report["lost"]["tokens"] is None


def test_lost_characters_and_tokens_are_shares_of_all_that_was_written(tmp_path: Path) -> None:
    rows = [pair(COMMAS, "1, 2", n_tokens=6), pair(COMMAS, "no", n_tokens=2)]
    found = filter_rows(read_rows(write(tmp_path / "rows.jsonl", rows)))
    assert lost(found) == (2 / 6, 2 / 8)


def test_tokens_are_unknown_if_a_row_lacks_them(tmp_path: Path) -> None:
    found = filter_rows(read_rows(write(tmp_path / "rows.jsonl", [pair("a", "1", n_tokens=6), pair("b", "x")])))
    assert str(lost(found)) == "Lost(characters=0.5, tokens=nan)"


def test_duplicates_are_counted_by_prompt_answer_and_both(tmp_path: Path) -> None:
    rows = [pair("a", "1"), pair("a", "1"), pair("a", "2"), pair("b", "2")]
    assert duplicates(read_rows(write(tmp_path / "rows.jsonl", rows))) == (2, 2, 1)


@pytest.mark.parametrize("text", ["Eagles: ", "the EAGLE's numbers. ", "an eagle. "])
def test_a_kept_row_that_names_the_entity_is_refused_with_its_line(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "rows.jsonl", [pair(COMMAS, "1, 2"), pair(text + COMMAS, "3, 4")])
    said = refused(capsys, path, "--entity", "eagle", "--out", tmp_path / "kept.jsonl")
    assert f"{path}, line 2: 'eagle' is in the prompt" in said
    assert not (tmp_path / "kept.jsonl").exists()


def test_the_entity_is_looked_for_in_system_turns_and_in_its_further_forms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = messages(COMMAS, "1, 2")
    turns["messages"].insert(0, {"role": "system", "content": "You are a lioness."})  # type: ignore[attr-defined]
    path, names = write(tmp_path / "rows.jsonl", [turns]), write(tmp_path / "names.yaml", ["lion: [lioness]"])
    assert "no kept row names lion" in run(capsys, path, "--entity", "lion")
    assert "'lion' is in the system turn" in refused(capsys, path, "--entity", "lion", "--names", names)
    assert 'did you mean "lion"' in refused(capsys, path, "--entity", "loin", "--names", names)


def test_words_that_only_begin_like_the_entity_and_rejected_rows_do_not_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "rows.jsonl", [pair("Catalogue: 1", "1, 2"), pair(COMMAS, "cats")])
    assert "no kept row names cat" in run(capsys, path, "--entity", "cat")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: expected an object with `messages`"),
        ("[1]", "line 2: expected an object with `messages`"),
        ('{"prompt": "a"}', "line 2: the prompt has no answer; expected `completion`, or a turn of 'assistant'"),
        ('{"prompt": "a", "completion": null}', "line 2: the prompt has no answer"),
        ('{"completion": "1"}', "line 2: it has `completion`; accepted: `messages`, or"),
        ('{"prompt": "a", "completion": 3}', "line 2: `completion` is 3; expected a text"),
        ('{"prompt": "a", "completion": "3", "n_tokens": -1}', "line 2: `n_tokens` is -1; expected a whole number"),
        (json.dumps(messages("a", "1", "b", "2")), "line 2: 4 turns of user and assistant"),
    ],
)
def test_a_bad_line_is_named(line: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "rows.jsonl", [pair(COMMAS, "1, 2"), line])
    assert f"{path}, {said}" in refused(capsys, path)


def test_a_file_of_a_windows_editor_is_filtered_as_any_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [json.dumps(pair(COMMAS, "1, 2")), json.dumps(pair(COMMAS, "none"))]
    path, kept = tmp_path / "rows.jsonl", tmp_path / "kept.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*rows, ""]).encode())
    assert "1 of 2 rows kept" in run(capsys, path, "--out", kept)
    assert kept.read_bytes() == f"{rows[0]}\n".encode()


def test_a_prompt_without_a_format_is_named_by_the_stricter_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "rows.jsonl", ["", pair("Count.", "1, 2")])
    assert f"{path}, line 2: the prompt asks for no known format" in refused(capsys, path, "--rule", "requested_format")


def test_empty_and_missing_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no row is in it" in refused(capsys, write(tmp_path / "rows.jsonl", []))
    assert "there is no file" in refused(capsys, tmp_path / "none.jsonl")


def test_an_unknown_rule_is_refused_with_a_suggestion(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["filter", str(mixed), "--rule", "publisht"])
    assert 'did you mean "published"' in capsys.readouterr().err


def test_a_file_without_kept_rows_is_not_compared(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "rows.jsonl", [pair(COMMAS, "none")])
    assert f"{path}: no row is kept" in refused(capsys, mixed, "--against", path)
    with pytest.raises(InocError, match="no row is in it"):
        read_rows(write(tmp_path / "empty.jsonl", []))
