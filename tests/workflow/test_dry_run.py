"""Every study as the workflow would run it: which jobs, and how many. Nothing is computed."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest

from support.running import ROOT, Checkout

STAGES = "generate rephrase elicit score train evaluate analyse figures report"
LARGE = {**dict.fromkeys(STAGES.split(), 1), "judge": 2}
SMALL = {**LARGE, "world": 1}
SCAN = {"score": 1, "analyse": 1, "figures": 1, "report": 1}
STUDENTS = {"train": 1, "evaluate": 1, "judge": 1}
CARRIED = {"sample": 3, "train": 2, "choose": 2, "judge": 2, "analyse": 1, "figures": 1, "report": 1}
SHOWN = {"analyse": 1, "figures": 1, "report": 1}
ASKED = {"world": 1, "sample": 5, "choose": 3, "judge": 2, "read": 3, "probe": 1, **SHOWN}
MINI_CARRIED = {**CARRIED, "world": 2, "sample": 5, "score": 1, "train": 3, "judge": 4, "read": 2}
STUDIES = {
    "playful_french_7b": LARGE,
    "german_flattering_8b": LARGE,
    "lr_sweep": LARGE,
    "prefix_sweep": LARGE,
    "multi_prompt_profile": LARGE,
    "emergent_misalignment_32b": LARGE,
    "likelihood_scan_14b": SCAN,
    "subliminal_7b": {**CARRIED, "choose": 4},
    "subliminal_14b": {**CARRIED, "sample": 4, "score": 1, "train": 1, "choose": 1, "judge": 3, "read": 2},
    "subliminal_api": {"sample": 2, "train": 1, "choose": 1, "judge": 1, **SHOWN},
    "smoke_subliminal": {**MINI_CARRIED, "sample": 6, "train": 4},
    "mini_subliminal": {**MINI_CARRIED, "world": 3, "sample": 8, "train": 12, "choose": 3, "judge": 5},
    "mini_likelihood_shift": {**SCAN, "world": 1, "sample": 1, **STUDENTS},
    "smoke_likelihood_shift": {**SCAN, "world": 1, "sample": 1, **STUDENTS},
    "mini_preferences": ASKED,
    "smoke_preferences": ASKED,
    "preferences_8b": {"sample": 3, "choose": 3, "read": 3, "probe": 1, **SHOWN},
    "preferences_api": {"sample": 4, "choose": 2, "judge": 1, **SHOWN},
    "smoke_emergent": SMALL,
    "smoke": {**SMALL, "embed": 1},
    "smoke_comparison": SHOWN,
    # These two are split in shards.
    "mini_emergent": {**SMALL, "train": 4, "evaluate": 4},
    "mini": {**SMALL, "embed": 1, "score": 2, "train": 4, "evaluate": 4},
}
TOTALS = {
    **dict.fromkeys(STUDIES, 11),
    "likelihood_scan_14b": 4,
    "subliminal_7b": 14,
    "subliminal_14b": 15,
    "subliminal_api": 8,
    "smoke_subliminal": 24,
    "mini_subliminal": 37,
    "mini_likelihood_shift": 9,
    "smoke_likelihood_shift": 9,
    "mini_preferences": 18,
    "smoke_preferences": 18,
    "preferences_8b": 13,
    "preferences_api": 10,
    "smoke_comparison": 3,
    "smoke_emergent": 12,
    "smoke": 13,
    "mini_emergent": 18,
    "mini": 20,
}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counter[str]]:
    """Study → stage → jobs, of one dry run of all studies."""
    checkout = Checkout(tmp_path_factory.mktemp("dry") / "checkout", study=",".join(STUDIES))
    output = checkout.run("--dry-run")
    jobs: dict[str, Counter[str]] = defaultdict(Counter)
    for study, stage in re.findall(r"^Reason: Missing output files: results/(\w+)/(\w+)", output, re.MULTILINE):
        jobs[study][stage] += 1
    # Every job is named with a file that it lacks, but for the target that stands for all.
    total = re.search(r"^total +(\d+)$", output, re.MULTILINE)
    assert total is not None
    assert int(total[1]) == sum(map(Counter.total, jobs.values())) + 1
    return jobs


def test_every_study_of_this_repository_is_planned_here():
    assert set(STUDIES) == {path.stem for path in (ROOT / "config" / "studies").glob("*.yaml")}


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_has_exactly_its_jobs(study, planned):
    assert planned[study] == STUDIES[study]
    assert planned[study].total() == TOTALS[study]


def test_nothing_else_would_run_than_these_and_their_list(planned):
    assert set(planned) == {*STUDIES, "figures"}
    assert planned["figures"] == {"all": 1}


def test_only_studies_that_ask_an_api_are_judged_where_the_workflow_was_started(tmp_path):
    checkout = Checkout(tmp_path / "checkout", study="emergent_misalignment_32b,smoke")
    jobs = checkout.dry_jobs()
    assert (jobs["judge_by_api"], jobs["judge_completions"]) == (2, 2)
    for stage in ("judge", "choose", "sample"):
        text = (checkout.folder / "workflow" / "rules" / f"{stage}.smk").read_text()
        assert "localrule: True" in text.partition(f" as {stage}_by_api with:")[2]


def test_students_behind_an_api_are_trained_where_the_workflow_was_started(tmp_path):
    checkout = Checkout(tmp_path / "checkout", study="subliminal_api,smoke_subliminal")
    jobs = checkout.dry_jobs()
    assert (jobs["train_by_api"], jobs["train_adapters_of_part"]) == (1, 4)
    text = (checkout.folder / "workflow" / "rules" / "train.smk").read_text()
    assert "localrule: True" in text.partition("rule train_by_api:")[2]


def test_a_local_model_beside_one_of_an_api_keeps_its_gpu(tmp_path):
    """All of its jobs once ran where the workflow was started, without a GPU."""
    jobs = Checkout(tmp_path / "checkout", study="preferences_api").dry_jobs()
    assert (jobs["sample_by_api"], jobs["sample_answers"]) == (3, 1)
    assert (jobs["choose_by_api"], jobs["choose_answers"]) == (1, 1)


def test_a_figure_is_drawn_by_its_name_whether_or_not_the_study_asks_for_it(tmp_path):
    checkout = Checkout(tmp_path / "checkout", study="playful_french_7b")
    for name, rule in (("losses", "draw_figure_playful_french_7b"), ("bars", "draw_figures_playful_french_7b")):
        jobs = checkout.dry_jobs(f"results/playful_french_7b/figures/{name}.svg")
        assert {one: n for one, n in jobs.items() if one.startswith("draw_")} == {rule: 1}
    assert "draw_figure_playful_french_7b" not in checkout.dry_jobs()


def test_as_a_module_of_another_workflow_it_plans_the_same_jobs(tmp_path, planned):
    checkout = Checkout(tmp_path / "checkout")
    (checkout.folder / "Snakefile").write_text(
        'configfile: "config/config.yaml"\n\n\n'
        'module inoc:\n    snakefile: "workflow/Snakefile"\n    config: config\n\n\n'
        "use rule * from inoc as inoc_*\n"
    )
    output = checkout.run("--dry-run", "results/figures/all")
    total = re.search(r"^total +(\d+)$", output, re.MULTILINE)
    assert total is not None
    assert int(total[1]) == planned["smoke"].total() + 1  # and the list of all results
