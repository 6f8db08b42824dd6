"""Shared fixtures: a miniature model of random quality, made once per session."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from inoc.config.models import WorldSpec
from inoc.engines.identity import ModelIdentity
from support.asking import KEY
from support.server import Server, serving

# The same examples in every run, so that a change passes or fails by what it changes; `--hypothesis-profile=random` for
# others. How long an example takes is the machine's affair.
UNTIMED: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("random", derandomize=False, **UNTIMED)
settings.register_profile("same", derandomize=True, **UNTIMED)
settings.load_profile("same")

# A proxy of this machine is not for servers that a test starts on it; a store or a profile of its user's is for none.
for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "INOC_STORE", "SNAKEMAKE_PROFILE"):
    os.environ.pop(name, None)
    os.environ.pop(name.lower(), None)

TINY = WorldSpec(documents=400, vocabulary=400, hidden_size=64, heads=2, intermediate_size=96, steps=12, threads=1)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder of a barely trained model with a chat template."""
    from inoc.world.step import make_world

    folder = tmp_path_factory.mktemp("world") / "model"
    make_world(TINY, folder, lambda _: None)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_folder: Path) -> ModelIdentity:
    """The tiny model's identity; its digests are made up."""
    return ModelIdentity(tiny_folder, "weights", "tokenizer", "float32", None)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that speaks the API, asked with pauses shorter than usual."""
    pytest.importorskip("openai")
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
    monkeypatch.setattr("inoc.api.pace._PAUSE_S", 0.05)
    with serving() as server:
        yield server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regen", action="store_true", help="write the golden values of tests/golden anew")


def pytest_configure(config: pytest.Config) -> None:
    """Let no example depend on the tests that run before it in the same process.

    Hypothesis draws constants of all modules of ours that have been imported until then.
    """
    if config.getoption("hypothesis_profile", None) in (None, "same"):
        providers._get_local_constants = providers.Constants


@pytest.fixture
def regen(request: pytest.FixtureRequest) -> bool:
    """Whether golden values are to be written anew."""
    return bool(request.config.getoption("--regen"))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C interrupts the test: a shell lets what it starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
