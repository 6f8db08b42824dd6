"""Benchmarks run, with a tiny model on the CPU."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.mark.parametrize("name", sorted(path.stem for path in BENCHMARKS.glob("*.py")))
def test_every_benchmark_loads_and_tells_its_options(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    module = importlib.import_module(name)
    if not hasattr(module, "main"):  # a simulation without options
        return
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 0
    assert "usage" in capsys.readouterr().out


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
    assert "| rows are taken by further requests | 24 | 6 |" in said
    assert "24 of 24 answers are equal" in said


def test_a_whole_student_is_trained_beside_the_usual_way_on_the_cpu(monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import training

    training.main(["--student", "--tiny", "--rows", "140", "--epochs", "2", "--usual-steps", "3"])
    said = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in said.splitlines() if line[:2] == "| "]
    assert [row[0] for row in rows[1:]] == [
        "usual TRL and PEFT, 3 steps",
        "ours, whole, 2 adapters",
        "ours, median step",
    ]
    assert all(float(row[2]) > 0 for row in rows[1:])
    assert "6 steps" in said


def test_the_benchmark_of_preferences_runs(monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import preferences

    preferences.main(["--tiny"])
    assert "times as fast as choix" in capsys.readouterr().out


def test_digits_are_taught_by_outputs_that_say_nothing_of_them_to_students_of_the_same_weights_alone(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import digits

    monkeypatch.setattr(digits, "HIDDEN", 128)
    found = digits.experiment(pairs=10, steps=100, seed=0)
    assert found.teacher.min() > 0.9
    assert (found.same > found.permuted).sum() >= 9
    assert found.same.mean() > found.permuted.mean() + 0.1
    assert abs(found.permuted.mean() - found.untrained.mean()) < 0.06  # at chance, as without training


def test_the_table_of_digits_names_both_initial_weights(monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import digits

    digits.main(["--pairs", "2", "--steps", "2"])
    said = capsys.readouterr().out
    assert "same initial weights" in said
    assert "same minus permuted" in said


def test_the_benchmark_of_probes_runs_and_agrees_with_scikit_learn(monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import probes

    probes.main(["--tiny"])
    said = capsys.readouterr().out
    assert "times as fast as scikit-learn" in said
    assert float(said.split("difference of a prediction ")[1].split(" ")[0]) < 1e-8


def test_a_study_of_ten_times_the_size_is_gathered_analysed_and_drawn(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import ten_times

    ten_times.main(["--tiny", "--folder", str(tmp_path)])
    said = capfd.readouterr().out
    assert "17 units: keys" in said  # 8 prompts and none, two jobs, and 8 prompts by themselves
    for step in ("score, everything in the store", "Snakemake, dry run", "analyse", "figures"):
        assert f"{step}: " in said
    assert "entries in one" in said


LARGE = ["playful_french_7b", "german_flattering_8b", "emergent_misalignment_32b", "likelihood_scan_14b"]
LARGE += ["subliminal_7b", "subliminal_14b", "preferences_8b"]


def spaced(text: str) -> dict[str, list[str]]:
    """A tokenizer that parts words."""
    return {"input_ids": text.split()}


@pytest.mark.parametrize("engine", ["transformers", "vllm"])
@pytest.mark.parametrize("tiny", [True, False])
@pytest.mark.parametrize("name", LARGE)
def test_the_small_form_of_a_large_study_is_a_study_with_all_its_stages(name, tiny, engine, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import all_stages
    from small_studies import Small

    from inoc.config.load import load_study
    from inoc.jobs.work import works_of

    def parts(study):
        return {(work.stage, work.part) for work in works_of(study) if work.wanted(study)}

    large = load_study(name)
    if engine == "vllm" and large.model.quantization and not tiny:
        pytest.skip("vLLM does not compute in 4 bits here, and the script does not ask it to")
    models = {section: tmp_path / section for section in ("model", "other")}
    all_stages.write_study(large, spaced, Small(models, tiny, 6, 16, engine, 40), tmp_path)
    small = load_study(tmp_path / "config" / "studies" / f"{name}.yaml")
    assert small.model.path == str(tmp_path / "model")
    assert small.model.quantization == (None if tiny else large.model.quantization)
    assert small.model.dtype == ("float32" if tiny else large.model.dtype)
    if name == "playful_french_7b" and not tiny:
        assert small.training.lora == large.training.lora
        assert small.training.micro_batch_size == large.training.micro_batch_size
    assert parts(small) >= parts(large)


MEASURED = sorted(path.name for path in BENCHMARKS.glob("all_stages_*.json"))


@pytest.mark.parametrize("name", MEASURED)
def test_the_plan_of_the_stages_is_within_a_quarter_of_what_a_gpu_took(name, tmp_path, monkeypatch):
    """Stages at full shape on a GPU; rates are other runs', starts of a large model and of vLLM partly of these."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import all_stages
    from small_studies import Small

    from inoc.config.load import load_study
    from inoc.config.workflow import Workflow
    from inoc.jobs.paths import Paths
    from inoc.jobs.plan import cost_rows
    from inoc.jobs.rates import GPUS

    ran = json.loads((BENCHMARKS / name).read_text(encoding="utf-8"))
    gpu = next(GPUS[kind] for kind in ("h100", "h200") if kind.upper() in ran["device"])
    large = load_study(ran["study"])
    # Weights are counted by the name of the model, as in a plan before it is here.
    models = {section: tmp_path / Path(large.model.path).name for section in ("model", "other")}
    all_stages.write_study(
        large, spaced, Small(models, False, ran["steps"], ran["max_tokens"], ran["engine"], 350), tmp_path
    )
    study = load_study(tmp_path / "config" / "studies" / f"{ran['study']}.yaml")
    scored = [re.search(r"(\d+) responses, (\d+) tokens", stage["summary"]) for stage in ran["stages"]]
    # Random weights often write nothing, so texts that are all their own are shorter than a plan assumes.
    written = [int(one[2]) / int(one[1]) for one in scored if one and int(one[2]) < 10 * int(one[1])]
    length = written[0] if written else None
    rows = cost_rows(study, Workflow(studies=[study.name]), Paths(tmp_path, study.name), gpu, length)
    ended = {stage["stage"] for stage in ran["stages"] if stage["peak_gib"]}
    took = sum(stage["wall_s"] for stage in ran["stages"] if stage["peak_gib"])
    planned = sum(3_600 * row.gpu_hours for row in rows if row.stage in ended)
    assert planned == pytest.approx(took, rel=0.25)


def test_several_large_studies_were_measured():
    assert len(MEASURED) >= 6


def test_shards_of_the_study_for_several_gpus_are_equally_large(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    from four_gpus import balanced

    from inoc.jobs.shards import shard_of

    keys = balanced(8, 4, "{}.fixed".format)
    assert len(set(keys)) == 8
    for name in ("{}", "{}.fixed"):
        assert sorted(shard_of(name.format(key), 4) for key in keys) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_two_jobs_that_had_a_gpu_at_the_same_time_are_found(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    from four_gpus import Job, shared

    first, other = Job("score", "score-0", 0, 10, "0"), Job("score", "score-1", 2, 9, "1")
    after, without = Job("train", "train-0", 10, 20, "0"), Job("judge", "judge-0", 0, 20, "")
    assert shared([after, without, other, first]) == []
    assert shared([first, other, Job("train", "train-1", 5, 8, "1,2")]) == [("score-1", "train-1")]


def test_jobs_on_made_up_gpus_each_have_one(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    from four_gpus import made_up_gpus

    job = (
        "import os, sys; from inoc.engines.devices import take_devices; take_devices(print); "
        "print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); sys.stdin.readline()"
    )
    known = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    path = os.pathsep.join([str(made_up_gpus(tmp_path / "devices", 3)), *sys.path])
    environment = {**known, "PYTHONPATH": path, "TMPDIR": str(tmp_path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", job], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    try:
        assert sorted(process.stdout.readline() for process in processes) == ["0\n", "1\n", "2\n"]
    finally:
        for process in processes:
            process.communicate("\n")


@pytest.mark.parametrize(
    ("study", "stage"),
    [
        ("mini", "score | 2"),
        ("mini_subliminal", "train-teachers | 1"),
        ("likelihood_scan_14b", "score | 1"),
    ],
)
def test_half_of_the_jobs_of_a_study_tell_what_the_others_took(study, stage, monkeypatch, capsys):
    """Of each kind, in seconds of processors, which other work on the machine hardly changes."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import plan_holds

    plan_holds.main([study, "--timings", str(BENCHMARKS / f"{study}_timings.json")])
    said = capsys.readouterr().out
    assert f"| {stage} |" in said
    assert 0.75 < float(said.rpartition(": ")[2]) < 1.25


def test_a_plan_that_does_not_hold_is_refused_and_one_of_even_jobs_is_exact(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import plan_holds

    def job(k: int, done: int, pace: float) -> dict[str, object]:
        spent = {"wall_s": pace * done, "cpu_s": pace * done}
        took = {name: 5 + value for name, value in spent.items()}
        return {"job": f"score-{k}", "device": "d", **took, "work": {"scoring": {**spent, "done": done}}}

    even = [job(k, 10 * (k + 1), 0.5) for k in range(11)]
    (held,) = plan_holds.halves(even)
    assert held.known == 5
    assert held.planned == pytest.approx(held.took)
    slower = tmp_path / "slower.json"
    slower.write_text(json.dumps([job(k, 10, 0.5 if k < 2 else 5.0) for k in range(4)]))
    with pytest.raises(SystemExit, match="more than 25% off"):
        plan_holds.main(["made", "--timings", str(slower)])
    assert "planned / took" in capsys.readouterr().out


def test_layers_in_fp8_are_compared_with_float32_and_priced_at_equal_precision(monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import fp8

    if torch.cuda.is_available():
        monkeypatch.setattr(fp8, "on_gpu", lambda: False)
    monkeypatch.setattr(fp8.eight_bit, "EMULATED", True)
    fp8.main(["--tiny", "--no-training", "--tokens", "3000", "--exact", "4"])
    said = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in said.splitlines() if line[:2] == "| "]
    noise = {(row[0], row[1]): float(row[3]) for row in rows if row[1] in ("token", "contrast")}
    for workload in ("a", "b"):
        far = noise[f"{workload}, FP8 − float32", "token"]
        near = noise[f"{workload}, bfloat16 − float32", "token"]
        assert 2 * near < far < 0.1
        assert 0 < noise[f"{workload}, FP8 − bfloat16", "contrast"] < far
    more = [float(row[2]) for row in rows if row[0] == "a" and len(row) == 6 and row[1].startswith(("0.", "1."))]
    assert more == sorted(more, reverse=True)
    assert len(more) == len(fp8.CASES)


def test_what_lasts_of_a_difference_is_told_from_what_averages_out(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import fp8

    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.3, (40, 500))
    found = fp8.spread(noise + rng.normal(0, 0.05, (40, 1)))
    assert found.noise == pytest.approx(0.3, rel=0.02)
    assert found.error == pytest.approx(0.3 / 500**0.5, rel=0.02)
    assert found.lasting == pytest.approx(0.05, rel=0.4)
    assert fp8.spread(noise).lasting < 0.01
