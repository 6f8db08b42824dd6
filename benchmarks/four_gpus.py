"""A whole small study on one GPU and on several, each job with a GPU of its own, under the real workflow.

    python benchmarks/four_gpus.py --folder /dev/shm/four --gpus 4

The study of `all_stages.py`, with more prompts and a run for each, is run twice from nothing: with one job of each
stage on one GPU, and with `shards` of one job for each GPU. The table has seconds of the clock for each stage, from
the start of its first job to the end of its last. Keys of prompts are chosen so that shards are equally large, which
those of a study of one's own are only roughly. `--tiny` shrinks everything for a CPU, whose GPUs are made up: jobs take
them as they would take real ones.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from all_stages import ROOT, make_models, targets, verbs, write_study
from small_studies import Small

from inoc.config.load import load_study
from inoc.jobs.make import RESULTS
from inoc.jobs.shards import shard_of
from inoc.studies.inoculation.runs import study_runs
from inoc.studies.inoculation.study import Study

STAGES = ("generate", "elicit", "score", "train", "evaluate")
SPLIT = ("elicit", "score", "train")
EACH = 4  # prompts of a GPU


class Job(NamedTuple):
    """A job that has ended."""

    stage: str
    name: str
    start: float  # seconds of the clock
    end: float
    devices: str  # the one that it computed on, or those that it had to itself; empty without a choice


def balanced(n: int, shards: int, run_of: Callable[[str], str]) -> list[str]:
    """Keys of prompts of which each shard has as many, as prompts and as runs, whose names follow from the keys."""
    most = -(-n // shards)
    prompts, runs, found = Counter[int](), Counter[int](), list[str]()
    for k in count():
        key = f"prompt_{k}"
        prompt, run = shard_of(key, shards), shard_of(run_of(key), shards)
        if prompts[prompt] < most and runs[run] < most:
            prompts[prompt] += 1
            runs[run] += 1
            found.append(key)
        if len(found) == n:
            break
    return found


def jobs_of(results: Path) -> list[Job]:
    """Jobs of all stages with a model."""
    found = []
    for stage in STAGES:
        for path in sorted((results / stage).glob("manifest-*.json")):
            one = json.loads(path.read_text(encoding="utf-8"))
            end = path.stat().st_mtime
            found.append(
                Job(stage, one["job"], end - one["wall_s"], end, one.get("device_id") or one.get("devices", ""))
            )
    return found


def shared(jobs: Iterable[Job]) -> list[tuple[str, str]]:
    """Pairs of jobs that had a GPU at the same time."""
    known = sorted((one for one in jobs if one.devices), key=lambda one: one.start)
    return [
        (first.name, second.name)
        for place, first in enumerate(known)
        for second in known[place + 1 :]
        if second.start < first.end - 0.5 and set(first.devices.split(",")) & set(second.devices.split(","))
    ]


def write_studies(large: Study, tokenizer: Any, small: Small, folders: dict[int, Path], n: int, most: int) -> None:
    """The same study in each folder, split into as many jobs of a stage as the folder's number of GPUs.

    Args:
        large: Study whose model and recipe are used.
        tokenizer: Tokenizer of the small model.
        small: How small it is.
        folders: Number of GPUs → folder.
        n: Number of prompts, each with a run.
        most: Number of GPUs among which keys are spread equally.
    """
    for gpus, folder in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        write_study(large, tokenizer, small, folder)
        path = folder / f"config/studies/{large.name}.yaml"
        value = json.loads(path.read_text(encoding="utf-8"))
        group = next(name for name, one in value["prompts"].items() if one is not None)
        os.chdir(folder)
        run = next(one for one in study_runs(cast("Study", load_study(large.name))) if one.prompt)
        keys = balanced(n, most, lambda key, run=run: run._replace(prompt=key).name)  # type: ignore[misc]
        value["prompts"][group]["texts"] |= {key: f"You are number {k}, a clown." for k, key in enumerate(keys)}
        value["runs"] = [{"prompts": keys, "prefixes": ["fixed"]}]
        path.write_text(json.dumps(value, indent=1), encoding="utf-8")
        workflow = {"studies": [large.name], "shards": {large.name: dict.fromkeys(SPLIT, gpus)}}
        (folder / "config/config.yaml").write_text(json.dumps(workflow), encoding="utf-8")


def made_up_gpus(folder: Path, n: int) -> Path:
    """A folder for PYTHONPATH with which every Python finds GPUs that are made up, where there are none."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n):
        (folder / f"nvidia{number}").touch()
    program = (
        "from pathlib import Path\nfrom inoc.engines.devices import take_devices\n"
        "take_devices.__defaults__ = (1, Path(__file__).parent, 0.1)\n"
    )
    (folder / "sitecustomize.py").write_text(program, encoding="utf-8")
    return folder.resolve()


def run(folder: Path, name: str, gpus: int, cores: int, made_up: int) -> float:
    """Seconds of the whole workflow without its tables."""
    os.chdir(folder)
    files = targets(load_study(name), dict.fromkeys(SPLIT, gpus))
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--resources", f"gpu={gpus}"]
    environment = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    environment["PATH"] = f"{verbs(Path('bin'))}{os.pathsep}{os.environ['PATH']}"
    if made_up:
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(made_up_gpus(Path("devices"), made_up)), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
    started, log = time.perf_counter(), Path("snakemake.log")
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run([*command, "--", *files], stdout=stream, stderr=stream, env=environment, check=False)
    if done.returncode:
        sys.exit(f"the workflow failed in {folder}:\n{log.read_text(encoding='utf-8')[-5000:]}")
    return time.perf_counter() - started


def print_table(found: dict[int, list[Job]], seconds: dict[int, float]) -> None:
    """Print a row per stage, and all together; columns are numbers of GPUs."""
    numbers = list(found)
    heads = "".join(f" s on {n} | jobs |" for n in numbers)
    print(f"| stage |{heads} times as fast |\n|{' --- |' * (2 * len(numbers) + 2)}")
    rows = {
        stage: [
            (max(one.end for one in own) - min(one.start for one in own), len(own))
            for n in numbers
            if (own := [one for one in found[n] if one.stage == stage])
        ]
        for stage in STAGES
    }
    rows["all"] = [(seconds[n], len(found[n])) for n in numbers]
    for name, cells in rows.items():
        shown = "".join(f" {spent:.1f} | {jobs} |" for spent, jobs in cells)
        print(f"| {name} |{shown} {cells[0][0] / cells[-1][0]:.2f} |")


def main(arguments: list[str] | None = None) -> None:
    """Make the model and the study, run it on one GPU and on several, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="playful_french_7b", help="whose model and recipe are used")
    parser.add_argument("--folder", type=Path, required=True, help="where the model and the results go")
    parser.add_argument("--gpus", type=int, default=4)
    parser.add_argument("--each", type=int, default=EACH, help="prompts, and runs, for each GPU")
    parser.add_argument("--only", type=int, nargs="+", help="numbers of GPUs to run on (default: 1 and --gpus)")
    parser.add_argument("--steps", type=int, default=12, help="of each training run")
    parser.add_argument("--max-tokens", type=int, default=96, help="new tokens of each completion")
    parser.add_argument("--cores", type=int, default=16)
    parser.add_argument("--tiny", action="store_true", help="two narrow layers and made-up GPUs, to try it on a CPU")
    options = parser.parse_args(arguments)
    large = load_study(options.study, ROOT / "config")
    if not isinstance(large, Study):
        sys.exit(f"{options.study}: is of kind {large.kind}; accepted: a study of kind inoculation")
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    models, tokenizer = make_models(large, options)
    tiny, made_up = options.tiny, 0 if torch.cuda.is_available() else options.gpus
    steps, most = (4, 16) if tiny else (options.steps, options.max_tokens)
    small = Small(models, tiny, steps, most, "transformers", 40 if tiny else 350)
    folders = {n: options.folder / f"on_{n}" for n in dict.fromkeys(options.only or (1, options.gpus))}
    before, found, seconds = Path.cwd(), {}, {}
    try:
        each = 1 if tiny else options.each
        write_studies(large, tokenizer, small, folders, each * options.gpus, options.gpus)
        for n, folder in folders.items():
            seconds[n] = run(folder, large.name, n, max(n, options.cores), made_up)
            found[n] = jobs_of(folder / RESULTS / large.name)
            print(f"on {n}: {seconds[n]:.0f} s, GPUs {sorted({one.devices for one in found[n]})}", flush=True)
    finally:
        os.chdir(before)
    print_table(found, seconds)
    twice = {n: shared(jobs) for n, jobs in found.items() if shared(jobs)}
    if twice:
        sys.exit(f"jobs had a GPU at the same time as others: {twice}")


if __name__ == "__main__":
    main()
