from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time

import pytest

from inoc.store import Store, Unit
from inoc.store.core import differing_parts, link_tree
from inoc.store.explain import collect, explain


def unit(**parts):
    return Unit("toy", 1, {"model": "m", "text": "t", **parts}, label=str(sorted(parts.items())))


def make(store, wanted, text="done"):
    with store.claim(wanted) as work:
        if work is not None:
            (work / "out.txt").write_text(text)


def test_a_unit_is_missing_until_its_block_ends_well(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(KeyError), store.claim(unit()) as work:
        (work / "out.txt").write_text("half")
        raise KeyError
    assert store.missing([unit()]) == [unit()]
    make(store, unit())
    assert store.missing([unit()]) == []
    assert (store.folder(unit()) / "out.txt").read_text() == "done"


def test_the_key_depends_on_every_part_and_not_on_the_label():
    assert unit().key == Unit("toy", 1, {"text": "t", "model": "m"}, "another").key
    assert len({unit().key, unit(seed=1).key, unit(seed=2).key, Unit("toy", 2, unit().parts).key}) == 4


def test_each_missing_unit_is_named_once_in_order(tmp_path):
    store = Store(tmp_path)
    make(store, unit(a=2))
    asked = [unit(a=3), unit(a=2), unit(a=1), unit(a=3)]
    assert store.missing(asked) == [unit(a=3), unit(a=1)]
    assert store.found == [unit(a=2).label]
    assert store.made == [unit(a=2).label]


def test_what_a_killed_process_left_is_kept_only_if_asked_for(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(KeyError), store.claim(unit()) as work:
        (work / "partial").touch()
        raise KeyError
    with store.claim(unit(), resume=True) as work:
        assert (work / "partial").exists()
    with pytest.raises(KeyError), store.claim(unit(a=1)) as work:
        (work / "partial").touch()
        raise KeyError
    with store.claim(unit(a=1)) as work:
        assert not (work / "partial").exists()


def _hold(root, started, seconds):
    with Store(root).claim(unit()) as work:
        (work / "out.txt").write_text("first")
        started.set()
        time.sleep(seconds)


def test_a_second_process_waits_and_then_finds_the_entry(tmp_path):
    started = multiprocessing.get_context("fork").Event()
    other = multiprocessing.get_context("fork").Process(target=_hold, args=(tmp_path, started, 0.3))
    other.start()
    assert started.wait(10)
    with Store(tmp_path).claim(unit()) as work:
        assert work is None
    other.join()


def test_a_killed_process_frees_its_unit(tmp_path):
    started = multiprocessing.get_context("fork").Event()
    other = multiprocessing.get_context("fork").Process(target=_hold, args=(tmp_path, started, 60))
    other.start()
    assert started.wait(10)
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    make(Store(tmp_path), unit(), "second")
    assert (Store(tmp_path).folder(unit()) / "out.txt").read_text() == "second"


def test_explain_names_the_part_that_differs_from_the_nearest_entry(tmp_path):
    store = Store(tmp_path)
    make(store, unit(seed=1, sampling={"temperature": 1.0, "top_p": 1.0}))
    make(store, unit(seed=9, sampling={"temperature": 0.2, "top_p": 0.5}))
    (found,) = explain(store, [unit(seed=1, sampling={"temperature": 0.7, "top_p": 1.0})])
    assert not found.present
    assert found.differences == ["sampling.temperature: wanted 0.7, nearest has 1.0"]
    (there,) = explain(store, [unit(seed=1, sampling={"temperature": 1.0, "top_p": 1.0})])
    assert there.present


def test_explain_says_nothing_is_near_in_an_empty_store(tmp_path):
    (found,) = explain(Store(tmp_path), [unit()])
    assert (found.present, found.nearest, found.differences) == (False, "", [])


def test_collect_drops_what_no_study_refers_to_and_keeps_the_rest(tmp_path):
    store = Store(tmp_path)
    for k in range(4):
        make(store, unit(k=k))
    store.refer("mine", "score-0", [unit(k=0), unit(k=1)])
    store.refer("gone", "score-0", [unit(k=2)])
    listed = collect(store, ["mine"], delete=False, grace_s=0)
    assert {path.name for path in listed.entries} == {unit(k=2).key, unit(k=3).key}
    assert listed.n_bytes > 0
    assert store.has(unit(k=2))
    collect(store, ["mine"], delete=True, grace_s=0)
    assert [store.has(unit(k=k)) for k in range(4)] == [True, True, False, False]
    assert collect(store, ["mine"], delete=True, grace_s=0).entries == []


def test_collect_keeps_what_is_young(tmp_path):
    store = Store(tmp_path)
    make(store, unit())
    assert collect(store, [], delete=True, grace_s=3600).entries == []
    assert store.has(unit())


def test_entries_say_what_they_are(tmp_path):
    store = Store(tmp_path)
    make(store, unit(seed=3))
    description = json.loads((store.folder(unit(seed=3)) / "unit.json").read_text())
    assert description["parts"] == {"model": "m", "seed": 3, "text": "t"}


def test_linked_trees_replace_older_ones_and_leave_the_description_out(tmp_path):
    store = Store(tmp_path / "store")
    make(store, unit())
    target = tmp_path / "results" / "x"
    target.mkdir(parents=True)
    (target / "old").touch()
    link_tree(store.folder(unit()), target)
    assert [path.name for path in target.iterdir()] == ["out.txt"]


def test_differing_parts_are_found_in_depth():
    assert differing_parts({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 0}) == ["a.c", "d"]
