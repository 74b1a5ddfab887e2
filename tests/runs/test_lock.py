"""The lock of a run folder where the file system has no locks, as network drives often have none."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chronas.errors import EnvironmentFault, RunError
from chronas.runs import lock as locking
from chronas.runs.files import write_all
from chronas.runs.folder import RunFolder
from chronas.runs.holder import Holder
from chronas.runs.lock import HELD, LOCK, TAKING

NONE = [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL]


def no_locks(number: int) -> Callable[..., None]:
    """A flock for a file system that has none."""

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    return flock


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {})


@pytest.fixture
def network_drive(monkeypatch: pytest.MonkeyPatch) -> None:
    assert locking.LOCKS is not None
    monkeypatch.setattr(locking.LOCKS, "flock", no_locks(errno.ENOLCK))


def leave(run: RunFolder, **other: Any) -> None:
    """The file that a process leaves which was killed: this one, but for `other`."""
    (run.path / HELD).write_text(json.dumps({**vars(Holder.this()), **other}))


def ended() -> int:
    """The pid of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def refusal(run: RunFolder) -> str:
    """Why the run cannot be locked."""
    before = sorted(os.listdir(run.path))
    with pytest.raises(RunError) as caught, run.locked():
        pass
    assert sorted(os.listdir(run.path)) == before
    return str(caught.value)


@pytest.mark.parametrize("number", NONE)
def test_without_locks_a_file_keeps_others_away_and_a_note_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    assert locking.LOCKS is not None
    monkeypatch.setattr(locking.LOCKS, "flock", no_locks(number))
    run = RunFolder.create(tmp_path / "run", {})
    with run.locked():
        held = json.loads((run.path / HELD).read_text())
        assert (held["host"], held["pid"]) == (socket.gethostname(), os.getpid())
        assert run.notes == (f"The run's folder lies on a file system without locks ({os.strerror(number)}): the file "
                             "lock.held in it keeps other processes away.",)  # fmt: skip
        assert refusal(RunFolder.open(run.path)).startswith(f"This process already is working on {run.path}. Wait")
        run.journal.append({"kind": "note", "stage": "run", "t": 0.0})
    assert not (run.path / HELD).exists()
    with run.locked():
        pass


def test_a_system_without_the_module_of_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "LOCKS", None)
    run = RunFolder.create(tmp_path / "run", {})
    with run.locked():
        assert "(this system has none)" in run.notes[0]
        assert "This process already" in refusal(RunFolder.open(run.path))


def test_with_locks_there_is_no_note_and_the_file_keeps_away_who_sees_none(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert locking.LOCKS is not None
    with run.locked():
        assert run.notes == ()
        mine = (run.path / HELD).read_bytes()
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(locking.LOCKS, "flock", no_locks(errno.ENOLCK))
            assert "This process already" in refusal(RunFolder.open(run.path))
            leave(run, host="far-away", locks=True)
            assert "on far-away" in refusal(RunFolder.open(run.path))
        (run.path / HELD).write_bytes(mine)
    assert not (run.path / HELD).exists()


def test_with_locks_the_file_of_one_who_had_them_is_replaced(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locking.LOCKS is not None
    for taking in (False, True):
        leave(run, host="far-away", locks=True)  # killed on another machine
        if taking:
            (run.path / TAKING).write_bytes((run.path / HELD).read_bytes())  # just as it took over
        with run.locked():
            assert json.loads((run.path / HELD).read_text())["host"] == socket.gethostname()
        assert not {HELD, TAKING} & set(os.listdir(run.path))
    leave(run, pid=ended(), locks=True)
    monkeypatch.setattr(locking.LOCKS, "flock", no_locks(errno.ENOLCK))
    with run.locked():  # killed on this machine
        assert run.notes


def test_the_file_is_whole_as_soon_as_it_is_there(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is killed while it writes leaves nothing that stands in the way."""
    there: list[bool] = []

    def watched(descriptor: int, data: bytes) -> None:
        there.append((run.path / HELD).exists())
        write_all(descriptor, data)

    monkeypatch.setattr("chronas.runs.lock.write_all", watched)
    with run.locked():
        assert there == [False, False]


def test_what_a_killed_one_leaves_is_removed(tmp_path: Path) -> None:
    for name in (HELD, TAKING):
        (tmp_path / f".{name}.0123abcd.tmp").write_text('{"ho')
    run = RunFolder.create(tmp_path, {})
    assert not list(run.path.glob(".*"))


def test_a_file_system_on_which_files_have_one_name(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*names: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    assert locking.LOCKS is not None
    with run.locked():
        monkeypatch.setattr(locking.LOCKS, "flock", no_locks(errno.ENOLCK))
        assert "This process already" in refusal(RunFolder.open(run.path))


@pytest.mark.usefixtures("network_drive")
def test_the_lock_is_given_back_after_a_failure(run: RunFolder) -> None:
    with pytest.raises(ZeroDivisionError), run.locked():
        raise ZeroDivisionError
    assert not (run.path / HELD).exists()


@pytest.mark.usefixtures("network_drive")
def test_the_lock_of_a_process_that_has_ended_is_taken_over(run: RunFolder) -> None:
    leave(run, pid=ended())
    with run.locked():
        assert json.loads((run.path / HELD).read_text())["pid"] == os.getpid()
        assert not (run.path / TAKING).exists()
    assert not (run.path / HELD).exists()
    leave(run, born="0")  # its number now belongs to another process
    with run.locked():
        pass


@pytest.mark.usefixtures("network_drive")
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="elsewhere nothing tells")
def test_a_killed_process_that_nobody_waited_for_has_ended(run: RunFolder) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        born = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
        leave(run, pid=process.pid, born=born)
        assert f"pid {process.pid} on" in refusal(run)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with run.locked():
            pass


@pytest.mark.usefixtures("network_drive")
@pytest.mark.parametrize("other", [{"host": "far-away"}, {"machine": "another container"}])
def test_the_lock_of_another_machine_is_left_and_the_message_tells_whose_it_is(
    run: RunFolder, other: dict[str, str]
) -> None:
    gone = ended()
    leave(run, pid=gone, started="2026-01-02T03:04:05+00:00", **other)
    host = other.get("host", socket.gethostname())
    assert refusal(run) == (
        f"Another process (pid {gone} on {host}, since 2026-01-02T03:04:05+00:00) is working on {run.path}. "
        f"Wait for it to end, or stop it; if it is gone, delete {run.path / HELD}."
    )
    (run.path / HELD).unlink()
    with run.locked():
        pass


@pytest.mark.usefixtures("network_drive")
def test_a_file_that_does_not_tell_whose_it_is(run: RunFolder) -> None:
    for content in (b"", b"[]", b'{"pid": "x"}', b"\xff"):
        (run.path / HELD).write_bytes(content)
        assert refusal(run).endswith(f"if there is none, delete {run.path / HELD}.")


@pytest.mark.usefixtures("network_drive")
def test_of_several_that_take_over_one_does(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(run, pid=ended())
    (run.path / TAKING).write_text("")
    assert refusal(run).endswith(f"if there is none, delete {run.path / TAKING}.")
    (run.path / TAKING).unlink()
    make = locking._make

    def late(file: Path, content: bytes) -> bool:
        made = make(file, content)
        if file.name == TAKING:  # the other one was faster by a moment
            leave(run, pid=os.getppid(), born=Holder.this().born, host="far-away")
        return made

    monkeypatch.setattr(locking, "_make", late)
    with pytest.raises(RunError, match="on far-away"), run.locked():
        pass
    assert json.loads((run.path / HELD).read_text())["host"] == "far-away"
    assert not (run.path / TAKING).exists()


@pytest.mark.usefixtures("network_drive")
def test_the_file_of_somebody_else_is_not_removed(run: RunFolder) -> None:
    with run.locked():
        leave(run, host="far-away")  # a person deleted the first one, wrongly
    assert (run.path / HELD).exists()


def test_who_has_locks_respects_the_file_of_one_who_has_none(run: RunFolder) -> None:
    leave(run, host="far-away")
    assert "on far-away" in refusal(run)
    leave(run, pid=ended())
    with run.locked():
        assert json.loads((run.path / HELD).read_text())["pid"] == os.getpid()
    assert not (run.path / HELD).exists()


def test_other_faults_of_locking_are_no_missing_locks(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locking.LOCKS is not None
    monkeypatch.setattr(locking.LOCKS, "flock", no_locks(errno.EIO))
    with pytest.raises(EnvironmentFault, match=rf"^Cannot use {run.path / LOCK}: Input/output error"), run.locked():
        pass
    monkeypatch.setattr(locking.LOCKS, "flock", no_locks(errno.EACCES))  # SMB's answer where another one holds it
    assert f"is working on {run.path}" in refusal(run)


def test_a_run_that_is_only_a_lock_may_be_made(tmp_path: Path) -> None:
    (tmp_path / HELD).write_text(json.dumps({**vars(Holder.this()), "pid": ended()}))
    assert RunFolder.create(tmp_path, {}).spec == {"format": 1}


HOLD = """
import errno, fcntl, sys, time
from chronas.runs.folder import RunFolder
def flock(*_):
    raise OSError(errno.ENOLCK, "no locks")
fcntl.flock = flock
with RunFolder.open(sys.argv[1]).locked():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.usefixtures("network_drive")
def test_a_second_process_is_refused_until_the_first_is_killed(run: RunFolder) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(run.path)], stdout=subprocess.PIPE, text=True)
    with holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            assert f"(pid {holder.pid} on {socket.gethostname()}, since " in refusal(run)
        finally:
            os.kill(holder.pid, signal.SIGKILL)
    with run.locked():
        pass
