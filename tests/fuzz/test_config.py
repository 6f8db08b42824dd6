"""Random study files: whatever is in them, a check ends with a study or with messages, and never with a traceback."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from inoc.config.document import read_document
from inoc.config.load import load_study
from inoc.config.workflow import Shards
from inoc.errors import ConfigError, InocError
from inoc.jobs.ready import check_inputs
from inoc.jobs.work import settings_of
from inoc.stages import kind_named
from inoc.studies.inoculation.study import Study

STUDIES = Path(__file__).parents[2] / "config" / "studies"
BASES = {name: read_document(STUDIES / f"{name}.yaml").value for name in ("smoke", "smoke_emergent", "lr_sweep")}
ODD = [None, True, -1, 0, 1, 2**31, 2**64, 1e-320, 1e308, float("nan"), float("inf"), "", " ", "\n", "0", "null", "~"]
WORDS = ["world", "fixed", "mix", "none", "all", "clown", "$x", "a b", "雪", "\u2028", "\ufeff", "a\n", "x" * 100]
LEAVES = st.one_of(
    st.sampled_from([*ODD, *WORDS]),
    st.integers(),
    st.floats(),
    st.text(st.characters(codec="utf-8"), max_size=12),
)
KEYS = st.sampled_from(["a", "name", "seed", "steps", "x y", "", "1", "clown", "among", "version", "雪"])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The key paths of all parts."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in parts for place in places(part, (*path, key)))]


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    """A real study with a few of its parts replaced, removed, added or exchanged."""
    study = copy.deepcopy(BASES[draw(st.sampled_from(sorted(BASES)))])
    for _ in range(draw(st.integers(1, 4))):
        known = [place for place in places(study) if place]
        place = draw(st.sampled_from(known))
        parent: Any = study
        for part in place[:-1]:
            parent = parent[part]
        match draw(st.sampled_from(["replace", "remove", "add", "other"])):
            case "replace":
                parent[place[-1]] = draw(VALUES)
            case "remove":
                del parent[place[-1]]
            case "add" if isinstance(parent, dict):
                parent[draw(KEYS)] = draw(VALUES)
            case _:
                other: Any = study
                for part in draw(st.sampled_from(known)):
                    other = other[part] if isinstance(other, dict | list) and _has(other, part) else other
                parent[place[-1]] = copy.deepcopy(other)
    return study


def _has(value: Any, part: str | int) -> bool:
    return part in value if isinstance(value, dict) else isinstance(part, int) and part < len(value)


def check(folder: Path, value: dict[str, Any]) -> Study | None:
    """The study that a file holds; None if it is refused with a message that names the file."""
    name = str(value.get("name"))
    path = folder / f"{name if name in BASES else 'smoke'}.yaml"
    with path.open("w", encoding="utf-8") as stream:
        YAML(typ="safe", pure=True).dump(value, stream)
    try:
        study = load_study(path)
    except ConfigError as error:
        return None if str(path) in str(error) else pytest.fail(f"the file is not named: {error}")
    with contextlib.suppress(InocError):
        check_inputs(study, folder)
    return study


def holds(folder: Path, value: dict[str, Any]) -> None:
    study = check(folder, value)
    if study is not None:
        for stage in kind_named(study.kind).passes:
            settings_of(stage, study, 0, Shards())


@given(changed())
@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
def test_a_changed_study_is_one_or_is_refused_with_a_message(
    tmp_path_factory: pytest.TempPathFactory, value: dict[str, Any]
) -> None:
    holds(tmp_path_factory.mktemp("study"), value)


@pytest.mark.long
@given(changed())
@settings(max_examples=2_000, suppress_health_check=list(HealthCheck), deadline=None)
def test_many_changed_studies_are_some_or_are_refused_with_a_message(
    tmp_path_factory: pytest.TempPathFactory, value: dict[str, Any]
) -> None:
    holds(tmp_path_factory.mktemp("study"), value)


@given(st.binary(max_size=200) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
def test_any_bytes_are_a_study_or_are_refused_with_a_message(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("study") / "smoke.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"smoke\.yaml"):
        load_study(path)
