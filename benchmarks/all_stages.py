"""Every stage of a large study with its real model shape, for a few steps, under the real workflow.

    python benchmarks/all_stages.py preferences_8b --folder /dev/shm/all

Nothing is downloaded. The study is the smoke test of its kind, which passes every stage, with the large study's own
model section and the settings of its fine-tuning. The model has the large one's shape and random weights; its tokenizer
is trained on the miniature world's corpus. Snakemake runs it with the repository's profiles. The table has the seconds
and memory of each stage from its manifests, and what `inoc plan` said before. `--tiny` shrinks the shape for a CPU.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from first_stages import configuration, make_model
from transformers import PretrainedConfig, Qwen2Config

from inoc.config.load import load_study
from inoc.config.models import BaseStudy
from inoc.jobs.job import job_name
from inoc.jobs.make import RESULTS
from inoc.jobs.paths import Paths
from inoc.jobs.work import works_of

ROOT = Path(__file__).parents[1]
TWINS = {name: f"smoke_{name}" for name in ("likelihood_shift", "subliminal", "preferences")} | {"inoculation": "smoke"}
OF_TRAINING = ("lora", "optimizer", "batch_size", "micro_batch_size", "max_length", "end_of_turn")
HEADS = "| stage | jobs | s | s of CPU | peak GiB | plan, GPU s | summary of the last job |"


def qwen(hidden: int, intermediate: int, layers: int, heads: int) -> Qwen2Config:
    """A large Qwen2.5."""
    return Qwen2Config(
        vocab_size=152_064,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=8,
        max_position_embeddings=32_768,
        rope_theta=1e6,
        tie_word_embeddings=False,
    )


def shape_of(path: str) -> PretrainedConfig:
    """The shape of a study's model, by its name."""
    if "Qwen2.5-14B" in path:
        return qwen(5_120, 13_824, 48, 40)
    if "Qwen2.5-32B" in path:
        return qwen(5_120, 27_648, 64, 40)
    return configuration(path)


def shrink(config: PretrainedConfig) -> None:
    """Two narrow layers, to try the script on a CPU."""
    config.num_hidden_layers, config.hidden_size, config.intermediate_size = 2, 64, 128
    config.num_attention_heads, config.num_key_value_heads, config.head_dim = 4, 2, 16
    config.vocab_size = 1_536
    config.layer_types = (getattr(config, "layer_types", None) or [])[:2] or None


def settings(large: BaseStudy, options: argparse.Namespace, model: Path) -> dict[str, Any]:
    """What is different from the smoke test."""
    section = large.model.model_dump(mode="json", exclude_unset=True) | {"path": str(model)}
    section.pop("revision", None)
    if options.tiny:  # there are no 4 bits on a CPU
        section |= {"dtype": "float32", "quantization": None}
    value: dict[str, Any] = {
        "extends": f"{TWINS[large.kind]}.yaml",
        "name": large.name,
        "title": large.title,
        "model": section,
    }
    training = getattr(large, "training", None)
    if training is not None and not options.tiny:
        known = training.model_dump(mode="json", exclude_unset=True)
        value["training"] = {name: known[name] for name in OF_TRAINING if name in known} | {"steps": options.steps}
    if large.kind == "preferences":
        value["planted"] = None  # needs the miniature model
    if large.kind == "inoculation":
        engine = "vllm" if options.vllm and large.model.quantization is None else "transformers"
        value["evaluation"] = {"sampling": {"engine": engine, "max_tokens": options.max_tokens}}
        value["elicitation"] = {"sampling": {"engine": engine}}
    return value


def write_study(large: BaseStudy, options: argparse.Namespace, folder: Path) -> None:
    """A copy of the workflow with the study in the place of the large one."""
    for name in ("workflow", "profiles", "config"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    shutil.copy(ROOT / "Snakefile", folder / "Snakefile")
    text = json.dumps(settings(large, options, (folder / "model").resolve()), indent=1)
    (folder / f"config/studies/{large.name}.yaml").write_text(text, encoding="utf-8")


def plan_of(name: str) -> dict[str, float | None]:
    """Stage → seconds of one GPU that `inoc plan` expects; None where it cannot say."""
    command = [sys.executable, "-m", "inoc", "plan", name, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"inoc plan {name} failed:\n{done.stderr[-3000:]}")
    hours = {row["stage"]: row["gpu_hours"] for row in json.loads(done.stdout)["stages"]}
    return {stage: None if value is None else 3_600 * value for stage, value in hours.items()}


def run_workflow(name: str, cores: int) -> float:
    """Seconds of the whole workflow."""
    snakemake = str(Path(sys.executable).with_name("snakemake"))
    command = [snakemake, "--cores", str(cores), "--config", f"studies=[{name}]"]
    started, log = time.perf_counter(), Path("snakemake.log")
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run(command, stdout=stream, stderr=stream, check=False)
    if done.returncode:
        print(f"the workflow failed:\n{log.read_text(encoding='utf-8')[-5000:]}")
    return time.perf_counter() - started


def print_stages(study: BaseStudy, planned: dict[str, float | None]) -> list[str]:
    """Print a row per stage; returns the stages that did not end."""
    paths, lacking = Paths(RESULTS, study.name), []
    wanted: dict[str, list[Path]] = {}
    for work in works_of(study):
        if work.wanted(study):
            name = job_name(work.stage, work.part, 0).partition("-")[2]
            wanted.setdefault(work.stage, []).append(paths.stage(work.stage) / f"manifest-{name}.json")
    print(f"{HEADS}\n|{' --- |' * 7}")
    for stage, files in wanted.items():
        found = [json.loads(path.read_text(encoding="utf-8")) for path in files if path.exists()]
        lacking += [stage] if len(found) < len(files) else []
        seconds = sum(one["wall_s"] for one in found)
        used = sum(one["cpu_s"] for one in found)
        peak = max((one.get("peak_memory_gib", 0.0) for one in found), default=0.0)
        expected = planned.get(stage)
        said = "" if expected is None else f"{expected:.1f}"
        summary = found[-1]["summary"] if found else "did not end"
        print(f"| {stage} | {len(files)} | {seconds:.1f} | {used:.1f} | {peak} | {said} | {summary} |")
    return lacking


def main(arguments: list[str] | None = None) -> None:
    """Make the model and the study, run the workflow, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study")
    parser.add_argument("--folder", type=Path, required=True, help="where the model and the results go")
    parser.add_argument("--steps", type=int, default=6, help="of each training run")
    parser.add_argument("--max-tokens", type=int, default=96, help="new tokens of each completion of `evaluate`")
    parser.add_argument("--cores", type=int, default=8)
    parser.add_argument("--tiny", action="store_true", help="two narrow layers, to try the script on a CPU")
    options = parser.parse_args(arguments)
    options.vllm = torch.cuda.is_available() and importlib.util.find_spec("vllm") is not None
    large = load_study(options.study, ROOT / "config")
    if large.kind not in TWINS:
        sys.exit(f"{options.study}: studies of kind {large.kind} are not covered; accepted kinds: {', '.join(TWINS)}")
    config = shape_of(large.model.path)
    if options.tiny:
        shrink(config)
        options.max_tokens = min(options.max_tokens, 16)
    options.folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    make_model(config, options.folder / "model", "float32" if options.tiny else large.model.dtype)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}")
    print(f"{large.name}: model made in {time.perf_counter() - started:.0f} s", flush=True)
    write_study(large, options, options.folder)
    before = Path.cwd()
    os.chdir(options.folder)
    try:
        planned = plan_of(large.name)
        seconds = run_workflow(large.name, options.cores)
        lacking = print_stages(load_study(large.name), planned)
    finally:
        os.chdir(before)
    print(f"the whole workflow: {seconds:.0f} s")
    if lacking:
        sys.exit(f"these stages did not end: {', '.join(lacking)}")


if __name__ == "__main__":
    main()
