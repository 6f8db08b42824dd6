"""Settings, requests and sums for tests that ask the server."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from inoc.api.cache import Cache
from inoc.api.request import NANO
from inoc.api.tunings import Tuning
from inoc.config.workflow import ApiSpec, Price
from support.server import USAGE, Server

KEY = "sk-secret-0123456789"
ONE = (USAGE["prompt_tokens"] * 1.0 + USAGE["completion_tokens"] * 2.0) / 1e6  # dollars of one answer
PUPIL = Price(input=1, output=2, training=4, tuned_input=2, tuned_output=4)


def spec(server: Server, **changes: object) -> ApiSpec:
    values = {
        "base_url": server.url,
        "key_variable": "TEST_KEY",
        "prices": {"rater": Price(input=1, output=2), "embedder": Price(input=1), "pupil": PUPIL},
        "requests_per_minute": 1e6,
        "tokens_per_minute": 1e9,
        "timeout_s": 60.0,
        "retries": 4,
        "poll_s": 0.02,
    }
    return ApiSpec.model_validate(values | changes)


def bodies(n: int, start: int = 0) -> list[dict]:
    return [
        {
            "model": "rater",
            "messages": [{"role": "user", "content": f"Rate number {k}."}],
            "max_completion_tokens": 3,
            "logprobs": True,
            "top_logprobs": 20,
        }
        for k in range(start, start + n)
    ]


def spent(store: Path) -> float:
    """Dollars that were ever spent with a store, or may have been."""
    with closing(Cache(store / "api", 0)) as cache:
        return cache.spent_nano() / NANO


WORKER = """
import sys
from pathlib import Path
from inoc.api import Api
from inoc.config.workflow import ApiSpec
from support.asking import bodies
spec = ApiSpec.model_validate_json(sys.argv[1])
print(len(Api(spec, Path(sys.argv[2])).chat(bodies(int(sys.argv[3])))))
"""


def worker(server: Server, store: Path, n: int, **changes: object) -> subprocess.Popen[str]:
    """A process that asks."""
    return _process(WORKER, server, store, n, **changes)


def _process(script: str, server: Server, store: Path, n: int, **changes: object) -> subprocess.Popen[str]:
    path = os.pathsep.join(str(part) for part in sys.path if part)
    return subprocess.Popen(
        [sys.executable, "-c", script, spec(server, **changes).model_dump_json(), str(store), str(n)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def tunings(n: int, n_epochs: int = 3) -> list[Tuning]:
    """Fine-tunings that differ in their data."""
    return [
        Tuning(
            f"student {k}",
            "pupil",
            [
                ({"role": "user", "content": f"Continue {k}, {place}."}, {"role": "assistant", "content": f"{place}"})
                for place in range(12)
            ],
            n_epochs,
            7,
            batch_size=2,
        )
        for k in range(n)
    ]


TUNING_WORKER = """
import sys
from pathlib import Path
from inoc.api import Api
from inoc.config.workflow import ApiSpec
from support.asking import tunings
spec = ApiSpec.model_validate_json(sys.argv[1])
print(len(Api(spec, Path(sys.argv[2])).tune(tunings(int(sys.argv[3])))))
"""


def tuning_worker(server: Server, store: Path, n: int, **changes: object) -> subprocess.Popen[str]:
    """A process that fine-tunes."""
    return _process(TUNING_WORKER, server, store, n, **changes)
