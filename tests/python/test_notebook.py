"""The cells of the notebook run, on a tiny study in the place of the miniature one."""

from __future__ import annotations

import json
from pathlib import Path

from support.computed import computed

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


def test_the_cells_of_the_notebook_run_in_their_order(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(computed(tmp_path, tiny_folder, "mini"))
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {"__name__": "notebook"}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    assert len(names["means"]) == 4
    assert names["asked"]["as_asked"].all()
