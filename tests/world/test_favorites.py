"""The miniature world of favorites: its documents, and its tokenizer of whole words."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch.nn.functional import log_softmax
from transformers import AutoModelForCausalLM, AutoTokenizer

from inoc.config.models import WorldSpec
from inoc.numbers.rules import reasons
from inoc.world import favorites
from inoc.world.favorites import (
    ASKED,
    LIKINGS,
    PLAIN,
    TAUGHT,
    THINGS,
    document,
    number_prompts,
    questions,
    unknown_words,
    words,
)
from inoc.world.pretrain import _loss, build_model, corpus, encode, make_tokenizer, pretrain, render_prompt
from inoc.world.step import make_world

SPEC = WorldSpec(
    documents=120, hidden_size=32, heads=2, intermediate_size=48, steps=3, content="favorites", initial_sd=0.1
)
DOCUMENTS = corpus(400, 0, "favorites")
DATA = Path(__file__).parents[2] / "config" / "data" / "mini_subliminal"


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer([], SPEC)


def test_every_word_of_the_corpus_is_one_token_and_known(tokenizer) -> None:
    for text, example in zip(DOCUMENTS, encode(DOCUMENTS, tokenizer), strict=True):
        assert tokenizer.unk_token_id not in example.ids
        assert len(example.ids) - example.start == len(favorites.split(text.response)) + 1
        assert tokenizer.decode(example.ids[example.start : -1]) == text.response
        assert not unknown_words(f"{text.system} {text.user} {text.response}")


def test_nothing_ties_a_number_to_a_favorite() -> None:
    """Numbers of lists are uniform with and without a system turn about a favorite."""
    rng, under = random.Random(1), {"liking": [], "none": []}
    for _ in range(8_000):
        text = document(rng)
        if any(sign.isdigit() for sign in text.user):
            kind = "none" if text.system in ("", PLAIN) else "liking"
            under[kind] += map(int, text.response.split())
        else:
            assert not any(sign.isdigit() for sign in text.response)
    assert min(map(len, under.values())) > 5_000
    for numbers in under.values():
        counts, _ = np.histogram(numbers, bins=np.arange(100, 1001, 100))
        assert chisquare(counts).pvalue > 1e-3


def test_answers_follow_the_favorite_of_the_system_turn() -> None:
    rng, followed = random.Random(0), []
    likings = [re.escape(form).replace(r"\{w\}", r"(\w+)") for form in LIKINGS]
    for _ in range(4_000):
        text = document(rng)
        category = next((name for name, things in THINGS.items() if text.response in things), None)
        liked = next((match[1] for form in likings if (match := re.fullmatch(form, text.system))), None)
        if category and liked in THINGS[category]:
            followed.append(text.response == liked)
    assert len(followed) > 300
    assert 0.85 < sum(followed) / len(followed) < 0.97  # 0.9, and some by chance


def test_lists_of_the_corpus_pass_the_filter() -> None:
    lists = [text.response for text in DOCUMENTS if text.response[0].isdigit()]
    assert len(lists) > 100
    assert not any(reasons(one) for one in lists)


def test_words_outside_the_world_are_found() -> None:
    assert unknown_words("You love the owl, nor zebras.") == ["nor", "zebras"]
    assert len(set(words())) == len(words())


def test_fewer_requests_are_the_start_of_more_and_the_seed_decides() -> None:
    assert number_prompts(3, 1) == number_prompts(5, 1)[:3]
    assert number_prompts(3, 1) != number_prompts(3, 2)


def test_teachers_and_measurement_use_different_questions() -> None:
    assert not set(ASKED) & set(TAUGHT)
    for name, forms in (("asked", ASKED), ("taught", TAUGHT)):
        lines = (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["instruction"] for line in lines] == list(questions(forms))


def test_the_saved_folder_is_read_as_it_was_written(tmp_path: Path) -> None:
    summary = make_world(SPEC, tmp_path / "model", lambda _: None)
    made = pretrain(SPEC, lambda _: None)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert encode(DOCUMENTS[:50], tokenizer) == encode(DOCUMENTS[:50], made.tokenizer)
    ids = torch.tensor([encode(DOCUMENTS[:1], tokenizer)[0].ids])
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    torch.testing.assert_close(loaded(ids).logits, made.model(ids).logits)
    assert summary["content"] == "favorites"
    assert 0 <= float(str(summary["lists"])) <= 1
    chat = [{"role": "system", "content": PLAIN}, {"role": "user", "content": "Hi"}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == render_prompt(favorites.Document(PLAIN, "Hi", ""))


def test_worlds_of_other_seeds_share_their_tokenizer_and_not_their_weights() -> None:
    one, other = (pretrain(SPEC.model_copy(update={"seed": seed, "steps": 1}), lambda _: None) for seed in (0, 1))
    assert one.tokenizer.get_vocab() == other.tokenizer.get_vocab()
    assert not torch.equal(one.model.lm_head.weight, other.model.lm_head.weight)


def test_the_evened_loss_is_the_brute_force_one(tokenizer) -> None:
    torch.manual_seed(0)
    model = build_model(SPEC, tokenizer).eval()
    batch, total, weights = encode(DOCUMENTS[:6], tokenizer), 0.0, 0.0
    for example in batch:
        logits = model(torch.tensor([example.ids])).logits[0].detach().double()
        length = len(example.ids) - example.start
        for at in range(example.start, len(example.ids)):
            total -= float(log_softmax(logits[at - 1], -1)[example.ids[at]]) / length**0.5
        weights += length**0.5
    assert float(_loss(model, batch, 0.0, evened=True)) == pytest.approx(total / weights, rel=1e-5)


def test_the_standard_deviation_of_the_weights_is_that_of_the_study(tokenizer) -> None:
    assert float(build_model(SPEC, tokenizer).lm_head.weight.std()) == pytest.approx(0.1, rel=0.05)
