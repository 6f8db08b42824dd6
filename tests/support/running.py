"""A copy of the workflow in a folder of its own, run as a user runs it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
SNAKEMAKE = str(Path(sys.executable).with_name("snakemake"))
ODD = 'it\'s "my" $HOME; disk {x} & ümläut 雪'
"""A folder's name that a shell, YAML or Snakemake would take for something else."""
INOC = str(Path(sys.executable).with_name("inoc"))


class Checkout:
    """The workflow and its configuration, in a temporary folder."""

    def __init__(self, folder: Path, study: str = "smoke") -> None:
        self.folder, self.study = folder, study
        for name in ("workflow", "profiles", "config"):
            shutil.copytree(ROOT / name, folder / name)
        shutil.copy(ROOT / "Snakefile", folder / "Snakefile")

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        return [SNAKEMAKE, "--cores", str(cores), "--config", f"studies=[{self.study}]", *arguments]

    def run(self, *arguments: str, cores: int = 2) -> str:
        """Run Snakemake to its end; its output."""
        done = subprocess.run(
            self.command(*arguments, cores=cores), cwd=self.folder, text=True, capture_output=True, check=False
        )
        output = done.stdout + done.stderr
        assert done.returncode == 0, output[-6000:]
        return output

    def inoc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([INOC, *arguments], cwd=self.folder, text=True, capture_output=True, check=False)

    def kill_after(self, n_jobs: int, seconds: float, *, group: bool) -> bool:
        """Start Snakemake and kill it with SIGKILL some time after so many jobs have ended; whether it was running."""
        process = subprocess.Popen(
            self.command(),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None and len(list(self.results.glob("*/manifest-*.json"))) < n_jobs:
            time.sleep(0.02)
        time.sleep(seconds)
        running = process.poll() is None
        if group:
            with contextlib.suppress(ProcessLookupError):  # it had ended
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
        return running

    def kill_when(self, happened: Callable[[], bool], seconds: float = 900.0) -> None:
        """Start Snakemake, and kill it and its jobs as soon as something has happened."""
        process = subprocess.Popen(
            self.command(),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + seconds
        while not happened() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert happened(), process.poll()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def dry_jobs(self, *targets: str) -> dict[str, int]:
        """Rule → number of jobs that a run would start."""
        lines = iter(self.run("--dry-run", "--quiet", "rules", "--", *targets).splitlines())
        jobs = {}
        for line in lines:
            name, _, count = line.strip().rpartition(" ")
            if count.isdecimal() and name.strip() not in {"", "total"}:
                jobs[name.strip()] = int(count)
        return jobs

    @property
    def results(self) -> Path:
        return self.folder / "results" / self.study

    def manifests(self) -> dict[str, dict]:
        """Job → manifest."""
        found = (json.loads(path.read_text()) for path in self.results.glob("*/manifest-*.json"))
        return {manifest["job"]: manifest for manifest in found}

    def tables(self) -> dict[str, object]:
        """Every table and figure: Parquet by content, CSV, SVG and captions by their bytes."""
        found: dict[str, object] = {}
        for path in sorted(self.results.rglob("*")):
            name = path.relative_to(self.results).as_posix()
            if path.suffix == ".parquet":
                found[name] = pq.read_table(path).to_pydict()
            elif path.suffix in {".csv", ".svg", ".rst", ".safetensors"}:
                found[name] = path.read_bytes()
        return found

    def add_prompt(self, key: str, text: str) -> None:
        """Add a prompt to the first group of the study."""
        from ruamel.yaml import YAML

        path = self.folder / "config" / "studies" / f"{self.study}.yaml"
        yaml = YAML()
        study = yaml.load(path)
        next(iter(study["prompts"].values()))["texts"][key] = text
        yaml.dump(study, path)

    def edit_study(self, old: str, new: str) -> None:
        """Replace a text in the study's file, or in the one that it extends."""
        for name in (self.study, "mini"):
            path = self.folder / "config" / "studies" / f"{name}.yaml"
            text = path.read_text()
            if old in text:
                path.write_text(text.replace(old, new))
                return
        raise AssertionError(f"{old!r} is in no file of the study {self.study}")


def same_value(left: object, right: object) -> bool:
    """Equality in which NaN equals NaN."""
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (left != left and right != right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same_value(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same_value, left, right))
    return bool(left == right)


def differing(left: dict[str, object], right: dict[str, object]) -> list[str]:
    """Names of tables that are not the same in both."""
    return [name for name in sorted({*left, *right}) if not same_value(left.get(name), right.get(name))]
