from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from inoc.store import Store, Unit
from inoc.store.core import differing_parts, link_tree, replaced, write_text
from inoc.store.explain import explain
from inoc.store.locks import held_if_free


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
        (work / "whole").touch()


def _hold(root, started, seconds):
    with Store(root).claim(unit()) as work:
        (work / "out.txt").write_text("first")
        started.set()
        time.sleep(seconds)


def test_a_second_process_waits_and_then_finds_the_entry(tmp_path):
    started = multiprocessing.get_context("fork").Event()
    other = multiprocessing.get_context("fork").Process(target=_hold, args=(tmp_path, started, 0.3))
    other.start()
    assert started.wait(300)
    with Store(tmp_path).claim(unit()) as work:
        assert work is None
    other.join()


def test_a_killed_process_frees_its_unit(tmp_path):
    started = multiprocessing.get_context("fork").Event()
    other = multiprocessing.get_context("fork").Process(target=_hold, args=(tmp_path, started, 60))
    other.start()
    assert started.wait(300)
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    make(Store(tmp_path), unit(), "second")
    assert (Store(tmp_path).folder(unit()) / "out.txt").read_text() == "second"


def _hold_one(root, number, started):
    with Store(root).claim(unit(number=number)) as work, Store(root).claim(unit(other=number)) as other:
        (other / "out.txt").touch()
        (work / "out.txt").write_text("first")
        started.set()
        time.sleep(60)


def test_processes_hold_different_units_at_the_same_time(tmp_path):
    context = multiprocessing.get_context("fork")
    holders = []
    for number in range(3):
        started = context.Event()
        holder = context.Process(target=_hold_one, args=(tmp_path, number, started))
        holder.start()
        holders.append(holder)
        assert started.wait(300)
    for holder in holders:
        holder.kill()
        holder.join()


def _try(root, key, answer):
    with held_if_free(root / "locks" / "units", key) as free:
        answer.put(free)


def _is_free(root, key):
    context = multiprocessing.get_context("fork")
    answer = context.Queue()
    other = context.Process(target=_try, args=(root, key, answer))
    other.start()
    other.join()
    return answer.get(timeout=300)


def test_giving_one_unit_back_keeps_the_others_of_the_process(tmp_path):
    with Store(tmp_path).claim(unit(a=1)) as kept:
        make(Store(tmp_path), unit(a=2))
        assert _is_free(tmp_path, unit(a=2).key)
        assert not _is_free(tmp_path, unit(a=1).key)
        (kept / "out.txt").touch()
    assert _is_free(tmp_path, unit(a=1).key)


@pytest.mark.parametrize("damage", ["removed", "cut", "description cut"])
def test_an_entry_that_lacks_what_it_lists_is_not_an_entry_and_is_made_again(tmp_path, damage):
    store = Store(tmp_path)
    make(store, unit())
    file = store.folder(unit()) / ("unit.json" if damage == "description cut" else "out.txt")
    file.chmod(0o644)
    if damage == "removed":
        file.unlink()
    else:
        file.write_text(file.read_text()[:2])
    assert not store.has(unit())
    assert store.missing([unit()]) == [unit()]
    (found,) = explain(store, [unit()])
    assert not found.present
    make(store, unit(), "made again")
    assert (store.folder(unit()) / "out.txt").read_text() == "made again"


def test_entries_of_earlier_versions_which_list_no_files_are_valid_unless_they_are_hollow(tmp_path):
    store = Store(tmp_path)
    make(store, unit())
    description = store.folder(unit()) / "unit.json"
    described = json.loads(description.read_text())
    assert described.pop("files") == {"out.txt": 4}
    description.chmod(0o644)
    description.write_text(json.dumps(described))
    assert store.has(unit())
    (store.folder(unit()) / "out.txt").unlink()
    assert not store.has(unit())


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


def test_being_stopped_while_an_older_folder_is_removed_leaves_the_newer_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "site"
    target.mkdir()
    for name in ("mark", "page"):
        (target / name).write_text("old")

    def remove_one(folder: Path, **_: object) -> None:
        next(path for path in sorted(folder.rglob("*")) if path.is_file()).unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", remove_one)
    with pytest.raises(KeyboardInterrupt), replaced(target) as folder:
        for name in ("mark", "page"):
            (folder / name).write_text("new")
    assert {path.name: path.read_text() for path in target.iterdir()} == {"mark": "new", "page": "new"}


def test_differing_parts_are_found_in_depth():
    assert differing_parts({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 0}) == ["a.c", "d"]


def failing(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("work", ["chmod", "replace"])
def test_a_text_that_cannot_be_written_leaves_the_older_one_and_nothing_else(
    work: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "a.json", "old")
    with monkeypatch.context() as patched:
        patched.setattr(Path, work, failing)
        with pytest.raises(OSError, match="No space left"):
            write_text(tmp_path / "a.json", "new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.json": "old"}


def test_a_folder_that_cannot_be_shown_leaves_nothing_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "entry").mkdir()
    (tmp_path / "entry" / "a").write_text("a")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", failing)
        with pytest.raises(OSError, match="No space left"):
            link_tree(tmp_path / "entry", tmp_path / "results" / "shown")
    assert not list((tmp_path / "results").iterdir())
    link_tree(tmp_path / "entry", tmp_path / "results" / "shown")
    assert (tmp_path / "results" / "shown" / "a").read_text() == "a"


def executed(size, **parts):
    """A unit whose former key also held the size of its batches."""
    plain = {"model": "m", "settings": {"size": 4}, **parts}
    return Unit("toy", 1, plain, "unit", {**plain, "settings": {"size": size}})


def test_an_entry_under_the_former_key_of_a_unit_is_taken_over(tmp_path):
    store, wanted = Store(tmp_path), executed(32)
    make(store, Unit("toy", 1, dict(wanted.former), "unit"), "of an earlier version")
    assert store.has(wanted)
    assert store.missing([wanted]) == []
    assert (store.folder(wanted) / "out.txt").read_text() == "of an earlier version"
    # From now on it is found whatever is set.
    assert store.has(executed(16))
    assert store.missing([executed(4)]) == []
    assert explain(store, [executed(8)])[0].present
    assert json.loads((store.folder(wanted) / "unit.json").read_text())["executed"] == {"settings.size": "32"}


def test_a_unit_that_is_claimed_is_taken_over_too(tmp_path):
    store, wanted = Store(tmp_path), executed(32)
    make(store, Unit("toy", 1, dict(wanted.former), "unit"))
    with store.claim(wanted) as work:
        assert work is None
    assert store.has(executed(16))


def test_half_an_entry_under_the_former_key_is_not_taken_over(tmp_path):
    store, wanted = Store(tmp_path), executed(32)
    old = Unit("toy", 1, dict(wanted.former), "unit")
    make(store, old)
    (store.folder(old) / "out.txt").unlink()
    assert not store.has(wanted)
    assert store.missing([wanted]) == [wanted]


def test_a_unit_without_settings_of_its_execution_has_one_key():
    assert executed(4).former_key is None
    assert unit().former_key is None
    assert executed(4).key == executed(32).key == Unit("toy", 1, executed(4).parts).key
