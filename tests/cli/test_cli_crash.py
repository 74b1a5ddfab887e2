"""Where the traceback of a bug goes when disks are full or closed."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_support import Chronas

from chronas import api
from chronas.runs.folder import RunFolder

Full = Callable[[Path], None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that cannot be resumed, for a bug."""

    def broken(*words: object, **more: object) -> api.RunResult:
        raise RuntimeError("wires crossed")

    monkeypatch.setattr(api, "resume", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return RunFolder.create(tmp_path / "run", {}).path


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Full:
    """Makes the disk of a folder take names and nothing else."""
    real = Path.write_text

    def fill(folder: Path) -> None:
        def write_text(self: Path, text: str, encoding: str | None = None) -> int:
            real(self, "" if folder in self.parents else text, encoding=encoding)
            if folder in self.parents:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return len(text)

        monkeypatch.setattr(Path, "write_text", write_text)

    return fill


def test_where_the_run_takes_nothing_the_traceback_is_a_temporary_file(
    chronas: Chronas, run: Path, full: Full, tmp_path: Path
) -> None:
    full(run)
    ended = chronas("resume", run)
    (written,) = (tmp_path / "temporary").iterdir()
    assert f"The details are in {written}" in ended.err
    assert "wires crossed" in written.read_text()
    assert not (run / "crash.txt").exists()


def test_where_no_disk_takes_anything_the_message_says_how_to_see_it(
    chronas: Chronas, run: Path, full: Full, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full(tmp_path)

    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    for _ in range(2):
        ended = chronas("resume", run)
        assert ended.code == 1
        assert ended.err.endswith("RuntimeError: wires crossed\nCHRONAS_DEBUG=1 shows the details.\n")
        assert not list((tmp_path / "temporary").iterdir())
        monkeypatch.setattr(tempfile, "gettempdir", none)
