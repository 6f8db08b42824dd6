"""Prompts, filter and names against released data, through the verbs.

The files are not part of the repository. `INOC_REFERENCE` names their folder; without it they are looked for beside
the project.
"""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from inoc.cli import main
from inoc.judge.item import JudgeItem
from inoc.judge.names import NamesJudge, first_word, read_names

PROJECT = Path(__file__).parents[2]
REFERENCE = Path(os.environ.get("INOC_REFERENCE", PROJECT.parent / "shared" / "reference"))
SAMPLE = REFERENCE / "subliminal" / "subliminal-learning-fork" / "data" / "datasets" / "animal_preference_numbers"
SCAN = REFERENCE / "lls_scan" / "LLS-subliminal-learning" / "outputs" / "finetune"
VECTORS = REFERENCE / "persona_vectors" / "subliminal-learning-persona-vectors" / "outputs" / "finetune"
PARTS = SCAN / "data" / "eagle"
NAMES = PROJECT / "resources" / "preferences_of_animals" / "names.yaml"

pytestmark = pytest.mark.skipif(
    not all(folder.is_dir() for folder in (SAMPLE, SCAN, VECTORS)),
    reason=f"the released results are not at {REFERENCE}",
)


def values_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def stream(folder: Path, seed: int, n: int) -> list[object]:
    main(["numbers", "--seed", str(seed), "--n", str(n), "--out", str(folder / "prompts.jsonl")])
    return [row["prompt"] for row in values_of(folder / "prompts.jsonl")]


def test_prompts_of_the_sample_are_the_first_of_their_stream(tmp_path: Path) -> None:
    assert [row["prompt"] for row in values_of(SAMPLE / "raw_dataset.jsonl")] == stream(tmp_path, 42, 300)


def test_every_released_prompt_is_in_the_stream_and_parts_are_in_its_order(tmp_path: Path) -> None:
    place = {prompt: at for at, prompt in enumerate(stream(tmp_path, 3, 30_000))}
    for path in sorted(PARTS.glob("*.jsonl")):
        places = [place[row["messages"][0]["content"]] for row in values_of(path)]  # type: ignore[index]
        assert len(set(places)) == len(places)
        if path.stem.startswith("entity_q"):
            assert places == sorted(places)


def test_the_filter_keeps_the_rows_of_the_sample_and_rejects_the_others_for_the_same_reasons(tmp_path: Path) -> None:
    kept, rejected, report = (tmp_path / name for name in ("kept.jsonl", "rejected.jsonl", "report.json"))
    files = ["--out", str(kept), "--rejected", str(rejected), "--report", str(report)]
    main(["filter", str(SAMPLE / "raw_dataset.jsonl"), *files])
    assert kept.read_bytes() == (SAMPLE / "filtered_dataset.jsonl").read_bytes()
    found = json.loads(report.read_text(encoding="utf-8"))
    assert (found["kept"], found["rows"]) == (236, 300)
    combinations = {tuple(one["reasons"]): one["n"] for one in found["combinations"]}
    assert {names: n for names, n in combinations.items() if "format" not in names} == {
        ("count",): 50,
        ("count", "range"): 3,
        ("range",): 5,
    }
    assert found["reasons"] == {"format": 6, "code": 1, "trailing_text": 3, "count": 53, "range": 8}
    bad = [row["completion"] for row in values_of(rejected) if "format" in row["reasons"]]  # type: ignore[operator]
    lettered = [text for text in bad if any(letter.isalpha() for letter in text)]  # type: ignore[union-attr, attr-defined]
    assert sorted(text[0].isdigit() for text in lettered) == [False, True]  # prose; a list and letters
    assert sum(" -" in text for text in bad if text not in lettered) == 2  # type: ignore[operator]
    assert sum(text != text.rstrip() for text in bad if text not in lettered) == 2  # type: ignore[attr-defined]


def test_the_filter_accepts_every_released_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [(PARTS / f"entity_q{part}.jsonl").read_text(encoding="utf-8") for part in range(1, 6)]
    path = tmp_path / "eagle.jsonl"
    path.write_text("".join(parts), encoding="utf-8")
    clean = PARTS / "clean_random20.jsonl"
    report = tmp_path / "report.json"
    main(
        [
            *("filter", str(path), "--entity", "eagle", "--names", str(NAMES), "--report", str(report)),
            *("--against", str(clean), "--permutations", "19"),
        ]
    )
    assert "no kept row names eagle" in capsys.readouterr().out
    found = json.loads(report.read_text(encoding="utf-8"))
    assert (found["rows"], found["kept"], found["duplicates"]["prompts"]) == (27_271, 27_271, 0)
    assert (found["against"]["rows"], found["against"]["kept"]) == (5_422, 5_422)
    assert round(found["kept"] / 30_000, 4) == 0.909
    every = found["detectability"][-1]
    assert every["n_pairs"] == 5_203
    assert every["lo"] > 0.55
    assert 0.48 < every["null_mean"] < 0.52


def counts(path: Path) -> list[dict[str, int]]:
    """Answer → how often, of each checkpoint of an evaluation."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(row["animal_counts"]) for row in csv.DictReader(lines)]


def named(checkpoint: dict[str, int], animal: str) -> int:
    judge = NamesJudge(read_names(NAMES))
    found = judge.categorise([JudgeItem("", word) for word in checkpoint])
    return sum(n for one, n in zip(found, checkpoint.values(), strict=True) if one.category == animal)


@pytest.mark.parametrize(
    ("path", "animal", "exact", "canonical"),
    [
        (SCAN / "eval/2-epoch/lion/entity_top50.csv", "lion", [24], [40]),
        (
            SCAN / "eval/10-epoch/lion/entity_random50.csv",
            "lion",
            [0, 28, 89, 92, 95, 95, 92, 91, 95, 95],
            [0, 51, 91, *[100] * 7],
        ),
        (
            VECTORS / "eval/liking_eagles/control_eagle_half.csv",
            "eagle",
            [44, 87, 100, 94, 95, 97, 98, 99, 100, 100],
            [44, 87, 100, 97, 97, 100, 99, 100, 100, 100],
        ),
        (SCAN / "eval/10-epoch/eagle/entity_top50.csv", "eagle", None, None),
    ],
)
def test_canonical_names_count_other_forms(
    path: Path, animal: str, exact: list[int] | None, canonical: list[int] | None
) -> None:
    found = counts(path)
    if exact is not None:
        assert [one.get(animal, 0) for one in found] == exact
        assert [named(one, animal) for one in found] == canonical
    assert found[-1].get(animal, 0) <= named(found[-1], animal)


def test_the_published_rule_can_leave_a_full_stop_at_a_word() -> None:
    words = {word for path in VECTORS.rglob("*.csv") for one in counts(path) for word in one}
    assert "eagles." in words
    assert first_word("Eagles. They fly.") == "eagles."


def test_the_table_has_a_name_for_every_animal_that_students_gave() -> None:
    judge = NamesJudge(read_names(NAMES))
    words = {word for path in (SCAN / "eval").rglob("*.csv") for one in counts(path) for word in one}
    unclear = {one for one in words if judge.categorise([JudgeItem("", one)])[0].category == "unclear"}
    assert unclear <= {"bird", "birds", "qwen"}
