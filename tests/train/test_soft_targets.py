"""The benchmark of training on distributions runs without a GPU, on a small shape."""

from __future__ import annotations

import importlib
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_the_benchmark_measures_every_kind_of_target_on_a_cpu(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr("inoc.train.trainer.COMPILE_FROM", 10)
    benchmark = importlib.import_module("soft_targets")
    benchmark.main(["--tiny", "--steps", "3", "--micro", "8"])
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][2:]
    assert [row[0] for row in rows] == ["tokens", "all", "numbers"]
    assert all(float(row[2]) > 0 for row in rows)
