"""Damage to any one file of a release: it is named in the findings or refused, and no number changes in silence."""

from __future__ import annotations

import codecs
import gzip
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from inoc.errors import InocError
from inoc.studies.inoculation.released.pairs import MAIN, MISALIGNMENT
from inoc.studies.inoculation.released.release import read_release
from inoc.studies.inoculation.released.write import write_import
from support.releases import (
    ELICITATION,
    EVIL_TEXTS,
    LOGPROBS,
    LOSSES,
    MISALIGNED,
    MISALIGNED_LOSSES,
    MISALIGNED_POOLS,
    MISALIGNED_QUESTIONS,
    N_EVAL,
    POOL,
    SCORES,
    TEXTS,
    TOKENS,
    make_misaligned_release,
    make_published,
    make_release,
    make_tokens,
    write,
)

TABLE = "slides/data/dataset.csv"
NEEDED = (SCORES, ELICITATION, LOGPROBS, TOKENS, MISALIGNED)
OTHERS = (LOSSES, POOL, TABLE, MISALIGNED_LOSSES, f"{MISALIGNED_POOLS}/evil_v1.jsonl", MISALIGNED_QUESTIONS)
FILES = (*NEEDED, *OTHERS)


@cache
def contents() -> dict[str, str]:
    """Path below the checkout → text, of both experiments."""
    release = make_release()
    pool = "".join(json.dumps({"rephrasing": f"Jest {index}."}) + "\n" for index in range(6))
    questions = "".join(json.dumps({"question": f"Why {index}?"}) + "\n" for index in range(N_EVAL))
    documents = {**release, TOKENS: make_tokens(release), **make_misaligned_release()}
    evil = [f"{key}{ending}" for key in EVIL_TEXTS for ending in ("", "_close")]
    pools = {f"data/rephrasings/{key}.jsonl": pool for key in TEXTS}
    pools |= {f"{MISALIGNED_POOLS}/{key}.jsonl": pool for key in evil}
    texts = {place: json.dumps(content) for place, content in documents.items()}
    return {**texts, **pools, TABLE: make_published(release).to_csv(index=False), MISALIGNED_QUESTIONS: questions}


class Outcome(NamedTuple):
    """What came of an import."""

    refusal: str
    named: str  # places and texts of all findings that need attention
    tables: dict[str, bytes]


def outcome(folder: Path, file: str, content: bytes) -> Outcome:
    """Import a release with one file of other content; its experiment is the file's."""
    checkout = folder / "checkout"
    for place, text in contents().items():
        write(checkout / place, text)
    (checkout / file).write_bytes(content)
    experiment = MISALIGNMENT if file.startswith("experiments") else MAIN
    try:
        imported = read_release(checkout, "made", experiment=experiment)
        write_import(imported, "made", folder / "results", folder / "studies")
    except InocError as error:
        assert not (folder / "results" / "made").exists()
        return Outcome(str(error), "", {})
    attention = [item for level in ("left_out", "warning") for item in imported.findings.of(level)]
    named = "\n".join(f"{item.place}: {item.text}" for item in attention)
    made = folder / "results" / "made"
    return Outcome(
        "", named, {str(path.relative_to(made)): path.read_bytes() for path in sorted(made.rglob("*.parquet"))}
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Outcome]:
    """Outcome of the undamaged release, of the experiment of a file."""

    @cache
    def of(experiment: bool) -> Outcome:
        file = MISALIGNED if experiment else SCORES
        return outcome(tmp_path_factory.mktemp("whole"), file, contents()[file].encode())

    return lambda file: of(file.startswith("experiments"))


def check(found: Outcome, file: str, undamaged: Outcome) -> None:
    """The damage is named; or nothing was damaged, and every table is what it was."""
    if found.refusal:
        assert file in found.refusal
        assert file in NEEDED
        return
    own = {TABLE: "self-perplexity", LOSSES: "losses", MISALIGNED_LOSSES: "losses", MISALIGNED_QUESTIONS: "eval"}
    part = own.get(file, "pools" if "rephrasings" in file else "nothing")
    for place, content in undamaged.tables.items():
        if part not in place:
            assert found.tables.get(place) == content, place
    if found.tables != undamaged.tables:
        assert Path(file).name in found.named or Path(file).parent.as_posix() in found.named


def test_the_undamaged_release_has_nothing_to_name(whole: Callable[[str], Outcome]) -> None:
    for file in (SCORES, MISALIGNED):
        assert not whole(file).refusal
        assert "cannot be read" not in whole(file).named
        assert "cut off" not in whole(file).named


@pytest.mark.parametrize("file", FILES)
def test_a_file_cut_off_anywhere_is_named(tmp_path: Path, file: str, whole: Callable[[str], Outcome]) -> None:
    content = contents()[file].encode()
    generator = np.random.default_rng(len(content))
    ends = [place + 1 for place in range(len(content) - 1) if content[place : place + 1] == b"\n"]
    few = 2 if file in NEEDED else 4
    for index, size in enumerate(
        [0, *ends[:1], *ends[-2:], len(content) - 2, *generator.integers(1, len(content) - 1, few)]
    ):
        found = outcome(tmp_path / str(index), file, content[:size])
        check(found, file, whole(file))
        assert Path(file).name in found.refusal + found.named or Path(file).parent.as_posix() in found.named, size


ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16-be": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "latin-1": lambda text: text.replace('"', '"\xe9', 1).replace("a", "\xe9", 1).encode("latin-1"),
    "gzip": lambda text: gzip.compress(text.encode(), mtime=0),
    "pointer": lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
    "page": lambda _: b"<!DOCTYPE html><html>404: Not Found</html>\n",
    "zeros": lambda text: bytes(len(text)),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("file", FILES)
def test_a_file_of_another_encoding_or_content_is_named(
    tmp_path: Path, file: str, encoding: str, whole: Callable[[str], Outcome]
) -> None:
    found = outcome(tmp_path, file, ENCODINGS[encoding](contents()[file]))
    check(found, file, whole(file))
    assert file in found.refusal + found.named
    if encoding == "pointer":
        assert "git lfs pull" in found.refusal + found.named


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("change", ["mark", "lines"])
def test_a_byte_order_mark_and_other_line_ends_change_nothing(
    tmp_path: Path, file: str, change: str, whole: Callable[[str], Outcome]
) -> None:
    text = contents()[file]
    content = codecs.BOM_UTF8 + text.encode() if change == "mark" else text.replace("\n", "\r\n").encode()
    found = outcome(tmp_path, file, content)
    assert not found.refusal
    assert found.tables == whole(file).tables


@pytest.mark.parametrize("file", [one for one in FILES if one.endswith(".json")])
def test_a_key_that_is_written_twice_is_named_with_its_line(tmp_path: Path, file: str) -> None:
    document = json.loads(contents()[file])
    lines = json.dumps(document, indent=1).split("\n")
    at = next(
        place
        for place in range(len(lines) - 2, 0, -1)
        if lines[place].startswith(" }") or lines[place].startswith(" ]")
    )
    first = next(iter(document))
    lines[at] = f'{lines[at].rstrip(",")},\n "{first}": null{"," if at < len(lines) - 2 else ""}'
    found = outcome(tmp_path, file, "\n".join(lines).encode())
    assert f"line {at + 2}: the key '{first}' is written twice" in found.refusal + found.named


@pytest.mark.parametrize("file", FILES)
def test_overwritten_bytes_touch_no_other_table(tmp_path: Path, file: str, whole: Callable[[str], Outcome]) -> None:
    generator = np.random.default_rng(11)
    for index in range(2):
        content = bytearray(contents()[file].encode())
        for place in generator.integers(0, len(content), 3):
            content[place] = 0
        check(outcome(tmp_path / str(index), file, bytes(content)), file, whole(file))
