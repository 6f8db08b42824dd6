"""Random whole studies: never a traceback, a check that passes is kept, right numbers, and nothing computed twice.

`INOC_FUZZ_MINUTES=60 python -m pytest -m long tests/fuzz/test_studies.py` goes on for an hour.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from support.server import Server
from support.whole_studies import Folder, check_judged, check_scores, model_folder, served, studies

LONG_MINUTES = float(os.environ.get("INOC_FUZZ_MINUTES", "1.3"))
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def holds(case: dict[str, Any], root: Path, models: Path, tokenizer: Path, server: Server, *, drawn: bool) -> str:
    """Run a study from its check to its end, twice; `refused` or `ran`."""
    folder = Folder(root, case, model_folder(case["family"], case["template"], tokenizer, models), server)
    served(server, case["faults"])
    status, said = folder.check()
    if status != 0:
        assert status == 1, said
        assert said.startswith("inoc: "), said
        return "refused"
    folder.run(drawn=drawn)
    check_scores(folder)
    check_judged(folder)
    made, asked = folder.entries(), len(server.asked)
    folder.run(events=False)
    assert folder.entries() == made
    assert len(server.asked) == asked
    return "ran"


@given(case=studies())
@settings(QUIET, max_examples=3, derandomize=True, phases=[Phase.explicit, Phase.generate])
def test_a_few_studies_are_refused_or_run_to_their_end(
    case: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, models: Path, tiny_folder: Path, server: Server
) -> None:
    holds(case, tmp_path_factory.mktemp("study"), models, tiny_folder, server, drawn=False)


@pytest.mark.long
def test_many_studies_are_refused_or_run_to_their_end(
    tmp_path_factory: pytest.TempPathFactory, models: Path, tiny_folder: Path, server: Server
) -> None:
    end, seen = time.monotonic() + 60 * LONG_MINUTES, Counter[str]()

    @given(case=studies())
    @settings(QUIET, max_examples=10_000_000, database=None)
    def fuzz(case: dict[str, Any]) -> None:
        if time.monotonic() < end:
            drawn = seen.total() % 8 == 7
            seen[holds(case, tmp_path_factory.mktemp("study"), models, tiny_folder, server, drawn=drawn)] += 1
        else:
            raise KeyboardInterrupt  # the only way to end hypothesis before its number of examples

    with pytest.raises(KeyboardInterrupt):
        fuzz()
    print(dict(seen))
    assert seen["ran"]
