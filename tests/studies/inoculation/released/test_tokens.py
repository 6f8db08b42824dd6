"""Log-probabilities of single tokens are read as they are, in pieces of any size, and put beside their means."""

from __future__ import annotations

import io
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inoc.cli import main
from inoc.errors import DataError, InocError
from inoc.studies.imports.findings import Findings
from inoc.studies.inoculation.released.release import read_release
from inoc.studies.inoculation.released.stream import Walker
from inoc.studies.inoculation.released.write import write_import
from inoc.tables import read_table
from support.releases import ELICITATION, LOGPROBS, TEXTS, TOKENS, Document, make_release, make_tokens, write_release

RELEASE = make_release()
DOCUMENT = make_tokens(RELEASE)
FIELDS = {"fixed": "lp_train_inoc_tokens", "mix": "lp_train_mix_tokens"}


def changed(place: tuple[Any, ...], value: Any) -> Document:
    document: Document = json.loads(json.dumps(DOCUMENT))
    parent: Any = document
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    return document


def read(folder: Path, document: Document, *rest: str) -> Findings:
    """Import it as study `made`, beside the files of the release that are named."""
    release = {place: RELEASE[place] for place in rest} | {TOKENS: document}
    imported = read_release(write_release(folder / "checkout", release), "made")
    write_import(imported, "made", folder / "results", folder / "studies")
    return imported.findings


def table(folder: Path) -> pd.DataFrame:
    rows = read_table(folder / "results" / "made" / "score" / "logprobs-0.parquet")
    return rows[rows["dataset"] == "train"]


def rows_of(rows: pd.DataFrame, prompt: str, prefix: str) -> pd.DataFrame:
    return rows[(rows["prompt"] == prompt) & (rows["prefix"] == prefix)]


def texts(findings: Findings, level: str) -> str:
    return "\n".join(f"{item.place}: {item.text}" for item in findings.of(level, "tokens"))


def agree(rows: pd.DataFrame, document: Document, prompts: list[str]) -> None:
    """Every token in the table is the one in the document."""
    expected = {("", "none"): document["baseline"]["lp_train_default_tokens"]}
    expected |= {(key, way): document["prompts"][key][name] for key in prompts for way, name in FIELDS.items()}
    for (prompt, prefix), lists in expected.items():
        found = rows_of(rows, prompt, prefix)
        assert list(found["n_tokens"]) == [len(one) for one in lists]
        for ours, theirs in zip(found["logprobs"], lists, strict=True):
            np.testing.assert_array_equal(ours, np.array(theirs, dtype=np.float32))


def test_every_token_is_in_the_table_and_means_stay_the_released_ones(tmp_path: Path) -> None:
    read(tmp_path, DOCUMENT, LOGPROBS)
    rows = table(tmp_path)
    agree(rows, DOCUMENT, list(TEXTS))
    for key, one in RELEASE[LOGPROBS]["prompts"].items():
        assert list(rows_of(rows, key, "fixed")["mean"]) == one["lp_train_inoc"]
        assert list(rows_of(rows, key, "mix")["mean"]) == one["lp_train_mix"]


def test_without_released_means_they_are_those_of_the_tokens(tmp_path: Path) -> None:
    read(tmp_path, changed(("prompts", "whimsical", FIELDS["mix"], 2), [None] * len(_lists("whimsical", "mix")[2])))
    for prefix, name in FIELDS.items():
        found = rows_of(table(tmp_path), "whimsical", prefix)["mean"].to_numpy()
        expected = [float(np.mean(one)) for one in DOCUMENT["prompts"]["whimsical"][name]]
        if prefix == "mix":
            expected[2] = math.nan
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def _lists(key: str, prefix: str) -> list[list[float]]:
    found: list[list[float]] = DOCUMENT["prompts"][key][FIELDS[prefix]]
    return found


def test_a_prompt_with_tokens_alone_gets_no_mean_from_another_job(tmp_path: Path) -> None:
    release = json.loads(json.dumps(RELEASE[LOGPROBS]))
    del release["prompts"]["whimsical"]
    checkout = write_release(tmp_path / "checkout", {LOGPROBS: release, TOKENS: DOCUMENT})
    imported = read_release(checkout, "made")
    write_import(imported, "made", tmp_path / "results", tmp_path / "studies")
    assert "whimsical" in texts(imported.findings, "note")
    assert np.isnan(rows_of(table(tmp_path), "whimsical", "fixed")["mean"]).all()
    agree(table(tmp_path), DOCUMENT, list(TEXTS))


def test_a_prompt_with_means_alone_is_named_and_has_no_place_by_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    del document["prompts"]["whimsical"]
    write_release(tmp_path / "checkout", {LOGPROBS: RELEASE[LOGPROBS], TOKENS: document})
    components = analysed(tmp_path, monkeypatch)
    assert set(components[components["level"] == "token"]["n_prompts"]) == {3}
    assert set(components[components["level"] == "point"]["n_prompts"]) == {4}
    skipped = (tmp_path / "results" / "made" / "analyse" / "skipped.json").read_text(encoding="utf-8")
    assert "no log-probabilities of their tokens are stored: whimsical" in skipped


def analysed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Import the checkout and analyse it, by the verbs of a user; the table of components."""
    monkeypatch.chdir(folder)
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text("studies: [made]\n", encoding="utf-8")
    main(["import", "trait-inoculation", "checkout", "--study", "made"])
    main(["analyse", "made"])
    return read_table(folder / "results" / "made" / "analyse" / "components.parquet")


def test_components_by_token_are_those_of_the_whole_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_release(tmp_path / "checkout", {LOGPROBS: RELEASE[LOGPROBS], TOKENS: DOCUMENT})
    components = analysed(tmp_path, monkeypatch)
    for prefix, name in FIELDS.items():
        base = np.concatenate(DOCUMENT["baseline"]["lp_train_default_tokens"]).astype(np.float32).astype(np.float64)
        rows = [np.concatenate(DOCUMENT["prompts"][key][name]).astype(np.float32) - base for key in TEXTS]
        matrix = np.stack(rows) - np.mean(rows, axis=0)
        squares = np.linalg.svd(matrix, compute_uv=False) ** 2
        level = (components["level"] == "token") & (components["method"] == "pca")
        found = components[level & (components["prefix"] == prefix)].sort_values("component")["share"]
        np.testing.assert_allclose(found, (squares / squares.sum())[: len(found)], rtol=0, atol=1e-9)


@pytest.mark.parametrize("change", [0.2, -0.2])
def test_tokens_of_other_responses_are_left_out(tmp_path: Path, change: float) -> None:
    moved = [[value - 1 + change for value in one] for one in _lists("whimsical", "fixed")]
    findings = read(tmp_path, changed(("prompts", "whimsical", FIELDS["fixed"]), moved), LOGPROBS)
    assert "tokens of whimsical" in texts(findings, "left_out")
    assert set(rows_of(table(tmp_path), "whimsical", "fixed")["n_tokens"]) == {-1}
    assert set(rows_of(table(tmp_path), "whimsical", "mix")["n_tokens"]) != {-1}


def test_a_mix_with_other_rephrasings_is_reported(tmp_path: Path) -> None:
    moved = [[value - 0.2 for value in one] for one in _lists("whimsical", "mix")]
    findings = read(tmp_path, changed(("prompts", "whimsical", FIELDS["mix"]), moved), LOGPROBS)
    assert "different rephrasings: whimsical" in texts(findings, "warning")
    assert set(rows_of(table(tmp_path), "whimsical", "mix")["n_tokens"]) != {-1}


def test_a_file_of_another_number_of_responses_is_left_out(tmp_path: Path) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    document["baseline"]["lp_train_default_tokens"].pop()
    for one in document["prompts"].values():
        for name in FIELDS.values():
            one[name].pop()
    findings = read(tmp_path, document, LOGPROBS)
    assert "other samples" in texts(findings, "left_out")
    assert set(table(tmp_path)["n_tokens"]) == {-1}


def test_a_trial_of_the_code_is_left_out_by_its_name(tmp_path: Path) -> None:
    release = {LOGPROBS: RELEASE[LOGPROBS], TOKENS.replace("_small", "_small_debug"): DOCUMENT}
    imported = read_release(write_release(tmp_path / "checkout", release), "made")
    assert any("trial of the code" in item.text for item in imported.findings.of("left_out", "files"))


RAGGED = [[-1.0]] * 8


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("prompts", "whimsical", FIELDS["fixed"]), RAGGED, r"whimsical\.lp_train_inoc_tokens\[\d\]: 1 tokens, and \d"),
        (("prompts", "whimsical", FIELDS["mix"]), RAGGED[:3], r"whimsical\.lp_train_mix_tokens: 3 responses, and 8"),
        (("prompts", "whimsical", FIELDS["mix"]), [], "there are no responses"),
        (("prompts", "whimsical", FIELDS["mix"]), [-1.0], r"tokens\[0\].*expected a list of numbers"),
        (("prompts", "whimsical", FIELDS["mix"]), {"a": 1}, "expected a list of lists of numbers"),
        (("prompts", "whimsical", FIELDS["mix"], 1), ["a]b"], r"tokens\[1\].*expected a list of numbers"),
        (("prompts", "whimsical", FIELDS["mix"], 1), [[-1.0]], r"tokens\[1\].*expected"),
        (("prompts", "whimsical", FIELDS["mix"], 1), [True], r"tokens\[1\].*\[0\]: expected a number"),
        (("prompts", "whimsical", FIELDS["mix"], 1), [0.5], r"tokens\[1\].*accepted: -1e[+]30 to 0.001"),
        (("prompts", "whimsical", FIELDS["mix"], 1), [-math.inf], r"tokens\[1\].*finite"),
        (("prompts", "whimsical", FIELDS["mix"], 1), [-(10**400)], r"tokens\[1\].*finite"),
        (("prompts", "whimsical"), [1], r"prompts\.whimsical.*expected an object"),
        (("prompts", "german_persona"), {}, "mixes prompts of german_flattering and playful_french"),
        (("prompts",), {}, "there are no prompts"),
        (("baseline",), {}, "'lp_train_default_tokens' is missing"),
        (("baseline",), None, "baseline.*expected an object"),
        (("params",), {"prompts": {"whimsical": 3}}, r"params\.prompts\.whimsical: expected a text"),
        (("params",), {"prompts": {"whimsical": "Another."}}, "results of two prompts"),
    ],
)
def test_a_refusal_names_file_and_place(tmp_path: Path, place: tuple[Any, ...], value: Any, message: str) -> None:
    with pytest.raises(DataError, match=rf"tokens_small\.json.*(?:{message})"):
        read(tmp_path, changed(place, value), LOGPROBS, ELICITATION)
    assert not (tmp_path / "results").exists()


def test_a_file_cut_off_anywhere_is_refused_by_name(tmp_path: Path) -> None:
    whole = json.dumps(DOCUMENT).encode()
    checkout = write_release(tmp_path, {LOGPROBS: RELEASE[LOGPROBS], TOKENS: DOCUMENT})
    for size in [0, 1, *np.random.default_rng(0).integers(2, len(whole) - 1, 60), len(whole) - 1]:
        (checkout / TOKENS).write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"tokens_small\.json.*(cut off|not JSON)"):
            read_release(checkout, "made")


HOSTILE = [
    b"]",
    b"[",
    b"{",
    b'"',
    b",",
    b":",
    b"NaN",
    b"null",
    b"\xff",
    b"1",
    b"e9",
    b"-",
    b"\x00",
    b" ",
    b"\xef\xbb\xbf",
]


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10**6), st.sampled_from(HOSTILE), st.booleans())
def test_anything_written_into_a_file_is_refused_by_name_or_read_as_it_is(at: int, text: bytes, insert: bool) -> None:
    whole = json.dumps(DOCUMENT).encode()
    place = at % len(whole)
    content = whole[:place] + text + whole[place + (0 if insert else len(text)) :]
    with tempfile.TemporaryDirectory() as name:
        checkout = write_release(Path(name), {TOKENS: {}})
        (checkout / TOKENS).write_bytes(content)
        try:
            imported = read_release(checkout, "made")
        except InocError as error:
            refusal = str(error)
        else:
            refusal = ""
    if refusal:
        assert "tokens_small.json" in refusal
        return
    rows = pa.concat_tables(imported.tables["score/logprobs-0.parquet"][0]).to_pandas()
    document = json.loads(content)
    left_out = " ".join(item.text for item in imported.findings.of("left_out", "prompts"))
    lost = [key for key in document["prompts"] if key in left_out]
    kept = [key for key in document["prompts"] if key not in left_out]
    named = document.get("params", {}).get("prompts", {})
    assert not [key for key in lost if key in TEXTS and named.get(key)]
    if all(set(FIELDS.values()) <= set(document["prompts"][key]) for key in kept):
        agree(rows, _with_nan(document), kept)


def _with_nan(document: Document) -> Document:
    """Null is a measurement that failed, as NaN is."""
    return json.loads(json.dumps(document).replace("null", "NaN"))  # type: ignore[no-any-return]


def test_duplicate_keys_and_text_after_the_end_are_refused(tmp_path: Path) -> None:
    text = json.dumps(DOCUMENT)
    checkout = write_release(tmp_path, {TOKENS: DOCUMENT})
    for broken, message in [
        (text.replace('"be_concise"', '"whimsical"'), "written twice"),
        (text.replace('"baseline"', '"prompts"'), "written twice"),
        (text + "{}", "document ended"),
        (text.replace('"model"', '"\\ud800"'), "surrogate"),
        ("[" * 10**5, "expected an object"),
        ('{"params": ' + "[" * 10**5, "nested too deeply|not JSON"),
    ]:
        (checkout / TOKENS).write_text(broken, encoding="utf-8")
        with pytest.raises(DataError, match=rf"tokens_small\.json.*({message})"):
            read_release(checkout, "made")


numbers = st.floats(-50, 0) | st.just(math.nan)
documents = st.dictionaries(st.text(max_size=5), st.lists(st.lists(numbers, max_size=5), max_size=4), max_size=4)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(documents, st.sampled_from([None, 0, 2]), st.integers(1, 9))
def test_walking_in_pieces_of_any_size_reads_what_parsing_the_whole_reads(
    document: dict[str, list[list[float]]], indent: int | None, size: int
) -> None:
    text = json.dumps(document, indent=indent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inoc.studies.inoculation.released.stream.CHUNK", size)
        walker = Walker(io.StringIO(text), "file")
        by_list = {key: [list(one) for one in walker.lists(key, -math.inf, 0)] for key in walker.members("")}
        walker.end()
        walker = Walker(io.StringIO(text), "file")
        by_value = {key: walker.value(key).value for key in walker.members("")}
    assert repr(by_value) == repr(json.loads(text))
    read_lists = {key: [[float(value) for value in one] for one in lists] for key, lists in by_list.items()}
    assert repr(read_lists) == repr(document)
