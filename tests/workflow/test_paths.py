"""Folders and stores with names that a shell, YAML or Snakemake would take for something else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.running import ODD, Checkout


def odd_environment(folder: Path) -> Path:
    """An environment whose folder has such a name, with the packages of this one; its Python."""
    binaries = folder / ODD / "bin"
    binaries.mkdir(parents=True)
    here = Path(sys.executable).parent
    (binaries / "python").symlink_to(here / "python")
    configuration = here.parent / "pyvenv.cfg"
    if configuration.exists():
        (folder / ODD / "pyvenv.cfg").write_text(configuration.read_text())
        (folder / ODD / "lib").symlink_to(here.parent / "lib")
    verb = binaries / "inoc"
    verb.write_text('#!/bin/sh\nexec "$(dirname "$0")/python" -m inoc.cli "$@"\n')
    verb.chmod(0o755)
    return binaries / "python"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("odd") / ODD)
    settings = checkout.folder / "config" / "config.yaml"
    lines = [f"store: 'my disk/{ODD.replace(chr(39), chr(39) * 2)}'"]
    lines += [line for line in settings.read_text().splitlines() if not line.startswith("store:")]
    settings.write_text("\n".join(lines) + "\n")
    smoke = checkout.folder / "config" / "studies" / "smoke.yaml"
    smoke.write_text(smoke.read_text().replace("steps: 120", "steps: 2").replace("documents: 3000", "documents: 64"))
    return checkout


def test_a_study_is_planned_in_a_folder_with_an_odd_name(odd: Checkout) -> None:
    assert odd.dry_jobs()["make_world"] == 1


@pytest.mark.parametrize("place", [".snakemake", ".snakemake/locks"])
def test_records_that_snakemake_cannot_keep_give_one_message(odd: Checkout, place: str) -> None:
    spoilt = odd.folder / place
    shutil.rmtree(spoilt, ignore_errors=True)
    spoilt.parent.mkdir(exist_ok=True)
    spoilt.touch()
    try:
        done = subprocess.run(odd.command("--dry-run"), cwd=odd.folder, text=True, capture_output=True, check=False)
    finally:
        spoilt.unlink()
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert f"a file is in the place of a folder: {place}." in said
    assert "Traceback" not in said
    assert "site-packages" not in said


def test_snakemake_and_the_verbs_use_the_same_store_from_an_environment_with_an_odd_name(
    odd: Checkout, tmp_path: Path
) -> None:
    python = odd_environment(tmp_path)
    source = Path(__file__).parents[2] / "src"
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": f"{source}", "LANG": "C.UTF-8"}
    target = "results/smoke/world/world.json"
    arguments = [str(python), "-m", "snakemake", "--cores", "1", "--config", "studies=[smoke]", "--", target]
    done = subprocess.run(arguments, cwd=odd.folder, env=bare, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    store = odd.folder / "my disk" / ODD
    assert sorted(path.name for path in store.iterdir() if path.name == "world") == ["world"]
    assert sorted(path.name for path in (odd.folder / "my disk").iterdir()) == [ODD]
    manifest = odd.manifests()["world-0"]
    assert len(manifest["store"]["made"]) == 1

    again = odd.inoc("world", "smoke")
    assert again.returncode == 0, again.stderr
    assert odd.manifests()["world-0"]["store"]["made"] == []
    assert odd.inoc("status", "smoke").returncode == 0
    assert [path.name for path in (odd.folder / "my disk").iterdir()] == [ODD]
