from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import inoc.engines

FOLDER = Path(inoc.engines.__file__).parent


def imported(path):
    """Modules of the engines that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("inoc.engines."):
            yield node.module.removeprefix("inoc.engines.")


def test_no_engine_imports_another_in_a_circle():
    graph = {path.stem: set(imported(path)) for path in FOLDER.glob("*.py")}
    order = list(TopologicalSorter(graph).static_order())  # raises if there is a circle
    assert order.index("sampling") < order.index("transformers") < order.index("canary") < order.index("vllm")
