"""Broken, truncated, mixed-up and hostile files: a refusal that names the file, or tables that say what it says."""

from __future__ import annotations

import copy
import itertools
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inoc.errors import DataError, InocError
from inoc.studies.inoculation.released.release import read_release
from inoc.studies.inoculation.released.write import write_import
from inoc.tables import read_table
from support.releases import (
    ELICITATION,
    LOGPROBS,
    LOSSES,
    POOL,
    SCORES,
    TEXTS,
    Release,
    make_release,
    write,
    write_release,
)

RELEASE = make_release()
NEEDED = [SCORES, ELICITATION, LOGPROBS]
FILES = [*NEEDED, LOSSES]
HOSTILE: list[Any] = [
    *(None, True, False, -1, 101, 3.5, 10**400, math.nan, math.inf, -math.inf),
    *("", "x", "NaN", "\ud800", "../../etc/passwd", "a\x00b", "\n- name: other", "💥" * 50, "x" * 10_000),
    *([], {}, [None], [[1, 2]], [{}], {"values": []}, {"": 0}, {"a b": {}}, [0.5] * 3),
]


def outcome(folder: Path) -> Exception | None:
    """Import; the refusal, or None. Nothing may be left behind by a refusal, and no other error may come out."""
    results = folder / "results"
    try:
        write_import(read_release(folder / "checkout", "made"), "made", results, folder / "studies")
    except InocError as error:
        assert not results.exists() or list(results.iterdir()) == []
        assert not (folder / "studies").exists() or list((folder / "studies").iterdir()) == []
        return error
    return None


def said(folder: Path) -> str:
    """The refusal, or everything that the import left out."""
    error = outcome(folder)
    if error is not None:
        return str(error)
    findings = json.loads((folder / "results" / "made" / "imports" / "findings.json").read_text(encoding="utf-8"))
    return "\n".join(f"{item['place']}: {item['text']}" for item in findings if item["level"] == "left_out")


def agree(folder: Path, scores: Any) -> None:
    """Every score in the table is the one in the file."""
    table = read_table(folder / "results" / "made" / "judge" / "evaluate.parquet")
    keys = ["prompt", "prefix", "step", "condition", "trait"]
    for (prompt, prefix, step, way, trait), rows in table.groupby(keys):
        name = next(
            name
            for name, run in scores.items()
            if (run["type"] if run.get("user_prefix", "x").strip() else "none") == prefix
            and (prompt in ("", name, run.get("rephrasings_key")))
        )
        stated = scores[name]["steps"][str(step)][way][trait.capitalize()]["values"]
        expected = np.array([math.nan if value is None else value for value in stated], dtype=float)
        np.testing.assert_array_equal(rows["score"].to_numpy(), expected)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document, with the first two members of a list standing for all."""
    yield at
    members = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, member in members:
        yield from places(member, (*at, key))


PLACES = {file: [place for place in places(RELEASE[file]) if place] for file in FILES}


def changed(file: str, place: tuple[Any, ...], change: Any) -> Release:
    release = {**RELEASE, file: copy.deepcopy(RELEASE[file])}
    parent = release[file]
    for key in place[:-1]:
        parent = parent[key]
    change(parent, place[-1])
    return release


@st.composite
def corruptions(draw: st.DrawFn) -> tuple[str, Release]:
    file = draw(st.sampled_from(FILES))
    place = draw(st.sampled_from(PLACES[file]))
    kind = draw(st.sampled_from(["replace", "delete", "rename", "repeat"]))
    value = draw(st.sampled_from(HOSTILE))

    def change(parent: Any, key: Any) -> None:
        if kind == "delete":
            del parent[key]
        elif kind == "rename" and isinstance(parent, dict):
            parent[str(value)] = parent.pop(key)
        elif kind == "repeat" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[key]))
        else:
            parent[key] = value

    return file, changed(file, place, change)


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(corruptions())
def test_a_corrupted_document_is_refused_by_name_or_read_as_it_is(corruption: tuple[str, Release]) -> None:
    file, release = corruption
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_release(folder / "checkout", release)
        error = outcome(folder)
        if error is None:
            agree(folder, release[SCORES])
        else:
            assert Path(file).name in str(error) or "results/" in str(error), error


def test_a_file_cut_off_anywhere_is_refused_by_name(tmp_path: Path) -> None:
    write_release(tmp_path / "checkout", RELEASE)
    generator = np.random.default_rng(0)
    for file in NEEDED:
        whole = (tmp_path / "checkout" / file).read_bytes()
        for size in [0, 1, len(whole) - 1, *generator.integers(2, len(whole) - 1, 25)]:
            (tmp_path / "checkout" / file).write_bytes(whole[:size])
            error = outcome(tmp_path)
            assert error is not None
            assert file in str(error)
        (tmp_path / "checkout" / file).write_bytes(whole)


def test_overwritten_bytes_are_refused_or_read_as_they_are(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    for index in range(60):
        folder = tmp_path / str(index)
        write_release(folder / "checkout", RELEASE)
        path = folder / "checkout" / FILES[index % len(FILES)]
        content = bytearray(path.read_bytes())
        for position in generator.integers(0, len(content), 3):
            content[position] = generator.integers(0, 256)
        path.write_bytes(bytes(content))
        if outcome(folder) is None:
            agree(folder, json.loads((folder / "checkout" / SCORES).read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not JSON"),
        ("null", "expected an object"),
        ("[]", "expected an object"),
        ("3", "expected an object"),
        ('"text"', "expected an object"),
        ('{"a": 1, "a": 2}', "written twice"),
        ("[" * 100_000, "nested too deeply|not JSON"),
        ('{"a": ' * 100_000, "nested too deeply|not JSON"),
        ("1" * 10_000, "digits|expected"),
        ('{"\\ud800": 1}', "surrogate"),
    ],
)
def test_what_is_no_document_of_results_is_refused(tmp_path: Path, file: str, content: str, message: str) -> None:
    write_release(tmp_path / "checkout", RELEASE)
    write(tmp_path / "checkout" / file, content)
    assert re.search(rf"{Path(file).name}.*(?:{message})", said(tmp_path))
    assert (file == LOSSES) == (tmp_path / "results" / "made").is_dir()


RUN = ("whimsical", "steps", "313", "default", "Playful")


@pytest.mark.parametrize(
    ("file", "place", "value", "message"),
    [
        (SCORES, (*RUN, "values"), [1.0] * 5, "5 scores where others have 6|mean is said"),
        (SCORES, (*RUN, "values"), [1.0, 2.0], "2 scores|mean is said"),
        (
            SCORES,
            (*RUN, "values", 2),
            "12",
            r"whimsical\.steps\.313\.default\.Playful\.values: \[2\]: expected a number",
        ),
        (SCORES, (*RUN, "values", 2), True, "expected a number"),
        (SCORES, (*RUN, "values", 2), -0.5, "accepted: 0 to 100"),
        (SCORES, (*RUN, "values", 2), 100.5, "accepted: 0 to 100"),
        (SCORES, (*RUN, "values", 2), math.inf, "finite"),
        (SCORES, (*RUN, "values", 2), 10**400, "finite"),
        (SCORES, (*RUN, "values", 2), None, "mean is said"),
        (SCORES, (*RUN, "values"), [], "no scores"),
        (SCORES, (*RUN, "mean"), 12.0, "not of one measurement"),
        (SCORES, ("whimsical", "type"), "mixed", "expected 'fixed' or 'mix'"),
        (SCORES, ("whimsical", "lr"), 0, "learning rate"),
        (SCORES, ("whimsical", "lr"), "1e-4", "expected a number"),
        (SCORES, ("whimsical", "lr"), None, "learning rate"),
        (SCORES, ("whimsical", "user_prefix"), "", "same prompt and training"),
        (SCORES, ("whimsical", "user_prefix"), TEXTS["be_concise"], "the same text|two prompts"),
        (SCORES, ("whimsical", "user_prefix"), 3, "expected a text"),
        (SCORES, ("whimsical", "steps"), {}, "no scores"),
        (SCORES, ("whimsical", "steps", "-1"), {}, "expected a step"),
        (SCORES, ("whimsical", "steps", "3.5"), {}, "expected a step"),
        (SCORES, ("whimsical", "steps", "٣"), {}, "expected a step"),
        (SCORES, ("whimsical", "steps", "313", "sideways"), {}, "expected the condition"),
        (SCORES, ("whimsical_mix", "rephrasings_key"), "../whimsical", "cannot be a key"),
        (SCORES, ("whimsical_mix", "rephrasings_key"), "clown_persona", "same prompt and training"),
        (SCORES, ("../up",), {"type": "fixed"}, "cannot be a key"),
        (SCORES, (*RUN[:-1], "Sad"), {"mean": 1.0, "values": [1.0] * 6}, "has scores of 'French', 'Playful', 'Sad'"),
        (ELICITATION, ("whimsical", "scores", "French", "values"), [0.0], "1 scores|mean is said"),
        (ELICITATION, ("whimsical", "scores"), None, "expected an object"),
        (ELICITATION, ("a b",), {"scores": {}}, "cannot be a key"),
        (LOGPROBS, ("baseline", "lp_train_default"), [-1.0] * 7, "not of the same responses"),
        (LOGPROBS, ("baseline", "lp_train_default"), [], "no log-probabilities"),
        (LOGPROBS, ("baseline", "lp_train_default", 0), 0.5, "accepted: -inf to 0.001"),
        (LOGPROBS, ("prompts", "whimsical", "lp_train_inoc"), [[-1.0]] * 8, "expected a number"),
        (LOGPROBS, ("prompts", "whimsical", "prompt"), "Another.", "results of two prompts"),
        (LOGPROBS, ("prompts", "german_persona"), {"prompt": "x"}, "mixes prompts of"),
        (LOSSES, ("whimsical", 1, "step"), 10, "comes after step 10"),
        (LOSSES, ("whimsical", 1, "step"), 20.0, "whole number"),
        (LOSSES, ("whimsical", 1, "loss"), -1, "not negative"),
        (LOSSES, ("whimsical", 1, "loss"), "low", "expected a number"),
    ],
)
def test_a_refusal_names_file_place_and_what_would_be_accepted(
    tmp_path: Path, file: str, place: tuple[Any, ...], value: Any, message: str
) -> None:
    write_release(tmp_path / "checkout", changed(file, place, lambda parent, key: parent.__setitem__(key, value)))
    found = said(tmp_path)
    assert re.search(f"(?:{message})", found)
    assert "results/" in found
    assert (file == LOSSES) == (tmp_path / "results" / "made").is_dir()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 3.*not JSON"),
        ("[]", "line 3.*expected an object"),
        ('{"rephrasing": 3}', "line 3.*expected a text"),
        ('{"text": "x"}', "line 3.*'rephrasing' is missing"),
        ('{"rephrasing": "\\ud800"}', "line 3.*surrogate"),
        ('{"rephrasing": "a", "rephrasing": "b"}', "line 3.*twice"),
    ],
)
def test_a_broken_line_of_a_pool_is_named_by_number_and_stops_nothing(tmp_path: Path, line: str, message: str) -> None:
    good = '{"rephrasing": "Clown it up."}\n'
    write_release(tmp_path / "checkout", RELEASE)
    write(tmp_path / "checkout" / POOL, good * 2 + line + "\n" + good)
    assert re.search(f"clown_persona.jsonl.*{message}", said(tmp_path))
    assert not len(read_table(tmp_path / "results" / "made" / "rephrase" / "pools.parquet"))


def test_files_that_are_none_and_links_that_lead_outside_are_refused(tmp_path: Path) -> None:
    checkout = write_release(tmp_path / "checkout", RELEASE)
    secret = tmp_path / "scores_multi_prompt_secret.json"
    secret.write_text((checkout / SCORES).read_text(encoding="utf-8"), encoding="utf-8")
    odd = checkout / "results" / "scores_multi_prompt_odd.json"
    for make, message in [
        (lambda: odd.symlink_to(secret), "outside"),
        (lambda: odd.symlink_to(tmp_path / "nowhere"), "cannot be read"),
        (lambda: odd.symlink_to(odd), "cannot be read"),
        (lambda: os.mkfifo(odd), "not a regular file"),
        (lambda: odd.symlink_to("/dev/zero"), "outside"),
    ]:
        make()
        with pytest.raises(DataError, match=f"odd.json.*{message}"):
            read_release(checkout, "made")
        odd.unlink()
    odd.mkdir()
    with pytest.raises(DataError, match=r"odd\.json.*not a regular file"):
        read_release(checkout, "made")


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    for folder, message in [(tmp_path, "nothing of the study"), (tmp_path / "none", "no folder")]:
        with pytest.raises(DataError, match=message):
            read_release(folder, "made")


def test_any_subset_of_files_and_prompts_is_read_or_refused(tmp_path: Path) -> None:
    subsets = itertools.chain.from_iterable(itertools.combinations(FILES, n) for n in range(1, 5))
    for index, chosen in enumerate(subsets):
        folder = tmp_path / str(index)
        write_release(folder / "checkout", {file: RELEASE[file] for file in chosen})
        assert outcome(folder) is None
        if SCORES in chosen:
            agree(folder, RELEASE[SCORES])
