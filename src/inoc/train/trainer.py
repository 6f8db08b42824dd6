"""One fine-tuning with TRL and PEFT: the same inputs give the same weights, however often it was killed and resumed."""

from __future__ import annotations

import contextlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerBase, TrainerCallback, set_seed
from trl import SFTConfig

from inoc.chat.render import Rendered
from inoc.config.models import TrainingSpec
from inoc.digest import folder_digest
from inoc.engines.four_bit import type_of
from inoc.engines.head import padded, traits
from inoc.engines.layers import compiled_layers
from inoc.engines.limits import max_positions, refuse_longer
from inoc.engines.packed import packing, packs
from inoc.engines.sampling import BASE
from inoc.engines.targets import lora_targets
from inoc.errors import DataError, ModelError
from inoc.train.distribution import (
    DistributionTrainer,
    Teaching,
    packed_batch,
    padded_batch,
    taught_rows,
    taught_total,
)
from inoc.train.joined import joined
from inoc.train.loss import IGNORE, packed_loss, packed_rows
from inoc.train.schedule import warmup_of
from inoc.train.team import broadcast, is_leader, team_size
from inoc.train.trainers import PackedTrainer, ResponseTrainer
from inoc.train.trials import trials

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
COMPLETE = "complete"
MEMORY = 0.9  # share of a GPU's memory that a micro-batch may need
COMPILE_FROM = 40  # with fewer steps than this, compiling takes longer than it saves


class Recipe(NamedTuple):
    """Everything about a fine-tuning but its data."""

    spec: TrainingSpec
    learning_rate: float
    seed: int
    steps: int
    save_at: tuple[int, ...]
    base: str  # name of the base model, written into the adapters


def fine_tune(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Rendered],
    recipe: Recipe,
    work: Path,
    advance: Callable[[int], None],
    teaching: Teaching | None = None,
) -> Any:
    """Train an adapter, saving it at the scheduled steps as `step-000060`, with the loss curve as `losses.json`.

    Args:
        model: The base model; it comes back unchanged.
        tokenizer: Its tokenizer, for the padding.
        examples: Rendered training chats; the loss covers their response spans.
        recipe: Settings.
        work: Where to write; what an earlier, killed call left there is taken up.
        advance: Told of each step.
        teaching: A teacher, whose distributions are the targets; None: the tokens of the examples are.

    Returns:
        The base model without the adapter.

    Raises:
        DataError: If an example is longer than allowed, or has no response token, or the teacher reads another answer.
    """
    refuse_unfit([*examples, *(teaching.rendered if teaching else ())], recipe.spec.max_length)
    refuse_longer((len(one.token_ids) for one in examples), max_positions(model.config), "training example")
    traits(model)  # tried now, while nothing is trained
    set_seed(recipe.seed)
    adapted = _adapted(model, recipe.spec)
    on_gpu = model.device.type == "cuda"
    # Where the head is trained too, the gradient with respect to the states is not all there is.
    in_one_row = on_gpu and trains_packed(model) and (teaching is None or trains_packed(teaching.model))
    way = _way(examples, teaching, in_one_row=in_one_row)
    compiles = on_gpu and recipe.steps >= COMPILE_FROM
    packed = [model, *([teaching.model] if teaching else [])] if in_one_row else []
    with _quiet(), _joined(adapted, recipe.spec), _fast(packed, [model] if compiles else []):
        trainer = way.make(
            model=adapted,
            args=_arguments(recipe, work),
            train_dataset=Dataset.from_dict(way.rows),
            processing_class=tokenizer,
            callbacks=[_Keeper(recipe, work, advance)],
            data_collator=way.collate,
        )
        trainer.model.config.use_cache = False
        resume = _newest_complete(work / "trainer")
        if resume is not None:
            advance(json.loads((resume / "trainer_state.json").read_text())["global_step"])
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        trainer.fetch_points()
    if is_leader():
        (work / "losses.json").write_text(json.dumps(_curve(trainer.state.log_history)), encoding="utf-8")
        shutil.rmtree(work / "trainer", ignore_errors=True)
    return _without(adapted)


def _adapted(model: Any, spec: TrainingSpec) -> Any:
    """A model with new adapters.

    They have the type that the layers beside them compute in, so nothing is converted on the way; `Masters` keeps them
    exact.
    """
    adapted = get_peft_model(model, _lora(spec, model), autocast_adapter_dtype=False)
    for layer in adapted.modules():
        dtype = type_of(layer.base_layer) if isinstance(layer, LoraLayer) else None
        if dtype is not None:  # PEFT takes the type of the weight, and these are whole numbers
            layer.lora_A.to(dtype)
            layer.lora_B.to(dtype)
    return adapted


def _without(adapted: Any) -> Any:
    """The base model as it was."""
    base = adapted.unload()
    base.gradient_checkpointing_disable()  # else a trial for the next recipe would find that less memory is needed
    return base


def _joined(adapted: Any, spec: TrainingSpec) -> contextlib.AbstractContextManager[Any]:
    return joined(adapted) if spec.joined_adapters and adapted.device.type == "cuda" else contextlib.nullcontext()


@contextlib.contextmanager
def _fast(packed: Sequence[Any], compiled: Sequence[Any]) -> Iterator[None]:
    """Let models read packed rows, and compile the layers of some, for a while."""
    with contextlib.ExitStack() as stack:
        for model in packed:
            stack.enter_context(packing(model))
        for model in compiled:
            stack.enter_context(compiled_layers(model))
            # Layers are compiled one by one; they are too small to be cut where gradients are sent.
            stack.enter_context(torch._dynamo.config.patch(optimize_ddp=False))
        yield


class Way(NamedTuple):
    """Rows of a training, how they become batches, and the trainer."""

    make: Callable[..., ResponseTrainer]
    rows: Mapping[str, Any]
    collate: Callable[[Any], dict[str, Any]] | None  # None: the trainer's own


def _way(examples: Sequence[Rendered], teaching: Teaching | None, *, in_one_row: bool) -> Way:
    if teaching is not None:
        collate = packed_batch if in_one_row else padded_batch
        return Way(partial(DistributionTrainer, teaching), taught_rows(examples, teaching), collate)
    rows = {"input_ids": [list(e.token_ids) for e in examples], "labels": [e.labels() for e in examples]}
    return Way(PackedTrainer, rows, packed_rows) if in_one_row else Way(ResponseTrainer, rows, None)


def trains_packed(model: Any) -> bool:
    """Whether a model, before it is adapted, can be trained on packed rows."""
    return packs(model) and type(model.get_output_embeddings()) is torch.nn.Linear


def _lora(spec: TrainingSpec, model: Any) -> LoraConfig:
    return LoraConfig(
        r=spec.lora.rank,
        lora_alpha=spec.lora.alpha,
        use_rslora=spec.lora.rslora,
        lora_dropout=spec.lora.dropout,
        target_modules=lora_targets(model, spec.lora.targets),
        bias="none",
        task_type="CAUSAL_LM",
    )


class Settled(NamedTuple):
    """Settings that fit in the memory, and what was decided about them."""

    spec: TrainingSpec
    note: str


def settle_memory(
    model: Any, examples: Sequence[Rendered], spec: TrainingSpec, teaching: Teaching | None = None, *, steps: int = 0
) -> Settled:
    """Decide on gradient checkpointing and the micro-batch by trying the longest examples.

    Neither changes the result beyond rounding. What the settings say is kept if it fits, and if the micro-batches of
    all processes of a team make up the batch; else what fits and is expected to be fastest is taken, see `trials`.

    Args:
        model: The base model; it comes back unchanged.
        examples: All training examples.
        spec: Settings; `gradient_checkpointing` may be undecided.
        teaching: A teacher, which is in memory and reads its own examples in every step.
        steps: Number of steps to be trained: layers that will be compiled need less memory, and are tried compiled.

    Raises:
        ModelError: If not even one example fits.
    """
    options = trials(spec, fmean(len(example.token_ids) for example in examples), team_size())
    if model.device.type != "cuda":
        return Settled(spec.model_copy(update=options[0]._asdict()), "")
    longest = longest_rows(examples, teaching)
    for option in options:
        size = option.micro_batch_size
        settled = spec.model_copy(update=option._asdict())
        peak = _peak(model, longest[:size], settled, teaching, compiles=steps >= COMPILE_FROM)
        if peak is not None:
            way = "with" if option.gradient_checkpointing else "without"
            note = f"{size} examples at a time {way} gradient checkpointing, {peak / 2**30:.1f} GiB"
            return Settled(settled, note)
    msg = (
        f"one training example of {len(longest[0]['input_ids'])} tokens"
        f"{', with a teacher beside it,' if teaching else ''} does not fit in the memory of "
        f"{torch.cuda.get_device_name()}. Take a larger GPU, or lower data.sampling.max_tokens"
    )
    raise ModelError(msg)


def longest_rows(examples: Sequence[Rendered], teaching: Teaching | None) -> list[dict[str, list[int]]]:
    """The training rows, those with the most tokens first; the tokens that a teacher reads count too."""
    columns = _way(examples, teaching, in_one_row=False).rows
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return sorted(rows, key=lambda row: len(row["input_ids"]) + len(row.get("teacher_ids", ())), reverse=True)


def _peak(
    model: Any, rows: Sequence[dict[str, list[int]]], spec: TrainingSpec, teaching: Teaching | None, *, compiles: bool
) -> int | None:
    """Peak memory of a forward and backward pass, in bytes; None if it does not fit."""
    one_row = trains_packed(model) and (teaching is None or trains_packed(teaching.model))
    adapted = _adapted(model, spec)
    torch.cuda.reset_peak_memory_stats()
    if spec.gradient_checkpointing:
        adapted.gradient_checkpointing_enable({"use_reentrant": False})
        adapted.enable_input_require_grads()
    try:
        with _joined(adapted, spec), _fast([], [model] if compiles else []):
            try_step(model, adapted.train().get_base_model(), rows, teaching, one_row=one_row)
        peak = torch.cuda.max_memory_allocated()
        return peak if peak < MEMORY * torch.cuda.mem_get_info()[1] else None
    except torch.OutOfMemoryError:
        return None
    finally:
        adapted.gradient_checkpointing_disable()
        adapted.disable_input_require_grads()
        adapted.unload().eval()
        torch.cuda.empty_cache()


def try_step(
    model: Any, causal: Any, rows: Sequence[dict[str, list[int]]], teaching: Teaching | None, *, one_row: bool
) -> None:
    """One forward and backward pass over rows, in the way in which they will be trained; a teacher reads its part.

    Args:
        model: The base model.
        causal: The adapted model without its wrapper.
        rows: See `longest_rows`.
        teaching: The teacher, if there is one.
        one_row: Whether the rows are packed.
    """
    if teaching is not None:
        with _fast([model, teaching.model] if one_row else [], []):
            batch = packed_batch(rows) if one_row else padded_batch(rows)
            taught_total(teaching, causal, _on(model.device, batch)).backward()  # type: ignore[no-untyped-call]
        return
    if one_row:
        with packing(model):
            inputs = {n: v.to(model.device) if torch.is_tensor(v) else v for n, v in packed_rows(rows).items()}
            packed_loss(causal, inputs).backward()  # type: ignore[no-untyped-call]
        return
    width = max(len(row["input_ids"]) for row in rows)
    ids, mask = padded([torch.tensor(row["input_ids"]) for row in rows], width, pad=0)
    labels, _ = padded([torch.tensor(row["labels"]) for row in rows], width, pad=IGNORE)
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    total = ResponseTrainer.total(causal, {name: value.to(model.device) for name, value in batch.items()})
    total.backward()  # type: ignore[no-untyped-call]


def _on(device: Any, batch: dict[str, Any]) -> dict[str, Any]:
    """A batch, with the parts of parts, on a device."""
    moved = {name: _on(device, value) if isinstance(value, dict) else value for name, value in batch.items()}
    return {name: value.to(device) if torch.is_tensor(value) else value for name, value in moved.items()}


def refuse_unfit(examples: Sequence[Rendered], max_length: int) -> None:
    """Refuse examples that would be cut or would train nothing."""
    for number, example in enumerate(examples):
        if len(example.token_ids) > max_length:
            msg = (
                f"training example {number} has {len(example.token_ids)} tokens, but training.max_length is "
                f"{max_length}. Raise it, or lower data.sampling.max_tokens"
            )
            raise DataError(msg)
        if example.response.stop <= example.response.start:
            msg = f"training example {number} has no response token: {example.text[-80:]!r}"
            raise DataError(msg)


def _arguments(recipe: Recipe, work: Path) -> SFTConfig:
    spec = recipe.spec
    arguments = SFTConfig(
        output_dir=str(work / "trainer"),
        max_steps=recipe.steps,
        per_device_train_batch_size=spec.micro_batch_size,
        gradient_accumulation_steps=spec.batch_size // (spec.micro_batch_size * team_size()),
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=spec.decay if spec.decay != "constant" else "constant_with_warmup",
        warmup_steps=warmup_of(spec, recipe.steps),
        weight_decay=spec.weight_decay,
        max_grad_norm=spec.max_grad_norm,
        optim=spec.optimizer,
        gradient_checkpointing=spec.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,
        seed=recipe.seed,
        data_seed=recipe.seed,
        bf16=False,  # no autocast: everything has the weights' type
        use_cpu=not torch.cuda.is_available(),
        max_length=spec.max_length,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        logging_strategy="no",  # the trainer keeps the losses of all steps by itself
        logging_nan_inf_filter=False,  # a loss that is not finite is shown as it is, and looking for one would wait
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=torch.cuda.is_available(),
        # Else the host waits in every step for all that the device has been given.
        accelerator_config={"non_blocking": torch.cuda.is_available()},
    )
    # One process computes on one GPU, however many it sees; the trainer would spread the batch over all of them.
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments


class _Keeper(TrainerCallback):  # type: ignore[misc]
    """Saves adapters as scheduled, and states to resume from."""

    def __init__(self, recipe: Recipe, work: Path, advance: Callable[[int], None]) -> None:
        self._recipe, self._work, self._advance = recipe, work, advance

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Save step 0 if it is scheduled."""
        if state.global_step == 0 and 0 in self._recipe.save_at:
            self._save(kwargs["model"], 0)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Save a scheduled adapter; ask for a state to resume from."""
        self._advance(1)
        step = int(state.global_step)
        if step in self._recipe.save_at:
            self._save(kwargs["model"], step)
        control.should_save = step % self._recipe.spec.resume_every == 0 and step < self._recipe.steps
        return control

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the state as whole, and drop older ones."""
        broadcast(None)  # every process has written its part of it
        if not is_leader():
            return
        folder = self._work / "trainer" / f"checkpoint-{state.global_step}"
        (folder / COMPLETE).touch()
        for other in (self._work / "trainer").glob("checkpoint-*"):
            if other != folder:
                shutil.rmtree(other)

    def _save(self, model: Any, step: int) -> None:
        if is_leader():
            save_adapter(model, self._work / f"step-{step:06d}", self._recipe.base)


def save_adapter(model: Any, folder: Path, base: str) -> None:
    """Save an adapter so that equal adapters are equal files: no model card, no paths, sorted lists."""
    if folder.exists():
        shutil.rmtree(folder)
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / CONFIG).read_text())
    config["base_model_name_or_path"] = base
    config["target_modules"] = sorted(config["target_modules"])
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def adapter_digest(folder: Path) -> str:
    """Digest of an adapter, or `base` if it changes nothing, being LoRA whose every B matrix is zero."""
    tensors = load_file(str(folder / WEIGHTS))
    others = {name: tensor for name, tensor in tensors.items() if not name.endswith("lora_A.weight")}
    if others and all(name.endswith("lora_B.weight") and not bool(tensor.any()) for name, tensor in others.items()):
        return BASE
    return folder_digest(folder, [folder / WEIGHTS, folder / CONFIG])


def _newest_complete(folder: Path) -> Path | None:
    complete = [path for path in folder.glob("checkpoint-*") if (path / COMPLETE).exists()]
    return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _curve(history: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    return [
        {
            "step": entry["step"],
            "loss": entry["loss"],
            "rate": entry["learning_rate"],
            "grad_norm": entry["grad_norm"],
        }
        for entry in history
        if "loss" in entry
    ]


@contextlib.contextmanager
def _quiet() -> Any:
    """Keep the trainer's own printing of losses out of the log; the curve is in the table."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(None):
        warnings.simplefilter("ignore")
        yield
