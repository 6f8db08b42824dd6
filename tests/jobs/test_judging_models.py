"""Models of judges that compute in this process are checked before the first job, wherever a kind of study has one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from inoc.config.document import read_document
from inoc.config.judge_spec import JudgeSpec
from inoc.config.load import load_study
from inoc.config.models import BaseStudy
from inoc.errors import ConfigError
from inoc.jobs.model_check import check_study_model
from inoc.jobs.ready import needs_of
from inoc.stages import kinds, load
from support.running import ROOT

JUDGE = {"name": "llm", "question": "coherence", "engine": "transformers", "dtype": "float32"}
STUDIES = {
    "inoculation": "mini",
    "likelihood_shift": "mini_likelihood_shift",
    "subliminal": "mini_subliminal",
    "preferences": "mini_preferences",
}
PLACES = [
    ("inoculation", "traits.playful.judge"),
    ("likelihood_shift", "students.targets.playful.judge"),
    ("subliminal", "persona.owl.judge"),
    ("subliminal", "persona.owl.coherence"),
    ("preferences", "parsing.tone"),
    ("preferences", "parsing.refusal"),
    ("preferences", "steering.attitude"),
    ("preferences", "steering.coherence"),
]


def places_of(model: type[BaseModel], path: str = "", above: frozenset[Any] = frozenset()) -> Iterator[str]:
    """Places of judges in a study file, with `*` for the key of a mapping."""
    for name, field in model.model_fields.items():
        for part, inner in _inner(field.annotation, f"{path}{name}"):
            if inner is JudgeSpec:
                yield part
            elif inner not in above:
                yield from places_of(inner, f"{part}.", above | {inner})


def _inner(annotation: Any, path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield path, annotation
    elif getattr(annotation, "__origin__", None) is dict:
        yield from _inner(get_args(annotation)[1], f"{path}.*")
    else:
        for part in get_args(annotation):
            yield from _inner(part, path)


def test_every_place_of_a_judge_is_tried_here() -> None:
    found = {(kind.name, place) for kind in kinds() for place in places_of(load(kind.study))}
    starred = {("traits", "playful"), ("targets", "playful"), ("persona", "owl")}

    def with_stars(place: str) -> str:
        parts = place.split(".")
        return ".".join("*" if at and (parts[at - 1], part) in starred else part for at, part in enumerate(parts))

    assert {(kind, with_stars(place)) for kind, place in PLACES} == found


@pytest.fixture
def judge(tiny_folder: Path, tmp_path: Path) -> Path:
    """A model that a judge asks, which a test may spoil."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "judge"))


def judged(kind: str, place: str, judge: str, folder: Path) -> BaseStudy:
    """A miniature study with a model of this machine as one of its judges."""
    value = read_document(ROOT / "config" / "studies" / f"{STUDIES[kind]}.yaml").value
    value.pop("extends", None)
    *above, last = place.split(".")
    section = value
    for part in above:
        section = section[part]
    section[last] = {**JUDGE, "model": judge}
    path = folder / f"{STUDIES[kind]}.yaml"
    with path.open("w", encoding="utf-8") as stream:
        YAML(typ="safe", pure=True).dump(json.loads(json.dumps(value)), stream)
    return load_study(path)


@pytest.mark.parametrize(("kind", "place"), PLACES)
def test_a_judging_model_is_checked_in_every_place(
    kind: str, place: str, judge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    study = judged(kind, place, str(judge), tmp_path)
    uses = [one for one in needs_of(study).others if one.judges]
    assert [one.key for one in uses] == [f"{place}.model"]
    assert next(uses[0].chats()).unknown_tokens > 0
    check_study_model(study, Path())
    assert any(one.key == f"{place}.model" for one in needs_of(study).local_models)

    configuration = json.loads((judge / "config.json").read_text())
    (judge / "config.json").write_text(json.dumps({**configuration, "max_position_embeddings": 12}))
    with pytest.raises(ConfigError, match=rf"{place}.*12 positions".replace(".judge", r"\.judge")):
        check_study_model(study, Path())
    (judge / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"config\.json"):
        check_study_model(study, Path())


@pytest.mark.parametrize(("kind", "place"), PLACES)
def test_the_miniature_world_as_a_judge_is_asked_no_longer_questions_than_it_takes(
    kind: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    study = judged(kind, place, "world", tmp_path)
    check_study_model(study, Path())
    monkeypatch.setattr("inoc.world.MAX_TOKENS", 40)
    with pytest.raises(ConfigError, match=rf"{place}.* positions. Lower `max_tokens`"):
        check_study_model(study, Path())
