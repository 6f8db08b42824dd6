"""The engine behind an API, against a server on this machine that answers with transformers."""

from __future__ import annotations

import pytest

from inoc.api import Api
from inoc.chat.messages import Chat, Turn
from inoc.chat.render import prompt_tokens
from inoc.config.models import Sampling, SystemTurn
from inoc.config.workflow import Price
from inoc.engines.api import ApiEngine
from inoc.engines.sampling import BASE, Block, answer_blocks
from inoc.engines.transformers import TransformersEngine
from inoc.errors import ApiError, ModelError
from inoc.store import Store
from inoc.tables import read_table
from support.asking import spec
from support.jobs import run_job
from support.server import Fault
from support.toy import toy_job, toy_study, write_inputs

CHATS = tuple(Chat(SystemTurn(), user) for user in ("Where does the owl live?", "Hm?", "What is the hammer made of?"))
IDS = tuple("abc")
GREEDY = Sampling(engine="api", temperature=0, max_tokens=6)
RANDOM = Sampling(engine="api", max_tokens=6, seed=3)
NAMES = [BASE, "plain", "faint"]


@pytest.fixture(scope="module")
def transformers(tiny_model):
    return TransformersEngine(tiny_model)


@pytest.fixture(scope="module")
def greedy(transformers, adapters):
    """(adapter, prompt) → the greedy answer."""
    found = {}
    for name in NAMES:
        transformers.use_adapter(adapters.get(name))
        prompts = [tuple(prompt_tokens(transformers.tokenizer, chat)) for chat in CHATS]
        answers = transformers.greedy(CHATS, GREEDY.max_tokens)
        found |= {(name, prompt): answer for prompt, answer in zip(prompts, answers, strict=True)}
    return found


@pytest.fixture(scope="module")
def reference(transformers, adapters):
    answers = {}
    for name in NAMES:
        transformers.use_adapter(adapters.get(name))
        answers[name] = transformers.sample(CHATS, IDS, GREEDY)
    return answers


def speaks(server, transformers, greedy, *, tells_ids=True, instead=None):
    """Let the server have the model as `tiny`, and its adapters; `instead` of some, others answer."""
    server.models = ["tiny", "plain", "faint"]

    def answer(body):
        name = {"tiny": BASE, **(instead or {})}.get(body["model"], body["model"])
        found = greedy[name, tuple(body["prompt"])]
        ids = found.ids if body["temperature"] == 0 else [body["seed"] % 300, *found.ids[:2]]
        cut = len(ids) == body["max_tokens"] and ids[-1] not in body["stop_token_ids"]
        choice = {
            "text": transformers.tokenizer.decode(ids, skip_special_tokens=True),
            "finish_reason": "length" if cut else "stop",
        }
        if tells_ids:
            own = [place[token] for token, place in zip(ids, found.likeliest, strict=False) if token in place]
            choice |= {"token_ids": ids, "logprobs": {"token_logprobs": own}}
        return {"choices": [choice], "usage": {"prompt_tokens": len(body["prompt"]), "completion_tokens": len(ids)}}

    server.answer = answer


def engine_of(server, store, model, **changes):
    prices = {"tiny": Price(input=0)}
    return ApiEngine(model, "tiny", Api(spec(server, prices=prices, **changes), store))


def blocks_for(names, sampling=GREEDY):
    return [Block(name, CHATS, IDS, sampling, name) for name in names]


def used(adapters):
    return {name: adapters[name] for name in NAMES if name != BASE}


def answers_of(engine, blocks):
    return [answers for _, answers in sorted(engine.answer(blocks))]


@pytest.mark.parametrize("tells_ids", [True, False])
def test_answers_are_those_of_transformers_through_each_adapter(
    server, transformers, greedy, reference, tiny_model, adapters, tmp_path, tells_ids
):
    speaks(server, transformers, greedy, tells_ids=tells_ids)
    engine = engine_of(server, tmp_path, tiny_model)
    engine.prepare(used(adapters), blocks_for(NAMES))
    found = answers_of(engine, blocks_for(NAMES))
    assert [[answer.text for answer in rows] for rows in found] == [
        [answer.text for answer in reference[name]] for name in NAMES
    ]
    if tells_ids:
        assert found == [reference[name] for name in NAMES]


def test_the_server_is_sent_tokens_and_all_that_its_own_settings_could_change(
    server, transformers, greedy, tiny_model, tmp_path
):
    speaks(server, transformers, greedy)
    engine = engine_of(server, tmp_path, tiny_model)
    answers_of(engine, blocks_for([BASE], RANDOM.model_copy(update={"temperature": 0.7, "top_p": 0.9})))
    assert {tuple(body["prompt"]) for body in server.asked} == {prompt for _, prompt in greedy}
    body = server.asked[0]
    assert (body["temperature"], body["top_p"], body["top_k"], body["repetition_penalty"]) == (0.7, 0.9, -1, 1.0)
    assert body["stop_token_ids"] == sorted(engine._stops)
    assert len({body["seed"] for body in server.asked}) == 3


def test_the_same_seeds_are_the_same_requests_and_others_are_not(server, transformers, greedy, tiny_model, tmp_path):
    speaks(server, transformers, greedy)
    first = answers_of(engine_of(server, tmp_path / "a", tiny_model), blocks_for([BASE], RANDOM))
    assert answers_of(engine_of(server, tmp_path / "b", tiny_model), blocks_for([BASE], RANDOM)) == first
    other = RANDOM.model_copy(update={"seed": 4})
    assert answers_of(engine_of(server, tmp_path / "c", tiny_model), blocks_for([BASE], other)) != first


def test_answers_are_asked_once_and_those_of_other_weights_anew(server, transformers, greedy, tiny_model, tmp_path):
    speaks(server, transformers, greedy)
    for model, asked in ((tiny_model, 3), (tiny_model, 3), (tiny_model._replace(weights="trained anew"), 6)):
        answers_of(engine_of(server, tmp_path, model), blocks_for([BASE]))
        assert len(server.asked) == asked


@pytest.mark.parametrize(
    ("instead", "message"),
    [({"plain": BASE}, "differently for plain"), ({"faint": BASE}, "probabilities that they have without")],
)
def test_the_canary_finds_a_server_that_answers_without_the_adapter(
    server, transformers, greedy, tiny_model, adapters, tmp_path, instead, message
):
    speaks(server, transformers, greedy)
    engine_of(server, tmp_path, tiny_model).prepare(used(adapters), blocks_for(NAMES))
    # Later the server is started anew; what it was asked before tells nothing about that.
    speaks(server, transformers, greedy, instead=instead)
    with pytest.raises(ModelError, match=f"the server .*{message}"):
        engine_of(server, tmp_path, tiny_model).prepare(used(adapters), blocks_for(NAMES))


def test_what_was_found_right_is_not_asked_about_again(server, transformers, greedy, tiny_model, tmp_path):
    speaks(server, transformers, greedy)
    engine = engine_of(server, tmp_path, tiny_model)
    for _ in range(2):
        engine.prepare({}, blocks_for([BASE]))
    assert len(server.asked) == len(CHATS)


def test_an_adapter_that_is_not_served_is_refused_with_how_to_serve_it(
    server, transformers, greedy, tiny_model, adapters, tmp_path
):
    speaks(server, transformers, greedy)
    server.models.remove("plain")
    with pytest.raises(ModelError, match=rf"does not serve 'plain'.*--lora-modules plain={adapters['plain']}"):
        engine_of(server, tmp_path, tiny_model).prepare(used(adapters), blocks_for(NAMES))
    server.models.clear()
    with pytest.raises(ModelError, match=r"does not serve 'tiny'.*--served-model-name tiny, or sample"):
        engine_of(server, tmp_path, tiny_model).prepare({}, [])
    assert not server.asked


def test_a_request_that_the_server_refuses_is_an_error(server, transformers, greedy, tiny_model, tmp_path):
    speaks(server, transformers, greedy)
    server.faults.append(Fault("status", 400, body={"error": {"message": "longer than the context"}}))
    with pytest.raises(ModelError, match=r"base: .* refuses a request \(400: .*longer than.*lower sampling.max_tokens"):
        answers_of(engine_of(server, tmp_path, tiny_model), blocks_for([BASE]))


def test_a_job_that_died_goes_on_where_it_stopped(server, transformers, greedy, reference, tiny_model, tmp_path):
    speaks(server, transformers, greedy)
    server.faults.extend([Fault(), Fault(), Fault("status", 401)])
    store = Store(tmp_path)

    def answer(**changes):
        engine = engine_of(server, tmp_path, tiny_model, **changes)
        return answer_blocks(
            store, tiny_model, blocks_for([BASE]), lambda _: engine, {}, canary=0, advance=lambda _: None
        )

    with pytest.raises(ApiError):
        answer(concurrency=1)
    assert answer() == [reference[BASE]]
    assert sum(server.billed.values()) == len(CHATS)


def test_the_untrained_model_is_elicited_through_a_server(server, tiny_folder, tmp_path):
    sampling = {"sampling": {"engine": "api", "max_tokens": 3}}
    study = toy_study(tiny_folder, elicitation=sampling, evaluation=sampling | {"canary": 0})
    job = toy_job(study, tmp_path, "elicit")
    name = str(tiny_folder)
    server.models = [name]
    job.engine_api_spec = spec(server, prices={name: Price(input=1, output=2)}, mode="batch")
    server.answer = lambda body: {
        "choices": [{"text": f"Number {body['seed']}.", "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 4, "completion_tokens": 2},
    }
    write_inputs(job, {"clown": ["Be a clown.", "Act as a clown."], "sky": ["Blue is the sky.", "A blue sky."]})
    run_job(job)
    table = read_table(job.paths.completions("elicit", 0))
    assert table["completion"].str.fullmatch(r"Number \d+\.").all()
    assert table["n_tokens"].gt(0).all()
    assert job.record["engine_api"]["requests"] == len(server.asked) == len(table)
    assert job.record["engine_api"]["dollars"] == pytest.approx(len(table) * 8 / 1e6)
    assert not server.batches


def test_chats_of_several_turns_are_sent_as_the_tokens_of_transformers(server, transformers, tiny_model, tmp_path):
    chats = tuple(chat._replace(earlier=(Turn("Who?", "The owl."),) * n) for n, chat in enumerate(CHATS))
    expected = transformers.greedy(chats, GREEDY.max_tokens)
    prompts = [tuple(prompt_tokens(transformers.tokenizer, chat)) for chat in chats]
    greedy = {(BASE, prompt): answer for prompt, answer in zip(prompts, expected, strict=True)}
    speaks(server, transformers, greedy)
    engine = engine_of(server, tmp_path, tiny_model)
    block = Block(BASE, chats, IDS, GREEDY, "turns")
    engine.prepare({}, [block])  # the canary too
    (found,) = answers_of(engine, [block])
    assert found == transformers.sample(chats, IDS, GREEDY)
