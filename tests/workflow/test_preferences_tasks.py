"""A study of preferences with one task more, through Snakemake: what it asks, and what is kept."""

from __future__ import annotations

import json

import pytest

from support.running import Checkout

pytestmark = pytest.mark.long

STUDY = """
kind: preferences
name: tasks
title: Tasks are added
model: {{path: {folder}, dtype: float32}}
tasks:
  origins:
    own:
      texts:
{texts}
models: {{a: {{}}}}
completions: {{sampling: {{max_tokens: 4}}}}
instruments:
  stars: {{template: stated_1_5, when: before}}
  done: {{template: anchored_1_5}}
  wish: {{template: simple_preference, when: before, pairs: {{design: growing, degree: 2}}}}
seeds: [0]
reliability: {{min_tasks: 3}}
statistics: {{resamples: 100}}
"""
TASKS = {f"t{at}": f"Do thing {at}." for at in range(5)}


def write(checkout: Checkout, folder, tasks: dict[str, str]) -> None:
    lines = "\n".join(f"        {name}: {text}" for name, text in tasks.items())
    (checkout.folder / "config" / "studies" / "tasks.yaml").write_text(STUDY.format(folder=folder, texts=lines))


def entries(checkout: Checkout) -> dict[str, int]:
    """Key of every entry of the stages that ask, with its number of questions."""
    found = {}
    for step in ("choose", "sample"):
        for path in (checkout.folder / "store" / step).glob("*/*/unit.json"):
            found[path.parent.name] = json.loads(path.read_text())["parts"]["n"]
    return found


def test_one_task_more_asks_its_own_questions_alone(tiny_folder, tmp_path):
    checkout = Checkout(tmp_path / "checkout", study="tasks")
    write(checkout, tiny_folder, TASKS)
    checkout.run("--until", "choose_answers")
    before = entries(checkout)
    write(checkout, tiny_folder, {"new": "Do another thing.", **TASKS})
    checkout.run()
    asked = sum(n for key, n in entries(checkout).items() if key not in before)
    # A completion, two questions about it alone, and its pairs in both orders: with one partner that it has drawn,
    # and with all that have drawn it.
    assert 3 + 2 <= asked <= 3 + 2 * len(TASKS)
    assert checkout.dry_jobs() == {}
    known = entries(checkout)
    write(checkout, tiny_folder, dict(list(TASKS.items())[1:]))
    checkout.run("--until", "choose_answers")
    # Whoever had drawn the task that is gone has drawn another one; nothing else is new.
    assert sum(n for key, n in entries(checkout).items() if key not in known) <= 2 * len(TASKS)
