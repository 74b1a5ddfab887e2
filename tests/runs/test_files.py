"""Files are whole or as before, and reading says what is wrong."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chronas.errors import EnvironmentFault, InternalError, RunError
from chronas.runs import snapshots
from chronas.runs.files import read_json, remove_leftovers, write_bytes, write_json
from chronas.runs.folder import RunFolder


def test_json_comes_back_with_nan_as_null(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"format": 1, "nan": float("nan"), "inf": [float("inf")], "pair": (1, 2.5), "word": "ä"})
    assert "NaN" not in path.read_text()
    assert read_json(path, what="test") == {
        "format": 1,
        "nan": None,
        "inf": [None],
        "pair": [1, 2.5],
        "word": "ä",
    }
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("value", [object(), {1: 2}, {"deep": [b"bytes"]}])
def test_what_json_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path, value: object) -> None:
    with pytest.raises(InternalError):
        write_json(tmp_path / "a.json", {"x": value})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no thing: .*a.json does not exist"),
        (b"", "not JSON"),
        (b'{"format": 1', "not JSON"),
        (b'{"format": 1, "x": NaN}', "NaN is no JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1]", "no JSON object"),
        (b"{}", "no format number"),
        (b'{"format": true}', "no format number"),
        (b'{"format": 2}', "written by format 2, this version reads 1: upgrade Chronas"),
        (b'{"format": 0}', "format 0 is too old"),
    ],
)
def test_reading_says_which_file_and_why(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError, match=words) as caught:
        read_json(path, what="thing")
    assert str(path) in str(caught.value)


def test_any_format_is_read_where_none_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"format": 7}')
    assert read_json(tmp_path / "a.json", what="thing", format=None) == {"format": 7}


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "is full .*Free space and try again"),
        (errno.EDQUOT, "is full .*Free space and try again"),
        (errno.EACCES, "No permission .*--out"),
        (errno.EROFS, "No permission .*--out"),
        (errno.EIO, "Cannot use"),
    ],
)
def test_a_failed_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, words: str
) -> None:
    path = tmp_path / "a.json"
    write_bytes(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(EnvironmentFault, match=words):
            write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_fault_names_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "my run"
    (run / "snapshots").mkdir(parents=True)
    write_json(run / "spec.json", {"format": 1})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(EnvironmentFault, match=f"chronas resume '{run}'$"):
        write_bytes(run / "snapshots" / "a", b"x")


def test_a_folder_without_sync_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def refuse_folders(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EINVAL, "not here")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    write_bytes(tmp_path / "a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_sync_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    run = RunFolder.create(tmp_path / "run", {})
    with run.locked():
        run.journal.append({"kind": "note", "stage": "search", "t": 0.0})
        run.write_best({"choices": [1]})
        snapshots.save(run.snapshot_folder, "search", 1, {"step": 1})
    again = RunFolder.open(run.path)
    assert again.journal.last_seq() == 1
    assert again.read_best() == {"format": 1, "choices": [1]}
    found = snapshots.load_latest(again.snapshot_folder, "search")
    assert found is not None
    assert found.state == {"step": 1}


def test_a_missing_folder_is_an_environment_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"no/a\.json"):
        write_json(tmp_path / "no" / "a.json", {})


def test_leftovers_of_killed_writers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".a.json.123.tmp", ".b.json.123.tmp", "a.json", "a.json.123.tmp"):
        (tmp_path / name).write_bytes(b"x")
    remove_leftovers(tmp_path, "a.json")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        ".b.json.123.tmp",
        "a.json",
        "a.json.123.tmp",
    ]


ON_A_TINY_DISK = """
import sys
from pathlib import Path
import torch
from chronas.errors import EnvironmentFault
from chronas.runs import snapshots
from chronas.runs.folder import RunFolder
from chronas.runs.journal import Journal

run = RunFolder.create(Path(sys.argv[1]) / "run", {"seed": 0})
with run.locked():
    run.write_best({"choices": [1]})
    snapshots.save(run.snapshot_folder, "search", 1, {"w": torch.ones(100)})
    try:
        snapshots.save(run.snapshot_folder, "search", 2, {"w": torch.ones(1_000_000)})
        raise SystemExit("the big snapshot fitted")
    except EnvironmentFault as fault:
        assert "full" in str(fault) and "chronas resume" in str(fault), fault
    try:
        for _ in range(10_000):
            run.journal.append({"kind": "note", "stage": "search", "t": 0.0, "x": "x" * 500}, sync=False)
        raise SystemExit("the disk never got full")
    except EnvironmentFault as fault:
        assert "full" in str(fault), fault
    count = run.journal.last_seq()
    try:
        run.write_best({"choices": [2] * 100_000})
        raise SystemExit("the best fitted")
    except EnvironmentFault:
        pass
again = RunFolder.open(run.path)
assert not again.journal.torn and again.journal.last_seq() == count > 10, count
assert again.read_best()["choices"] == [1]
assert snapshots.load_latest(run.snapshot_folder, "search").number == 1
print("whole")
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        pytest.skip("a tiny disk needs unshare and mount")
    tiny = 'mount -t tmpfs -o size=256k tiny "$0"'
    prefix = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    if subprocess.run([*prefix, tiny, str(tmp_path)], capture_output=True, check=False).returncode:
        pytest.skip("a tiny disk cannot be mounted here")
    command = [*prefix, f'{tiny} && exec "$1" -c "$2" "$0"', str(tmp_path), sys.executable, ON_A_TINY_DISK]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "whole\n", done.stderr
