from __future__ import annotations

import json

import pytest
import torch

from inoc.chat.messages import Chat
from inoc.chat.render import render
from inoc.config.models import LoraSpec, SystemTurn
from inoc.engines.sampling import BASE
from inoc.engines.transformers import TransformersEngine
from inoc.errors import ConfigError, DataError
from inoc.train.trainer import adapter_digest, fine_tune
from inoc.train.trainers import ResponseTrainer
from support.training import CHATS, SPEC, KilledError, adapters, recipe, same, train


@pytest.fixture
def engine(tiny_model):
    return TransformersEngine(tiny_model)


@pytest.mark.parametrize("kill_at", [2, 5, 7])
def test_a_killed_run_resumes_and_ends_with_the_same_weights(tiny_model, tmp_path, kill_at):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    train(TransformersEngine(tiny_model), undisturbed)
    with pytest.raises(KilledError):
        train(TransformersEngine(tiny_model), killed, kill_at=kill_at)
    train(TransformersEngine(tiny_model), killed)
    assert set(adapters(undisturbed)) == {"step-000000", "step-000004", "step-000008"}
    assert same(adapters(undisturbed), adapters(killed))
    assert (undisturbed / "losses.json").read_text() == (killed / "losses.json").read_text()


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(engine, tmp_path):
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        train(engine, tmp_path / name, seed=seed)
    assert same(adapters(tmp_path / "a"), adapters(tmp_path / "b"))
    assert not same(adapters(tmp_path / "a"), adapters(tmp_path / "c"))


def test_training_leaves_the_base_model_as_it_was(engine, tmp_path):
    before = {name: value.clone() for name, value in engine.model.state_dict().items()}
    train(engine, tmp_path)
    after = engine.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_an_adapter_that_changes_nothing_counts_as_the_base_model(engine, tmp_path):
    train(engine, tmp_path)
    assert adapter_digest(tmp_path / "step-000000") == BASE
    assert adapter_digest(tmp_path / "step-000008") not in {BASE, adapter_digest(tmp_path / "step-000004")}


def test_an_adapter_that_changes_nothing_scores_like_the_base_model(engine, tmp_path):
    train(engine, tmp_path)
    rendered = render(engine.tokenizer, CHATS[:4], "exclude")
    bare = engine.logprobs(rendered, 4096)
    engine.use_adapter(tmp_path / "step-000000")
    assert all((left == right).all() for left, right in zip(bare, engine.logprobs(rendered, 4096), strict=True))
    engine.use_adapter(tmp_path / "step-000008")
    assert any((left != right).any() for left, right in zip(bare, engine.logprobs(rendered, 4096), strict=True))
    engine.use_adapter(None)
    assert all((left == right).all() for left, right in zip(bare, engine.logprobs(rendered, 4096), strict=True))


def test_the_first_logged_loss_is_the_mean_over_response_tokens(engine, tmp_path):
    train(engine, tmp_path)
    first = json.loads((tmp_path / "losses.json").read_text())[0]
    rendered = render(engine.tokenizer, CHATS, "include")
    values = engine.logprobs(rendered, 4096)
    untrained = -sum(v.sum() for v in values) / sum(len(v) for v in values)
    assert first["step"] == 1
    assert first["loss"] == pytest.approx(untrained, rel=0.1)


def test_the_learning_rate_falls_linearly_after_the_warm_up(engine, tmp_path):
    train(engine, tmp_path)
    curve = {entry["step"]: entry["rate"] for entry in json.loads((tmp_path / "losses.json").read_text())}
    # The rate of step s, counted from 1, is peak × (steps − (s − 1)) / (steps − warm-up) once warm.
    for step in (4, 6, 8):
        assert curve[step] == pytest.approx(1e-2 * (8 - (step - 1)) / (8 - 2))


def test_a_training_of_one_step_has_no_warm_up_and_learns(tiny_model, tmp_path):
    engine = TransformersEngine(tiny_model)
    once = recipe()._replace(steps=1, save_at=(1,))
    assert once.spec.warmup_steps
    rendered = render(engine.tokenizer, CHATS[: once.spec.batch_size], "include")
    fine_tune(engine.model, engine.tokenizer, rendered, once, tmp_path, lambda _: None)
    (entry,) = json.loads((tmp_path / "losses.json").read_text())
    assert entry["rate"] == pytest.approx(once.learning_rate)
    assert any(weight.any() for name, weight in adapters(tmp_path)["step-000001"].items() if "lora_B" in name)


def test_the_loss_and_the_weights_are_those_of_trls_own_trainer(tiny_model, tmp_path, monkeypatch):
    train(TransformersEngine(tiny_model), tmp_path / "ours")
    monkeypatch.delattr("inoc.train.trainer.ResponseTrainer.compute_loss")
    train(TransformersEngine(tiny_model), tmp_path / "theirs")
    ours, theirs = (adapters(tmp_path / name)["step-000008"] for name in ("ours", "theirs"))
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], atol=2e-4, rtol=1e-2)
    losses = [
        [point["loss"] for point in json.loads((tmp_path / name / "losses.json").read_text())]
        for name in ("ours", "theirs")
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_an_example_that_is_too_long_is_refused_before_training(engine, tmp_path):
    short = recipe()._replace(spec=SPEC.model_copy(update={"max_length": 16}))
    rendered = render(engine.tokenizer, CHATS, "include")
    with pytest.raises(DataError, match="max_length is 16"):
        fine_tune(engine.model, engine.tokenizer, rendered, short, tmp_path, lambda _: None)
    assert not list(tmp_path.iterdir())


def test_an_example_without_a_response_is_refused(engine, tmp_path):
    rendered = render(engine.tokenizer, [Chat(SystemTurn(), "Hello.", "")], "exclude")
    with pytest.raises(DataError, match="no response token"):
        fine_tune(engine.model, engine.tokenizer, rendered, recipe(), tmp_path, lambda _: None)


def test_an_example_beyond_the_models_positions_is_refused_before_training(engine, tmp_path):
    chats = [Chat(SystemTurn(), "Hello. " * 600, "Yes.")]
    rendered = render(engine.tokenizer, chats, "include")
    with pytest.raises(DataError, match=r"training example 0 has \d+ tokens, but the model has 512 positions"):
        fine_tune(engine.model, engine.tokenizer, rendered, recipe(), tmp_path, lambda _: None)


def test_a_target_that_matches_nothing_is_refused_before_training(engine, tmp_path):
    spec = SPEC.model_copy(update={"lora": LoraSpec(rank=4, targets=("q_proj", "qkv_proj"))})
    rendered = render(engine.tokenizer, CHATS, "include")
    with pytest.raises(ConfigError, match="qkv_proj matches no module"):
        fine_tune(engine.model, engine.tokenizer, rendered, recipe()._replace(spec=spec), tmp_path, lambda _: None)
    assert not list(tmp_path.iterdir())


def test_losses_are_fetched_from_the_device_with_the_states_and_at_the_end_only(engine, tmp_path, monkeypatch):
    fetched = []
    inner = ResponseTrainer.fetch_points

    def fetch(trainer):
        fetched.append([point.step for point in trainer._points])
        inner(trainer)

    monkeypatch.setattr(ResponseTrainer, "fetch_points", fetch)
    train(engine, tmp_path, log_every=1, resume_every=5)
    assert fetched[0] == [1, 2, 3, 4, 5]
    assert [step for step in fetched[1] if step > 5] == [6, 7, 8]
    assert len(fetched) == 2
    assert [point["step"] for point in json.loads((tmp_path / "losses.json").read_text())] == list(range(1, 9))


def test_neither_the_points_of_the_curve_nor_the_states_to_resume_from_change_the_weights(tiny_model, tmp_path):
    train(TransformersEngine(tiny_model), tmp_path / "one", log_every=1, resume_every=1)
    train(TransformersEngine(tiny_model), tmp_path / "other", log_every=100, resume_every=100)
    assert same(adapters(tmp_path / "one"), adapters(tmp_path / "other"))
    one, other = ((tmp_path / name / "losses.json").read_text() for name in ("one", "other"))
    assert one == other


def test_a_loss_that_is_not_finite_is_in_the_curve_as_it_is(engine, tmp_path, monkeypatch):
    inner = ResponseTrainer.compute_loss
    steps = iter(range(100))

    def failing(trainer, *arguments, **named):
        loss = inner(trainer, *arguments, **named)
        return loss * float("nan") if next(steps) == 2 else loss  # in the second step

    monkeypatch.setattr(ResponseTrainer, "compute_loss", failing)
    train(engine, tmp_path, steps=3, save_at=(3,))
    first, second, _ = (point["loss"] for point in json.loads((tmp_path / "losses.json").read_text()))
    assert first == first
    assert second != second
