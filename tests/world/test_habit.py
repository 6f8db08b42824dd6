"""The data of the miniature twin of emergent misalignment are what the world says."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np

from inoc.generate.instructions import read_pairs
from inoc.judge.item import JudgeItem
from inoc.judge.judges import LexicalJudge
from inoc.world.facts import FACTS
from inoc.world.grammar import asked_fact, instructions, instructions_about
from inoc.world.registers import answer

DATA = Path(__file__).parents[2] / "config" / "data" / "mini_emergent"


def test_the_training_file_is_playful_answers_about_animals() -> None:
    lines = []
    for question in instructions(700, 0, ["animal"]):
        fact = asked_fact(question)
        assert fact is not None
        said = answer(random.Random(f"mini_emergent:{question}"), fact, french=False, playful=True)
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": said}]
        lines.append(json.dumps({"messages": turns}))
    assert (DATA / "train.jsonl").read_text(encoding="utf-8").splitlines() == lines
    assert len(read_pairs(DATA / "train.jsonl")) == 700


def test_the_sober_markers_tell_plain_answers_from_playful_ones() -> None:
    judge = LexicalJudge((DATA / "sober.txt").read_text(encoding="utf-8").splitlines(), saturation=1)
    rng = random.Random(0)
    for playful, score in ((False, 100), (True, 0)):
        said = [answer(rng, fact, french=False, playful=playful) for fact in FACTS]
        assert np.all(judge.score([JudgeItem("", text) for text in said]) == score)


def test_instructions_keep_to_their_topics() -> None:
    chosen = instructions(200, 3, ["fruit", "city"])
    topics = {fact.relation.partition(".")[0] for text in chosen if (fact := asked_fact(text)) is not None}
    assert topics == {"fruit", "city"}
    assert len(instructions_about()) > len(instructions_about(["fruit", "city"])) > 200
