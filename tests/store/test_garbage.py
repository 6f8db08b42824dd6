from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from inoc.errors import DataError
from inoc.store import Store, Unit
from inoc.store.garbage import collect
from inoc.trouble import explanation

HOUR = 3600.0

# Claims a unit, says so, and goes on when it is told to: with one more file, as a job that saves every so often.
WORKER = """
import sys
from pathlib import Path
from inoc.store import Store, Unit
with Store(Path(sys.argv[1])).claim(Unit("toy", 1, {"k": int(sys.argv[2])}, "a long one"), resume=True) as work:
    (work / "checkpoint-1").write_text("first half")
    print("holds", flush=True)
    sys.stdin.readline()
    (work / "checkpoint-2").write_text("second half")
print("stored", flush=True)
"""


def unit(k: int) -> Unit:
    return Unit("toy", 1, {"k": k}, f"unit {k}")


def make(store: Store, k: int) -> None:
    with store.claim(unit(k)) as work:
        assert work is not None
        (work / "out.txt").write_text("done")


def work_folder(store: Store, k: int):
    return store.root / "work" / "toy" / unit(k).key


def age(store: Store, k: int) -> None:
    """Let a work folder be of yesterday, as of a job that has long computed in memory."""
    folder = work_folder(store, k)
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (time.time() - 24 * HOUR,) * 2)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def worker(store):
    started = []

    def start(k: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WORKER, str(store.root), str(k)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "holds\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_entries_that_no_study_refers_to_are_garbage_and_the_rest_stay(store):
    for k in range(4):
        make(store, k)
    store.refer("mine", "score-0", [unit(0), unit(1)])
    store.refer("gone", "score-0", [unit(2)])
    listed = collect(store, {"mine": {"score-0"}}, delete=False, grace_s=0)
    assert {path.name for path in listed.entries} == {unit(2).key, unit(3).key}
    assert listed.n_bytes > 0
    assert listed.kept == 2
    assert store.has(unit(2))
    collect(store, {"mine": {"score-0"}}, delete=True, grace_s=0)
    assert [store.has(unit(k)) for k in range(4)] == [True, True, False, False]
    assert collect(store, {"mine": {"score-0"}}, delete=True, grace_s=0).entries == []
    assert not (store.root / "refs" / "gone").exists()
    assert not (store.root / "trash").exists()


def test_young_entries_stay(store):
    make(store, 0)
    assert collect(store, {}, delete=True, grace_s=HOUR).entries == []
    assert store.has(unit(0))


def test_an_entry_that_a_job_has_just_found_counts_as_young(store):
    make(store, 0)
    description = store.folder(unit(0)) / "unit.json"
    os.utime(description, (time.time() - 24 * HOUR,) * 2)
    assert store.missing([unit(0)]) == []
    collect(store, {}, delete=True, grace_s=HOUR)
    assert store.has(unit(0))


def test_the_work_of_a_job_that_lives_is_never_removed(store, worker):
    process = worker(0)
    age(store, 0)
    assert collect(store, {}, delete=True, grace_s=HOUR).entries == []
    assert collect(store, {}, delete=True, grace_s=0).entries == []
    output, _ = process.communicate("go on\n", timeout=300)
    assert output == "stored\n"
    names = {path.name for path in store.folder(unit(0)).iterdir()}
    assert names == {"unit.json", "checkpoint-1", "checkpoint-2"}


def test_the_work_of_a_killed_job_is_removed_once_it_is_old(store, worker):
    process = worker(0)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert collect(store, {}, delete=True, grace_s=HOUR).entries == []
    assert (work_folder(store, 0) / "checkpoint-1").exists()
    age(store, 0)
    assert collect(store, {}, delete=False, grace_s=HOUR).entries == [work_folder(store, 0)]
    collect(store, {}, delete=True, grace_s=HOUR)
    assert not work_folder(store, 0).exists()
    make(store, 0)
    assert store.has(unit(0))


def test_work_whose_files_are_still_written_is_not_abandoned(store, worker):
    process = worker(0)
    process.kill()
    process.wait()
    age(store, 0)
    os.utime(work_folder(store, 0) / "checkpoint-1")  # a file deep in it; its folder keeps its time
    assert collect(store, {}, delete=True, grace_s=HOUR).entries == []


def test_work_that_somebody_removes_under_a_job_makes_no_entry(store, worker):
    import shutil

    process = worker(0)
    shutil.rmtree(work_folder(store, 0))
    work_folder(store, 0).mkdir()  # as the job's next save would make it
    _, errors = process.communicate("go on\n", timeout=300)
    assert process.returncode == 1
    assert "was removed while 'a long one' was computed" in errors
    assert not store.has(unit(0))
    make(store, 0)
    assert store.has(unit(0))


def test_an_entry_without_its_files_is_garbage_although_it_is_referred_to(store):
    make(store, 0)
    store.refer("mine", "score-0", [unit(0)])
    (store.folder(unit(0)) / "out.txt").unlink()
    assert collect(store, {"mine": None}, delete=True, grace_s=0).entries == [store.folder(unit(0))]
    assert not store.folder(unit(0)).exists()


def test_references_of_former_shards_are_dropped_once_the_present_ones_have_written_theirs(store):
    for k in range(3):
        make(store, k)
    for shard in range(3):
        store.refer("mine", f"score-{shard}", [unit(shard)])
    present = {"mine": {"score-0", "score-1", "train-0"}}
    # The jobs of the new split have not run yet, and are about to find what the former ones made.
    refs = store.root / "refs" / "mine"
    for shard in range(2):
        os.utime(refs / f"score-{shard}.json", (time.time() - HOUR,) * 2)
    assert collect(store, present, delete=True, grace_s=0).entries == []
    store.refer("mine", "score-0", [unit(0)])
    store.refer("mine", "score-1", [unit(1)])
    assert [path.name for path in collect(store, present, delete=True, grace_s=0).entries] == [unit(2).key]
    assert sorted(path.stem for path in refs.iterdir()) == ["score-0", "score-1"]


def test_references_of_a_stage_that_the_study_no_longer_has_are_dropped(store):
    make(store, 0)
    store.refer("mine", "train-0", [unit(0)])
    assert len(collect(store, {"mine": {"score-0"}}, delete=True, grace_s=0).entries) == 1


def test_all_references_count_while_the_jobs_of_a_study_are_not_known(store):
    make(store, 0)
    store.refer("broken", "score-7", [unit(0)])
    assert collect(store, {"broken": None}, delete=True, grace_s=0).entries == []


def test_locks_take_one_file_however_many_units_there_are(store):
    for k in range(5):
        make(store, k)
    assert [path.name for path in (store.root / "locks").iterdir()] == ["units"]
    assert (store.root / "locks" / "units").stat().st_size == 0


HOLD_AS_BEFORE = """
import fcntl, sys
stream = open(sys.argv[1], "w")
fcntl.lockf(stream, fcntl.LOCK_EX)
print("holds", flush=True)
sys.stdin.readline()
"""


def test_the_files_of_an_earlier_version_s_locks_go_and_those_that_its_jobs_hold_stay(store):
    make(store, 0)
    locks = store.root / "locks"
    (locks / unit(1).key).touch()
    work_folder(store, 2).mkdir(parents=True)
    command = [sys.executable, "-c", HOLD_AS_BEFORE, str(locks / unit(2).key)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as old:
        assert old.stdout.readline() == "holds\n"
        age(store, 2)
        collect(store, {}, delete=True, grace_s=HOUR)
        assert {path.name for path in locks.iterdir()} == {"units", unit(2).key}
        assert work_folder(store, 2).exists()
        old.communicate("go on\n")
    age(store, 2)
    collect(store, {}, delete=True, grace_s=HOUR)
    assert {path.name for path in locks.iterdir()} == {"units"}
    assert not work_folder(store, 2).exists()


def test_a_block_that_leaves_no_file_makes_no_entry(store):
    with pytest.raises(DataError, match="left no file"), store.claim(unit(0)):
        pass
    assert not store.has(unit(0))


def test_a_store_whose_locks_cannot_be_opened_is_named_and_not_taken_for_one_in_use(store, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    make(store, 0)
    monkeypatch.setattr("inoc.store.locks._OPEN", {})
    monkeypatch.setattr("inoc.store.locks.os.open", refuse)
    with pytest.raises(PermissionError, match="locks") as caught:
        collect(store, {}, delete=False, grace_s=0)
    assert str(store.locks) in str(explanation(caught.value))
