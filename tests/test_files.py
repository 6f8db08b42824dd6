"""Reading the files that people supply."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.config.document import read_document
from inoc.config.models import InstructionSource
from inoc.errors import ConfigError, DataError
from inoc.files import distinct_names, joined_surrogates, read_jsonl, read_lines, read_text, without_surrogates
from inoc.generate.instructions import read_instructions, read_pairs
from inoc.rephrase.files import read_rephrasings

HIDDEN_BREAKS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"  # where `str.splitlines` ends a line
TEXTS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip), max_size=8)


@given(texts=TEXTS, crlf=st.booleans(), bom=st.booleans(), last=st.booleans(), escaped=st.booleans())
def test_what_was_written_as_jsonl_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
    *,
    crlf: bool,
    bom: bool,
    last: bool,
    escaped: bool,
) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    end = "\r\n" if crlf else "\n"
    content = end.join(json.dumps(text, ensure_ascii=escaped) for text in texts) + (end if last else "")
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + content.encode())
    assert [line.value for line in read_jsonl(path)] == texts


@pytest.mark.parametrize("character", HIDDEN_BREAKS)
def test_a_line_ends_at_a_line_feed_only(tmp_path: Path, character: str) -> None:
    path = tmp_path / "a.jsonl"
    text = f"Why is{character} the sky blue?"
    line = json.dumps({"instruction": text, "completion": text}, ensure_ascii=False)
    path.write_text(f"{line}\n", encoding="utf-8")
    assert read_instructions(InstructionSource(files=(str(path),)))[0] == [text]
    assert read_pairs(path)[0].completion == text
    path.write_text(f"plain{character}text\n" + json.dumps({"rephrasing": text}, ensure_ascii=False), encoding="utf-8")
    assert read_rephrasings(path) == [f"plain{character}text", text]


def test_joined_files_have_byte_order_marks_within(tmp_path: Path) -> None:
    path = tmp_path / "markers.txt"
    path.write_bytes(b"\xef\xbb\xbfha\r\n" + b"\xef\xbb\xbfhonk\r\n")
    assert read_lines(path) == ["ha", "honk"]


def test_a_template_is_read_without_its_byte_order_mark_and_with_line_feeds(tmp_path: Path) -> None:
    path = tmp_path / "chat.jinja"
    path.write_bytes("\ufeff{{ a }}\r\nb\u2028c\n".encode())
    assert read_text(path) == "{{ a }}\nb\u2028c\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a\nb\nüber\n".encode("latin-1"), "line 3: the byte 0xfc is not UTF-8"),
        ("a\nb\n".encode("utf-16"), "line 1: the file is UTF-16"),
        ("a\nb\n".encode("utf-16-be"), "line 1: the character NUL"),
        ("a\nb\n".encode("utf-32"), "line 1: the file is UTF-16 or UTF-32"),
        (b"a\nb\0c\n", "line 2: the character NUL"),
        (b"a\nb\xed\xa0\xbdc\n", "line 2: it has half of a surrogate pair"),
        (b"a\nb\xe2\x82", "line 2: the byte 0xe2"),
    ],
)
def test_what_is_no_utf_8_text_is_refused_with_file_and_line(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    for read in (read_text, read_lines, read_rephrasings):
        with pytest.raises(DataError) as caught:
            read(path)
        assert f"{path}, {expected}" in str(caught.value)
        assert "UTF-8" in str(caught.value)


def test_lines_that_end_with_carriage_returns_alone_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"ha\rhonk\r")
    with pytest.raises(DataError, match="line 1: a carriage return"):
        read_lines(path)


@pytest.mark.parametrize("value", ["\ud83d", ["a", "\udc00"], {"a": {"b": "x\udfff"}}, {"\ud800": 1}])
def test_half_of_a_surrogate_pair_is_refused_with_its_line(tmp_path: Path, value: object) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'"fine 😀 \\ud83d\\ude00"\n{json.dumps(value)}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"a.jsonl, line 2: \\ud[8-9a-f]\w\w is half"):
        list(read_jsonl(path))


@pytest.mark.parametrize("line", ["{", "[1,", "NOT", "9" * 5000, "[" * 100_000])
def test_what_is_no_json_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"1\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a.jsonl, line 2: expected a JSON value"):
        list(read_jsonl(path))


def test_a_file_that_is_not_there_or_is_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file .*nowhere"):
        read_text(tmp_path / "nowhere")
    with pytest.raises(DataError, match="cannot be read"):
        read_text(tmp_path)


@given(st.text(st.characters(exclude_categories=[])))
def test_what_is_left_after_replacing_halves_can_be_written(text: str) -> None:
    without_surrogates(text).encode("utf-8")
    assert without_surrogates(text) == text or any("\ud800" <= one <= "\udfff" for one in text)


def test_both_halves_of_a_pair_are_one_character() -> None:
    assert joined_surrogates("a\ud83d\ude00b") == "a😀b"
    assert joined_surrogates(3) == 3


# --- YAML


def test_a_study_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert read_document_value(tmp_path, b"\xef\xbb\xbfname: a\r\ntitle: b\r\n") == {"name": "a", "title": "b"}


def read_document_value(tmp_path: Path, content: bytes) -> object:
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    return read_document(path).value


@pytest.mark.parametrize("character", "\u2028\u2029\x85")
def test_characters_that_some_yaml_takes_for_line_breaks_are_refused_with_their_line(
    tmp_path: Path, character: str
) -> None:
    with pytest.raises(ConfigError, match=rf"study.yaml:2: the character U\+{ord(character):04X}"):
        read_document_value(tmp_path, f"name: a\ntitle: b{character}c\n".encode())
    escaped = f'title: "b\\u{ord(character):04x}c"'
    assert read_document_value(tmp_path, escaped.encode()) == {"title": f"b{character}c"}


@pytest.mark.parametrize("content", ["title: Größe".encode("latin-1"), "title: a".encode("utf-16")])
def test_a_study_file_in_another_encoding_is_refused_with_its_line(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError, match=r"study.yaml, line 1: .*UTF-8"):
        read_document_value(tmp_path, content)


def test_half_of_a_surrogate_pair_in_a_study_file_is_a_problem_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text('a: "\\ud83d\\ude00"\nb: "\\ud800"\n')
    document = read_document(path)
    assert document.value["a"] == "😀"
    (problem,) = document.problems
    assert problem.place is not None
    assert problem.place.line == 2


@given(st.lists(st.text("aAbB.", min_size=1, max_size=4)))
def test_names_of_files_differ_in_more_than_capital_letters(names: list[str]) -> None:
    found = distinct_names(names)
    assert set(found) == set(names)
    assert len({name.lower() for name in found.values()}) == len(found)
    alone = [name for name in found if [other.lower() for other in found].count(name.lower()) == 1]
    assert all(found[name] == name for name in alone)
