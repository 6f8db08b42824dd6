"""Which micro-batch is taken, with activations kept or recomputed, as memory and the length of the rows allow."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.chat.render import Rendered, ResponseSpan
from inoc.config.models import TrainingSpec
from inoc.errors import ModelError
from inoc.train import trainer
from inoc.train.trials import OVERHEAD, RECOMPUTED, Trial, relative_time, trials

GPU = SimpleNamespace(device=SimpleNamespace(type="cuda"))
CPU = SimpleNamespace(device=SimpleNamespace(type="cpu"))
SHORT, LONG = 100, 422


def spec_of(size, batch=32, checkpointing=None):
    return TrainingSpec(batch_size=batch, micro_batch_size=size, gradient_checkpointing=checkpointing)


def examples_of(*lengths):
    return [Rendered("", [0] * length, ResponseSpan(length // 2, length)) for length in lengths]


@pytest.fixture
def gpu(monkeypatch):
    """A GPU with room for so many tokens with activations kept, and for more with them recomputed; lists what is tried.

    Returns:
        A function of both numbers, after which memory is tried on that GPU.
    """

    def of(kept, recomputed, gpus=1):
        tried = []

        def peak(model, rows, spec, teaching, *, compiles):
            tried.append(Trial(spec.micro_batch_size, spec.gradient_checkpointing))
            needed = sum(len(row["input_ids"]) for row in rows)
            return 2**30 if needed <= (recomputed if spec.gradient_checkpointing else kept) else None

        monkeypatch.setattr(trainer, "_peak", peak)
        monkeypatch.setattr(trainer, "team_size", lambda: gpus)
        monkeypatch.setattr("torch.cuda.get_device_name", lambda: "a small GPU")
        return tried

    return of


def settled(spec, lengths, model=GPU):
    found = trainer.settle_memory(model, examples_of(*lengths), spec)
    return Trial(found.spec.micro_batch_size, found.spec.gradient_checkpointing)


@pytest.mark.parametrize("checkpointing", [None, False, True])
@pytest.mark.parametrize("length", [SHORT, LONG])
def test_what_fits_as_the_settings_say_is_taken_at_once(gpu, length, checkpointing):
    tried = gpu(kept=10**6, recomputed=10**6)
    assert settled(spec_of(16, checkpointing=checkpointing), [length] * 40) == (16, bool(checkpointing))
    assert len(tried) == 1


def test_long_rows_are_halved_before_their_activations_are_recomputed(gpu):
    gpu(kept=8 * LONG, recomputed=10**6)
    assert settled(spec_of(16), [LONG] * 40) == (8, False)


def test_activations_of_short_rows_are_recomputed_before_very_few_pass_at_a_time(gpu):
    gpu(kept=3 * SHORT, recomputed=10**6)
    assert settled(spec_of(66, batch=66), [SHORT] * 70) == (66, True)


def test_the_size_is_halved_and_activations_recomputed_where_nothing_else_fits(gpu):
    gpu(kept=0, recomputed=2 * LONG)
    assert settled(spec_of(16), [LONG] * 40) == (2, True)


def test_the_longest_rows_have_to_fit_but_the_mean_row_says_what_is_fast(gpu):
    lengths = [4_000, *[50] * 400]
    gpu(kept=4_050, recomputed=10**6)
    # By the longest row, two at a time with activations kept would be faster.
    assert relative_time(Trial(2, False), 4_000) < relative_time(Trial(32, True), 4_000)
    assert settled(spec_of(32), lengths) == (32, True)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_setting_of_the_study_is_honoured_and_sizes_are_tried_from_the_largest_down(gpu, checkpointing):
    tried = gpu(kept=2 * SHORT, recomputed=2 * SHORT)
    assert settled(spec_of(16, checkpointing=checkpointing), [SHORT] * 40) == (2, checkpointing)
    assert tried == [(size, checkpointing) for size in (16, 8, 4, 2)]


def test_a_team_tries_only_sizes_that_make_up_the_batch_together(gpu):
    tried = gpu(kept=3 * LONG, recomputed=3 * LONG, gpus=2)
    assert settled(spec_of(12, batch=24), [LONG] * 40) == (3, False)
    assert {trial.micro_batch_size for trial in tried} <= {12, 6, 4, 3, 2, 1}
    assert tried[0] == (12, False)


@pytest.mark.parametrize("checkpointing", [None, False, True])
def test_where_nothing_fits_everything_was_tried_and_the_longest_example_is_named(gpu, checkpointing):
    tried = gpu(kept=0, recomputed=0)
    with pytest.raises(ModelError, match=r"example of 422 tokens does not fit in the memory of a small GPU"):
        settled(spec_of(8, checkpointing=checkpointing), [LONG, SHORT])
    ways = [False, True] if checkpointing is None else [checkpointing]
    assert sorted(tried) == [(size, way) for size in (1, 2, 4, 8) for way in ways]


@pytest.mark.parametrize("checkpointing", [None, False, True])
def test_on_a_cpu_nothing_is_tried_and_the_settings_stay(gpu, checkpointing):
    tried = gpu(kept=0, recomputed=0)
    assert settled(spec_of(8, checkpointing=checkpointing), [LONG], CPU) == (8, bool(checkpointing))
    assert not tried


@given(
    st.integers(1, 60), st.integers(1, 60), st.floats(1, 8_000), st.integers(1, 3), st.sampled_from([None, False, True])
)
def test_no_step_is_tried_before_a_faster_one(size, accumulation, tokens, processes, checkpointing):
    """Against the seconds of all passes of a step, added up."""
    batch = size * accumulation * processes

    def seconds(trial):
        passes = batch // (trial.micro_batch_size * processes)
        one = trial.micro_batch_size * tokens + OVERHEAD
        return sum([one * (RECOMPUTED if trial.gradient_checkpointing else 1)] * passes)

    found = trials(spec_of(size, batch, checkpointing), tokens, processes)
    assert found[0] == (size, bool(checkpointing))
    assert len(set(found)) == len(found)
    for one, other in pairwise(found):
        assert seconds(one) <= seconds(other) * (1 + 1e-9)
    kept = [trial.micro_batch_size for trial in found if trial.gradient_checkpointing == bool(checkpointing)]
    assert kept == [n for n in range(size, 0, -1) if batch % (n * processes) == 0]


def test_of_equally_long_steps_the_larger_size_is_tried_first():
    # Recomputing costs half of (tokens + OVERHEAD / 2), and so does halving the size, with this many tokens.
    tokens = OVERHEAD / 2
    found = trials(spec_of(2, batch=2), tokens, 1)
    assert relative_time(Trial(2, True), tokens) == relative_time(Trial(1, False), tokens)
    assert found == [(2, False), (2, True), (1, False), (1, True)]


@pytest.mark.parametrize(
    ("tokens", "slow", "fast", "ratio"),
    [
        (LONG, Trial(8, False), Trial(16, False), 0.776 / 0.715),  # 7.6 billion weights on an H200
        (SHORT, Trial(8, False), Trial(32, False), 0.48 / 0.22),  # and on an H100
        (LONG, Trial(16, True), Trial(8, False), 4.89 / 3.47),  # 32 billion in 4 bits; the first with adapters apart
    ],
)
def test_steps_relate_as_in_the_benchmarks(tokens, slow, fast, ratio):
    assert relative_time(slow, tokens) / relative_time(fast, tokens) == pytest.approx(ratio, rel=0.15)
