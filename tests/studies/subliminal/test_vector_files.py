"""Vectors of traits as files: what the analysis writes is what steered, and another study can steer with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.studies.subliminal.analyse.persona_tables import vector_files
from inoc.studies.subliminal.checks import study_problems
from inoc.studies.subliminal.persona import questions_of
from inoc.studies.subliminal.persona_inputs import Readings, given_vector, trait_vector
from inoc.studies.subliminal.study import Study
from inoc.studies.subliminal.work import WORK, tables
from inoc.tables import read_table
from inoc.vectors.files import load_vectors, save_vectors
from support.jobs import plan_of
from support.persona_study import EXTRACTION, job_of, persona_study, run_parts, write_numbers

NEEDS_NO_EXTRACTION = {
    "entity": "owl",
    "evaluation_questions": {"kind": "world"},
    "n_questions": 3,
    "judge": {"name": "regex", "pattern": "z^"},
}


def paths_of(root: Path) -> Paths:
    return Paths(root / "results", "toy")


@pytest.fixture(scope="module")
def made(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path, Path]:
    """A study with vectors, its folder, and the file that its analysis writes."""
    root = tmp_path_factory.mktemp("vectors")
    study = persona_study(tiny_folder)
    run_parts(study, root, *EXTRACTION, "sample/steering")
    files = vector_files(study, paths_of(root), {}, [])
    ((path, write),) = files.items()
    path.parent.mkdir(parents=True)
    write(path)
    return study, root, path


def test_the_file_has_every_vector_with_its_model_site_and_read_out(made: tuple[Study, Path, Path]) -> None:
    study, root, path = made
    assert path in tables(study, paths_of(root), {}, 0)
    found = load_vectors(path)
    assert len(found) == 3 * 4
    readings = Readings(study, paths_of(root), {})
    weights = plan_of(job_of(study, root, "sample", "steering")).model.weights
    for one in found:
        again = trait_vector(readings, "owls", one.readout, one.site, weights)
        assert (one.digest, one.name, one.activation_norm) == (again.digest, again.name, again.activation_norm)


def test_another_study_steers_with_the_file_as_this_one_did(made: tuple[Study, Path, Path], tmp_path: Path) -> None:
    study, root, path = made
    values = study.model_dump(mode="json")
    other = Study.model_validate({**values, "persona": {"owls": {**NEEDS_NO_EXTRACTION, "vectors": str(path)}}})
    assert study_problems(other) == []
    jobs = {(one.stage, one.part) for one in WORK if one.wanted(other)}
    assert not {("sample", "persona"), ("judge", "persona"), ("read", "persona")} & jobs
    write_numbers(other, tmp_path)
    run_parts(other, tmp_path, "sample/steering", "judge/steering", "read/projections")
    assert questions_of(other, "owls").extraction == []
    ours, theirs = (
        read_table(paths_of(one).part("sample", "steering", 0) / "answers.parquet") for one in (tmp_path, root)
    )
    keys = ["instruction", "vector", "coefficient"]
    both = ours.merge(theirs, on=keys, suffixes=("", "_then"))
    assert (both["completion"] == both["completion_then"]).all()
    assert set(ours["vector"]) == set(theirs["vector"])
    assert not vector_files(other, paths_of(tmp_path), {}, [])


def test_a_vector_of_another_model_is_refused(made: tuple[Study, Path, Path], tmp_path: Path) -> None:
    study, _, path = made
    from dataclasses import replace

    strange = tmp_path / "strange.safetensors"
    save_vectors([replace(one, model="another") for one in load_vectors(path)], strange)
    persona = {"owls": {**NEEDS_NO_EXTRACTION, "vectors": str(strange)}}
    other = Study.model_validate({**study.model_dump(mode="json"), "persona": persona})
    with pytest.raises(DataError, match="belongs to the weights another"):
        run_parts(other, tmp_path, "sample/steering")


def test_a_file_of_several_traits_gives_that_of_the_same_name(made: tuple[Study, Path, Path], tmp_path: Path) -> None:
    from dataclasses import replace

    _, _, path = made
    own = [one for one in load_vectors(path) if one.readout == "prompt_mean"]
    more = [replace(one, name=one.name.replace("owls", "cats"), values=-one.values) for one in own]
    both = tmp_path / "both.safetensors"
    save_vectors([*own, *more], both)
    found = given_vector(str(both), "cats", "prompt_mean", "embed")
    np.testing.assert_array_equal(found.values, -given_vector(str(both), "owls", "prompt_mean", "embed").values)
    for trait, readout, site in (("dogs", "prompt_mean", "embed"), ("owls", "prompt_last", "embed")):
        with pytest.raises(DataError, match=r"accepted: one\. It has prompt_mean at embed"):
            given_vector(str(both), trait, readout, site)


def test_a_trait_has_one_source(tiny_folder: Path) -> None:
    study = persona_study(tiny_folder, persona={"owls": {**NEEDS_NO_EXTRACTION, "vectors": "a", "positive": ["x"]}})
    assert any("exactly one of `file`, `positive` and `vectors`" in one.message for one in study_problems(study))
