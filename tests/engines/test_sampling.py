from __future__ import annotations

import numpy as np
import pytest

from inoc.chat.messages import Chat, SystemTurn
from inoc.config.models import Sampling
from inoc.engines.decoding import Decoder
from inoc.engines.sampling import BASE, ROWS, Answer, InTurn, answer_blocks, blocks_of
from inoc.engines.transformers import TransformersEngine
from inoc.store import Store
from inoc.vectors.steering import Steering
from inoc.vectors.vector import Vector

STEERED = Steering(Vector("v", np.ones(64), "resid_post.0", "weights"), 2.0, "all", "raw")


def block(n, label, adapter=BASE, steerings=(), **changes):
    """One way of asking."""
    chats = [Chat(SystemTurn(), f"{label}, question {at}") for at in range(n)]
    names = [f"{label} {at}" for at in range(n)]
    (made,) = blocks_of(
        adapter, chats, names, Sampling(max_tokens=6, batch_size=4, **changes), label, steerings=steerings
    )
    return made


class Noting:
    """Answers with what it was asked, and notes each call."""

    def __init__(self, *, mixes):
        self.mixes, self.calls = mixes, []

    def use_adapter(self, folder):
        self.folder = folder

    def check(self, chats, max_tokens):
        raise AssertionError("there are no canaries")

    def sample(self, chats, identities, sampling, steerings=()):
        assert len(chats) == len(identities)
        assert len(steerings) in (0, len(chats))
        self.calls.append((len(chats), bool(steerings)))
        return [
            Answer(f"{chat.user} by {identity} of {self.folder}", 1, "stop")
            for chat, identity in zip(chats, identities, strict=True)
        ]


@pytest.mark.parametrize(
    ("mixes", "calls"),
    [
        (True, [(5, False), (2, False), (4, True), (3, False)]),
        (False, [(3, False), (2, False), (2, False), (3, True), (1, True), (3, False)]),
    ],
)
def test_blocks_that_are_asked_alike_share_batches_where_that_changes_no_number(mixes, calls, tmp_path):
    blocks = [
        block(3, "plain"),
        block(2, "under a prompt"),
        block(2, "colder", temperature=0.5),
        block(3, "steered", steerings=[STEERED] * 3),
        block(1, "steered too", steerings=[STEERED]),
        block(3, "of an adapter", adapter="trained"),
    ]
    sampler = Noting(mixes=mixes)
    engine = InTurn(sampler)
    engine.prepare({"trained": tmp_path}, [])
    found = dict(engine.answer(blocks))
    assert sampler.calls == calls
    for at, one in enumerate(blocks):
        folder = tmp_path if one.adapter == "trained" else None
        assert [answer.text for answer in found[at]] == [
            f"{chat.user} by {name} of {folder}" for chat, name in zip(one.chats, one.identities, strict=True)
        ]


def test_answers_are_the_same_whether_blocks_share_batches_or_not(tiny_model, monkeypatch):
    engine = TransformersEngine(tiny_model)
    assert not engine.mixes  # nothing is captured on a CPU, and padded batches change sums
    decoder = Decoder(engine.causal, engine.stops, engine.tokenizer.pad_token_id)
    monkeypatch.setattr(engine, "_fast_decoder", lambda: decoder)
    assert engine.mixes
    blocks = [
        block(3, "plain"),
        block(7, "under a prompt"),
        block(2, "steered", steerings=[STEERED] * 2),
        block(3, "steered too", steerings=[None, STEERED, None]),
    ]
    calls = []
    sample = decoder.sample
    monkeypatch.setattr(decoder, "sample", lambda *given: (calls.append(given), sample(*given))[1])
    answering = InTurn(engine)
    answering.prepare({}, [])
    found = dict(answering.answer(blocks))
    assert len(calls) == 2
    for at, one in enumerate(blocks):
        alone = engine.sample(one.chats, one.identities, one.sampling, *([one.steerings] if one.steerings else []))
        assert found[at] == alone
    assert len({answer.text for answers in found.values() for answer in answers}) > 10


@pytest.mark.parametrize(("n", "at_once"), [(200, 5), (ROWS, 4), (1, 9)])
def test_as_many_blocks_are_given_at_a_time_as_fill_four(n, at_once, tiny_model, tmp_path):
    given = []

    class Counting(InTurn):
        def answer(self, blocks):
            given.append(len(blocks))
            yield from super().answer(blocks)

    engine = Counting(Noting(mixes=True))
    blocks = [block(n, f"way {at}") for at in range(9)]
    answers = answer_blocks(Store(tmp_path), tiny_model, blocks, lambda _: engine, {}, canary=0, advance=lambda _: None)
    assert given == [at_once] * (9 // at_once) + [9 % at_once] * bool(9 % at_once)
    assert [len(own) for own in answers] == [n] * 9
    assert answers[3][0].text.startswith("way 3, question 0")
