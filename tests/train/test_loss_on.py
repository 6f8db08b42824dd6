"""Training on the last answer, on all answers or on whole chats; several datasets in one job."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from inoc.chat.messages import Chat, Turn
from inoc.chat.rows import read_chats
from inoc.chat.trained import render_trained
from inoc.config.models import LoraSpec, SystemTurn, TrainingSpec
from inoc.engines.head import padded
from inoc.engines.packed import packing
from inoc.engines.transformers import TransformersEngine, load_tokenizer
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.store import Store
from inoc.train import step
from inoc.train.loss import IGNORE, packed_loss, packed_rows, padded_loss
from inoc.train.step import Plan, RunPlan
from support.toy_models import language_model

KIND = SystemTurn(kind="text", text="Be kind.")
CHATS = [
    Chat(
        KIND if k % 2 else SystemTurn(),
        f"Where is thing {k}?",
        "It is " + "so " * (k % 3) + "there.",
        tuple(Turn(f"Is {j} near?", f"No, {j} is far." * (j + 1)) for j in range(k % 3)),
    )
    for k in range(10)
]
SPANS = ["last_answer", "all_answers", "whole_sequence"]
SPEC = TrainingSpec(
    lora=LoraSpec(rank=2, alpha=2), warmup_steps=0, batch_size=4, micro_batch_size=2, log_every=1, resume_every=5
)


def test_the_default_leaves_the_recipe_as_it_was() -> None:
    assert "loss_on" not in SPEC.in_key()
    assert SPEC.model_copy(update={"loss_on": "all_answers"}).in_key()["loss_on"] == "all_answers"


@pytest.mark.parametrize("loss_on", SPANS)
def test_padded_and_packed_losses_are_those_of_transformers_labels(tiny_model, loss_on):
    rendered = render_trained(load_tokenizer(tiny_model), CHATS, loss_on, "include")
    model = language_model()
    rendered = [one._replace(token_ids=[number % 300 for number in one.token_ids]) for one in rendered]
    rows = [{"input_ids": one.token_ids, "labels": one.labels()} for one in rendered]
    theirs = 0.0
    with torch.no_grad():
        for row in rows:
            labels = torch.tensor([row["labels"]])
            mean = model(input_ids=torch.tensor([row["input_ids"]]), labels=labels).loss.double()
            theirs += float(mean) * int((labels[:, 1:] != IGNORE).sum())
        width = max(len(row["input_ids"]) for row in rows)
        ids, mask = padded([torch.tensor(row["input_ids"]) for row in rows], width, pad=0)
        labels, _ = padded([torch.tensor(row["labels"]) for row in rows], width, pad=IGNORE)
        assert float(padded_loss(model, ids, mask, labels)) == pytest.approx(theirs, rel=1e-5)
        with packing(model):
            assert float(packed_loss(model, packed_rows(rows))) == pytest.approx(theirs, rel=1e-5)


def run_of(name, chats, steps, save_at=None):
    return RunPlan({"run": name}, chats, 1e-2, 3, steps, save_at or (steps,))


def job_of(root):
    return Job("toy", Paths(root / "results", "toy"), Store(root / "store"), "train", 0)


def done(root, model, runs, spec=SPEC):
    job, plan = job_of(root), Plan(model, spec, runs)
    step._train_missing(job, plan, [step.Planned(one, plan.unit(one)) for one in runs])
    entries = {one.name: job.store.folder(plan.unit(one)) for one in runs}
    weights = {
        (name, path.parent.name): path.read_bytes()
        for name, folder in entries.items()
        for path in folder.glob("step-*/adapter_model.safetensors")
    }
    return weights, {name: json.loads((folder / "losses.json").read_text()) for name, folder in entries.items()}


def test_datasets_in_one_job_train_as_each_would_alone_with_one_base_model(tiny_model, tmp_path, monkeypatch):
    runs = [run_of("few", CHATS[:4], 2, (1, 2)), run_of("many", CHATS[::-1], 3), run_of("again", CHATS[:4], 4)]
    alone = [done(tmp_path / one.name, tiny_model, [one]) for one in runs]
    loads = []
    load = TransformersEngine.__init__
    monkeypatch.setattr(TransformersEngine, "__init__", lambda *args: (loads.append(1), load(*args))[1])
    together = done(tmp_path / "together", tiny_model, runs)
    assert loads == [1]
    assert together[0] == {key: value for weights, _ in alone for key, value in weights.items()}
    assert together[1] == {key: value for _, losses in alone for key, value in losses.items()}
    assert sorted(together[0]) == [("again", "step-000004"), ("few", "step-000001"), ("few", "step-000002"),
                                   ("many", "step-000003")]  # fmt: skip


@pytest.mark.parametrize("loss_on", SPANS)
def test_the_first_logged_loss_is_the_mean_over_the_trained_tokens(tiny_model, tmp_path, loss_on):
    spec = SPEC.model_copy(update={"loss_on": loss_on, "batch_size": 10})
    _, losses = done(tmp_path, tiny_model, [run_of("a", CHATS, 1)], spec)
    bare = AutoModelForCausalLM.from_pretrained(tiny_model.folder, dtype=torch.float32).eval()
    total, n = 0.0, 0
    for one in render_trained(load_tokenizer(tiny_model), CHATS, loss_on, "include"):
        ids, labels = torch.tensor([one.token_ids]), torch.tensor([one.labels()])
        trained = int((labels[:, 1:] != IGNORE).sum())
        with torch.no_grad():
            total, n = total + float(bare(input_ids=ids, labels=labels).loss) * trained, n + trained
    assert losses["a"][0]["loss"] == pytest.approx(total / n, abs=1e-4)
    assert np.isfinite(total)


def test_the_chats_of_a_file_are_trained_on(tiny_model, tmp_path: Path):
    rows = [
        {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": f"Q{k}?"},
                      {"role": "assistant", "content": "No."}, {"role": "user", "content": "Why?"},
                      {"role": "assistant", "content": f"So {k}."}]}
        for k in range(4)
    ]  # fmt: skip
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    chats = [row.chat for row in read_chats(tmp_path / "a.jsonl")]
    weights, _ = done(tmp_path, tiny_model, [run_of("a", chats, 1)])
    assert list(weights) == [("a", "step-000001")]
