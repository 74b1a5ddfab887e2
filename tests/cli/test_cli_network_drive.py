"""A run on a file system without locks, as a user sees it."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest
from cli_support import TINY, Chronas

from chronas.runs.journal import Journal


def test_a_run_goes_through_and_says_once_how_it_is_locked(
    chronas: Chronas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    out = tmp_path / "run"
    ended = chronas("fit", "digits", "--budget", "1 epochs", "--out", out, *TINY)
    assert ended.code == 0
    assert "without locks (No locks available): the file lock.held" in ended.out + ended.err
    assert chronas("resume", out).code == 0
    notes = [record for record in Journal(out / "journal.jsonl", write=False).raw() if record["kind"] == "note"]
    assert len([note for note in notes if "without locks" in note["message"]]) == 1
    assert "without locks" in (out / "report.html").read_text(encoding="utf-8")
    assert not (out / "lock.held").exists()
