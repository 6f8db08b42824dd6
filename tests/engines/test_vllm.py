"""The engine vLLM against transformers: same prompts, greedy, with real adapters; `make test-vllm` runs it."""

from __future__ import annotations

import itertools

import pytest

import inoc.engines.vllm
from inoc.chat.messages import Chat, Turn
from inoc.config.models import Sampling, SystemTurn
from inoc.engines.identity import ModelIdentity
from inoc.engines.sampling import BASE, Answer, Block, answer_blocks
from inoc.engines.transformers import TransformersEngine
from inoc.engines.vllm import VllmEngine, rank_for, write_zeros
from inoc.errors import ModelError
from inoc.store import Store
from inoc.tables import read_table
from support.jobs import run_job
from support.toy import toy_job, toy_study, write_inputs
from support.toy_models import vllm_dtype, within

USERS = ["Where does the owl live?", "Hm?", "You are a clown. What color is the apple?", "What is the hammer made of?"]
CHATS = tuple(Chat(SystemTurn(), user) for user in USERS)
TURNS = (Turn("You are a clown.", "Hi hi!"), Turn("Where does the owl live?", "In the forest."))
LONG_CHATS = tuple(Chat(SystemTurn(), user, earlier=TURNS[: 1 + at % 2]) for at, user in enumerate(USERS))
IDS = tuple("abcd")
GREEDY = Sampling(engine="vllm", temperature=0, max_tokens=12)
RANDOM = Sampling(engine="vllm", max_tokens=12, seed=3)


@pytest.fixture(scope="module")
def tiny_model(tiny_folder):
    return ModelIdentity(tiny_folder, "weights", "tokenizer", vllm_dtype(), None)


@pytest.fixture(scope="module")
def reference(tiny_model, adapters):
    """What transformers answers greedily, through each adapter."""
    engine = TransformersEngine(tiny_model)
    answers = {}
    for name in (BASE, *adapters):
        engine.use_adapter(adapters.get(name))
        answers[name] = engine.sample(CHATS, IDS, GREEDY)
    return answers


def blocks_for(names, sampling, chats=CHATS, identities=IDS):
    return [Block(name, tuple(chats), tuple(identities), sampling, name) for name in names]


@pytest.fixture(scope="module")
def engine(tiny_model, adapters):
    pytest.importorskip("vllm", reason="vLLM is not installed: make env-vllm")
    engine = VllmEngine(tiny_model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inoc.engines.vllm, "SLOTS", 2)  # fewer than adapters, so that no slot stays empty
        # The canary takes the first chats, and compares them with transformers token by token.
        engine.prepare(adapters, blocks_for([BASE, *adapters], GREEDY, LONG_CHATS[:2] + CHATS[2:]))
    return engine


def answers_of(engine, blocks):
    answers = dict(engine.answer(blocks))
    return [answers[at] for at in range(len(blocks))]


def mean_equal(found, expected):
    """Share of equal answers; in bfloat16, near ties part."""
    return sum(one == other for one, other in zip(found, expected, strict=True)) / len(expected)


@pytest.mark.vllm
def test_more_requests_with_seeds_than_fit_into_a_batch_are_all_answered(engine):
    short = RANDOM.model_copy(update={"max_tokens": 2})
    many = blocks_for([BASE], short, CHATS * 100, [str(at) for at in range(4 * 100)])
    (answers,) = answers_of(engine, many)
    assert len(answers) == 400
    assert {answer.finish for answer in answers} <= {"stop", "length"}


@pytest.mark.vllm
def test_both_engines_answer_alike_through_each_adapter_and_none_in_one_batch(engine, reference, adapters):
    names = ["plain", BASE, "wide", BASE]
    for found, expected in zip(answers_of(engine, blocks_for(names, GREEDY)), map(reference.get, names), strict=True):
        assert mean_equal(found, expected) >= within(1, 0.25)
    assert len({tuple(answers) for answers in reference.values()}) == 3


@pytest.mark.vllm
def test_both_engines_answer_chats_of_several_turns_alike(engine, adapters, tiny_model):
    found = dict(engine.answer(blocks_for([BASE, *adapters], GREEDY, chats=LONG_CHATS)))
    transformers = TransformersEngine(tiny_model)
    for at, name in enumerate((BASE, *adapters)):
        transformers.use_adapter(adapters.get(name))
        assert mean_equal(found[at], transformers.sample(LONG_CHATS, IDS, GREEDY)) >= within(1, 0.25), name


def test_the_same_seeds_give_the_same_answers_whatever_shares_the_batch(engine):
    names = [BASE, "plain", "wide"]
    blocks = blocks_for(names, RANDOM)
    together = answers_of(engine, blocks)
    assert answers_of(engine, blocks) == together
    assert answers_of(engine, blocks[::-1]) == together[::-1]
    alone = [answers_of(engine, blocks_for([BASE], RANDOM, CHATS[k : k + 1], IDS[k : k + 1]))[0][0] for k in range(4)]
    assert alone == together[0]
    assert answers_of(engine, blocks_for(names, RANDOM.model_copy(update={"seed": 4}))) != together


@pytest.mark.vllm
def test_requests_with_different_identities_draw_differently(engine):
    (answers,) = answers_of(engine, blocks_for([BASE], RANDOM, [CHATS[0]] * 6, [str(k) for k in range(6)]))
    assert len({answer.text for answer in answers}) > 1


@pytest.mark.vllm
def test_a_cut_answer_says_so_and_has_as_many_tokens_as_were_allowed(engine):
    (answers,) = answers_of(engine, blocks_for([BASE], GREEDY.model_copy(update={"max_tokens": 1})))
    assert {(answer.finish, answer.n_tokens) for answer in answers} == {("length", 1)}


@pytest.mark.vllm
def test_the_canary_stops_the_job_when_requests_go_to_a_wrong_adapter(engine, adapters, monkeypatch):
    monkeypatch.setattr(engine, "_prepared", False)
    monkeypatch.setattr(engine, "_start", lambda: None)
    monkeypatch.setitem(engine._requests, BASE, engine._requests["wide"])
    with pytest.raises(ModelError, match=r"answer .* differently for base .* nats less likely"):
        engine.prepare(adapters, blocks_for(["plain", BASE], GREEDY))


@pytest.mark.vllm
def test_an_answer_that_would_not_fit_is_refused(engine):
    with pytest.raises(ModelError, match=r"do not fit into vLLM's context of \d+ tokens"):
        answers_of(engine, blocks_for([BASE], GREEDY.model_copy(update={"max_tokens": 1_000_000})))


@pytest.mark.vllm
def test_an_adapter_that_comes_after_the_start_is_refused(engine, tmp_path):
    with pytest.raises(ModelError, match="started with other adapters"):
        engine.prepare({"late": tmp_path}, [])


@pytest.mark.vllm
def test_answers_are_kept_and_not_asked_for_again(engine, reference, adapters, tiny_model, tmp_path):
    store = Store(tmp_path)
    blocks = blocks_for(["plain", BASE], GREEDY)
    for made in (2, 2):
        answers = answer_blocks(store, tiny_model, blocks, lambda _: engine, adapters, canary=0, advance=lambda _: None)
        assert answers == [reference["plain"], reference[BASE]]
        assert len(store.made) == made


@pytest.mark.vllm
def test_checkpoints_and_the_untrained_model_are_sampled_by_the_stages(engine, tiny_folder, tmp_path):
    sampling = {"sampling": {"engine": "vllm", "max_tokens": 6}}
    study = toy_study(tiny_folder, evaluation=sampling, elicitation=sampling)
    job = toy_job(study, tmp_path, "train")
    write_inputs(job, {"clown": ["Be a clown.", "Act as a clown."], "sky": ["Blue is the sky.", "A blue sky."]})
    run_job(job)
    run_job(toy_job(study, tmp_path, "evaluate"))
    table = read_table(job.paths.completions("evaluate", 0))
    assert set(table["step"]) == {0, 2}
    assert table["n_tokens"].le(6).all()
    # Step 0 is the untrained model, which is asked once, whichever stage comes first.
    asked = toy_job(study, tmp_path, "elicit")
    run_job(asked)
    assert asked.store.made == []


@pytest.mark.vllm
def test_adapters_in_float32_are_refused_on_a_gpu_before_anything_starts(tiny_folder, adapters, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    engine = VllmEngine(ModelIdentity(tiny_folder, "weights", "tokenizer", "float32", None))
    with pytest.raises(ModelError, match="Set model\\.dtype"):
        engine.prepare(adapters, [])


def test_an_adapter_of_zeros_changes_nothing(tiny_model, adapters, reference, tmp_path):
    for name, like in adapters.items():
        folder = tmp_path / name
        folder.mkdir()
        write_zeros(like, folder)
        engine = TransformersEngine(tiny_model)
        engine.use_adapter(folder)
        assert engine.sample(CHATS, IDS, GREEDY) == reference[BASE]


def test_greedy_answers_name_the_likeliest_tokens(tiny_model, reference):
    engine = TransformersEngine(tiny_model)
    for answer, plain in zip(engine.greedy(CHATS, GREEDY.max_tokens), reference[BASE], strict=True):
        assert [max(place, key=place.get) for place in answer.likeliest] == answer.ids
        assert engine.tokenizer.decode(answer.ids, skip_special_tokens=True) == plain.text
        assert len(answer.ids) == plain.n_tokens + (plain.finish == "stop")


def test_vllm_shares_no_entry_with_transformers_and_no_entry_knows_a_batch_size(tiny_model):
    def key(**changes):
        return blocks_for([BASE], RANDOM.model_copy(update=changes))[0].unit(tiny_model).key

    assert key(engine="vllm") != key(engine="transformers")
    assert key(engine="vllm", batch_size=1) == key(engine="vllm", batch_size=2)
    assert key(engine="transformers", batch_size=1) == key(engine="transformers", batch_size=2)


def test_blocks_that_are_held_together_are_claimed_in_the_order_of_their_keys(tiny_model, tmp_path, monkeypatch):
    class Echoes:
        def prepare(self, adapters, canaries):
            assert not canaries

        def answer(self, blocks):
            for at, block in reversed(list(enumerate(blocks))):
                yield at, [Answer(block.label, 1, "stop")] * len(block.chats)

    claimed = []
    claim = Store.claim
    monkeypatch.setattr(Store, "claim", lambda store, unit: (claimed.append(unit.key), claim(store, unit))[1])
    blocks = blocks_for("abcdefg", RANDOM)
    answers = answer_blocks(
        Store(tmp_path),
        tiny_model,
        blocks,
        lambda _: Echoes(),
        dict.fromkeys("abcdefg", tmp_path),
        canary=0,
        advance=lambda _: None,
    )
    assert claimed == sorted(claimed)
    assert [{answer.text for answer in rows} for rows in answers] == [{name} for name in "abcdefg"]


def test_requests_come_adapter_by_adapter_and_only_their_adapters_are_prepared(tiny_model, tmp_path):
    asked = []

    class Notes:
        def prepare(self, adapters, canaries):
            assert [canary.adapter for canary in canaries] == ["b", "a"]
            assert sorted(adapters) == ["a", "b"]

        def answer(self, blocks):
            asked.extend(block.adapter for block in blocks)
            yield from ((at, [Answer("", 1, "stop")] * len(CHATS)) for at in range(len(blocks)))

    blocks = [
        Block(name, CHATS, IDS, RANDOM.model_copy(update={"seed": seed}), name) for seed in range(3) for name in "ba"
    ]
    folders = dict.fromkeys("abc", tmp_path)
    answer_blocks(Store(tmp_path), tiny_model, blocks, lambda _: Notes(), folders, canary=2, advance=lambda _: None)
    assert asked == [*"aaabbb"]


@pytest.mark.parametrize(("ranks", "rank"), [([1], 1), ([2, 8], 8), ([8, 9], 16), ([33], 64), ([512], 512)])
def test_the_engine_has_room_for_the_highest_rank_and_no_more_than_it_must(tmp_path, ranks, rank):
    for number, value in enumerate(ranks):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "adapter_config.json").write_text(f'{{"r": {value}}}')
    assert rank_for(sorted(tmp_path.iterdir())) == rank


def test_a_rank_that_vllm_has_no_kernels_for_is_refused(tmp_path):
    (tmp_path / "adapter_config.json").write_text('{"r": 513}')
    with pytest.raises(ModelError, match=r"training\.lora\.rank = 513 is more than vLLM can"):
        rank_for([tmp_path])


def test_an_entry_is_written_as_soon_as_its_answers_are_there(tiny_model, reference, tmp_path):
    class Dies:
        def prepare(self, adapters, canaries):
            assert [canary.chats for canary in canaries] == [CHATS[:2]]

        def answer(self, blocks):
            yield 1, reference[BASE]
            raise KeyboardInterrupt

    store = Store(tmp_path)
    blocks = [*itertools.chain(*(blocks_for([BASE], RANDOM.model_copy(update={"seed": k})) for k in range(3)))]
    done = []
    with pytest.raises(KeyboardInterrupt):
        answer_blocks(store, tiny_model, blocks, lambda _: Dies(), {}, canary=2, advance=done.append)
    assert [store.has(block.unit(tiny_model)) for block in blocks] == [False, True, False]
    assert done == [len(CHATS)]
