"""The lock of a run folder: one process at a time works on it.

Where the file system has locks, the system itself gives them back when a process ends. Network drives often have none
(NFS without its lock service, some of SMB, Lustre and FUSE): there a file is made that only one process can make. Who
has the system's lock makes it too, for a drive may have locks for one machine and none for another.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from chronas.errors import RunError
from chronas.runs.files import FLAGS, disk_faults, remove_leftovers, to_disk, write_all
from chronas.runs.holder import Holder, now, read_holder

try:
    import fcntl as _fcntl

    LOCKS: ModuleType | None = _fcntl
except ImportError:
    LOCKS = None  # elsewhere than on POSIX systems

LOCK, HELD, TAKING = "lock", "lock.held", "lock.taking"
"""What the system locks; what only one process can make; what is made for the moment in which one takes that over."""
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY}
BUSY = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}


@contextlib.contextmanager
def lock(path: Path) -> Iterator[tuple[str, ...]]:
    """Hold the lock of the folder `path`; gives notes for people, on a file system without locks.

    Raises:
        RunError: another process holds it. The lock of a killed process is no obstacle; the message says what to do
            where that cannot be told.
        EnvironmentFault: the disk fails.
    """
    # The file stays: without it two processes could lock two files.
    with disk_faults(path / LOCK):
        descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | FLAGS, 0o666)
    try:
        with disk_faults(path / LOCK):
            reason = _locked_by_system(descriptor, path)
        if reason is None:
            with _described(descriptor, path), _held(path, Holder.this(locks=True)):
                yield ()
        else:
            with _held(path, Holder.this()):
                yield (f"The run's folder lies on a file system without locks ({reason}): the file {HELD} in it keeps "
                       "other processes away.",)  # fmt: skip
    finally:
        os.close(descriptor)


# -- the system's lock ---------------------------------------------------------------------------------------


def _locked_by_system(descriptor: int, path: Path) -> str | None:
    """Take the system's lock; returns why it has none to give, or None. Raises RunError, OSError."""
    if LOCKS is None:
        return "this system has none"
    try:
        LOCKS.flock(descriptor, LOCKS.LOCK_EX | LOCKS.LOCK_NB)
    except OSError as error:
        if error.errno in BUSY:
            raise RunError(f"{_holder(descriptor)} is working on {path}. Wait for it to end, or stop it.") from error
        if error.errno in NO_LOCKS:
            return os.strerror(error.errno)
        raise
    return None


@contextlib.contextmanager
def _described(descriptor: int, path: Path) -> Iterator[None]:
    """Write down who holds the lock, and give it back in the end."""
    assert LOCKS is not None
    try:
        with disk_faults(path / LOCK):
            os.ftruncate(descriptor, 0)
            write_all(descriptor, json.dumps({"pid": os.getpid(), "started": now()}).encode())
        yield
    finally:
        # At once, for a forked process may hold the descriptor too. Where it fails, closing gives the lock back.
        with contextlib.suppress(OSError):
            LOCKS.flock(descriptor, LOCKS.LOCK_UN)


def _holder(descriptor: int) -> str:
    """Who holds the system's lock, in words, as far as the lock file tells."""
    try:
        held = json.loads(os.read(descriptor, 1000))
        pid, started = int(held["pid"]), str(held["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return "Another process"
    if pid == os.getpid():
        return "This process already"
    return f"Another process (pid {pid}, since {started})"


# -- a file that only one process can make -------------------------------------------------------------------


@contextlib.contextmanager
def _held(path: Path, mine: Holder) -> Iterator[None]:
    """Hold the folder `path` by a file that only one process can make."""
    content = json.dumps(vars(mine)).encode()
    with disk_faults(path / HELD):
        if not _make(path / HELD, content):
            _take_over(path, mine, content)
    try:
        for name in (HELD, TAKING):
            remove_leftovers(path, name)
        yield
    finally:
        # What cannot be removed any more is no obstacle once this process has ended.
        with contextlib.suppress(OSError):
            if read_holder(path / HELD) == mine:
                (path / HELD).unlink()


def _make(file: Path, content: bytes) -> bool:
    """Make `file`, which is whole as soon as it is there where files can have two names; False where it exists.

    A torn file would not tell whose it is, so that nobody could take it over.
    """
    whole = file.with_name(f".{file.name}.{os.urandom(4).hex()}.tmp")
    try:
        _write(whole, content)
        try:
            os.link(whole, file)
            return True
        except FileExistsError:
            # Some network drives ask twice, and hear the second answer.
            return whole.exists() and whole.stat().st_nlink > 1
        except OSError:
            return _write(file, content)
    finally:
        with contextlib.suppress(OSError):
            whole.unlink(missing_ok=True)


def _write(file: Path, content: bytes) -> bool:
    """Make `file` unless it exists."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | FLAGS, 0o666)
    except FileExistsError:
        return False
    try:
        write_all(descriptor, content)
        to_disk(descriptor)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return True


def _take_over(path: Path, mine: Holder, content: bytes) -> None:
    """Put a file with `content` in the place of one whose process has ended. Raises RunError where it has not."""
    _refuse_held(path, read_holder(path / HELD), mine)
    left = read_holder(path / TAKING)
    if mine.locks and isinstance(left, Holder) and left.locks:
        (path / TAKING).unlink(missing_ok=True)  # of one that was killed just here, for its lock is ours now
    # Of several that see the old file one may replace it, and only while it is still the old one.
    if not _make(path / TAKING, content):
        file = shlex.quote(str(path / TAKING))
        raise RunError(f"Another process is about to work on {path}. Wait for it; if there is none, delete {file}.")
    replaced = False
    try:
        holder = read_holder(path / HELD)
        _refuse_held(path, holder, mine)
        if holder is not None:
            os.replace(path / TAKING, path / HELD)
            replaced = True
        elif not _make(path / HELD, content):
            raise RunError(f"Another process is about to work on {path}. Wait for it to end, or stop it.")
    finally:
        if not replaced:
            (path / TAKING).unlink(missing_ok=True)


def _refuse_held(path: Path, holder: Holder | str | None, mine: Holder) -> None:
    """Raise RunError unless nobody holds `path`, or one who has ended."""
    if holder is None:
        return
    file = shlex.quote(str(path / HELD))
    if isinstance(holder, str):
        raise RunError(f"{holder} may be working on {path}. Wait for it to end; if there is none, delete {file}.")
    if holder.gone or (holder.locks and mine.locks):
        return  # of two that have the system's lock the first one has ended
    if holder.here and holder.pid == os.getpid():
        raise RunError(f"This process already is working on {path}. Wait for it to end, or stop it.")
    who = f"Another process (pid {holder.pid} on {holder.host}, since {holder.started})"
    raise RunError(f"{who} is working on {path}. Wait for it to end, or stop it; if it is gone, delete {file}.")
