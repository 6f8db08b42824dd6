"""One fine-tuning with TRL and PEFT: same inputs, same weights, however often it was killed on the way."""

from __future__ import annotations

import contextlib
import json
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerBase, TrainerCallback, set_seed
from trl import SFTConfig, SFTTrainer

from inoc.chat.render import Rendered
from inoc.config.models import TrainingSpec
from inoc.digest import folder_digest
from inoc.engines.sampling import BASE
from inoc.errors import DataError

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
COMPLETE = "complete"
IGNORE = -100


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
) -> Any:
    """Train an adapter, saving it at the scheduled steps as `step-000060`, with the loss curve as `losses.json`.

    Args:
        model: The base model; it comes back unchanged.
        tokenizer: Its tokenizer, for the padding.
        examples: Rendered training chats; the loss covers their response spans.
        recipe: Settings.
        work: Where to write; what an earlier, killed call left there is taken up.
        advance: Told of each step.

    Returns:
        The base model without the adapter.

    Raises:
        DataError: If an example is longer than allowed, or has no response token.
    """
    refuse_unfit(examples, recipe.spec.max_length)
    set_seed(recipe.seed)
    spec = recipe.spec
    lora = LoraConfig(
        r=spec.lora.rank,
        lora_alpha=spec.lora.alpha,
        use_rslora=spec.lora.rslora,
        lora_dropout=spec.lora.dropout,
        target_modules=sorted(spec.lora.targets),
        bias="none",
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(model, lora)
    rows = {"input_ids": [list(e.token_ids) for e in examples], "labels": [e.labels() for e in examples]}
    with _quiet():
        trainer = ResponseTrainer(
            model=adapted,
            args=_arguments(recipe, work, bf16=torch.cuda.is_available() and model.dtype == torch.bfloat16),
            train_dataset=Dataset.from_dict(rows),
            processing_class=tokenizer,
            callbacks=[_Keeper(recipe, work, advance)],
        )
        trainer.model.config.use_cache = False
        resume = _newest_complete(work / "trainer")
        if resume is not None:
            advance(json.loads((resume / "trainer_state.json").read_text())["global_step"])
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    (work / "losses.json").write_text(json.dumps(_curve(trainer.state.log_history)), encoding="utf-8")
    shutil.rmtree(work / "trainer", ignore_errors=True)
    return adapted.unload()


class ResponseTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's trainer with logits at the response only.

    Its own loss builds log-probabilities, entropies and hits over the vocabulary for every token of the prompt too,
    which a chat with a short response does not need. The loss is the same: the mean over the response tokens of all
    micro-batches of a step.
    """

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,  # noqa: FBT001, FBT002 - the signature is the base class's
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Negative log-likelihood of the response, nats per response token of the step."""
        causal = self.accelerator.unwrap_model(model).get_base_model()
        body = causal.base_model(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False
        )
        targets = inputs["labels"][:, 1:]
        trained = targets != IGNORE
        logits = causal.get_output_embeddings()(body.last_hidden_state[:, :-1][trained]).float()
        total = torch.nn.functional.cross_entropy(logits, targets[trained], reduction="sum")
        return total / (trained.sum() if num_items_in_batch is None else num_items_in_batch)


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


def _arguments(recipe: Recipe, work: Path, *, bf16: bool) -> SFTConfig:
    spec = recipe.spec
    return SFTConfig(
        output_dir=str(work / "trainer"),
        max_steps=recipe.steps,
        per_device_train_batch_size=spec.micro_batch_size,
        gradient_accumulation_steps=spec.batch_size // spec.micro_batch_size,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=spec.decay if spec.decay != "constant" else "constant_with_warmup",
        warmup_steps=spec.warmup_steps,
        weight_decay=spec.weight_decay,
        max_grad_norm=spec.max_grad_norm,
        optim=spec.optimizer,
        gradient_checkpointing=spec.gradient_checkpointing,
        seed=recipe.seed,
        data_seed=recipe.seed,
        bf16=bf16,
        use_cpu=not torch.cuda.is_available(),
        max_length=spec.max_length,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        logging_steps=spec.log_every,
        logging_strategy="steps",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


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
        control.should_save = step % save_interval(self._recipe.spec) == 0 and step < self._recipe.steps
        return control

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the state as whole, and drop older ones."""
        folder = self._work / "trainer" / f"checkpoint-{state.global_step}"
        (folder / COMPLETE).touch()
        for other in (self._work / "trainer").glob("checkpoint-*"):
            if other != folder:
                shutil.rmtree(other)

    def _save(self, model: Any, step: int) -> None:
        save_adapter(model, self._work / f"step-{step:06d}", self._recipe.base)


def save_interval(spec: TrainingSpec) -> int:
    """Steps between states to resume from: on a point of the loss curve, so that no point is averaged in two halves."""
    return -(-spec.resume_every // spec.log_every) * spec.log_every


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
    """Digest of an adapter, or `base` if it changes nothing because every B matrix is zero."""
    tensors = load_file(str(folder / WEIGHTS))
    if all(not bool(tensor.any()) for name, tensor in tensors.items() if "lora_B" in name):
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
            "grad_norm": entry.get("grad_norm", float("nan")),
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
