"""Every stage of a large study with its real model shape, for a few steps, under the real workflow.

    python benchmarks/all_stages.py preferences_8b --folder /dev/shm/all --rates rates.json

Nothing is downloaded. The small study passes every stage of the large one's, with its model section and the settings
of its fine-tuning (`small_studies.py`). The model has the large one's shape and random weights; its tokenizer is
trained on the miniature world's corpus. Snakemake runs it with the repository's profiles. The table has the work,
seconds and rate of each stage from its manifests, and what `inoc plan` said before; `--rates` writes it as JSON.
`evaluate`, numbers and answers are sampled with vLLM where it is installed. `--tiny` shrinks the shape for a CPU.
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
from typing import Any, NamedTuple

import torch
from first_stages import configuration, make_model
from small_studies import TWINS, Small, small_study
from transformers import Olmo3Config, PretrainedConfig, Qwen2Config

from inoc.config.load import load_study
from inoc.config.models import BaseStudy, ModelStudy
from inoc.jobs.job import job_name
from inoc.jobs.make import RESULTS
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_count
from inoc.jobs.work import works_of

ROOT = Path(__file__).parents[1]
KINDS = (*TWINS, "subliminal")
HEADS = "| stage | jobs | work | s | s at work | per s at work | s of CPU | peak GiB | plan, GPU s | last job |"


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
    if "Olmo-3-7B" in path:
        return Olmo3Config(vocab_size=100_278, max_position_embeddings=65_536)
    return configuration(path)


def shrink(config: PretrainedConfig) -> None:
    """Two narrow layers, to try the script on a CPU."""
    config.num_hidden_layers, config.hidden_size, config.intermediate_size = 2, 64, 128
    config.num_attention_heads, config.num_key_value_heads, config.head_dim = 4, 2, 16
    config.vocab_size = 1_536
    config.layer_types = (getattr(config, "layer_types", None) or [])[:2] or None


def make_models(large: ModelStudy, options: argparse.Namespace) -> tuple[dict[str, Path], Any]:
    """Folder of the model by section of the study file, and the first one's tokenizer."""
    sections = {"model": large.model}
    other = getattr(large, "other", None)
    if other is not None:
        sections["other"] = other.model
    folders, tokenizers = {}, []
    for name, section in sections.items():
        config = shape_of(section.path)
        if options.tiny:
            shrink(config)
        folders[name] = (options.folder / name).resolve()
        tokenizers.append(make_model(config, folders[name], "float32" if options.tiny else section.dtype))
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return folders, tokenizers[0]


def write_study(large: ModelStudy, tokenizer: Any, small: Small, folder: Path) -> None:
    """A copy of the workflow with the small study in the place of the large one."""
    for name in ("workflow", "profiles", "config", "resources"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    shutil.copy(ROOT / "Snakefile", folder / "Snakefile")
    text = json.dumps(small_study(large, tokenizer, small, folder), indent=1)
    (folder / f"config/studies/{large.name}.yaml").write_text(text, encoding="utf-8")


def plan_of(name: str) -> dict[str, float | None]:
    """Stage → seconds of one GPU that `inoc plan` expects; None where it cannot say."""
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    gpu = next((kind for kind in ("h100", "h200", "a100", "l40s") if kind.upper() in card), "h200")
    command = [sys.executable, "-m", "inoc", "plan", name, "--gpu", gpu, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"inoc plan {name} failed:\n{done.stderr[-3000:]}")
    seconds: dict[str, float | None] = {}
    for row in json.loads(done.stdout)["stages"]:
        hours, before = row["gpu_hours"], seconds.get(row["stage"], 0.0)
        seconds[row["stage"]] = None if hours is None or before is None else before + 3_600 * hours
    return seconds


def split(study: BaseStudy, n: int) -> dict[str, int]:
    """Shards of every stage that has some, for so many jobs of each."""
    return {work.declared.shards: n for work in works_of(study) if work.declared.shards and work.wanted(study)}


def targets(study: BaseStudy, shards: dict[str, int]) -> list[str]:
    """Files of all stages but those that only read tables; what they read is made with them."""
    paths = Paths(RESULTS, study.name)
    return [
        str(path)
        for work in works_of(study)
        if work.wanted(study) and not work.declared.reads_tables
        for shard in range(shard_count(work.declared, shards))
        for path in work.outputs(study, paths, shards, shard)
    ]


def run_workflow(name: str, cores: int, files: list[str]) -> float:
    """Seconds of the whole workflow; one job at a time has the GPU, and what does not need a failed one goes on."""
    command = [sys.executable, "-m", "snakemake", "--keep-going", "--cores", str(cores), "--resources", "gpu=1"]
    command += ["--config", f"studies=[{name}]", "--", *files]
    environment = {**os.environ, "PATH": f"{verbs(Path('bin'))}{os.pathsep}{os.environ['PATH']}"}
    started, log = time.perf_counter(), Path("snakemake.log")
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run(command, stdout=stream, stderr=stream, env=environment, check=False)
    if done.returncode:
        print(f"the workflow failed:\n{log.read_text(encoding='utf-8')[-5000:]}")
    return time.perf_counter() - started


def verbs(folder: Path) -> Path:
    """A folder with the command `inoc`, for where the package is on PYTHONPATH and was not installed."""
    folder.mkdir(exist_ok=True)
    script = folder / "inoc"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m inoc "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return folder.resolve()


class Passed(NamedTuple):
    """What a part of a stage took."""

    stage: str
    part: str
    jobs: int
    work: float  # what its progress counts: steps, responses, tokens
    unit: str
    wall_s: float
    steady_s: float  # at work, without the start of Python and the model, and compilation
    cpu_s: float
    peak_gib: float
    summary: str

    @property
    def rate(self) -> float:
        """Work per second at work."""
        return self.work / self.steady_s if self.steady_s else 0.0


def passed(study: BaseStudy, shards: dict[str, int], *, tables: bool) -> tuple[list[Passed], list[str]]:
    """What each job of each part of a stage took, from its manifests, and those that did not end.

    Args:
        study: The small study.
        shards: How it is split.
        tables: Whether the stages that only read tables ran too.
    """
    paths, found, lacking = Paths(RESULTS, study.name), [], []
    for work in works_of(study):
        if not work.wanted(study) or (work.declared.reads_tables and not tables):
            continue
        for shard in range(shard_count(work.declared, shards)):
            name = job_name(work.stage, work.part, shard).partition("-")[2]
            path = paths.stage(work.stage) / f"manifest-{name}.json"
            if path.exists():
                found.append(_passed(work.stage, work.part, json.loads(path.read_text(encoding="utf-8"))))
            else:
                lacking.append(f"{work.stage} {work.part} {shard}".replace("  ", " "))
    return found, lacking


def _passed(stage: str, part: str, manifest: dict[str, Any]) -> Passed:
    steps = list(manifest.get("work", {}).values())
    units = {step["unit"] for step in steps}
    counted = sum(step["done"] for step in steps) if len(units) == 1 else 0
    return Passed(
        stage,
        part,
        1,
        counted,
        units.pop() if len(units) == 1 else "",
        manifest["wall_s"],
        min(manifest["wall_s"], sum(step["wall_s"] for step in steps)),
        manifest["cpu_s"],
        manifest.get("peak_memory_gib", 0.0),
        manifest["summary"],
    )


def print_table(rows: list[Passed], planned: dict[str, float | None]) -> None:
    """Print a row per part of a stage; the plan's seconds stand beside a stage's first part."""
    print(f"{HEADS}\n|{' --- |' * 10}")
    said: set[str] = set()
    for row in rows:
        expected = None if row.stage in said else planned.get(row.stage)
        said.add(row.stage)
        plan = "" if expected is None else f"{expected:.1f}"
        work = f"{row.work} {row.unit}" if row.unit else ""
        rate = f"{row.rate:.1f}" if row.unit else ""
        name = f"{row.stage} {row.part}".strip()
        print(
            f"| {name} | {row.jobs} | {work} | {row.wall_s:.1f} | {row.steady_s:.1f} | {rate} | {row.cpu_s:.1f} | "
            f"{row.peak_gib} | {plan} | {row.summary} |"
        )


def write_rates(
    path: Path, name: str, small: Small, rows: list[Passed], seconds: float, planned: dict[str, float | None]
) -> None:
    """Write the table as JSON."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    body = {
        "study": name,
        "device": device,
        "torch": torch.__version__,
        "engine": small.engine,
        "steps": small.steps,
        "max_tokens": small.max_tokens,
        "seconds": round(seconds, 1),
        "planned_gpu_s": planned,
        "stages": [row._asdict() | {"rate": round(row.rate, 3)} for row in rows],
    }
    path.write_text(json.dumps(body, indent=1), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Make the model and the study, run the workflow, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study")
    parser.add_argument("--folder", type=Path, required=True, help="where the model and the results go")
    parser.add_argument("--rates", type=Path, help="JSON file for what was measured")
    parser.add_argument("--steps", type=int, default=6, help="of each training run")
    parser.add_argument("--max-tokens", type=int, default=96, help="new tokens of each completion")
    parser.add_argument("--engine", choices=("vllm", "transformers"), help="of sampling (default: vLLM if installed)")
    parser.add_argument("--cores", type=int, default=8)
    parser.add_argument("--compute", choices=("dtype", "fp8"), help="`model.compute` (default: as the large study)")
    parser.add_argument("--split", type=int, default=1, metavar="N", help="jobs of each stage (default: 1)")
    parser.add_argument("--no-tables", action="store_true", help="leave out analysis, figures and report")
    parser.add_argument("--tiny", action="store_true", help="two narrow layers, to try the script on a CPU")
    options = parser.parse_args(arguments)
    large = load_study(options.study, ROOT / "config")
    if large.kind not in KINDS or not isinstance(large, ModelStudy):
        sys.exit(f"{options.study}: studies of kind {large.kind} are not covered; accepted kinds: {', '.join(KINDS)}")
    engine, why = engine_for(large, options)
    print(f"{large.name}: sampled with {engine}{why}")
    options.folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    models, tokenizer = make_models(large, options)
    if torch.cuda.is_available():
        print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}")
    print(f"{large.name}: model made in {time.perf_counter() - started:.0f} s", flush=True)
    small = Small(
        models,
        options.tiny,
        min(options.steps, 4) if options.tiny else options.steps,
        min(options.max_tokens, 16) if options.tiny else options.max_tokens,
        engine,
        40 if options.tiny else 350,
    )
    write_study(large, tokenizer, small, options.folder)
    if options.compute:
        path = options.folder / f"config/studies/{large.name}.yaml"
        value = json.loads(path.read_text(encoding="utf-8"))
        value["model"]["compute"] = options.compute
        path.write_text(json.dumps(value, indent=1), encoding="utf-8")
    rates = options.rates and options.rates.resolve()
    before = Path.cwd()
    os.chdir(options.folder)
    try:
        planned = plan_of(large.name)
        study = load_study(large.name)
        shards = split(study, options.split) if options.split > 1 else {}
        workflow = {"studies": [study.name], "shards": {study.name: shards}}
        Path("config/config.yaml").write_text(json.dumps(workflow), encoding="utf-8")
        seconds = run_workflow(study.name, options.cores, targets(study, shards) if options.no_tables else [])
        rows, lacking = passed(study, shards, tables=not options.no_tables)
        print_table(rows, planned)
    finally:
        os.chdir(before)
    print(f"the whole workflow: {seconds:.0f} s")
    if rates:
        write_rates(rates, large.name, small, rows, seconds, planned)
    if lacking:
        sys.exit(f"these stages did not end: {', '.join(lacking)}")


def engine_for(large: ModelStudy, options: argparse.Namespace) -> tuple[str, str]:
    """The sampling engine, and why it is not vLLM."""
    if options.engine:
        return options.engine, ""
    if large.model.quantization is not None:
        return "transformers", ": the model is quantized"
    if not torch.cuda.is_available() or importlib.util.find_spec("vllm") is None:
        return "transformers", ": vLLM is not installed, or there is no GPU"
    return "vllm", ""


if __name__ == "__main__":
    main()
