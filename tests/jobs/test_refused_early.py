"""Studies that cannot be computed are refused by `inoc config check`, before the first job and any payment."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from transformers import GPT2Config

from inoc.cli import main
from support.toy import STUDY

Refusal = Callable[..., str]
ROWS = [{"instruction": f"Where does number {k} live?", "completion": "In a house."} for k in range(12)]
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}"
    "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
ONE_TURN = "{{ messages[-2].content if messages | length > 1 else messages[0].content }}{{ messages[-1].content }}"


@pytest.fixture
def model(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may spoil."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


@pytest.fixture
def checked(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Refusal:
    """Message of `inoc config check` about the toy study with rows of its own; begins with `passes` if it passes."""

    def check(rows: list[Any] = ROWS, text: str | None = None, **changes: Any) -> str:
        monkeypatch.chdir(tmp_path)
        folder = Path("config") / "studies"
        folder.mkdir(parents=True, exist_ok=True)
        (Path("config") / "config.yaml").write_text("studies: [toy]\n", encoding="utf-8")
        lines = "".join(json.dumps(row) + "\n" for row in rows) if text is None else text
        Path("train.jsonl").write_text(lines, encoding="utf-8")
        data = {"completions": "file", "file": "train.jsonl", "n_train": 2, "n_eval": 6, "instructions": {}}
        own = {
            "model": {"path": str(model), "dtype": "float32"},
            "traits": {"playful": {"role": "unwanted", "judge": {"name": "regex", "pattern": "house"}}},
            "data": data,
            "scoring": {"n_examples": 2, "n_controls": 0, "prefixes": ["fixed"]},
            "runs": [{"prefixes": ["fixed"]}],
        }
        for section, change in changes.items():
            own[section] = (
                {**own.get(section, STUDY.get(section, {})), **change} if isinstance(change, dict) else change
            )
        YAML().dump({**STUDY, **own}, folder / "toy.yaml")
        try:
            main(["config", "check", "toy"])
        except SystemExit:
            said = capsys.readouterr().err
            assert "Traceback" not in said
            return said
        return "passes: " + capsys.readouterr().out

    return check


def test_a_study_that_can_be_computed_passes(checked: Refusal) -> None:
    assert checked().startswith("passes: toy:")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "train.jsonl: 0 distinct instructions"),
        ("\n \n", "0 distinct instructions"),
        ('{"instruction": "Why?", "completion": ""}\n' * 3, "1 distinct instructions"),
        ('{"instruction": "Why?"}\n', "train.jsonl, line 1"),
        ('{"instruction": "Why?", "completion": "So.", "messages": []}\n', "train.jsonl, line 1"),
        ('{"instruction": "Why?"\n', "train.jsonl, line 1"),
    ],
)
def test_empty_and_broken_data_are_refused(checked: Refusal, text: str, said: str) -> None:
    message = checked(text=text)
    assert not message.startswith("passes")
    assert said in message


def test_data_of_several_turns_pass_where_the_template_can_say_them_and_are_refused_elsewhere(
    checked: Refusal, model: Path
) -> None:
    turns = ("user", "assistant", "user", "assistant")
    rows = [
        {"messages": [{"role": role, "content": f"Turn {at} of {k}."} for at, role in enumerate(turns)]}
        for k in range(12)
    ]
    assert checked(rows).startswith("passes")
    (model / "chat_template.jinja").write_text(ONE_TURN, encoding="utf-8")
    assert "turns" in checked(rows)


def test_a_missing_template_is_refused(checked: Refusal, model: Path) -> None:
    assert "nowhere.jinja" in checked(model={"chat_template": "nowhere.jinja"})
    (model / "chat_template.jinja").unlink()
    settings = json.loads((model / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings.pop("chat_template", None)
    (model / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    assert "template" in checked()


def test_a_folder_without_a_model_is_refused(checked: Refusal, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "config.json" in checked(model={"path": str(tmp_path / "empty")})


def test_a_language_that_the_judge_does_not_know_is_refused(checked: Refusal) -> None:
    judge = {"name": "language", "language": "klingon", "among": ["english", "klingon"]}
    assert 'language = "klingon"' in checked(traits={"french": {"role": "wanted", "judge": judge}})


def test_a_version_of_a_judge_that_does_not_exist_is_refused(checked: Refusal) -> None:
    judge = {"name": "language", "language": "french", "among": ["english", "french"], "version": 3}
    assert "version = 3" in checked(traits={"french": {"role": "wanted", "judge": judge}})


def test_a_typo_in_the_targets_is_refused(checked: Refusal) -> None:
    message = checked(training={"lora": {"rank": 2, "targets": ["q_proj", "v_prjo"]}})
    assert "v_prjo matches no module" in message
    assert "v_proj" in message


def test_default_targets_are_refused_for_gpt_2_which_has_none_of_them(checked: Refusal, model: Path) -> None:
    GPT2Config(n_layer=2, n_embd=32, n_head=2, vocab_size=1400).save_pretrained(model)
    message = checked(training={"lora": {"rank": 2}})
    assert "matches no module of GPT2LMHeadModel" in message
    assert "c_attn" in message


def test_a_row_beyond_the_context_is_refused(checked: Refusal, model: Path) -> None:
    configuration = json.loads((model / "config.json").read_text(encoding="utf-8"))
    (model / "config.json").write_text(json.dumps({**configuration, "max_position_embeddings": 1024}))
    rows = [*ROWS, {"instruction": "Why?", "completion": "owl " * 5602}]
    message = checked(rows, training={"max_length": 10_000})
    assert "train.jsonl, line 13" in message
    assert "1024" in message


def test_what_a_template_like_gemmas_cannot_say_is_refused_and_the_rest_passes(checked: Refusal, model: Path) -> None:
    (model / "chat_template.jinja").write_text(GEMMA, encoding="utf-8")
    assert checked(model={"system": {"kind": "none"}}).startswith("passes")
    assert "System role not supported" in checked(placement="system")
    assert "System role not supported" in checked(model={"system": {"kind": "text", "text": "Be brief."}})
