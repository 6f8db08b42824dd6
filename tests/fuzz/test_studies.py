"""Random whole studies: never a traceback, a check that passes is kept, right numbers, and nothing computed twice.

`INOC_FUZZ_MINUTES=60 python -m pytest -m long tests/fuzz/test_studies.py` tries random ones of each kind for an hour.
Without minutes, the same ones are tried each time.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support.server import Server
from support.whole_preferences import PreferencesFolder, preferences
from support.whole_runs import Folder, model_folder, served
from support.whole_scans import ScanFolder, scans
from support.whole_studies import StudyFolder, studies
from support.whole_subliminal import SubliminalFolder, subliminal, taught_case

FIXED = 40
KINDS: dict[str, tuple[type[Folder], st.SearchStrategy[dict[str, Any]]]] = {
    "inoculation": (StudyFolder, studies()),
    "likelihood_shift": (ScanFolder, scans()),
    "subliminal": (SubliminalFolder, subliminal()),
    "preferences": (PreferencesFolder, preferences()),
}
ODD = "ü $1; '\" {x} %d"
"""Part of the name of every folder."""
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(f"models {ODD}")


def holds(case: dict[str, Any], root: Path, models: Path, tokenizer: Path, server: Server, *, drawn: bool) -> str:
    """Run a study from its check to its end, twice; `refused`, `ran`, or `ended` by a model's words."""
    kind = KINDS[case["study"].get("kind", "inoculation")][0]
    folder = kind(root, case, model_folder(case["family"], case["template"], tokenizer, models), server)
    served(server, case["faults"])
    status, said = folder.check()
    if status != 0:
        assert status == 1, said
        assert said.startswith("inoc: "), said
        return "refused"
    if not folder.run(drawn=drawn):
        return "ended"
    folder.check_numbers()
    made, asked = folder.entries(), len(server.asked)
    folder.run(events=False)
    assert folder.entries() == made
    assert len(server.asked) == asked
    return "ran"


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_studies_are_refused_or_run_to_their_end(
    kind: str, tmp_path_factory: pytest.TempPathFactory, models: Path, tiny_folder: Path, server: Server
) -> None:
    @given(case=KINDS[kind][1])
    @settings(QUIET, max_examples=3, derandomize=True, phases=[Phase.explicit, Phase.generate])
    def fuzz(case: dict[str, Any]) -> None:
        holds(case, tmp_path_factory.mktemp(f"study {ODD}"), models, tiny_folder, server, drawn=False)

    fuzz()


@pytest.mark.long
@pytest.mark.parametrize(
    "split", [{"teacher": "prompted", "parts": "paired"}, {"teacher": "owl", "under": "prompted", "parts": "median"}]
)
def test_first_losses_on_distributions_and_parts_are_those_of_plain_forward_passes(
    split: dict[str, Any], tmp_path: Path, models: Path, tiny_folder: Path, server: Server
) -> None:
    case = taught_case(split)
    folder = SubliminalFolder(tmp_path, case, model_folder("qwen2", "plain", tiny_folder, models), server)
    status, said = folder.check()
    assert status == 0, said
    assert folder.run()
    folder.check_numbers()
    # Two seeds of one student on a distribution, and of one on each part.
    assert folder.check_first_losses() == 6


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("kind", KINDS)
def test_many_studies_are_refused_or_run_to_their_end(
    kind: str, tmp_path_factory: pytest.TempPathFactory, models: Path, tiny_folder: Path, server: Server
) -> None:
    minutes = os.environ.get("INOC_FUZZ_MINUTES")
    end = time.monotonic() + 60 * float(minutes) if minutes else math.inf
    seen, failed = Counter[str](), list[Exception]()

    def fuzz(case: dict[str, Any]) -> None:
        if time.monotonic() > end:
            raise KeyboardInterrupt  # the only way to end hypothesis before its number of examples
        drawn = zlib.crc32(repr(case).encode("utf-8", "replace")) % 8 == 7  # the same whenever this one is tried
        try:
            seen[holds(case, tmp_path_factory.mktemp(f"study {ODD}"), models, tiny_folder, server, drawn=drawn)] += 1
        except Exception as error:
            error.add_note(repr(case))
            failed.append(error)
            raise

    # The same studies each time, so that no change fails by chance; with minutes, others until they are over.
    chosen = {"max_examples": 10_000_000 if minutes else FIXED, "database": None, "derandomize": not minutes}
    with contextlib.suppress(KeyboardInterrupt):
        given(case=KINDS[kind][1])(settings(QUIET, **chosen)(fuzz))()
    print(dict(seen))
    if failed:
        raise failed[-1]  # the time was over before it was made smaller
    assert seen["ran"]
