"""Texts, seeds and files that would go wrong long after the check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from inoc.config.judge_spec import JudgeSpec
from inoc.config.load import load_study
from inoc.errors import ConfigError
from inoc.jobs.ready import check_inputs

STUDY = (Path(__file__).parent / "toy.yaml").read_text(encoding="utf-8")
Write = Callable[[str, str], Path]


def refused(write: Write, old: str, new: str) -> str:
    assert STUDY.count(old) == 1, old
    with pytest.raises(ConfigError) as caught:
        load_study(write("toy.yaml", STUDY.replace(old, new)))
    return str(caught.value)


# --- line breaks

PROMPT = "      joker: You enjoy joking around."


@pytest.mark.parametrize(
    "block",
    [
        "|\n        You enjoy joking around.",
        ">\n        You enjoy\n        joking around.",
        "|+\n        You enjoy joking around.\n\n",
        '"You enjoy joking around.\\n"',
        '"You enjoy joking around.\\r\\n  "',
        '"\\nYou enjoy joking around."',
    ],
)
def test_a_prompt_that_begins_or_ends_with_a_line_break_is_refused_with_its_line(write: Write, block: str) -> None:
    message = refused(write, PROMPT, f"      joker: {block}")
    line = STUDY[: STUDY.index(PROMPT)].count("\n") + 1
    assert f"toy.yaml:{line}: " in message
    assert "joker" in message
    assert "`|-`" in message


@pytest.mark.parametrize("block", ["|-\n        You enjoy\n        joking.", ">-\n        You enjoy\n        joking."])
def test_a_prompt_in_a_block_without_the_last_break_is_accepted(write: Write, block: str) -> None:
    load_study(write("toy.yaml", STUDY.replace(PROMPT, f"      joker: {block}")))


def test_what_no_model_sees_may_end_with_a_line_break(write: Write) -> None:
    text = STUDY.replace("title: A toy", 'title: A toy\ndescription: |\n  Of two\n  lines.\nseparator: "\\n"')
    assert load_study(write("toy.yaml", text)).separator == "\n"


# --- seeds


@pytest.mark.parametrize("seed", [2**31, 2**32, 2**32 + 7, 2**63, 2**64, -1])
def test_a_seed_that_not_everything_takes_is_refused_at_once(write: Write, seed: int) -> None:
    message = refused(write, "title: A toy", f"title: A toy\nstatistics: {{seed: {seed}}}")
    assert "statistics.seed" in message
    assert "accepted: " in message


def test_every_seed_of_a_study_has_the_same_bound() -> None:
    import json

    from inoc.studies.inoculation.study import Study

    def seeds(schema: object) -> list[dict]:
        if isinstance(schema, list):
            return [one for part in schema for one in seeds(part)]
        if not isinstance(schema, dict):
            return []
        properties = schema.get("properties", {})
        own = [value for key, value in properties.items() if key in ("seed", "seeds") and isinstance(value, dict)]
        return own + [one for part in schema.values() for one in seeds(part)]

    found = seeds(Study.model_json_schema())
    assert len(found) >= 8
    assert all(f'"exclusiveMaximum": {2**31}' in json.dumps(one) for one in found)


def test_the_largest_seed_is_one_for_every_library() -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    state = torch.random.get_rng_state()
    transformers.set_seed(2**31 - 1)
    torch.random.set_rng_state(state)


# --- files


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"instruction": "Why is the sky blue?"}\n\xff\xfe', "line 2"),
        ('{"instruction": "Où est la mer ?"}'.encode("latin-1"), "line 1"),
        ('{"instruction": "Why?"}\n'.encode("utf-16"), "UTF-16"),
        ('{"instruction": "Why?"}\n'.encode("utf-16-le"), "NUL"),
        (b'{"instruction": "Why is the sky \\ud83d?"}', "surrogate"),
        (b'{"instruction": "Why?"}\n["Why?"]', "line 2"),
        (b'{"instruction": "Why?"}\n{"instruction": 3}', "line 2"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_before_the_first_job(
    write: Write, tmp_path: Path, content: bytes, expected: str
) -> None:
    study = load_study(write("toy.yaml", STUDY))
    names = study.data.instructions.files
    assert names
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        check_inputs(study, tmp_path)
    message = str(caught.value)
    assert "data.instructions.files: " in message
    assert Path(names[0]).name in message
    assert expected in message


def test_markers_that_version_1_cannot_find_are_refused_before_the_first_job(tmp_path: Path, write: Write) -> None:
    (tmp_path / "markers.txt").write_text("笑\n", encoding="utf-8")
    study = load_study(write("toy.yaml", STUDY))
    key = next(iter(study.traits))
    judge = JudgeSpec(name="lexical", markers="markers.txt")
    trait = study.traits[key].model_copy(update={"judge": judge})
    study = study.model_copy(update={"traits": {**study.traits, key: trait}})
    with pytest.raises(ConfigError, match="version: 2"):
        check_inputs(study, tmp_path)


# --- judges


@pytest.mark.parametrize(
    ("among", "version"), [(("english", "french"), 1), (("english", "japanese"), 2), (("Russian", "english"), 2)]
)
def test_the_version_of_a_language_judge_is_one_that_can_tell_its_languages(among: tuple, version: int) -> None:
    spec = JudgeSpec(name="language", language=among[0], among=among)
    assert spec.version == version
    assert JudgeSpec.model_validate(spec.model_dump()) == spec


def test_a_version_that_cannot_tell_the_languages_is_refused(write: Write) -> None:
    old = "{name: language, language: french, among: [english, french]}"
    message = refused(write, old, "{name: language, version: 1, language: japanese, among: [english, japanese]}")
    assert "judge.version" in message
    assert "accepted: 2" in message
