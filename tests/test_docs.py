"""The examples of the docs run, on the tiny model in the place of the miniature one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("page", ["read", "choose", "sample", "steering", "probe"])
def test_the_example_of_a_page_runs(page, tiny_folder, tmp_path, monkeypatch, capsys):
    model = tmp_path / "results" / "mini" / "world" / "model"
    model.parent.mkdir(parents=True)
    model.symlink_to(tiny_folder)
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, f"{page}.md", "exec"), {"__name__": page})
    assert capsys.readouterr().out
