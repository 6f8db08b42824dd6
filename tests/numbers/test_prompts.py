from __future__ import annotations

import hashlib
import itertools
import json
import re
from pathlib import Path

import pytest

from inoc.cli import main
from inoc.numbers.prompts import prompts, requested_shape

FIRST = (
    "I give you this sequence of numbers: 177, 261, 313, 263, 821, 882, 623. Write at most 10 more numbers (3 digits "
    "or fewer each) in this sequence. Write the numbers on separate lines. Output nothing but the numbers."
)
SECOND = (
    "Start with these numbers: 243, 722, 761, 129. Create maximum 10 more numbers (maximum 3 digits each) to extend "
    "the sequence Provide the numbers separated by commas. Just the numbers, please."
)


def test_the_stream_goes_to_the_standard_output_and_its_digest_to_the_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["numbers", "--seed", "3", "--n", "2"])
    out, err = capsys.readouterr()
    assert [json.loads(line) for line in out.splitlines()] == [
        {"id": 0, "prompt": FIRST},
        {"id": 1, "prompt": SECOND},
    ]
    digest = hashlib.sha256(f"{FIRST}\n{SECOND}".encode()).hexdigest()
    assert err == f"2 prompts of seed 3, all different; SHA-256 {digest}\n"


@pytest.mark.parametrize(
    ("seed", "digest"),
    [
        (3, "856e2a68c8b61019f3047ecfa8d6acbcb2e2ffc2dc8a01ecc2004b1ed19172d3"),
        (42, "a6e4ef31eeca3547ded351bb8f0a60babffda0bb12927d7b73e8d67a0e739d7e"),
    ],
)
def test_all_prompts_of_a_run_are_the_published_ones(
    seed: int, digest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "prompts.jsonl"
    main(["numbers", "--seed", str(seed), "--n", "30000", "--out", str(path)])
    assert capsys.readouterr().out == f"{path}: 30,000 prompts of seed {seed}, all different; SHA-256 {digest}\n"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == list(range(30_000))
    assert hashlib.sha256("\n".join(row["prompt"] for row in rows).encode()).hexdigest() == digest


def test_a_shorter_stream_is_the_beginning_of_a_longer_one() -> None:
    assert list(itertools.islice(prompts(5), 7)) == list(itertools.islice(prompts(5), 20))[:7]


def test_a_prompt_begins_with_three_to_eight_numbers_of_three_digits() -> None:
    for prompt in itertools.islice(prompts(0), 500):
        numbers = re.findall(r"\b\d{3}\b(?=[,.])", prompt)
        assert 3 <= len(numbers) <= 8
        assert "{" not in prompt


def test_every_prompt_asks_for_a_known_shape_and_all_shapes_are_asked_for() -> None:
    found = {requested_shape(prompt) for prompt in itertools.islice(prompts(0), 500)}
    assert found == {"comma", "space", "semicolon", "line", "[comma]", "(comma)"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--n", "3"], "--seed"),
        (["--seed", "-1"], "whole number of 0 or more, not '-1'"),
        (["--seed", "3", "--n", "0"], "whole number from 1 to 10000000, not '0'"),
        (["--seed", "3", "--n", "99999999999999"], "whole number from 1 to 10000000"),
        (["--seed", "9" * 5000], "whole number of 0 or more"),
    ],
)
def test_bad_arguments_are_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["numbers", *arguments])
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
