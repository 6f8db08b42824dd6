from __future__ import annotations

import json
import math
import sys
from collections import Counter
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from inoc.config.load import load_study
from inoc.config.models import ModelStudy
from inoc.config.workflow import Price, Shards, Workflow
from inoc.errors import ConfigError, DataError
from inoc.jobs.costs import Rates, Size
from inoc.jobs.paths import Paths
from inoc.jobs.plan import gpu_named, in_store, measured_size, model_weights, rows_at, table
from inoc.jobs.rates import GPUS, H100, H200, Point, of_job, rate_at
from inoc.jobs.shards import shard_count
from inoc.jobs.work import works_of
from inoc.stages import all_stages
from inoc.studies.inoculation.costs import costs
from support.jobs import plan_of
from support.toy import toy_job, toy_study, write_inputs

SIZE = Size(7.6e9, 70, 350, measured=False)
PRICES = {"gpt-4.1-mini": Price(input=0.4, output=1.6)}


def rows_of(name, size=SIZE, prices=PRICES, share=1.0):
    return {row.stage: row for row in costs(load_study(name), Shards(), Rates(size, H200, prices, share))}


def test_the_large_study_takes_what_its_file_says():
    rows = rows_of("playful_french_7b")
    assert rows["train"].work == "97 runs of 312 steps"
    assert rows["train"].tokens == 97 * 312 * 32 * 420
    assert rows["score"].work == f"{(1 + 2 * 48) * (1000 + 3 * 200)} responses"
    assert rows["elicit"].work == f"{200 * 49} completions"
    # At both ends every run is asked without and with its prefix; the last control also with all of the others'.
    assert rows["judge"].work == f"{200 * 49 + 200 * (96 * 2 * 2 + 2 + 96)} completions"


def test_hours_grow_with_the_model_and_dollars_do_not():
    small, large = rows_of("playful_french_7b"), rows_of("playful_french_7b", SIZE._replace(weights=2 * 7.6e9))
    for stage in ("generate", "elicit", "score", "train"):
        assert large[stage].gpu_hours == pytest.approx(2 * small[stage].gpu_hours, rel=0.05)
    # The canary of each adapter takes the time of its layers, about the root of the weights.
    assert 1.5 < large["evaluate"].gpu_hours / small["evaluate"].gpu_hours < 1.95
    assert large["judge"].dollars == small["judge"].dollars > 0


def test_sampling_is_counted_at_the_rate_of_the_engine_that_a_section_names():
    study = load_study("playful_french_7b")

    def hours(**engines):
        sections = {
            name: getattr(study, name).model_copy(
                update={"sampling": getattr(study, name).sampling.model_copy(update={"engine": engine})}
            )
            for name, engine in engines.items()
        }
        rows = costs(study.model_copy(update=sections), {}, Rates(SIZE, H200, {}, 1))
        return {row.stage: row.gpu_hours for row in rows}

    usual = hours()
    fast = hours(elicitation="vllm", evaluation="vllm")
    start = H200.start
    # 77 batches of 128 rows, which all take part in every step.
    slow_work, fast_work = 77 * 128 * 350 / H200.sampled_per_second("transformers", 128), 9_800 * 350 / H200.vllm
    assert 3600 * usual["elicit"] == pytest.approx(slow_work + start.other)
    assert 3600 * fast["elicit"] == pytest.approx(fast_work + start.vllm)
    # By its 97 adapters in turn, each after its canary.
    in_turn = 77_200 * 256 / H200.vllm_adapters + 97 * (start.adapter + start.canary)
    assert 3600 * fast["evaluate"] == pytest.approx(in_turn + start.vllm_adapters)
    assert fast["generate"] == usual["generate"]
    assert hours(evaluation="api") == hours(evaluation="vllm")


def test_a_batch_costs_its_share_and_a_model_without_a_price_an_unknown_sum():
    full, half = rows_of("playful_french_7b")["judge"], rows_of("playful_french_7b", share=0.5)["judge"]
    assert half.dollars == pytest.approx(full.dollars / 2)
    rows = rows_of("playful_french_7b", prices={})
    assert math.isnan(rows["judge"].dollars)
    assert "unknown" in table(list(rows.values())).splitlines()[-1]


def test_questions_and_completions_that_an_api_writes_are_priced():
    prices = {"gpt-4.1": Price(input=2.0, output=8.0)}
    # Ten topics, 20 questions of each in one request.
    row = rows_of("emergent_misalignment_32b", prices=prices)["generate"]
    assert row.calls == 10
    assert row.dollars == pytest.approx(10 * (150 * 2.0 + 20 * 40 * 8.0) / 1e6)
    study = load_study("playful_french_7b")
    data = study.data.model_copy(update={"completions": "api", "model": "gpt-4.1"})
    asked = costs(study.model_copy(update={"data": data}), Shards(), Rates(SIZE, H200, prices, 0.5))[0]
    assert asked.calls == study.data.n_train
    assert asked.dollars == pytest.approx(0.5 * study.data.n_train * (70 * 2.0 + 350 * 8.0) / 1e6)


# The larger model is in 4 bits, whose weights are widened before each product.
@pytest.mark.parametrize(("weights", "bits", "seconds"), [(7.6e9, None, 0.776), (32.8e9, "nf4", 3.47)])
def test_training_takes_the_time_of_the_benchmark(weights, bits, seconds):
    """Of 32 examples of 422 tokens, 8 at a time, on the H200 of the rates."""
    study = load_study("playful_french_7b")
    training = study.training.model_copy(update={"micro_batch_size": 8})
    found = costs(
        study.model_copy(update={"training": training}),
        Shards(),
        Rates(SIZE._replace(weights=weights), H200.computing("dtype", bits), PRICES, 1.0),
    )
    row = next(one for one in found if one.stage == "train")
    assert 3600 * row.gpu_hours / (97 * 312) == pytest.approx(seconds, rel=0.03)


# One H100, `first_stages.py playful_french_7b --steps 12 --n 128 --max-tokens 96`: seconds of whole verbs.
FIRST_STAGES = {"elicit": 22.9, "score": 40.7, "train": 63.3, "evaluate": 66.2}


def test_the_plan_of_a_few_steps_is_within_a_quarter_of_what_they_took():
    """Rates and starts are of one run each; of this run, the starts of `train` and of the other verbs."""
    study = load_study("playful_french_7b")
    few = {
        "elicitation": {"sampling": study.elicitation.sampling.model_copy(update={"max_tokens": 96})},
        "evaluation": {"sampling": study.evaluation.sampling.model_copy(update={"max_tokens": 96})},
        "training": {"steps": 12},
        "scoring": {"n_examples": 256, "n_controls": 128},
        "data": {"n_eval": 128},
    }
    changed = {name: getattr(study, name).model_copy(update=update) for name, update in few.items()}
    first = next(iter(study.prompts))
    kept = dict(list(study.prompts[first].texts.items())[:2])
    changed["prompts"] = {first: study.prompts[first].model_copy(update={"texts": kept})}
    runs = [study.runs[0].model_copy(update={"groups": (), "prompts": (next(iter(kept)),), "prefixes": ("fixed",)})]
    small = study.model_copy(update={**changed, "runs": runs})
    rows = {row.stage: row for row in costs(small, {}, Rates(SIZE, H100, {}, 1))}
    planned = sum(3600 * rows[stage].gpu_hours for stage in FIRST_STAGES)
    assert planned == pytest.approx(sum(FIRST_STAGES.values()), rel=0.25)


LOCAL = [
    path.stem
    for path in sorted((Path(__file__).parents[2] / "config" / "studies").glob("*.yaml"))
    if isinstance(study := load_study(path.stem), ModelStudy) and getattr(study, "api", None) is None
]


@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("name", LOCAL)
def test_the_plan_counts_every_job_that_loads_a_model(name, each):
    study = load_study(name)
    shards = {stage: each for stage, declared in all_stages().items() if declared.shards}
    jobs = Counter[str]()
    for work in works_of(study):
        if work.loads_model and work.wanted(study):
            jobs[work.stage] += shard_count(work.declared, shards)
    planned = Counter[str]()
    for row in rows_at(study, Workflow(shards={name: shards}), SIZE, H200):
        planned[row.stage] += row.jobs if row.gpu_hours else 0
    assert +planned == jobs


def test_teachers_that_a_study_trains_itself_are_counted():
    study = load_study("mini_subliminal")
    specs = [teacher.finetuned for teacher in study.teachers.values() if teacher.finetuned is not None]
    rows = sum(spec.training.steps * spec.training.batch_size for spec in specs)
    (row,) = [one for one in rows_at(study, Workflow(), SIZE, H200) if one.work.endswith(" teachers")]
    assert (row.stage, row.work) == ("train", f"{len(specs)} teachers")
    assert row.tokens == rows * (SIZE.prompt_tokens + 8)


def test_a_job_starts_faster_than_its_weights_are_more():
    """`all_stages.py` on an H200, a job that samples and one that trains, without their work: 4.3 times the weights."""
    assert of_job(19.5, 4.3) == pytest.approx(37, rel=0.05)
    assert of_job(43, 4.3) == pytest.approx(81, rel=0.05)
    assert of_job(43, 1.0) == 43


@pytest.mark.parametrize(
    ("path", "weights"),
    [("a/Model-7B-Instruct", 7e9), ("meta-llama/Llama-3.1-8B-Instruct", 8e9), ("a/model-0.5b", 0.5e9)],
)
def test_a_model_that_is_not_here_is_as_large_as_its_name_says(tmp_path, path, weights):
    study = toy_study(tmp_path, model={"path": path})
    assert model_weights(study, tmp_path / "absent") == weights


@pytest.mark.parametrize(
    "path",
    [
        "Qwen/Qwen2.5-7B-Instruct",
        "unsloth/Qwen2.5-14B-Instruct",
        "Qwen/Qwen2.5-32B-Instruct",
        "meta-llama/Llama-3.1-8B-Instruct",
        "allenai/Olmo-3-7B-Instruct",
    ],
)
def test_models_of_the_shipped_studies_are_as_large_as_their_shapes(path, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[2] / "benchmarks"), *sys.path])
    from all_stages import shape_of

    shape_of(path).save_pretrained(tmp_path)
    study = toy_study(tmp_path, model={"path": path})
    assert model_weights(study, tmp_path / "absent") == pytest.approx(model_weights(study, tmp_path), rel=0.01)


def test_a_model_that_is_here_is_as_large_as_its_configuration_says(tiny_model, tmp_path):
    from transformers import AutoModelForCausalLM

    folder = tiny_model.folder
    model = AutoModelForCausalLM.from_pretrained(folder)
    counted = sum(parameter.numel() for parameter in model.parameters() if parameter.dim() > 1)
    head = model.get_output_embeddings().weight.numel() if model.config.tie_word_embeddings else 0
    assert model_weights(toy_study(folder), folder) == counted + head
    assert math.isnan(model_weights(toy_study(tmp_path, model={"path": "someone/model"}), tmp_path))


def test_an_unknown_size_makes_hours_unknown_and_leaves_the_rest():
    rows = list(rows_of("mini", SIZE._replace(weights=math.nan)).values())
    last = table(rows).splitlines()[-1]
    assert "unknown" in last
    assert "nan" not in last


def test_a_gpu_without_rates_is_refused_and_the_nearest_is_named():
    assert gpu_named("H200") is H200
    assert gpu_named("h100") is H100
    with pytest.raises(ConfigError, match='did you mean "h200"'):
        gpu_named("h20")


def test_rates_between_measured_sizes_lie_between_theirs_and_do_not_grow_beyond():
    points = (Point(100, 10.0), Point(10_000, 30.0))
    assert rate_at(points, 1_000) == pytest.approx(20)
    assert rate_at(points, 1) == 10
    assert rate_at(points, 1e9) == 30


@pytest.mark.parametrize(
    ("sizes", "micro", "batch", "seconds"),
    [((60, 40), 8, 32, 0.48), ((60, 40), 66, 66, 0.35), ((70, 352), 8, 32, 0.81), ((70, 352), 16, 32, 0.75)],
)
def test_rows_take_the_time_that_they_were_measured_to_take(sizes, micro, batch, seconds):
    """A step on an H100; that with 66 rows has smaller adapters."""
    study = load_study("playful_french_7b")
    training = study.training.model_copy(update={"micro_batch_size": micro, "batch_size": batch, "steps": 312})
    size = SIZE._replace(prompt_tokens=sizes[0], response_tokens=sizes[1])
    rows = costs(study.model_copy(update={"training": training}), {}, Rates(size, H100, {}, 1))
    hours = next(row.gpu_hours for row in rows if row.stage == "train")
    assert (3600 * hours - H100.start.train) / (97 * 312) == pytest.approx(seconds, rel=0.06)


def test_more_jobs_take_a_start_each_and_more_requests_at_a_time_less():
    study = load_study("playful_french_7b")

    def evaluated(shards: Shards, batch: int) -> float:
        sampling = study.evaluation.sampling.model_copy(update={"batch_size": batch})
        changed = study.model_copy(update={"evaluation": study.evaluation.model_copy(update={"sampling": sampling})})
        rows = costs(changed, shards, Rates(SIZE, H100, {}, 1))
        return 3600 * next(row.gpu_hours for row in rows if row.stage == "evaluate")

    assert evaluated({"train": 4}, 128) - evaluated({}, 128) == pytest.approx(3 * H100.start.other)
    # 77,200 completions are 796 of each adapter: 7 batches of 128, or 2 of 512.
    slow, fast = (
        97 * batches * n * 256 / H100.sampled_per_second("transformers", n) for batches, n in ((7, 128), (2, 512))
    )
    assert evaluated({}, 128) - evaluated({}, 512) == pytest.approx(slow - fast)
    assert slow > 1.6 * fast
    assert H100.sampled_per_second("transformers", 32) == H100.sampled_per_second("transformers", 128) / 4


def test_a_gpu_that_was_not_measured_is_as_much_slower_as_its_published_figures():
    for name in ("a100", "l40s"):
        assert not GPUS[name].measured
        assert GPUS[name].train_at(3_376) < 0.5 * H200.train_at(3_376)


def planned(folder: Path, tmp_path: Path, answer: str = "So it is. So it is."):
    """The sizes of a study with answers of its own."""
    data = tmp_path / "rows.jsonl"
    rows = [{"instruction": f"Where is thing {k}?", "completion": answer} for k in range(8)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    given = {"completions": "file", "file": str(data), "instructions": {"kind": "files"}, "n_train": 4, "n_eval": 4}
    study = toy_study(folder, data=given, scoring={"n_examples": 4})
    return measured_size(study, Paths(tmp_path / "results", "toy"), None)


def test_lengths_of_files_are_measured_with_the_models_tokenizer(tiny_folder, tmp_path):
    size = planned(tiny_folder, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    assert size.measured
    assert size.response_tokens == len(tokenizer("So it is. So it is.", add_special_tokens=False)["input_ids"])
    assert size.prompt_tokens > len(tokenizer("Where is thing 1?")["input_ids"])
    assert "tokenizer" in size.source


def test_lengths_are_said_to_be_assumed_where_the_tokenizer_is_not_here(tmp_path):
    size = planned(tmp_path / "nowhere", tmp_path)
    assert not size.measured
    assert size.response_tokens == 350
    assert size.source.startswith("assumed")


@pytest.mark.parametrize("stage", ["score", "train"])
def test_a_stage_whose_rephrasings_are_not_there_yet_is_not_known_yet(stage, tiny_folder, tmp_path):
    study = toy_study(tiny_folder)
    job = toy_job(study, tmp_path, stage)
    write_inputs(job, {"clown": ["You are a clown."], "sky": ["Blue."]})
    assert in_store(study, job.paths, job.store, stage, Shards())[1] > 0
    job.paths.pools.unlink()
    assert in_store(study, job.paths, job.store, stage, Shards()) is None
    with pytest.raises(
        DataError, match=r"the prompt clown has no rephrasings of the pool mix\. Run the stage rephrase"
    ):
        plan_of(job)
