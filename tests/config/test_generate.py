from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

from inoc.config.document import read_document
from inoc.config.generate import WORKFLOW_FILE, generated, study_schema, workflow_yaml, write_generated
from inoc.config.load import load_workflow
from inoc.config.models import Model
from inoc.config.workflow import Shards, Workflow
from inoc.errors import ConfigError
from inoc.stages import kind_named, load
from inoc.studies.inoculation.study import Study

ROOT = Path(__file__).parents[2]
TOY = Path(__file__).parent / "toy.yaml"


def test_generated_files_are_in_step_with_the_models() -> None:
    """If this fails, the message is the difference and the command that mends it."""
    write_generated(ROOT, check=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the one study that the default workflow names."""
    (tmp_path / "config/studies").mkdir(parents=True)
    (tmp_path / "config/studies/mini.yaml").touch()
    return tmp_path


def test_what_is_written_is_in_step_and_writing_again_writes_nothing(root: Path) -> None:
    assert sorted(write_generated(root, check=False)) == sorted(generated(root))
    assert write_generated(root, check=True) == write_generated(root, check=False) == []


def test_a_file_out_of_step_is_refused_with_the_difference_and_the_command(root: Path) -> None:
    write_generated(root, check=False)
    page = root / "docs/reference/inoculation.md"
    page.write_text(page.read_text().replace("Rank of the update", "Size of the update"))
    with pytest.raises(ConfigError) as caught:
        write_generated(root, check=True)
    assert "-| `rank` | integer ≥ 1 | `32` | Size of the update. |" in str(caught.value)
    assert "inoc config generate" in str(caught.value)


def test_values_of_the_workflow_file_are_kept(tmp_path: Path) -> None:
    file = tmp_path / WORKFLOW_FILE
    (file.parent / "studies").mkdir(parents=True)
    (file.parent / "studies/toy.yaml").touch()
    file.write_text("studies: [toy]\nshards: {toy: {train: 3}}\n")
    write_generated(tmp_path, check=False)
    assert load_workflow(file) == Workflow(studies=("toy",), shards={"toy": Shards(train=3)})
    assert "# Names of the studies to run; files in `config/studies`." in file.read_text()


def test_the_workflow_file_says_all_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(workflow_yaml(Workflow()))
    assert set(read_document(tmp_path / "config.yaml").value) == set(Workflow.model_fields)


@pytest.mark.parametrize("path", [TOY, *sorted((ROOT / "config/studies").glob("*.yaml"))], ids=lambda path: path.stem)
def test_the_schema_accepts_what_is_shipped(path: Path) -> None:
    raw: dict[str, Any] = as_written(path)
    model = load(kind_named(kind_of(path)).study)
    jsonschema.Draft202012Validator(study_schema(model)).validate(raw)


def kind_of(path: Path) -> str:
    """The kind by whose schema an editor checks the file, which its first line names."""
    found = re.search(r"schema/(\w+)\.schema\.json", path.read_text(encoding="utf-8").partition("\n")[0])
    return found[1] if found else "inoculation"


def as_written(path: Path) -> dict[str, Any]:
    """The file as an editor sees it, with `extends`."""
    from ruamel.yaml import YAML

    raw: dict[str, Any] = json.loads(json.dumps(YAML(typ="safe", pure=True).load(path)))
    return raw


@pytest.mark.parametrize(
    "change", [{"titel": "x"}, {"placement": "middle"}, {"prompts": {"g": {"famly": "x"}}}, {"traits": {}}]
)
def test_the_schema_refuses_what_the_models_refuse(change: dict[str, object]) -> None:
    raw = as_written(TOY) | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(study_schema(Study)).validate(raw)
    with pytest.raises(ValueError, match="validation error"):
        Study.model_validate(raw)


def test_a_key_is_required_unless_the_file_extends_another() -> None:
    validator = jsonschema.Draft202012Validator(study_schema(Study))
    assert not validator.is_valid({"name": "child"})
    assert validator.is_valid({"name": "child", "extends": "toy.yaml", "prompts": {"plain": None}})


def test_every_field_has_a_description() -> None:
    models = [Study, Workflow, *(m for m in Model.__subclasses__())]
    lacking = [f"{m.__name__}.{name}" for m in models for name, f in m.model_fields.items() if not f.description]
    assert lacking == []


def test_optional_fields_default_to_null_so_that_null_in_an_extending_file_is_plain() -> None:
    """`key: null` there removes the key; were the default another, a file could not say null."""
    for model in Model.__subclasses__():
        for name, field in model.model_fields.items():
            if type(None) in get_args(field.annotation):
                assert field.default is None, f"{model.__name__}.{name}"
