"""Troubles with the machine: full disks, missing permissions, file systems without locks, Ctrl-C.

None of these is a mistake in the program, so each has one message that names the cause and what to do, and no
traceback. All of them can be run again: an entry of the store appears whole or not at all.
"""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from collections.abc import Iterator

from inoc.signals import words_of

_AGAIN = "Then run again: what was finished is kept"
_NO_LOCKS = (
    "the file system has no locks{0}. Put the folder on a file system that has some (name another folder as `store` or "
    "`api.folder` in config/config.yaml; Lustre has locks if it is mounted with `flock`). " + _AGAIN
)
_FULL = "the disk is full{0}. Free some space. " + _AGAIN
_WORDS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "the quota of the disk is used up{0}. Free some space. " + _AGAIN,
    errno.EFBIG: "a file would be larger than is allowed here{0} (see `ulimit -f`). " + _AGAIN,
    errno.EROFS: "the file system can only be read{0}. Choose a folder that can be written. " + _AGAIN,
    errno.EACCES: "permission is denied{0}. Choose a folder that can be written, or have its rights changed. " + _AGAIN,
    errno.EPERM: "the operation is not permitted{0}. Choose another folder, or have its rights changed. " + _AGAIN,
    errno.ENOLCK: _NO_LOCKS,
    errno.ENOTSUP: _NO_LOCKS,
    errno.EOPNOTSUPP: _NO_LOCKS,
    errno.ENOSYS: _NO_LOCKS,
    errno.EIO: "the disk failed while it was read or written{0}. Check the disk. " + _AGAIN,
    errno.ESTALE: "the network disk has lost a file{0}. Check that it is there. " + _AGAIN,
    errno.EMFILE: "too many files are open{0}. Allow more, for example with `ulimit -n 4096`. " + _AGAIN,
    errno.ENAMETOOLONG: "a path is too long for the file system{0}. Choose a folder with a shorter path",
    errno.ENOTDIR: "a part of the path is a file and not a folder{0}. Rename the file, or choose another folder",
    errno.EEXIST: "a file is in the place of a folder{0}. Rename the file, or choose another folder",
    errno.EISDIR: "a folder is in the place of a file{0}. Rename the folder, or choose another path",
    errno.ENOMEM: "the memory is used up{0}. Give the job more. " + _AGAIN,
}
_NO_HOME = "the home directory is not known{0}. Set HOME, or write the path without `~`"
_NO_TEMPORARY = "there is no folder for temporary files{0}. Set TMPDIR to one that can be written. " + _AGAIN
_SAID = (  # by libraries in languages other than Python, whose errors carry no number
    (re.compile(r"no space left on device|os error 28\b|database or disk is full", re.IGNORECASE), _FULL),
    (re.compile(r"disk quota exceeded|os error 122\b", re.IGNORECASE), _WORDS[errno.EDQUOT]),
    (re.compile(r"read-only file system|readonly database|os error 30\b", re.IGNORECASE), _WORDS[errno.EROFS]),
    (re.compile(r"could not determine home directory|uid not found", re.IGNORECASE), _NO_HOME),
    (re.compile(r"no usable temporary directory", re.IGNORECASE), _NO_TEMPORARY),
    (re.compile(r"locking protocol|no locks available", re.IGNORECASE), _NO_LOCKS),
)


def explanation(error: BaseException) -> str | None:
    """Explanation of a machine's trouble, with a remedy.

    Args:
        error: As it was raised. What caused it is looked at, too.

    Returns:
        A message; None for an error that is none of these, whose traceback is of use.
    """
    if isinstance(error, KeyboardInterrupt):
        return words_of(error)
    for one in _chain(error):
        words = _of_one(one)
        if words is not None:
            return words
    return None


def has_no_locks(error: OSError) -> bool:
    """Whether a lock was refused because there are none, and not because another process holds it."""
    return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK)


def _of_one(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno in _WORDS:
        return _WORDS[error.errno].format(_place(error))
    if isinstance(error, UnicodeEncodeError):
        return _unwritable(error)
    if isinstance(error, MemoryError):
        return _WORDS[errno.ENOMEM].format("")
    if isinstance(error, sqlite3.Error | OSError | RuntimeError) or type(error).__name__ == "SafetensorError":
        text = str(error)
        for pattern, words in _SAID:
            if pattern.search(text):
                return words.format("")
    if isinstance(error, sqlite3.Error):
        return (
            f"the database of requests cannot be used: {error}. It must be on a disk of this machine: check the folder "
            f"`api` of the store, or name another as `api.folder`. {_AGAIN}"
        )
    return None


def _place(error: OSError) -> str:
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    return f": {' → '.join(names)}" if names else ""


def _unwritable(error: UnicodeEncodeError) -> str:
    if error.encoding.lower().replace("-", "") == "utf8":
        text = "a text or a path has half of a surrogate pair, which is no character and cannot be stored"
    else:
        text = f"the character {error.object[error.start]!r} cannot be written in this locale ({error.encoding})"
    return f"{text}. Set a locale that has all characters (export LC_ALL=C.UTF-8, or PYTHONUTF8=1). {_AGAIN}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and its explicit causes; not the errors being handled at the time, which may be unrelated."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__
