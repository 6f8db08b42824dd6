"""The verb `inoc run`."""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from inoc.config.arguments import whole
from inoc.config.load import load_study
from inoc.errors import ConfigError
from inoc.run.small import Small, make_small, told
from inoc.signals import Terminated

TARGET = "results/figures/all"
_CANCELLING_S = 60.0  # that Snakemake may take for its jobs
_ONLY_SHOWN = {"-n", "--dry-run", "--dryrun"}


def add_verb(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add the verb to the command line.

    Args:
        add: Adds a verb, by its name and its description in one line.
    """
    verb = add("run", "run all stages of a study with Snakemake, up to its report")
    verb.add_argument("study", help="name of a study in config/studies, or path of a study file")
    verb.add_argument(
        "--limit",
        type=whole(1),
        metavar="N",
        help="run a small copy: at most N rows, prompts, questions, steps and tasks, where that many can be computed",
    )
    verb.add_argument(
        "--out", type=Path, default=Path("small"), metavar="FOLDER", help="with --limit: its folder (default: small)"
    )
    verb.add_argument(
        "--config", type=Path, default=Path("config"), metavar="FOLDER", help="folder of config.yaml (default: config)"
    )
    verb.epilog = (
        "Options after `--` are Snakemake's: `inoc run mini -- --dry-run`, `inoc run mini -- --profile "
        "workflow/profiles/slurm`. With --limit, results, store and report are in a folder of their own, and the study "
        "file with its limits is in FOLDER/config/studies; models and data stay where they are."
    )
    verb.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run a study, or a small copy of it."""
    snakefile = Path("Snakefile").absolute()
    if not snakefile.is_file():
        raise ConfigError("there is no Snakefile here; run this in the folder of the repository")
    if options.limit is None:
        if options.config != Path("config"):
            raise ConfigError(
                f"--config {options.config}: Snakemake reads config/config.yaml; accepted with --limit only"
            )
        study = load_study(options.study, options.config)
        _snakemake(Path(), snakefile, study.name, options.passed)
        return
    small = make_small(options.study, options.config, options.limit, options.out)
    _tell(small)
    _snakemake(small.folder, snakefile, small.study, options.passed)


def _tell(small: Small) -> None:
    print(f"{small.study}, small: {small.file} has these limits:")
    print("\n".join(f"  {told(one)}" for one in small.cuts) or "  none; the study is as small as that already")
    print("The models are the study's own. Its numbers mean nothing.", flush=True)


def _snakemake(folder: Path, snakefile: Path, study: str, options: Sequence[str]) -> None:
    """Run Snakemake in a folder, then make its report."""
    there = [] if folder == Path() else ["--directory", str(folder), "--snakefile", str(snakefile)]
    command = [sys.executable, "-m", "snakemake", TARGET, *there, "--config", f"studies=[{study}]"]
    _call([*command, *options])
    if _ONLY_SHOWN & set(options):
        return
    page = Path("reports") / f"{study}.html"
    (folder / page).parent.mkdir(parents=True, exist_ok=True)
    _call([*command, "--report", str(page)])
    print(f"Done. Open in a browser:\n  {folder / page}\n  {folder / 'results' / study / 'report' / 'appendix.html'}")


def _call(command: Sequence[str]) -> None:
    """Run a command, and end as it ended if it failed: it has said why.

    If a signal stops this program, the command is waited for, since it cancels jobs and removes its locks.
    """
    process = subprocess.Popen(command)
    try:
        code = process.wait()
    except KeyboardInterrupt as stop:
        _wait_for_the_end(process, told=not isinstance(stop, Terminated))
        raise
    if code:
        sys.exit(code)


def _wait_for_the_end(process: subprocess.Popen[bytes], *, told: bool) -> None:
    """Wait for a command and its jobs to end.

    Args:
        process: The command.
        told: Whether Ctrl-C has probably reached all of them, as it does from a terminal; otherwise they are told now.
    """
    import psutil  # comes with Snakemake

    if told:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_CANCELLING_S)
    if process.poll() is None:
        parent = psutil.Process(process.pid)
        for one in [*parent.children(recursive=True), parent]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGINT)
    process.wait()
