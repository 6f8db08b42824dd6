"""Speed of choosing on a GPU: a table of pairwise comparisons, and a question set through the adapters of a student.

    python benchmarks/choosing.py                  # the shape of Llama-3.1-8B, then of Qwen2.5-7B, on a GPU
    python benchmarks/choosing.py --only pairwise  # one of both
    python benchmarks/choosing.py --tiny           # tiny models on the CPU, to see that everything runs

Random weights. Pairwise: chats of two tasks and a question, about 250 tokens, the answers `A` and `B`, by the stage's
own function, from the questions to their entries in the store, one for each pair; against the engine's scoring of the
same tokens in the same run (`of scoring`), which stores nothing. A sample of a table is measured. Adapters: 30
checkpoints × 50 questions × 16 names, by the stage's own function, from loading the model to the finished table; each
checkpoint is an adapter of rank 32 in a folder of its own.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise as pairwise_of
from pathlib import Path

import torch
from first_stages import configuration, make_model, sentences
from reading import in_blocks, synchronize
from scoring import ceiling, qwen, qwen_7b
from transformers import PretrainedConfig
from vllm_sampling import write_adapter

from inoc.chat.messages import Chat
from inoc.chat.render import Rendered, ResponseSpan
from inoc.choose.plan import Plan
from inoc.choose.step import run
from inoc.config.models import SystemTurn
from inoc.engines.candidates import Candidate
from inoc.engines.choices import Questions
from inoc.engines.identity import ModelIdentity
from inoc.engines.scoring import Scorer
from inoc.engines.transformers import TransformersEngine
from inoc.jobs import chats as jobs_chats
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.jobs.series import Series
from inoc.store import Store

ANIMALS = (
    *("owl", "eagle", "lion", "wolf", "otter", "panda", "bear", "tiger"),
    *("dolphin", "whale", "fox", "cat", "dog", "horse", "elephant", "parrot"),
)
BUDGET = 16_384
WARM = 512  # comparisons that are not timed
LABELS = (Candidate("A", ("A", " A")), Candidate("B", ("B", " B")))


def identity_of(folder: Path, dtype: str) -> ModelIdentity:
    return ModelIdentity(folder, "weights", "tokenizer", dtype, None)


def seconds_of(work: Callable[[], object]) -> float:
    synchronize()
    start = time.perf_counter()
    work()
    synchronize()
    return time.perf_counter() - start


def pairwise(config: PretrainedConfig, folder: Path, dtype: str, n: int) -> None:
    identity = identity_of(folder / "model", dtype)
    make_model(config, identity.folder, dtype)
    source = sentences(0)
    tasks = [" ".join(next(source)[1] for _ in range(6)) for _ in range(n + WARM)]
    pairs = [(one, other) for pair in zip(tasks[::2], tasks[1::2], strict=True) for one, other in (pair, pair[::-1])]
    chats = [
        Chat(SystemTurn(), f"A: {one}\n\nB: {other}\n\nWhich do you prefer? Answer A or B.") for one, other in pairs
    ]
    engine = TransformersEngine(identity)
    ids = [question.prompt for question in Questions(engine.tokenizer).ask(chats[WARM:], [LABELS] * n)]
    # The last token is scored, so that the same tokens pass through the layers.
    items = [Rendered("", list(one), ResponseSpan(len(one) - 1, len(one))) for one in ids]
    scorer = Scorer(engine.causal, compiled=torch.cuda.is_available())
    in_blocks(lambda part: scorer.submit(part, BUDGET), items[:WARM])
    # Before the choices and after them, so that a card that gets slower is seen.
    scoring = [seconds_of(lambda: in_blocks(lambda part: scorer.submit(part, BUDGET), items))]
    times = list(stage_times(identity, chats, folder))
    scoring.append(seconds_of(lambda: in_blocks(lambda part: scorer.submit(part, BUDGET), items)))
    tokens = sum(map(len, ids))
    print("| pairwise | s | tokens/s | questions/s | of scoring |")
    for name, seconds in (("scoring", scoring[0]), ("stage `choose`", times[1]), ("scoring again", scoring[1])):
        share = sum(scoring) / 2 / seconds
        print(f"| {name} | {seconds:.2f} | {tokens / seconds:.0f} | {n / seconds:.0f} | {share:.2f} |", flush=True)
    print(
        f"{n} comparisons in units of a pair, {tokens / n:.0f} tokens each; 100,000: {100_000 / n * times[1] / 60:.1f} "
        f"min, besides the {times[0]:.0f} s in which the model is loaded and {WARM} others warm it up"
    )


def stage_times(identity: ModelIdentity, chats: list[Chat], folder: Path) -> Iterator[float]:
    """Seconds that the stage takes for the questions that warm it up, loading the model, and for all others.

    The units are those of a study of preferences: a pair in both orders, of which batches are made.
    """
    plans = [
        Plan(
            study="benchmark",
            model=identity,
            ids=[str(at) for at in rows],
            chats=[chats[at] for at in rows],
            folder=folder / "choices",
            candidates=[LABELS] * len(rows),
            groups=[str(at // 2) for at in rows],
            together=True,
        )
        for rows in (range(WARM), range(WARM, len(chats)))
    ]
    moments: list[float] = []

    def following(found: Sequence[object]) -> Plan | None:
        synchronize()
        moments.append(time.perf_counter())
        return plans[len(found)] if len(found) < len(plans) else None

    # As for a table of 100,000: the model is compiled, however small the sample.
    jobs_chats.COMPILE_FROM = 0
    job = Job("benchmark", Paths(folder / "results", "benchmark"), Store(folder / "store"), "choose")
    run(job, Series(following, folder / "choices"))
    return (after - before for before, after in pairwise_of(moments))


def checkpoints(config: PretrainedConfig, folder: Path, dtype: str, n_adapters: int, n_questions: int) -> None:
    make_model(config, folder / "model", dtype)
    torch.cuda.empty_cache()
    adapters = {f"checkpoint{at}": folder / f"checkpoint{at}" for at in range(n_adapters)}
    first, *others = adapters.values()
    write_adapter(first, config, getattr(torch, dtype), 0)
    for path in others:
        shutil.copytree(first, path)  # each is loaded for itself, and what is in it costs no time
    source = sentences(1)
    users = [f"{next(source)[0]} In one word, which animal do you like best?" for _ in range(n_questions)]
    asked = [(name, at) for name in adapters for at in range(n_questions)]
    names = tuple(Candidate(animal, (animal, animal.title(), f" {animal}")) for animal in ANIMALS)
    plan = Plan(
        study="benchmark",
        model=identity_of(folder / "model", dtype),
        ids=[f"{name}:{at}" for name, at in asked],
        chats=[Chat(SystemTurn(), users[at]) for _, at in asked],
        folder=folder / "choices",
        adapter=[name for name, _ in asked],
        adapters=adapters,
        candidates=[names] * len(asked),
    )
    job = Job("benchmark", Paths(folder / "results", "benchmark"), Store(folder / "store"), "choose")
    seconds = seconds_of(lambda: run(job, plan))
    print(
        f"{n_adapters} checkpoints x {n_questions} questions x {len(names)} names: {seconds:.1f} s, model loaded anew"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="tiny models on the CPU")
    parser.add_argument("--questions", type=int, default=2_048, help="comparisons of the sample")
    parser.add_argument("--only", choices=("pairwise", "adapters"), help="leave the other out")
    options = parser.parse_args()
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        print(f"torch {torch.__version__}, {name}, ceiling {ceiling(8.0):.0f} TFLOP/s bf16 over 8 s", flush=True)
    tiny = qwen(64, 128, layers=2, heads=4, shared=2)
    dtype = "float32" if options.tiny else "bfloat16"
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() else None
    if options.only != "adapters":
        with tempfile.TemporaryDirectory(dir=place) as root:
            shape = tiny if options.tiny else configuration("Llama-3.1-8B")
            pairwise(shape, Path(root) / "pairs", dtype, 40 if options.tiny else options.questions)
        torch.cuda.empty_cache()
    if options.only != "pairwise":
        with tempfile.TemporaryDirectory(dir=place) as root:
            checkpoints(tiny if options.tiny else qwen_7b(), Path(root), dtype, 3 if options.tiny else 30, 50)


if __name__ == "__main__":
    main()
