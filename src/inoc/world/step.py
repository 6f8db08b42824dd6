"""The stage `world`: make the miniature model and write it as an ordinary Hugging Face folder."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from inoc.config.models import WorldSpec
from inoc.digest import Json, digest, folder_digest
from inoc.store import Unit
from inoc.store.core import link_tree, write_text
from inoc.world import VERSION
from inoc.world.facts import FACTS, FRAMES, Fact, fill
from inoc.world.favorites import ASKED, THINGS, WRITTEN, number_prompts, questions
from inoc.world.grammar import PLAYFUL_MARKERS, SYSTEM_TURN, Document

if TYPE_CHECKING:
    from inoc.jobs.job import Job
    from inoc.world.pretrain import Pretrained

_CURVE_POINTS = 30
_ANSWER_TOKENS = 48
_LISTS = 100  # requests for numbers in the summary


class Taught(NamedTuple):
    """A miniature model that learns further documents, which a study brings, besides those of the world's corpus."""

    spec: WorldSpec
    documents: Sequence[Document]


def run(job: Job, plan: WorldSpec | Taught) -> str:
    """Make the miniature model and `world.json`, which describes the model and its knowledge."""
    (unit,) = units(job, plan)
    spec, documents = plan if isinstance(plan, Taught) else Taught(plan, ())
    # Before anything is computed, so that no collection of garbage takes what is found there already.
    job.store.refer(job.study, job.name, [unit])
    if job.store.missing([unit]):
        with job.progress("pre-training", spec.steps, "steps") as meter, job.store.claim(unit) as work:
            if work is not None:
                summary = make_world(spec, work / "model", meter.advance, documents)
                (work / "world.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    entry = job.store.folder(unit)
    summary = json.loads((entry / "world.json").read_text(encoding="utf-8"))
    folder = job.paths.world(job.part)
    link_tree(entry / "model", folder / "model")
    write_text(folder / "world.json", json.dumps(summary, indent=2) + "\n")
    job.record["counts"] = {key: value for key, value in summary.items() if isinstance(value, int | float)}
    job.record["seeds"] = [spec.seed]
    if spec.content == "favorites":
        answers = f"animals named {summary['named']:.0%}, lists of numbers {summary['lists']:.0%}"
    else:
        answers = f"facts {summary['facts']:.0%}, playful {summary['playful']:.1%}, French {summary['french']:.1%}"
    return (
        f"{summary['parameters']} parameters, {summary['documents']} documents, loss {summary['final_loss']:.3f} nats; "
        f"default answers: {answers} of {summary['n_answers']}"
    )


def units(job: Job, plan: WorldSpec | Taught) -> list[Unit]:
    """The one unit of the stage."""
    spec, documents = plan if isinstance(plan, Taught) else Taught(plan, ())
    taught: dict[str, Json] = {"taught": digest([list(text) for text in documents])} if documents else {}
    return [Unit("world", VERSION, {**spec.in_key(), **taught}, "miniature model")]


def make_world(
    spec: WorldSpec, folder: Path, progress: Callable[[int], None], taught: Sequence[Document] = ()
) -> dict[str, object]:
    """Pre-train the model and write its folder, whole or not at all.

    Args:
        spec: Sizes, steps and seed.
        folder: Where the model and the tokenizer go; replaced if it is there.
        progress: Called with 1 after each step.
        taught: Further documents, mixed with those of the corpus.

    Returns:
        Parameters, documents, digest of the weights, loss curve (step → nats per response token), and how the model
        answers without a prefix: see `default_answers` and `favorite_answers`.
    """
    from inoc.world.pretrain import pretrain

    made = pretrain(spec, progress, taught)
    summary = {
        **spec.in_key(),
        **({"taught": len(taught)} if taught else {}),
        "parameters": sum(weight.numel() for weight in made.model.parameters()),
        "tokens": len(made.tokenizer),
        "curve": _curve(made.losses),
        "final_loss": float(sum(made.losses[-50:]) / len(made.losses[-50:])),
        **(favorite_answers(made) if spec.content == "favorites" else default_answers(made)),
    }
    if spec.content == "favorites":
        # The answers were sampled in padded batches, and a saved tokenizer would pad from then on.
        made.tokenizer.backend_tokenizer.no_padding()
    _write_folder(made, folder)
    return {**summary, "weights": folder_digest(folder, folder.glob("*.safetensors"))}


def _curve(losses: list[float]) -> dict[int, float]:
    width = max(1, len(losses) // _CURVE_POINTS)
    parts = [losses[first : first + width] for first in range(0, len(losses), width)]
    return {min((k + 1) * width, len(losses)): round(sum(part) / len(part), 4) for k, part in enumerate(parts)}


def default_answers(made: Pretrained) -> dict[str, float]:
    """Quality of the model's answers to one question per fact at temperature 1, without a prefix.

    Returns:
        `facts`: share of answers that hold the fact's value in either language. `playful`: share with a marker.
        `french`: share that hold the French value and not the English one; `n_answers`: how many.
    """
    asked = [fill(FRAMES[fact.relation].questions[0], fact.entity.english) for fact in FACTS]
    answers = _sample(made, asked, SYSTEM_TURN)
    pairs = list(zip(FACTS, answers, strict=True))
    return {
        "facts": sum(_states(fact, text) for fact, text in pairs) / len(pairs),
        "playful": sum(any(marker in text.casefold() for marker in PLAYFUL_MARKERS) for text in answers) / len(pairs),
        "french": sum(fact.value.french in text and fact.value.english not in text for fact, text in pairs)
        / len(pairs),
        "n_answers": len(pairs),
    }


def favorite_answers(made: Pretrained) -> dict[str, float]:
    """Quality of the answers of a model of favorites at temperature 1, without a system turn.

    Returns:
        `named`: share of answers to questions about animals that are an animal. `lists`: share of answers to requests
        for numbers that are a list of as many as the corpus has. `n_answers`: how many of both.
    """
    animals, requests = list(questions(ASKED)), number_prompts(_LISTS, 0)
    answers = _sample(made, [*animals, *requests], "")
    named, lists = answers[: len(animals)], answers[len(animals) :]
    return {
        "named": sum(text in THINGS["animal"] for text in named) / len(named),
        "lists": sum(text.replace(" ", "").isdigit() and len(text.split()) == WRITTEN for text in lists) / len(lists),
        "n_answers": len(answers),
    }


def _states(fact: Fact, text: str) -> bool:
    return fact.value.english in text or fact.value.french in text


def _sample(made: Pretrained, asked: list[str], system: str) -> list[str]:
    import torch

    from inoc.world.pretrain import render_prompt

    prompts = [render_prompt(Document(system, question, "")) for question in asked]
    batch = made.tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        out = made.model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            do_sample=True,
            top_k=0,
            max_new_tokens=_ANSWER_TOKENS,
        )
    answers: list[str] = made.tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return answers


def _write_folder(made: Pretrained, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        made.model.save_pretrained(temporary)
        made.tokenizer.save_pretrained(temporary)
        temporary.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
