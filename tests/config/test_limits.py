"""No number, list or alias of a study file makes a check endless: each is bounded, and a check at the bounds ends."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from inoc.config.checks import divisors
from inoc.config.document import read_document
from inoc.config.load import load_study
from inoc.config.models import Model
from inoc.config.texts import text_problems
from inoc.config.workflow import Workflow
from inoc.errors import ConfigError
from inoc.stages import KINDS, kind_named, load
from inoc.studies.inoculation.checks.runs import MOST_RUNS
from inoc.studies.inoculation.runs import most_runs, study_runs
from inoc.studies.inoculation.study import Study
from inoc.world import grammar
from inoc.world.grammar import rephrasings

STUDIES = Path(__file__).parents[2] / "config" / "studies"
HUGE = [2**64, 1e308]
Place = tuple[str | int, ...]


def bounded(schema: Any, place: str = "") -> Iterator[tuple[str, bool]]:
    """Every number of a JSON schema, and whether it has an upper limit."""
    if isinstance(schema, dict):
        if schema.get("type") in ("integer", "number"):
            yield place, "maximum" in schema or "exclusiveMaximum" in schema
        for key, part in schema.items():
            yield from bounded(part, f"{place}.{key}")
    elif isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from bounded(part, f"{place}[{index}]")


@pytest.mark.parametrize("name", [*KINDS, "workflow"])
def test_every_number_has_an_upper_limit(name: str) -> None:
    model = Workflow if name == "workflow" else load(kind_named(name).study)
    unbounded = [place for place, has in bounded(model.model_json_schema()) if not has]
    assert not unbounded, "give them types of inoc.config.limits"


def numbers(value: Any, place: Place = ()) -> Iterator[Place]:
    """Places of all numbers of a study file."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers(part, (*place, key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place


def with_defaults(name: str) -> dict[str, Any]:
    """A study file that spells out most of its settings."""
    found: dict[str, Any] = read_document(STUDIES / f"{name}.yaml").value
    study = load_study(STUDIES / f"{name}.yaml")
    for section in ("training", "evaluation", "elicitation", "scoring", "statistics", "data", "world", "students"):
        value = getattr(study, section, None)
        if isinstance(value, Model):
            found[section] = {**value.model_dump(mode="json", exclude_defaults=True), **found.get(section, {})}
    return found


@pytest.mark.parametrize("name", [path.stem for path in sorted(STUDIES.glob("smoke*.yaml"))])
def test_a_huge_number_in_any_place_is_refused_at_once_and_with_its_place(name: str, tmp_path: Path) -> None:
    raw = with_defaults(name)
    path = tmp_path / f"{name}.yaml"
    for place in numbers(raw):
        for huge in HUGE:
            changed = copy.deepcopy(raw)
            part: Any = changed
            for key in place[:-1]:
                part = part[key]
            part[place[-1]] = huge
            with path.open("w", encoding="utf-8") as stream:
                YAML(typ="safe", pure=True).dump(changed, stream)
            with pytest.raises(ConfigError) as caught:
                load_study(path)
            assert str(place[-1]) in str(caught.value)


def test_a_batch_at_its_limit_names_the_micro_batches_that_divide_it(tmp_path: Path) -> None:
    for kind, settings in {
        "smoke": "training: {batch_size: 1000000, micro_batch_size: 3}",
        "smoke_likelihood_shift": "students: {training: {batch_size: 1000000, micro_batch_size: 3}}",
    }.items():
        path = tmp_path / f"{kind}.yaml"
        path.write_text(f"extends: {STUDIES / f'{kind}.yaml'}\n{settings}\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"does not divide batch_size = 1000000; accepted: 1, 2, 4, 5, 8"):
            load_study(path)


@given(st.integers(1, 3_000))
def test_divisors_are_those_that_trying_all_finds(number: int) -> None:
    assert divisors(number) == [one for one in range(1, number + 1) if number % one == 0]


def test_more_runs_than_can_be_gone_through_are_refused_before_they_are_made(tmp_path: Path) -> None:
    path = tmp_path / "smoke.yaml"
    seeds = ", ".join(str(seed) for seed in range(1_000))
    rates = ", ".join(f"{1e-6 * (k + 1):.7f}" for k in range(1_000))
    path.write_text(
        f"extends: {STUDIES / 'smoke.yaml'}\nruns:\n  - {{seeds: [{seeds}], learning_rates: [{rates}]}}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match=rf"combinations of their lists; accepted: at most {MOST_RUNS}"):
        load_study(path)


@pytest.mark.parametrize("name", ["smoke", "mini", "lr_sweep", "prefix_sweep", "mini_emergent"])
def test_the_number_of_runs_is_counted_as_they_are_made(name: str) -> None:
    study = load_study(STUDIES / f"{name}.yaml")
    assert isinstance(study, Study)
    assert most_runs(study) >= len(study_runs(study))
    if len(study.runs) == 1:
        assert most_runs(study) == len(study_runs(study))


def test_epochs_that_give_too_many_steps_are_refused_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "smoke.yaml"
    path.write_text(
        f"extends: {STUDIES / 'smoke.yaml'}\ntraining: {{steps: null, epochs: 1000000, batch_size: 1, "
        "micro_batch_size: 1}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match=r"training\.epochs.*gives \d+ steps; accepted: what gives 10000000 or fewer"):
        load_study(path)


def test_aliases_that_multiply_are_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 10)]
    path = tmp_path / "smoke.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"smoke\.yaml:\d+: the file has more than \d+ keys and values"):
        load_study(path)


def test_a_text_of_many_line_breaks_is_looked_through_once() -> None:
    assert not list(text_problems({"text": "a" + "\n" * 1_000_000 + "b"}))
    assert len(list(text_problems({"text": "a" + "\n" * 1_000_000}))) == 1


def test_texts_under_names_of_the_study_are_looked_at_and_labels_are_not() -> None:
    block = "Sing.\n"
    named = {"tasks": {"origins": {"own": {"label": block, "texts": {"title": block, "x": block}}}}, "title": block}
    named["contexts"] = {"turns": {"label": {"text": block, "label": block}}}
    assert [one.path for one in text_problems(named)] == [
        ("tasks", "origins", "own", "texts", "title"),
        ("tasks", "origins", "own", "texts", "x"),
        ("contexts", "turns", "label", "text"),
    ]


def test_a_text_with_few_rephrasings_is_given_up_long_before_a_huge_number_of_draws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grammar, "_TRIES", 3)
    found = rephrasings("Bonjour.", 1_000_000, 0)
    assert 100 < len(found) < 100_000
    assert found[:50] == rephrasings("Bonjour.", 50, 0)
