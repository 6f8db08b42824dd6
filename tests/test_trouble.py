"""Messages for what the machine does to a job."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from inoc import cli
from inoc.api.cache import Cache
from inoc.errors import InocError
from inoc.jobs.lock import hold
from inoc.store import Store, Unit
from inoc.trouble import explanation, has_no_locks

CONFIG = Path(__file__).parents[1] / "config"
SafetensorError = type("SafetensorError", (Exception,), {})


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "store/x"), "the disk is full: store/x"),
        (OSError("[Errno 28] Error writing bytes to file. Detail: No space left on device"), "the disk is full"),
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), "disk is full"),
        (sqlite3.OperationalError("database or disk is full"), "the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "quota"),
        (OSError(errno.EROFS, "Read-only file system", "results"), "can only be read: results"),
        (PermissionError(errno.EACCES, "Permission denied", "results/a"), "permission is denied: results/a"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "can only be read"),
        (sqlite3.OperationalError("locking protocol"), "has no locks"),
        (sqlite3.OperationalError("disk I/O error"), "database of requests cannot be used: disk I/O error"),
        (sqlite3.DatabaseError("file is not a database"), "file is not a database"),
        (OSError(errno.ENOLCK, "No locks available"), "has no locks"),
        (OSError(errno.ENOTSUP, "Operation not supported"), "has no locks"),
        (OSError(errno.ENOSYS, "Function not implemented"), "has no locks"),
        (FileExistsError(errno.EEXIST, "File exists", "parts"), "a file is in the place of a folder: parts"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "a", None, "b"), "in the place of a file: a → b"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit"),
        (UnicodeEncodeError("ascii", "m²", 1, 2, "ordinal not in range"), "LC_ALL=C.UTF-8"),
        (UnicodeEncodeError("utf-8", "m\ud800", 1, 2, "surrogates not allowed"), "surrogate"),
        (RuntimeError("Could not determine home directory."), "Set HOME"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), "Set TMPDIR"),
        (KeyboardInterrupt(), "stopped"),
        (MemoryError(), "memory"),
    ],
)
def test_a_cause_is_named_with_what_to_do(error: BaseException, words: str) -> None:
    found = explanation(error)
    assert found is not None
    assert words in found
    assert "\n" not in found
    wrapped = ValueError("something else")
    wrapped.__cause__ = error
    assert explanation(wrapped) == (None if isinstance(error, KeyboardInterrupt) else found)


@pytest.mark.parametrize("error", [KeyError("a"), RuntimeError("shapes differ"), FileNotFoundError(2, "No", "a")])
def test_a_mistake_in_the_program_is_not_explained_away(error: Exception) -> None:
    assert explanation(error) is None


@pytest.mark.parametrize(
    ("error", "status"),
    [(OSError(errno.ENOSPC, "No space left on device", "a"), 1), (KeyboardInterrupt(), 130)],
)
def test_a_verb_ends_with_one_message_and_its_log_has_it_too(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    error: BaseException,
    status: int,
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "run_stage", fail)
    with pytest.raises(SystemExit) as caught:
        cli.main(["world", "smoke", "--log", str(tmp_path / "log")])
    assert caught.value.code == status
    said = capsys.readouterr().err
    assert said.startswith("inoc: ")
    assert said.count("\n") == 1
    assert (tmp_path / "log").read_text() == said


def test_a_log_on_a_full_disk_does_not_hide_the_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")

    def fail(_: object) -> None:
        print("working", file=sys.stderr)
        raise OSError(errno.ENOSPC, "No space left on device", "a")

    monkeypatch.setattr(cli, "run_stage", fail)
    with pytest.raises(SystemExit):
        cli.main(["world", "smoke", "--log", "/dev/full"])
    assert capsys.readouterr().err == f"working\ninoc: {explanation(OSError(errno.ENOSPC, '', 'a'))}\n"


# --- file systems without locks


@pytest.fixture(params=[errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(fcntl, "lockf", refuse)


@pytest.mark.usefixtures("no_locks")
def test_a_file_system_without_locks_is_named_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    def claim() -> None:
        with Store(tmp_path).claim(Unit("score", 1, {})):
            pass

    with pytest.raises(InocError, match="a file system with locks"):
        claim()
    for use in (lambda: hold(tmp_path / "lock"), lambda: Cache(tmp_path / "api", 1)):
        with pytest.raises(OSError, match=r"\w") as caught:
            use()
        assert "has no locks" in str(explanation(caught.value))


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK])
def test_a_lock_that_somebody_holds_is_no_missing_lock(number: int) -> None:
    assert not has_no_locks(OSError(number, "held"))


# --- locales and homes


@pytest.mark.parametrize("home", [{}, {"HOME": "/nowhere/at/all"}])
def test_a_verb_runs_in_an_ascii_locale_and_without_a_home(tmp_path: Path, home: dict[str, str]) -> None:
    studies = tmp_path / "config" / "studies"
    studies.mkdir(parents=True)
    (tmp_path / "config" / "config.yaml").write_text("studies: [smoke]\n")
    for name in ("mini", "smoke"):
        text = (CONFIG / "studies" / f"{name}.yaml").read_text(encoding="utf-8")
        (studies / f"{name}.yaml").write_text(
            text.replace("description: The", "description: Größe m² 雪, the"), encoding="utf-8"
        )
    bare = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", **home}
    bare["PYTHONPATH"] = str(Path(__file__).parents[1] / "src")
    for verb in (["config", "check", "smoke"], ["rephrase", "smoke"], ["status", "smoke"]):
        done = subprocess.run(
            [sys.executable, "-m", "inoc.cli", *verb],
            cwd=tmp_path,
            env=bare,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    store = tmp_path / "config" / "config.yaml"
    store.write_text("studies: [smoke]\nstore: größe\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "inoc.cli", "world", "smoke"],
        cwd=tmp_path,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "LC_ALL=C.UTF-8" in done.stderr
    assert "Traceback" not in done.stderr


# --- standard streams that are closed


@pytest.mark.parametrize("closed", ["<&- >&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_verb_runs_with_standard_streams_that_are_closed(tmp_path: Path, closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m inoc numbers --seed 1 --n 5 {closed}', sys.executable],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_the_home_directory_is_put_for_its_sign_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    cli.main(["numbers", "--seed", "1", "--n", "2", "--out=~/rows.jsonl"])
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 2
