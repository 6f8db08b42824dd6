"""Steps and checkpoints of whole epochs."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.config.models import TrainingSpec
from inoc.errors import ConfigError
from inoc.train.epochs import epoch_plan, steps_per_epoch

FIELD = TrainingSpec(batch_size=60, micro_batch_size=20)


@pytest.mark.parametrize(
    ("rows", "micro", "accumulation", "steps"), [(5455, 20, 3, 91), (13_636, 20, 3, 228), (10_000, 22, 3, 152)]
)
def test_an_epoch_has_the_steps_that_published_runs_had(rows: int, micro: int, accumulation: int, steps: int) -> None:
    training = TrainingSpec(batch_size=micro * accumulation, micro_batch_size=micro)
    assert steps_per_epoch(rows, training) == steps


@given(rows=st.integers(1, 10_000), micro=st.integers(1, 40), accumulation=st.integers(1, 8))
def test_the_micro_batch_moves_no_step(rows: int, micro: int, accumulation: int) -> None:
    training = TrainingSpec(batch_size=micro * accumulation, micro_batch_size=micro)
    assert steps_per_epoch(rows, training) == math.ceil(math.ceil(rows / micro) / accumulation)


def test_the_adapter_is_saved_after_each_epoch_or_after_those_asked_for() -> None:
    every = epoch_plan(130, FIELD, 3)
    assert every == (9, (3, 6, 9), {3: 1, 6: 2, 9: 3})
    assert epoch_plan(130, FIELD, 3, save=(0, 2)).epoch_of == {0: 0, 6: 2, 9: 3}


@pytest.mark.parametrize(("rows", "epochs", "save"), [(0, 1, None), (5, 0, None), (5, 2, (3,)), (5, 2, (-1,))])
def test_what_is_no_epoch_is_refused(rows: int, epochs: int, save: tuple[int, ...] | None) -> None:
    with pytest.raises(ConfigError, match="accepted: "):
        epoch_plan(rows, FIELD, epochs, save)
