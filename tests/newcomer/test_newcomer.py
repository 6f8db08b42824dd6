"""From a clone to the report of a study of one's own, with the commands that the documentation prints and no others.

Takes the time of a miniature study, so `make test-newcomer` runs it. The environment of this run is used; with
INOC_NEWCOMER_ENV=1, `make env` creates one, as for a newcomer.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLACES = ("forest", "barn", "river", "town", "desert", "hills")


def section(page: str, heading: str) -> str:
    """The text of a page below a heading, up to the next one."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert f"\n## {heading}\n" in text, f"{page} has no section {heading!r}"
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def blocks(page: str, heading: str, language: str) -> list[str]:
    """The code blocks of a section in a language."""
    return [code for name, code in _BLOCK.findall(section(page, heading)) if name == language]


def commands() -> list[str]:
    """The lines that a newcomer types: the clone from the README, then those of the walk-through."""
    clone = [
        line for line in blocks("README.md", "Quick start", "bash")[0].splitlines() if line.startswith("git clone")
    ]
    return [*clone, *"".join(blocks("docs/new.md", "From a table to a report", "bash")).splitlines()]


def table() -> str:
    """A table of one's own, with the heading of the one in the documentation."""
    heading = blocks("docs/new.md", "From a table to a report", "csv")[0].splitlines()[0]
    rows = [f'Where does animal {k} live?,"In the {PLACES[k % 6]}, of course! What a place."' for k in range(40)]
    return "\n".join([heading, *rows]) + "\n"


def script(folder: Path) -> str:
    """The commands as a shell script; the table is put in place once there is the folder."""
    lines = ["set -e", f"cd {folder}"]
    for line in commands():
        typed = line.replace("<this repository>", str(ROOT))
        if typed == "make env" and not os.environ.get("INOC_NEWCOMER_ENV"):
            typed = f"ln -s {sys.prefix} .venv"
        lines.append(typed)
        if line.startswith("git clone"):
            lines.append(f"cp {folder / 'mine.csv'} mine.csv")
    return "\n".join(lines) + "\n"


def test_the_documentation_prints_a_way_from_a_clone_to_a_report() -> None:
    words = [line.split("#")[0].split() for line in commands()]
    assert words[0][:2] == ["git", "clone"]
    verbs = [line[1] for line in words if line[0] == "inoc"]
    assert verbs[0] == "new"
    assert verbs[-1] == "run"
    assert ["make", "env"] in words


@pytest.mark.newcomer
@pytest.mark.timeout(3600)
def test_a_newcomer_gets_from_a_clone_to_the_report_of_a_study_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(table(), encoding="utf-8")
    clone = tmp_path / "inoc"
    # The environment is that of this run, whose package is another working copy.
    shared = {} if os.environ.get("INOC_NEWCOMER_ENV") else {"PYTHONPATH": str(clone / "src")}
    done = subprocess.run(
        ["bash", "-c", script(tmp_path)],
        env={**os.environ, **shared},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    page = (clone / "results" / "mine" / "report" / "appendix.html").read_text(encoding="utf-8")
    assert "<h1" in page
    assert (clone / "reports" / "mine.html").stat().st_size > 100_000
    assert (clone / "data" / "mine.jsonl").read_text(encoding="utf-8").count("\n") == 40
