from __future__ import annotations

import errno
import fcntl

import pytest

from inoc.errors import InocError
from inoc.store.locks import held, held_if_free

KEY = "0123456789abcdef" * 4


def test_a_file_system_without_locks_is_named_with_what_to_do(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", none)
    for lock in (held, held_if_free):
        with pytest.raises(InocError, match=r"units cannot be locked: No locks available.*config/config.yaml"):
            lock(tmp_path / "units", KEY).__enter__()


def test_a_store_that_was_removed_and_made_again_has_locks_of_its_own(tmp_path):
    path = tmp_path / "locks" / "units"
    with held(path, KEY):
        first = path.stat().st_ino
        path.unlink()
    with held(path, KEY):
        assert path.exists()
        assert path.stat().st_ino != first
