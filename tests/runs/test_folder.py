"""The run folder: made once, found again, worked on by one process at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chronas.errors import InternalError, RunError, UsageError
from chronas.runs.folder import RunFolder

NOTE = {"kind": "note", "stage": "search", "t": 0.0, "level": "info", "message": "hello"}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    made = RunFolder.create(tmp_path / "runs" / "a", {"seed": 3, "budget": "60s"})
    assert made.read_best() is made.read_inspect() is made.read_result() is None
    with made.locked() as run:
        run.journal.append(NOTE)
        run.write_best({"choices": (1, 2)})
        run.write_inspect({"progress": float("nan")})
        run.write_result({"status": "running"})
    again = RunFolder.open(tmp_path / "runs" / "a")
    assert again.spec == {"format": 1, "seed": 3, "budget": "60s"}
    assert again.journal.raw()[0]["message"] == "hello"
    assert again.read_best() == {"format": 1, "choices": [1, 2]}
    assert again.read_inspect() == {"format": 1, "progress": None}
    assert again.read_result() == {"format": 1, "status": "running"}
    for folder in (again.snapshot_folder, again.model_folder, again.events_folder):
        assert folder.is_dir()
        assert folder.parent == again.path
    assert again.report_path == again.path / "report.html"


def test_a_run_is_never_made_over_something(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "a", {})
    before = (tmp_path / "a" / "spec.json").read_bytes()
    with pytest.raises(UsageError, match=rf"already holds a run.*chronas resume {tmp_path}/a, or .*--out"):
        RunFolder.create(tmp_path / "a", {"seed": 1})
    assert (tmp_path / "a" / "spec.json").read_bytes() == before
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"not empty \(it holds 'cat.png'\)"):
        RunFolder.create(tmp_path / "photos", {})
    assert [entry.name for entry in (tmp_path / "photos").iterdir()] == ["cat.png"]
    with pytest.raises(UsageError, match="is a file"):
        RunFolder.create(tmp_path / "photos" / "cat.png", {})


def test_an_empty_folder_and_a_killed_creation_are_no_obstacle(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, {})
    (tmp_path / "spec.json").rename(tmp_path / ".spec.json.1.tmp")
    RunFolder.create(tmp_path, {"seed": 1})
    assert RunFolder.open(tmp_path).spec["seed"] == 1
    (tmp_path / "spec.json").unlink()
    (tmp_path / "journal.jsonl").write_text("{}")
    with pytest.raises(UsageError, match=r"journal\.jsonl"):
        RunFolder.create(tmp_path, {})


def test_opening_something_else_suggests_a_run(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "runs" / "first", {})
    RunFolder.create(tmp_path / "runs" / "second", {})
    with pytest.raises(RunError, match=r"does not exist\. Did you mean .*/runs/first\?"):
        RunFolder.open(tmp_path / "runs" / "fist")
    with pytest.raises(RunError, match=r"does not exist\.$"):
        RunFolder.open(tmp_path / "runs" / "my-photos")
    with pytest.raises(RunError, match=r"holds runs\. .*first, .*second"):
        RunFolder.open(tmp_path / "runs")
    with pytest.raises(RunError, match=r"inside one\. Try: .*/runs/first$"):
        RunFolder.open(tmp_path / "runs" / "first" / "model")
    with pytest.raises(RunError, match=r"no spec\.json"):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize(("number", "words"), [(0, "too old"), (2, "upgrade Chronas")])
@pytest.mark.parametrize("name", ["spec.json", "result.json"])
def test_another_format_is_named(tmp_path: Path, number: int, words: str, name: str) -> None:
    RunFolder.create(tmp_path, {})
    (tmp_path / name).write_text(json.dumps({"format": number}))
    with pytest.raises(RunError, match=words):
        RunFolder.open(tmp_path).read_result()


def test_a_lost_journal_is_named(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, {})
    (tmp_path / "journal.jsonl").unlink()
    with pytest.raises(RunError, match=r"lost its journal\.jsonl"):
        RunFolder.open(tmp_path)


def test_the_journal_needs_the_lock_and_is_read_anew_under_it(tmp_path: Path) -> None:
    first = RunFolder.create(tmp_path, {})
    with pytest.raises(InternalError, match="lock"):
        first.journal.append(NOTE)
    second = RunFolder.open(tmp_path)
    with second.locked():
        second.journal.append(NOTE)
    with first.locked():
        assert first.journal.append(NOTE)["seq"] == 2
    with pytest.raises(InternalError, match="lock"):
        first.journal.append(NOTE)


def test_the_lock_is_given_back_after_a_failure_and_is_not_held_twice(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, {})
    with pytest.raises(ZeroDivisionError), run.locked():
        raise ZeroDivisionError
    with (
        run.locked(),
        pytest.raises(RunError, match="This process already"),
        RunFolder.open(tmp_path).locked(),
    ):
        pass
    (tmp_path / ".best.json.9.tmp").write_bytes(b"half")
    with run.locked():
        assert not (tmp_path / ".best.json.9.tmp").exists()


HOLD = """
import sys, time
from chronas.runs.folder import RunFolder
with RunFolder.open(sys.argv[1]).locked() as run:
    run.journal.append({"kind": "note", "stage": "search", "t": 0.0, "message": "mine"})
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, {})
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(RunError, match=rf"Another process \(pid {holder.pid}, since .*working on {tmp_path}"):
                run.locked().__enter__()
            assert RunFolder.open(tmp_path).journal.last_seq() == 1, "reading needs no lock"
        finally:
            os.kill(holder.pid, signal.SIGKILL)
    with run.locked():
        assert run.journal.append(NOTE)["seq"] == 2
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_importing_the_folder_does_not_import_torch() -> None:
    code = "import sys, chronas.runs.folder; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
