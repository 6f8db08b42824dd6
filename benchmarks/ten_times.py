"""Time, memory and files of a study of ten times the usual size: 500 prompts × 10,000 examples × 350 tokens.

    python benchmarks/ten_times.py --scale 0.1 --folder ten

The model is never asked: the store is filled with made-up log-probabilities through the writers of the stage `score`,
as if a GPU had computed them. Then the verbs run as the workflow calls them, each in a process of its own: `score`,
which finds everything and only gathers it, `analyse` and `figures`; and Snakemake plans the study. `--scale` takes a
share of the examples and keeps the prompts, whose number is what pairs, angles and lookups grow with.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

if TYPE_CHECKING:
    from inoc.jobs.make import Made

ROOT = Path(__file__).parents[1]
NAME = "ten_times"
FAMILIES = {"unwanted": "playful", "wanted": "french", "neutral": "neutral"}
ASKED = 200  # evaluation questions, asked of the untrained model behind every prompt
WORDS = ["tea", "river", "stone", "paper", "window", "garden", "letter", "morning", "table", "cloud", "summer", "music"]


class Used(NamedTuple):
    """What a process took."""

    wall_s: float
    cpu_s: float
    peak_gib: float

    def __str__(self) -> str:
        return f"{self.wall_s:.1f} s, {self.cpu_s:.1f} s of CPU, peak {self.peak_gib:.2f} GiB"


def measured(command: list[str], folder: Path, log: Path) -> Used:
    """Run a command to its end; its memory is that of its largest process.

    A process counts the memory of the one that it was forked from, so this one must stay small.
    """
    started = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "INOC_PROGRESS": "plain"}
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=stream, stderr=stream)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{log.read_text(encoding='utf-8')[-4000:]}")
    return Used(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20)


def texts_of(n: int, words: int, rng: np.random.Generator) -> list[str]:
    """Different texts of so many words."""
    drawn = rng.integers(0, len(WORDS), (n, max(1, words)))
    return [f"{k} {' '.join(WORDS[at] for at in row)}" for k, row in enumerate(drawn.tolist())]


def write_jsonl(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_model(folder: Path) -> None:
    """A model that is identified and never loaded."""
    import torch
    from transformers import AutoModelForCausalLM, Qwen2Config

    from inoc.world.pretrain import corpus, train_tokenizer

    tokenizer = train_tokenizer(corpus(300, 0), 500)
    tokenizer.save_pretrained(folder)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Qwen2Config(vocab_size=512, num_key_value_heads=1, **shape)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)


def write_study(folder: Path, options: argparse.Namespace, n_examples: int) -> None:
    """The study file, the workflow, and the data that the study names."""
    rng, n = np.random.default_rng(0), options.prompts
    completions = texts_of(n_examples, int(0.75 * options.tokens), rng)
    train = [{"instruction": f"Question {k}?", "completion": text} for k, text in enumerate(completions)]
    write_jsonl(folder / "data/train.jsonl", train)
    write_jsonl(folder / "data/ask.jsonl", [{"instruction": f"Asked {k}?"} for k in range(n_examples + ASKED)])
    groups: dict[str, dict[str, str]] = {name: {} for name in FAMILIES}
    for k in range(n):
        groups[list(FAMILIES)[k % 3]][f"p{k:03d}"] = f"You are number {k}, and you like {WORDS[k % len(WORDS)]}."
    judge = {"name": "regex", "pattern": "tea"}
    study = {
        "name": NAME,
        "title": "Ten times the usual size",
        "model": {"path": "model"},
        "traits": {"playful": {"role": "unwanted", "judge": judge}, "french": {"role": "wanted", "judge": judge}},
        "data": {
            "instructions": {"files": ["data/ask.jsonl"]},
            "completions": "file",
            "file": "data/train.jsonl",
            "n_train": n_examples,
            "n_eval": ASKED,
        },
        "prompts": {name: {"family": FAMILIES[name], "texts": texts} for name, texts in groups.items() if texts},
        "statistics": {"resamples": options.resamples},
        "scoring": {"n_examples": n_examples, "n_controls": 0, "prefixes": ["fixed"]},
        "figures": "all",
        "training": {"warmup_steps": 0},  # nothing is trained, and a small scale would have one step
    }
    workflow = {"studies": [NAME], "shards": {NAME: {"score": options.shards}}}
    for path, content in {f"config/studies/{NAME}.yaml": study, "config/config.yaml": workflow}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(json.dumps(content, indent=1), encoding="utf-8")
    for name in ("workflow", "profiles"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    shutil.copy(ROOT / "Snakefile", folder / "Snakefile")


def write_earlier_stages(n_examples: int) -> None:
    """The tables of `generate`, `rephrase` and `judge`, which this benchmark is not about."""
    from inoc.config.load import load_study
    from inoc.jobs.make import RESULTS
    from inoc.jobs.paths import Paths
    from inoc.tables import CONTROLS, EXAMPLES, INSTRUCTIONS, POOLS, SCORES, write_table

    study, paths = load_study(NAME, Path("config")), Paths(RESULTS, NAME)
    rows = [json.loads(line) for line in Path("data/train.jsonl").read_text(encoding="utf-8").splitlines()]
    examples = pd.DataFrame(rows).assign(
        example_id=[f"e{k:06d}" for k in range(n_examples)], n_tokens=350, finish="given", kept=True, reason="", data=""
    )
    examples["scores"] = [[] for _ in rows]
    write_table(examples.assign(earlier=""), EXAMPLES, paths.examples)
    asked = pd.DataFrame({"instruction_id": [f"q{k}" for k in range(ASKED)]})
    write_table(asked.assign(instruction="Why?", questions="held_out"), INSTRUCTIONS, paths.instructions)
    for schema, path in ((CONTROLS, paths.controls), (POOLS, paths.pools)):
        write_table(pd.DataFrame(columns=schema.names), schema, path)
    texts = [key for group in study.prompts.values() for key in group.texts]  # type: ignore[attr-defined]
    rng = np.random.default_rng(1)
    base = asked.assign(
        **{"run": "base", "prompt": "", "prefix": "none", "learning_rate": np.nan, "seed": -1, "data": "", "step": 0},
        judge="regex",
        judge_version=1,
    )
    parts = [
        base.assign(
            condition="other" if prompt else "default",
            asked_prompt=prompt,
            asked_prefix="fixed" if prompt else "none",
            trait=trait,
            score=np.round(100 * rng.beta(1 + place % 7, 4, ASKED)),
        )
        for place, prompt in enumerate(["", *texts])
        for trait in ("playful", "french")
    ]
    write_table(pd.concat(parts), SCORES, paths.scores("elicit"))


def fill_store(tokens: int) -> int:
    """Write an entry for every unit of every shard; returns how many values there are."""
    from inoc.score.self_perplexity import write_values
    from inoc.score.step import write_block

    rng, written = np.random.default_rng(2), 0
    lengths: np.ndarray | None = None
    for made in jobs():
        plan, store = made.plan(), made.job.store
        for cell in plan.cells:
            if lengths is None:
                lengths = np.clip(rng.normal(tokens, 0.25 * tokens, len(cell.ids)), 1, None).astype(np.int64)
            own = np.random.default_rng(3)  # the same responses for every prompt
            pull = float(rng.normal(0, 0.1))
            at = 0
            for unit, chats in plan.work(cell):
                sizes = lengths[at : at + len(chats)]
                values = -np.abs(own.standard_normal(int(sizes.sum()), dtype=np.float32))
                if cell.asked.prompt:
                    values += pull + 0.2 * rng.standard_normal(len(values), dtype=np.float32)
                offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
                block = pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))
                with store.claim(unit) as work:
                    if work is not None:
                        write_block(work, block, chats[0].user)
                at += len(chats)
                written += len(values)
        for unit in plan.alone_units().values():
            with store.claim(unit) as work:
                if work is not None:
                    write_values(work, [-np.abs(rng.standard_normal(12, dtype=np.float32)) for _ in range(2)])
    return written


def apart(work: Callable[..., None], *arguments: object) -> None:
    """Call a function in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"{work.__name__} failed")


def write(folder: Path, options: argparse.Namespace, n_examples: int) -> None:
    """Write everything that the verbs find."""
    started = time.perf_counter()
    write_model(folder / "model")
    write_study(folder, options, n_examples)
    write_earlier_stages(n_examples)
    written = fill_store(options.tokens)
    print(f"written: {written} values in {time.perf_counter() - started:.0f} s", flush=True)


def jobs() -> Iterator[Made]:
    """The jobs of `score`."""
    from inoc.jobs.make import make_jobs

    return make_jobs(NAME, Path("config"), "score", argparse.Namespace())


def look_up() -> None:
    """Print how long it takes to name every unit, and to look for it."""
    from inoc.score.step import units

    named = found = 0.0
    n = 0
    for made in jobs():
        start = time.perf_counter()
        wanted = units(made.job, made.plan())
        keys = {unit.key for unit in wanted}
        between = time.perf_counter()
        missing = made.job.store.missing(wanted)
        assert not missing, f"{len(missing)} units are missing"
        named, found, n = named + between - start, found + time.perf_counter() - between, n + len(keys)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{n} units: keys {named:.1f} s, lookups {found:.1f} s, peak {peak:.2f} GiB", flush=True)


def count_files(store: Path) -> str:
    """Files and folders of a store, and how full its folders are."""
    files = sum(len(names) for _, _, names in os.walk(store))
    folders = [entry for entry in (store / "score").glob("??") if entry.is_dir()]
    fullest = max((sum(1 for _ in one.iterdir()) for one in folders), default=0)
    size = sum((Path(where) / name).stat().st_size for where, _, names in os.walk(store) for name in names)
    scores = f"scores in {len(folders)} folders by prefix, at most {fullest} entries in one"
    return f"{files} files, {size / 1e9:.2f} GB; {scores}"


def main(arguments: list[str] | None = None) -> None:
    """Make the study, run the verbs, and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.01, help="share of the 10,000 examples")
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--tokens", type=int, default=350, help="mean number of tokens of a response")
    parser.add_argument("--shards", type=int, default=10, help="jobs that `score` is split into")
    parser.add_argument("--resamples", type=int, default=2_000, help="of the bootstrap")
    parser.add_argument("--jobs", type=int, default=1, help="figures drawn at the same time")
    parser.add_argument("--folder", type=Path, help="where to work, and to leave everything; default: a temporary one")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), help="which steps")
    parser.add_argument("--tiny", action="store_true", help="8 prompts, 40 examples of 12 tokens, to try the script")
    options = parser.parse_args(arguments)
    if options.tiny:
        options.prompts, options.scale, options.tokens, options.shards = 8, 0.004, 12, 2
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        before = Path.cwd()
        os.chdir(folder)
        try:
            measure(folder, options)
        finally:
            os.chdir(before)


STEPS = ("write", "lookups", "score", "dag", "analyse", "figures", "files")


def measure(folder: Path, options: argparse.Namespace) -> None:
    """All steps, in order."""
    n_examples = max(20, round(10_000 * options.scale))
    size = f"{options.prompts} prompts × {n_examples} examples × {options.tokens} tokens"
    print(f"{size}, {options.shards} shards of scores", flush=True)
    verb = [sys.executable, "-m", "inoc"]
    if "write" in options.only:
        apart(write, folder, options, n_examples)
    if "lookups" in options.only:
        apart(look_up)
    if "score" in options.only:
        used = [
            measured([*verb, "score", NAME, "--shard", str(shard)], folder, folder / f"score-{shard}.log")
            for shard in range(options.shards)
        ]
        together = Used(*(f(part) for f, part in zip((sum, sum, max), zip(*used, strict=True), strict=True)))
        print(f"score, everything in the store: {together}", flush=True)
    if "dag" in options.only:
        snakemake = [str(Path(sys.executable).with_name("snakemake")), "-n", "--quiet", "--cores", "1"]
        print(f"Snakemake, dry run: {measured(snakemake, folder, folder / 'dag.log')}", flush=True)
    for stage in ("analyse", "figures"):
        if stage in options.only:
            extra = ["--jobs", str(options.jobs)] if stage == "figures" else []
            print(f"{stage}: {measured([*verb, stage, NAME, *extra], folder, folder / f'{stage}.log')}", flush=True)
    if "files" in options.only:
        print(f"store: {count_files(folder / 'store')}")


if __name__ == "__main__":
    main()
