"""Benchmarks run, with a tiny model on the CPU."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_the_benchmark_of_reading_runs_on_the_cpu(monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import reading

    if torch.cuda.is_available():
        monkeypatch.setattr(reading, "ON_GPU", False)
    reading.main(["--tiny", "--tokens", "900", "--requests", "4"])
    said = capsys.readouterr().out
    for way in ("scoring", "projections onto 50 vectors", "six coefficients", "usual"):
        assert way in said
    assert "times the rate of reading all, workload b" in said


def test_the_benchmark_of_preferences_runs(monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import preferences

    preferences.main(["--tiny"])
    assert "times as fast as choix" in capsys.readouterr().out
