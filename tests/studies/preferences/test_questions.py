"""Questions: what is asked, in which words and orders, and that plans and analysis agree on them."""

from __future__ import annotations

import json
from collections import Counter

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.config.models import SystemTurn
from inoc.engines.candidates import check_candidates
from inoc.errors import DataError
from inoc.studies.preferences.asked import asked_of, groups, pairs
from inoc.studies.preferences.draws import drawn, uniform
from inoc.studies.preferences.resources import shipped_templates
from inoc.studies.preferences.study import ConsistencyFilter, PairsSpec, RankingSpec, TasksSpec
from inoc.studies.preferences.tasks import Task, draw, inconsistent, read_tasks
from inoc.studies.preferences.tasks import tasks_of as study_tasks
from inoc.studies.preferences.texts import Texts, to_complete
from inoc.studies.preferences.wording import REFUSED, Shown, candidates, question
from support.preferences import study_of

TASKS = [Task(f"t{at}", f"Do thing {at}.", "things") for at in range(8)]
PLAIN = SystemTurn(kind="none")


@pytest.mark.parametrize("name", sorted(shipped_templates()))
@pytest.mark.parametrize("form", ["plain", "xml", "tool", "completion"])
def test_the_answers_of_every_shipped_template_can_be_told_apart(name, form):
    template = shipped_templates()[name]
    if template.kind not in ("rating", "choice") or (form == "completion" and template.kind == "rating"):
        return
    found = candidates(template, form)
    check_candidates(found)
    assert found[-1].name == REFUSED
    assert len({one.name for one in found}) == len(found)


def test_a_question_after_tasks_shows_them_as_turns_and_one_before_shows_their_texts():
    template = shipped_templates()["enjoy_most"]
    shown = [Shown("Sing.", "La."), Shown("Count.", "One.")]
    after = question(template, "plain", "after", shown, PLAIN)
    assert [tuple(turn) for turn in after.earlier] == [("Sing.", "La."), ("Count.", "One.")]
    assert after.user.endswith("Answer with A or B and nothing else.")
    before = question(template, "xml", "before", shown, PLAIN)
    assert before.earlier == ()
    assert before.user.index("Sing.") < before.user.index("Count.")
    assert "<answer>" in before.user


def test_braces_in_a_task_are_text():
    chat = question(shipped_templates()["stated_1_5"], "plain", "before", [Shown("Write {x} and {task}.")], PLAIN)
    assert "Write {x} and {task}." in chat.user


def test_every_pair_is_asked_in_both_orders_unless_it_is_said_otherwise():
    study = study_of(instruments={"pick": {"template": "simple_preference", "pairs": {"design": "all"}}})
    asked = [one for one in asked_of(study, TASKS, "pick", "a") if not one.anchored and one.completer == "a"]
    orders = Counter(one.tasks for one in asked)
    assert len(orders) == 8 * 7
    assert set(orders.values()) == {1}
    once = study_of(
        instruments={"pick": {"template": "simple_preference", "pairs": {"design": "all", "orders": "random"}}}
    )
    asked = [one for one in asked_of(once, TASKS, "pick", "a") if not one.anchored and one.completer == "a"]
    assert len(asked) == 8 * 7 / 2
    assert len({frozenset(one.tasks) for one in asked}) == len(asked)


def test_ids_are_unique_over_everything_that_is_asked():
    study = study_of(
        seeds=(0, 1),
        completions={"seeds": [0, 1]},
        contexts={"turns": {"x": {"text": "You."}}, "completion": ["none", "x"], "measurement": ["none", "x"]},
    )
    asked = [one.id for key in study.instruments for rater in "ab" for one in asked_of(study, TASKS, key, rater)]
    assert len(asked) == len(set(asked))
    completions = [what.id for key in "ab" for what, _ in to_complete(study, TASKS, key)]
    assert len(completions) == len(set(completions)) == 2 * 2 * 2 * 8


def test_a_missing_completion_is_told_with_the_command_that_makes_it():
    study = study_of()
    one = next(one for one in asked_of(study, TASKS, "stars", "a") if not one.anchored)
    with pytest.raises(DataError, match="run: inoc sample simulated completions"):
        Texts(study, TASKS, {}).chat(one)


@given(st.integers(6, 30), st.integers(1, 5), st.integers(0, 3))
def test_a_regular_graph_gives_every_task_its_partners(n, degree, seed):
    ids = [f"t{at}" for at in range(n)]
    found = pairs(ids, PairsSpec(degree=degree, seed=seed))
    count = Counter(name for pair in found for name in pair)
    assert all(first != second for first, second in found)
    assert set(count.values()) <= {degree, degree + 1}


@given(st.integers(5, 30), st.integers(3, 5), st.integers(1, 6))
def test_groups_hold_different_tasks_and_each_appears_about_as_often(n, size, appearances):
    ids = [f"t{at}" for at in range(n)]
    found = groups(ids, RankingSpec(size=size, appearances=appearances))
    assert all(len(set(group)) == size for group in found)
    count = Counter(name for group in found for name in group)
    assert len(found) == n * appearances // size or len(found) == n * appearances // size - 1
    assert max(count.values()) <= appearances


def test_draws_follow_the_probabilities_and_depend_on_identities_alone():
    shares = np.tile([0.2, 0.5, 0.3], (20_000, 1))
    names = [f"q{at}" for at in range(20_000)]
    found = drawn(shares, names)
    assert np.bincount(found, minlength=3) / 20_000 == pytest.approx([0.2, 0.5, 0.3], abs=0.012)
    assert (drawn(shares[:5], names[:5]) == found[:5]).all()
    assert drawn(np.array([[np.nan, 0.5]]), ["x"])[0] == -1
    assert 0 <= uniform("x") < 1


def test_an_outcome_that_cannot_come_is_never_drawn():
    found = drawn(np.tile([0.0, 1.0, 0.0], (2_000, 1)), [str(at) for at in range(2_000)])
    assert set(found) == {1}


def test_tasks_are_drawn_evenly_and_fewer_are_not_repeated():
    by_origin = {
        key: [Task(f"{key}{at}", f"{key} {at}", key) for at in range(n)] for key, n in {"a": 9, "b": 2}.items()
    }
    spec = TasksSpec.model_validate({"origins": {"a": {"texts": {"x": "y"}}}, "n": 6})
    count = Counter(task.origin for task in draw(by_origin, spec))
    assert count == {"a": 4, "b": 2}
    assert draw(by_origin, spec) == draw(by_origin, spec)
    everything = spec.model_copy(update={"n": None})
    assert len(draw(by_origin, everything)) == 11


def test_files_of_tasks_are_read_whatever_they_call_their_columns(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "x1", "text": "One"}\n\n{"task_id": "x2", "task_text": "Two"}\n')
    (tmp_path / "b.csv").write_text('content,category\n"Three, four",c\n')
    assert read_tasks(tmp_path / "a.jsonl") == [("x1", "One"), ("x2", "Two")]
    assert read_tasks(tmp_path / "b.csv", "bail") == [("bail_0", "Three, four")]
    (tmp_path / "c.jsonl").write_text('{"id": "x1"}\n')
    with pytest.raises(DataError, match="line 1: a task without a text"):
        read_tasks(tmp_path / "c.jsonl")
    (tmp_path / "d.jsonl").write_text("nothing\n")
    with pytest.raises(DataError, match="line 1: expected an object with `id` and `text`"):
        read_tasks(tmp_path / "d.jsonl")


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\u0085", "\x1e"])
def test_lines_of_tasks_and_ids_end_at_line_feeds_alone(sign, tmp_path):
    row = json.dumps({"id": f"x{sign}1", "text": f"One{sign}two"}, ensure_ascii=False)
    (tmp_path / "a.jsonl").write_text(f"\ufeff{row}\r\n", encoding="utf-8", newline="")
    assert read_tasks(tmp_path / "a.jsonl") == [(f"x{sign}1", f"One{sign}two")]
    (tmp_path / "ids.txt").write_text(f"x{sign}1\ny\n", encoding="utf-8")
    texts = {f"x{sign}1": "One", "y": "Two", "1": "Three"}
    study = study_of(tasks={"origins": {"a": {"texts": texts}}, "ids": str(tmp_path / "ids.txt")})
    assert {task.id for task in study_tasks(study)} == {f"x{sign}1", "y"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.jsonl", '{"id": "x", "text": "half \\ud83d"}', "line 1: .ud83d is half of a surrogate pair"),
        ("a.jsonl", '{"id": "x", "text": "x"}\n\n{"id": "y", "text": ["x"]}', "line 3: a task without a text"),
        ("a.jsonl", '{"id": ["x"], "text": "x"}', "line 1: the id is"),
        ("a.csv", "id,text\nx,one, two\n", "line 2: more fields than columns"),
        ("a.csv", 'id,text\nx,"one\n', "line 2: is not CSV"),
        ("a.csv", "id,text,text\nx,one,two\n", "line 1: the field 'text' is there twice"),
    ],
)
def test_broken_rows_of_tasks_are_refused_with_their_line(name, text, told, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=told):
        read_tasks(tmp_path / name)


def test_a_long_text_in_a_csv_file_is_read(tmp_path):
    (tmp_path / "a.csv").write_text(f"id,text\nx,{'y' * 200_000}\n")
    assert len(read_tasks(tmp_path / "a.csv")[0][1]) == 200_000


@pytest.mark.parametrize("name", ["@good:0", "a > b", "a | b"])
def test_ids_that_could_be_mistaken_for_others_are_refused(name):
    study = study_of(tasks={"origins": {"a": {"texts": {name: "One", "y": "Two"}}}})
    with pytest.raises(DataError, match="accepted: another id"):
        study_tasks(study)


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "{}",
        '{"a": "high"}',
        '{"a": NaN}',
        '{"scores": [1]}',
        '{"a": {"x": 1}}',
        "{",
        '{"a": 1, "a": 2}',
        f'{{"a": {"9" * 400}}}',
    ],
)
def test_consistency_scores_that_are_none_are_refused(text, tmp_path):
    (tmp_path / "scores.json").write_text(text)
    with pytest.raises(DataError, match=r"scores\.json"):
        inconsistent(ConsistencyFilter(file=str(tmp_path / "scores.json")))


def test_the_least_consistent_tasks_are_left_out(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text('{"scores": {"a": 0.9, "b": 0.1, "c": 0.5, "d": 0.7}}')
    assert inconsistent(ConsistencyFilter(file=str(path), keep=0.5)) == {"b", "c"}


def test_a_further_task_adds_its_own_pairs_alone_to_a_growing_graph():
    spec = PairsSpec(design="growing", degree=6)
    names = [f"t{at}" for at in range(30)]
    before, after = set(pairs(names, spec)), set(pairs(["new", *names], spec))
    added = after - before
    assert 3 <= len(added) <= 15
    assert all("new" in pair for pair in added)
    assert len(before - after) <= len(added)  # whose places it took
    assert len(before) == pytest.approx(30 * 6 / 2, rel=0.1)
    graph = nx.Graph(sorted(before))
    assert nx.is_connected(graph)
    assert set(pairs(sorted(names, reverse=True), spec)) == before
