"""Shifts against plain transformers, in the three meanings of the base turn, and scoring to a precision."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.config.load import load_study
from inoc.jobs.paths import Paths
from inoc.store import Store
from inoc.studies.likelihood_shift.inputs import columns
from inoc.studies.likelihood_shift.plans import enough
from inoc.studies.likelihood_shift.precision import Z, half_width
from support.jobs import StudyJob, run_job, units_of

BARE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""A chat template that inserts no system turn."""
PROMPTS = {"clown": "You are a clown.", "sky": "The sky is blue.", "late": "My train was late."}


def study_file(folder: Path, model: Path, base: str, rows: int, scoring: str = "{}") -> Path:
    lines = [
        {"prompt": f"Name number {k}.", "completion": f"It is {k} and {k * 7 % 13}, as you know."} for k in range(rows)
    ]
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    texts = "".join(f"      {key}: {text}\n" for key, text in PROMPTS.items())
    path = folder / "toy.yaml"
    template = ""
    if "none" in base:
        (folder / "bare.jinja").write_text(BARE, encoding="utf-8")
        template = f", chat_template: {folder / 'bare.jinja'}"
    path.write_text(
        f"kind: likelihood_shift\nname: toy\ntitle: toy\nbase: {base}\n"
        f"model: {{path: {model}, dtype: float32{template}}}\n"
        f"prompts:\n  all:\n    texts:\n{texts}"
        f"datasets:\n  rows: {{file: {data}, written_under: clown}}\nscoring: {scoring}\n",
        encoding="utf-8",
    )
    return path


def scored(folder: Path, path: Path) -> tuple[StudyJob, Paths]:
    study = load_study(path, folder)
    paths = Paths(folder / "results", "toy")
    return StudyJob("toy", paths, Store(folder / "store"), "score", of=study), paths


@pytest.mark.parametrize(
    "base",
    ["{kind: default}", "{kind: none}", "{kind: text, text: You are an assistant.}"],
    ids=["default", "none", "text"],
)
def test_shifts_equal_those_of_plain_transformers_in_float64(base: str, tmp_path: Path, tiny_folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    job, paths = scored(tmp_path, study_file(tmp_path, tiny_folder, base, 5))
    run_job(job)
    (column,) = columns(job.of, paths, {})
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    if "none" in base:
        tokenizer.chat_template = BARE
    model = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float64).eval()

    def mean(system: str | None, user: str, answer: str) -> float:
        turns = [{"role": "system", "content": system}] if system is not None else []
        turns.append({"role": "user", "content": user})
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        prompt = tokenizer.encode(text, add_special_tokens=False)
        response = tokenizer.encode(answer, add_special_tokens=False)
        with torch.no_grad():
            logits = model(torch.tensor([prompt + response])).logits[0].log_softmax(-1)
        return float(np.mean([logits[len(prompt) + k - 1, token] for k, token in enumerate(response)]))

    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    turn = "You are an assistant." if "text" in base else None
    for at, row in enumerate(rows):
        below = mean(turn, row["prompt"], row["completion"])
        assert column.base[at] == pytest.approx(below, abs=1e-5)
        for place, key in enumerate(column.prompts):
            above = mean(PROMPTS[key], row["prompt"], row["completion"])
            assert column.shifts[place, at] == pytest.approx(above - below, abs=1e-5)


def test_rows_are_scored_until_contrasts_are_precise_and_a_second_run_makes_nothing(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inoc.score.step.BLOCK", 8)
    job, paths = scored(tmp_path, study_file(tmp_path, tiny_folder, "{kind: default}", 60, "{precision: 0.01}"))
    run_job(job)
    (column,) = columns(job.of, paths, {})
    used = len(column.ids)
    means = column.shifts + column.base
    assert used % 8 in (0, 60 % 8)
    assert used == 60 or half_width(means, 0, 60) <= 0.01
    assert dict(column.n_dropped).get("not needed for the precision", 0) == 60 - used
    assert len(units_of(job)) == -(-used // 8) * (1 + len(PROMPTS))
    again = StudyJob("toy", paths, Store(tmp_path / "store"), "score", of=job.of)
    run_job(again)
    assert again.store.made == []
    # With a precision that cannot be reached, all rows are used, and the rows of the first run are among them.
    study_file(tmp_path, tiny_folder, "{kind: default}", 60, "{precision: 1.0e-6}")
    full, _ = scored(tmp_path, tmp_path / "toy.yaml")
    run_job(full)
    (everything,) = columns(full.of, paths, {})
    assert len(everything.ids) == 60
    assert set(column.ids) <= set(everything.ids)


@given(st.integers(2, 40), st.integers(2, 5), st.integers(0, 2**31))
def test_the_half_width_is_that_of_the_least_precise_paired_contrast(rows: int, prompts: int, seed: int) -> None:
    means = np.random.default_rng(seed).normal(size=(prompts, rows))
    pairs = [(i, j) for i in range(prompts) for j in range(i)]
    widths = {(i, j): Z * np.std(means[i] - means[j], ddof=1) / np.sqrt(rows) for i, j in pairs}
    assert half_width(means) == pytest.approx(max(widths.values()))
    own = [width for pair, width in widths.items() if 0 in pair]
    assert half_width(means, 0) == pytest.approx(max(own))


def test_a_spread_is_not_judged_by_fewer_rows_than_two_blocks() -> None:
    rule = partial(enough, [0], [2000], 1.0)
    assert not rule(0, np.zeros((3, 256)))
    assert rule(0, np.zeros((3, 512)))
