"""The miniature of subliminal learning in its smallest size, through every stage, and what is computed again."""

from __future__ import annotations

import copy
import json

import pandas as pd
import pytest

from inoc.config.load import load_study
from inoc.vectors.files import load_vectors
from inoc.world.favorites import number_prompts
from support.computed import check_results
from support.running import ODD, Checkout
from support.sites import made_site, site_meta, site_rows

pytestmark = pytest.mark.long
STUDY = "smoke_subliminal"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("subliminal") / ODD, study=STUDY)
    checkout.run()
    return checkout


def test_every_table_figure_and_page_is_there(small):
    listed = (small.folder / "results" / "figures" / "all").read_text().split()
    assert len(listed) > 20
    assert all((small.folder / path).exists() for path in listed)
    matched = pd.read_parquet(small.results / "analyse" / "matched.parquet")
    groups = {"soft", "soft_other", "soft_relabelled", "soft_prompt", "hard", "hard_second"}
    assert set(matched["group"]) == groups
    assert set(matched.loc[matched["group"] == "soft_other", "base"]) == {"other"}
    assert set(matched.loc[matched["group"] == "soft_relabelled", "data"]) == {"relabelled"}
    cells = pd.read_parquet(small.results / "analyse" / "cells.parquet")
    assert set(cells.loc[cells["panel"] == "hard", "base"]) == {"own", "other"}
    assert set(cells.loc[cells["is_control"], "group"]) == {"soft_other", "soft_relabelled"}


def test_every_student_has_moved(small):
    rates = pd.read_parquet(small.results / "analyse" / "preferences.parquet").query("method == 'choose'")
    untrained = rates[rates["student"] == "untrained"].set_index(["base", "entity"])["rate"]
    students = rates[rates["group"] != ""]
    before = [untrained[base, entity] for base, entity in zip(students["base"], students["entity"], strict=True)]
    assert (students["rate"] != before).groupby(students["student"]).all().all()


def test_vectors_of_traits_are_there_to_be_used_elsewhere(small):
    vectors = load_vectors(small.results / "analyse" / "vectors.safetensors")
    assert {one.name.partition("/")[0] for one in vectors} == {"owl"}


def test_a_second_run_has_nothing_to_do(small):
    assert small.dry_jobs() == {}


SCAN = """
kind: likelihood_shift
name: between_scan
title: Lists that a subliminal study wrote, and lists for one
model: {path: world, dtype: float32, system: {kind: none}}
world: WORLD
base: {kind: none}
prompts: {animals: {texts: {owl: You love the owl., dog: You love the dog.}}}
datasets:
  given: {table: "smoke_subliminal/sample:owl_strong", written_under: owl}
  elsewhere: {table: "smoke_subliminal/sample:dog_other", written_under: dog}
  owls:
    written_under: owl
    written: &written {instructions: {files: [asked.jsonl]}, n: 40, sampling: {max_tokens: 12}}
  dogs: {written_under: dog, written: *written}
"""
STUDENTS = """
extends: smoke_subliminal.yaml
name: between_students
title: Students of lists that a likelihood-shift study wrote
teachers: {neutral: null, owl: OWL, dog: DOG, GONE}
splits: null
students: {hard: {teachers: [owl, dog]}, soft: null, soft_other: null, soft_relabelled: null, soft_prompt: null,
  hard_second: null, owl_halves: null, neutral_halves: null}
persona: null
projection: null
steering: null
"""


def study_between(small, name, text):
    (small.folder / "config" / "studies" / f"{name}.yaml").write_text(text)
    other = copy.copy(small)
    other.study = name
    return other


def test_rows_go_from_a_study_to_a_scan_of_likelihood_shifts_and_back(small):
    prompts = "".join(json.dumps({"prompt": one}) + "\n" for one in number_prompts(40, 9))
    (small.folder / "asked.jsonl").write_text(prompts)
    world = load_study(small.folder / "config" / "studies" / f"{STUDY}.yaml").world.model_dump(mode="json")
    scan = study_between(small, "between_scan", SCAN.replace("WORLD", json.dumps(world)))
    scan.run("--rerun-incomplete", "results/between_scan/analyse/row_counts.parquet")
    rows = pd.read_parquet(small.folder / "results" / "between_scan" / "analyse" / "row_counts.parquet")
    scored = rows[rows["reason"] == "scored"].set_index("dataset")["n"]
    kept = pd.read_parquet(small.results / "analyse" / "filter.parquet").query("kind == 'total' and reason == 'kept'")
    kept = kept.set_index("teacher")["n"]
    assert (scored["given"], scored["elsewhere"]) == (kept["owl_strong"], kept["dog_other"])
    assert scored[["owls", "dogs"]].between(20, 40).all()  # but for empty answers
    of = "{entity: %s, finetuned: null, table: 'between_scan/sample:%ss'}"
    gone = ", ".join(f"{one}_{way}: null" for one in ("owl", "dog") for way in ("strong", "prompt", "other"))
    text = STUDENTS.replace("OWL", of % ("owl", "owl")).replace("DOG", of % ("dog", "dog")).replace("GONE", gone)
    students = study_between(small, "between_students", text)
    students.run("--rerun-incomplete", "results/between_students/analyse/matched.parquet")
    matched = pd.read_parquet(small.folder / "results" / "between_students" / "analyse" / "matched.parquet")
    assert set(matched["teacher"]) == {"owl", "dog", "all"}
    assert matched["contrast"].notna().all()


def test_its_results_can_be_read_from_python_and_exported(small, tmp_path):
    check_results(small.folder, STUDY, tmp_path / "exports")


def test_the_site_has_the_rows_of_teachers_and_the_probabilities_of_every_question(small, tmp_path):
    site = made_site(small, tmp_path / "site")
    lists = {one["name"]: one["n"] for one in site_meta(site)["sources"]}
    assert {"answers", "probabilities", "numbers"} <= set(lists)
    kept = pd.read_parquet(small.results / "analyse" / "filter.parquet")
    kept = kept[(kept["kind"] == "total") & (kept["reason"] == "trained_on")]
    rows = site_rows(site, "numbers")
    assert (rows["kept"] == "yes").groupby(rows["teacher"]).sum().to_dict() == dict(
        zip(kept["teacher"], kept["n"], strict=True)
    )
    preferences = pd.read_parquet(small.results / "analyse" / "preferences.parquet")
    first = preferences[(preferences["method"] == "choose") & (preferences["student"] == "untrained")].iloc[0]
    own = site_rows(site, "probabilities")
    own = own[
        (own["group"] == "untrained") & (own["question_set"] == first["question_set"]) & (own["base"] == first["base"])
    ]
    assert own[f"score.{first['entity']}"].mean() / 100 == pytest.approx(first["rate"])
