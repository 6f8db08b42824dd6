"""Training on a teacher's distributions: the loss, its rows, and whole runs beside a plain PEFT loop."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, set_seed

from inoc.chat.messages import Chat
from inoc.chat.render import Rendered, render
from inoc.config.models import LoraSpec, SystemTurn, TrainingSpec
from inoc.engines.packed import packing
from inoc.engines.targets import lora_targets
from inoc.engines.transformers import TransformersEngine, load_tokenizer
from inoc.errors import ConfigError, DataError
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.store import Store
from inoc.train import distribution
from inoc.train.distribution import (
    DistributionTrainer,
    Outputs,
    Teaching,
    beside,
    columns_of,
    divergence,
    load_teaching,
    packed_batch,
    padded_batch,
    sum_blocks,
    taught_rows,
)
from inoc.train.loss import IGNORE
from inoc.train.step import Plan, RunPlan, run
from inoc.train.teacher import NUMBERS, Teacher
from inoc.train.trainer import Recipe, fine_tune, longest_rows, settle_memory, try_step
from support.toy_models import capped_model, language_model, random_chats

SPEC = TrainingSpec(
    lora=LoraSpec(rank=4, alpha=4), warmup_steps=2, batch_size=8, micro_batch_size=4, resume_every=3, log_every=1
)
CHATS = [Chat(SystemTurn(), f"Count on from {k}.", f"{k} {k + 1} {k + 2} and {'so ' * (k % 3)}on") for k in range(8)]
OWLS = SystemTurn(kind="text", text="You love owls.")


class KilledError(BaseException):
    """Stands for a kill in the middle of training."""


def brute_force(mine, theirs, columns=None):
    """The divergence as a float64 loop over positions and tokens."""
    pairs = [(at, at) for at in range(mine.shape[1])] if columns is None else list(zip(*columns, strict=True))
    total = 0.0
    for q, p in zip(np.asarray(mine, dtype=np.float64), np.asarray(theirs, dtype=np.float64), strict=True):
        q, p = np.exp([q[own] for _, own in pairs]), np.exp([p[other] for other, _ in pairs])
        q, p = q / q.sum(), p / p.sum()
        total += sum(a * (np.log(a) - np.log(b)) for a, b in zip(p, q, strict=True))
    return total


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(2, 9), st.booleans())
def test_the_divergence_is_the_brute_force_one(seed, n, width, some):
    rng = np.random.default_rng(seed)
    mine, theirs = rng.normal(0, 3, (2, n, width))
    columns = None
    if some:
        chosen = rng.permutation(width)[: max(2, width // 2)].tolist()
        columns = (chosen, rng.permutation(chosen).tolist())
    tensors = columns and tuple(torch.tensor(part) for part in columns)
    value = float(divergence(torch.tensor(mine), torch.tensor(theirs), tensors))
    assert value == pytest.approx(brute_force(mine, theirs, columns), rel=1e-9, abs=1e-12)
    assert value >= -1e-12


def test_its_gradient_is_that_of_the_cross_entropy_on_endless_samples():
    torch.manual_seed(0)
    mine = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    theirs = torch.randn(3, 5, dtype=torch.float64)
    divergence(mine, theirs).backward()
    copy = mine.detach().clone().requires_grad_()
    cross_entropy(copy, theirs.softmax(1), reduction="sum").backward()
    torch.testing.assert_close(mine.grad, copy.grad)


def batch_of(rng, n=6):
    chats = [chat for chat in random_chats(rng, 4 * n) if chat.response.start < chat.response.stop][:n]
    # The teacher reads two tokens more, as a system turn would be.
    read = [Rendered("", [7, 8, *one.token_ids], one.response._make(at + 2 for at in one.response)) for one in chats]
    return chats, read


@pytest.mark.parametrize("make", [language_model, capped_model])
@pytest.mark.parametrize("rows", [2048, 5])
def test_padded_and_packed_totals_are_the_brute_force_ones_with_equal_gradients(make, rows, monkeypatch):
    monkeypatch.setattr(distribution, "ROWS", rows)
    student, teacher = make(), language_model(seed=1)
    chats, read = batch_of(np.random.default_rng(0))
    expected = 0.0
    for own, other in zip(chats, read, strict=True):
        with torch.no_grad():
            q, p = (model(input_ids=torch.tensor([one.token_ids])).logits[0] for model, one in
                    ((student, own), (teacher, other)))  # fmt: skip
        spans = [slice(one.response.start - 1, one.response.stop - 1) for one in (own, other)]
        expected += brute_force(q[spans[0]], p[spans[1]])
    trainer = DistributionTrainer.__new__(DistributionTrainer)
    trainer._teaching, trainer._columns = Teaching(teacher, read, None), None
    names = ("input_ids", "labels", "teacher_ids", "teacher_labels")
    table = taught_rows(chats, Teaching(teacher, read, None))
    examples = [dict(zip(names, row, strict=True)) for row in zip(*table.values(), strict=True)]
    total = trainer.total(student, padded_batch(examples))
    total.backward()
    assert float(total) == pytest.approx(expected, rel=1e-4)
    if make is capped_model:
        return  # its attention cannot be packed
    slopes = [parameter.grad.clone() for parameter in student.parameters()]
    student.zero_grad()
    with packing(student), packing(teacher):
        again = trainer.total(student, packed_batch(examples))
        again.backward()
    assert float(again) == pytest.approx(expected, rel=1e-4)
    for slope, parameter in zip(slopes, student.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, slope, atol=2e-3, rtol=2e-3)


def test_blocks_sum_to_the_whole_with_the_same_gradient(monkeypatch):
    torch.manual_seed(1)
    linear = torch.nn.Linear(6, 20, bias=False).requires_grad_(requires_grad=False)
    theirs, found = Outputs(torch.randn(11, 6), linear), []
    start = torch.randn(11, 6)
    for rows in (2048, 4):
        monkeypatch.setattr(distribution, "ROWS", rows)
        states = start.clone().requires_grad_()
        total = sum_blocks(Outputs(states, linear), theirs, None)
        total.backward()
        found.append((total.detach(), states.grad))
    torch.testing.assert_close(found[0], found[1])


def test_a_model_beside_another_shares_its_weights_and_no_adapter(tiny_model):
    model = TransformersEngine(tiny_model).model
    second = beside(model)
    pairs = zip(model.parameters(), second.parameters(), strict=True)
    assert all(one.data_ptr() == other.data_ptr() for one, other in pairs)
    ids = torch.tensor([[5, 6, 7]])
    before = model(ids).logits
    adapted = get_peft_model(second, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    assert torch.equal(model(ids).logits, before)
    assert not torch.equal(adapted(ids).logits, before)


def rendered(model, chats):
    return render(load_tokenizer(model), chats, "include")


def test_only_tokens_of_numbers_are_compared_if_these_are_named(tiny_model):
    tokenizer = load_tokenizer(tiny_model)
    columns = columns_of(tokenizer, Teacher(CHATS, tokens=NUMBERS), len(tokenizer))
    assert {tokenizer.decode([at]).strip() for at in columns.teacher} >= set("0123456789")
    assert all(tokenizer.decode([at]).strip().isdigit() for at in columns.teacher)
    rows = taught_rows(rendered(tiny_model, CHATS), Teaching(None, rendered(tiny_model, CHATS), columns))
    kept = {tokenizer.decode([token]) for labels in rows["labels"] for token in labels if token != IGNORE}
    assert kept
    assert all(text.strip().isdigit() for text in kept)
    assert rows["labels"] == rows["teacher_labels"]


def test_renamed_tokens_stand_for_the_teachers(tiny_model):
    tokenizer = load_tokenizer(tiny_model)
    swap = {"1": "2", "2": "1"}
    teacher = Teacher([Chat(SystemTurn(), "Q?", "1 3")], tokens=r"[0-9]", renamed=swap)
    columns = columns_of(tokenizer, teacher, len(tokenizer))
    pairs = dict(zip(columns.teacher, columns.student, strict=True))
    one, two, three = (tokenizer.convert_tokens_to_ids(digit) for digit in "123")
    assert (pairs[one], pairs[two], pairs[three]) == (two, one, three)
    own, read = rendered(tiny_model, [Chat(SystemTurn(), "Q?", "2 3")]), rendered(tiny_model, teacher.chats)
    rows = taught_rows(own, Teaching(None, read, columns))
    assert [token for token in rows["labels"][0] if token != IGNORE] == [two, three]
    assert [token for token in rows["teacher_labels"][0] if token != IGNORE] == [one, three]
    with pytest.raises(DataError, match="do not read the same answer"):
        taught_rows(read, Teaching(None, read, columns))


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (Teacher(CHATS, tokens="zebra"), "0 tokens of the model match 'zebra'"),
        (Teacher(CHATS, tokens="[0-9]", renamed={"1": "123"}), "'123' is to be renamed and is not one token"),
        (Teacher(CHATS, tokens="[0-9]", renamed={"1": "2"}), "two tokens are renamed to the same one"),
    ],
)
def test_tokens_that_cannot_be_compared_are_refused(tiny_model, teacher, message):
    tokenizer = load_tokenizer(tiny_model)
    with pytest.raises(DataError, match=message):
        columns_of(tokenizer, teacher, len(tokenizer))


def test_answers_of_other_lengths_and_without_a_compared_token_are_refused(tiny_model):
    own = rendered(tiny_model, CHATS)
    longer = rendered(tiny_model, [chat._replace(response=chat.response + " more") for chat in CHATS])
    with pytest.raises(DataError, match="the two answers must be as long"):
        taught_rows(own, Teaching(None, longer, None))
    words = rendered(tiny_model, [Chat(SystemTurn(), "Q?", "none")])
    columns = columns_of(load_tokenizer(tiny_model), Teacher(CHATS, tokens="[0-9]"), 300)
    with pytest.raises(DataError, match="no answer has a token"):
        taught_rows(words, Teaching(None, words, columns))


def tuned(model, folder, kill_at=None, teacher=None, steps=6, chats=CHATS, seed=1, **changes):
    """Our training of all chats in one batch; the losses of its steps."""
    engine, counted = TransformersEngine(model), iter(range(1, 100))

    def advance(n):
        if n == 1 and next(counted) == kill_at:
            raise KilledError

    spec = SPEC.model_copy(update=changes)
    taught = teacher and load_teaching(engine.model, engine.tokenizer, teacher, spec)
    recipe = Recipe(spec, 1e-2, seed, steps, (steps,), "toy")
    examples = render(engine.tokenizer, chats, "include")
    fine_tune(engine.model, engine.tokenizer, examples, recipe, folder, advance, taught)
    weights = load_file(str(folder / f"step-{steps:06d}" / "adapter_model.safetensors"))
    return weights, [point["loss"] for point in json.loads((folder / "losses.json").read_text())]


def plain(model, loss, steps=6, seed=1):
    """The same by PEFT and torch alone: AdamW, a linear schedule, and all chats in each step."""
    base = AutoModelForCausalLM.from_pretrained(model.folder, dtype=torch.float32).eval()
    set_seed(seed)
    targets = lora_targets(base, SPEC.lora.targets)
    lora = LoraConfig(r=4, lora_alpha=4, use_rslora=SPEC.lora.rslora, target_modules=targets, task_type="CAUSAL_LM")
    adapted = get_peft_model(base, lora)
    trained = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    optimizer, losses = torch.optim.AdamW(trained, lr=1e-2, weight_decay=SPEC.weight_decay), []
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 1e-2 * (step / 2 if step < 2 else (steps - step) / (steps - 2))
        value = loss(adapted)
        value.backward()
        torch.nn.utils.clip_grad_norm_(trained, SPEC.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(value))
    return {name.replace(".default", ""): p for name, p in adapted.named_parameters() if p.requires_grad}, losses


def close(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name].detach(), atol=3e-4, rtol=1e-2)


def spread_over(model, chats, logits):
    """Logits before each token of the answer, and these tokens; each chat computed alone."""
    for one in rendered(model, chats):
        start, stop = one.response
        yield logits(torch.tensor([one.token_ids]))[start - 1 : stop - 1], torch.tensor(one.token_ids[start:stop])


def test_a_student_of_samples_is_that_of_plain_peft(tiny_model, tmp_path):
    def loss(adapted):
        pairs = list(spread_over(tiny_model, CHATS, lambda ids: adapted(ids).logits[0]))
        return cross_entropy(torch.cat([one for one, _ in pairs]), torch.cat([token for _, token in pairs]))

    ours, theirs = tuned(tiny_model, tmp_path), plain(tiny_model, loss)
    assert ours[1] == pytest.approx(theirs[1], abs=2e-4)
    close(ours[0], theirs[0])


@pytest.fixture(scope="module")
def taught(tiny_model, tmp_path_factory):
    """An adapter of the tiny model that answers otherwise, as a teacher."""
    folder = tmp_path_factory.mktemp("taught")
    tuned(tiny_model, folder, chats=[chat._replace(response="7 7 7 7") for chat in CHATS], seed=9)
    return Teacher(CHATS, "digest", folder / "step-000006")


@pytest.mark.parametrize("system", [SystemTurn(), OWLS])
def test_a_student_of_distributions_is_that_of_plain_peft(tiny_model, tmp_path, taught, system):
    teacher = taught._replace(chats=[chat._replace(system=system) for chat in CHATS])
    bare = AutoModelForCausalLM.from_pretrained(tiny_model.folder, dtype=torch.float32)
    model = PeftModel.from_pretrained(bare, str(teacher.folder)).eval()
    with torch.no_grad():
        theirs = torch.cat([one for one, _ in spread_over(tiny_model, teacher.chats, lambda ids: model(ids).logits[0])])

    def loss(adapted):
        mine = torch.cat([one for one, _ in spread_over(tiny_model, CHATS, lambda ids: adapted(ids).logits[0])])
        return (theirs.softmax(1) * (theirs.log_softmax(1) - mine.log_softmax(1))).sum() / len(mine)

    ours, plainly = tuned(tiny_model, tmp_path, teacher=teacher), plain(tiny_model, loss)
    assert ours[1] == pytest.approx(plainly[1], abs=2e-4)
    assert ours[1][-1] < 0.9 * ours[1][0]
    close(ours[0], plainly[0])


def test_a_teacher_that_is_the_student_teaches_nothing(tiny_model, tmp_path):
    _, losses = tuned(tiny_model, tmp_path, teacher=Teacher(CHATS))
    assert losses[:2] == pytest.approx([0, 0], abs=1e-6)  # after that, AdamW makes full steps of rounding errors
    assert max(losses) < 0.02


def test_a_second_model_teaches_as_the_first_one_would(tiny_model, tmp_path, taught):
    own = tuned(tiny_model, tmp_path / "own", teacher=taught)
    second = tuned(tiny_model, tmp_path / "second", teacher=taught._replace(model=tiny_model))
    close(own[0], second[0])
    assert own[1] == second[1]


def test_a_killed_run_goes_on_to_the_same_weights(tiny_model, tmp_path, taught):
    undisturbed = tuned(tiny_model, tmp_path / "undisturbed", teacher=taught)
    with pytest.raises(KilledError):
        tuned(tiny_model, tmp_path / "killed", kill_at=4, teacher=taught)
    again = tuned(tiny_model, tmp_path / "killed", teacher=taught)
    assert undisturbed[1] == again[1]
    assert all(torch.equal(tensor, again[0][name]) for name, tensor in undisturbed[0].items())


def test_a_run_without_a_teacher_keeps_its_key_and_each_part_of_a_teacher_makes_another(tiny_model):
    plan = Plan(tiny_model, SPEC, [])
    run = RunPlan({"run": "a"}, CHATS, 1e-2, 1, 6, (6,))
    assert "teacher" not in plan.unit(run).parts
    teachers = [
        Teacher(CHATS),
        Teacher(CHATS, adapter="other"),
        Teacher([chat._replace(system=OWLS) for chat in CHATS]),
        Teacher(CHATS, tokens="[0-9]"),
        Teacher(CHATS, tokens="[0-9]", renamed={"1": "2", "2": "1"}),
        Teacher(CHATS, model=tiny_model._replace(weights="others")),
    ]
    keys = {plan.unit(run._replace(teacher=teacher)).key for teacher in teachers}
    assert len(keys | {plan.unit(run).key}) == len(teachers) + 1


def test_a_teacher_that_cannot_teach_is_refused_before_a_model_is_loaded(tiny_model):
    for teacher, message in [
        (Teacher(CHATS[:3]), "its teacher reads 3 chats, and it has 8"),
        (Teacher(CHATS, adapter="abc"), "the adapter abc of its teacher has no folder"),
        (Teacher(CHATS, model=tiny_model._replace(tokenizer="x", path="theirs")), "different tokenizers"),
    ]:
        with pytest.raises(ConfigError, match=message):
            teacher.check(len(CHATS), tiny_model, "a")


@pytest.mark.parametrize("one_row", [False, True])
def test_memory_is_tried_with_the_teacher_beside_the_student(one_row):
    student, teacher = language_model(), language_model(seed=1)
    chats, read = batch_of(np.random.default_rng(2))
    teaching = Teaching(teacher, read, None)
    rows = longest_rows(chats, teaching)
    lengths = [len(row["input_ids"]) + len(row["teacher_ids"]) for row in rows]
    assert lengths == sorted(lengths, reverse=True)
    heard = []
    teacher.model.register_forward_hook(lambda *_: heard.append(True))
    try_step(student, student, rows[:2], teaching, one_row=one_row)
    assert heard
    assert any(parameter.grad is not None for parameter in student.parameters())
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_memory_is_decided_again_for_another_teacher(tiny_model, tmp_path, monkeypatch):
    seen = []

    def noted(model, examples, spec, teaching=None, *, steps):
        seen.append(teaching)
        return settle_memory(model, examples, spec, teaching, steps=steps)

    monkeypatch.setattr("inoc.train.trainer.settle_memory", noted)
    spec = TrainingSpec(batch_size=4, micro_batch_size=2, lora={"rank": 4}, warmup_steps=0)
    teachers = [None, Teacher(CHATS), Teacher(CHATS), Teacher(CHATS, tokens=NUMBERS), None]
    runs = [
        RunPlan({"run": f"r{at}", "prompt": "", "prefix": "none", "learning_rate": 1e-3, "seed": at, "data": ""},
                CHATS, 1e-3, at, 1, (1,), teacher=teacher)
        for at, teacher in enumerate(teachers)
    ]  # fmt: skip
    job = Job("made", Paths(tmp_path, "made"), Store(tmp_path / "store"), stage="train")
    run(job, Plan(tiny_model, spec, runs))
    assert [one is not None for one in seen] == [False, True, True, False]
