"""The run folder: everything that a run knows, in files that a person can read.

Whoever works on a run holds its lock; reading (show, report) needs none, because files are replaced whole.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chronas.errors import RunError, UsageError
from chronas.runs.files import FORMAT, disk_faults, read_json, remove_leftovers, write_bytes, write_json
from chronas.runs.journal import Journal
from chronas.runs.lock import HELD, LOCK, TAKING, lock
from chronas.runs.places import file_above, refuse_making

TRAINED = "train"
"""The folder in a search's run where `chronas train RUN` trains what was found, as a run of its own."""
_FOLDERS = ("snapshots", "model", "events")
_SKELETON = {LOCK, HELD, TAKING, "journal.jsonl", *_FOLDERS}


class RunFolder:
    """One run on disk. Make one with `RunFolder.create` or `RunFolder.open`.

    path     the folder
    spec     what was asked for, with "format"
    journal  its events; can be appended to inside `locked()`
    notes    what people should know of the folder; inside `locked()`, where it has no locks of the usual kind
    """

    def __init__(self, path: Path, spec: dict[str, Any], journal: Journal) -> None:
        self.path = path
        self.spec = spec
        self.journal = journal
        self.notes: tuple[str, ...] = ()

    @classmethod
    def create(cls, path: str | Path, spec: Mapping[str, Any]) -> RunFolder:
        """Make a new run folder at `path`, with its parents, that holds `spec`.

        An empty folder is fine. Raises UsageError where a run or other files are, EnvironmentFault where the
        disk is full or writing is forbidden.
        """
        path = Path(path)
        with disk_faults(path):
            refuse_occupied(path)
            path.mkdir(parents=True, exist_ok=True)
        with lock(path):
            with disk_faults(path):
                refuse_occupied(path)
                for name in _FOLDERS:
                    (path / name).mkdir(exist_ok=True)
            write_bytes(path / "journal.jsonl", b"")
            # Last: a folder is a run from the moment that it has a spec.
            write_json(path / "spec.json", {"format": FORMAT, **spec})
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """The run in the folder `path`, for reading; `locked()` allows work on it.

        Raises RunError, with a suggestion, where no run is, and for damaged files or another format.
        """
        path = Path(path)
        with disk_faults(path):
            if not (path / "spec.json").exists():
                raise RunError(f"{path} is no run folder: {_why_no_run(path)}")
            if not (path / "journal.jsonl").exists():
                raise RunError(f"The run {path} has lost its journal.jsonl. Restore it from a copy.")
        spec = read_json(path / "spec.json", what="specification of a run")
        return cls(path, spec, Journal(path / "journal.jsonl", write=False))

    @contextlib.contextmanager
    def locked(self) -> Iterator[RunFolder]:
        """Hold the run's lock: `with folder.locked(): ...`. The journal is read anew and can be appended to.

        Raises RunError when another process holds it. The lock of a killed process is no obstacle.
        """
        with lock(self.path) as self.notes:
            for name in ("spec.json", "best.json", "inspect.json", "result.json"):
                remove_leftovers(self.path, name)
            self.journal.claim()
            try:
                yield self
            finally:
                self.journal.release()

    @property
    def snapshot_folder(self) -> Path:
        """Where the snapshots of all stages are."""
        return self.path / "snapshots"

    @property
    def model_folder(self) -> Path:
        """Where the trained found network is, once it exists."""
        return self.path / "model"

    @property
    def train_folder(self) -> Path:
        """Where what a search found is trained by itself, unless another place is named; a run of its own."""
        return self.path / TRAINED

    @property
    def events_folder(self) -> Path:
        """Where TensorBoard events go."""
        return self.path / "events"

    @property
    def report_path(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    def write_best(self, best: Mapping[str, Any]) -> None:
        """Replace best.json, the best architecture so far, by `best`; "format" is added."""
        self._write("best.json", best)

    def read_best(self) -> dict[str, Any] | None:
        """What best.json holds, or None before the first. Raises RunError when it is damaged."""
        return self._read("best.json", "best architecture of a run")

    def write_inspect(self, inspect: Mapping[str, Any]) -> None:
        """Replace inspect.json, the latest look inside the search, by `inspect`; "format" is added."""
        self._write("inspect.json", inspect)

    def read_inspect(self) -> dict[str, Any] | None:
        """What inspect.json holds, or None before the first. Raises RunError when it is damaged."""
        return self._read("inspect.json", "look inside a search")

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Replace result.json by `result`; "format" is added."""
        self._write("result.json", result)

    def read_result(self) -> dict[str, Any] | None:
        """What result.json holds, or None before the first. Raises RunError when it is damaged."""
        return self._read("result.json", "result of a run")

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end. Raises RunError where its result is damaged."""
        result = self.read_result()
        return result is not None and result.get("status") == "finished"

    def unfinished(self) -> RunFolder:
        """What is to be resumed: this run, or, where it is finished and that is not, the training inside it."""
        if self.finished and (self.train_folder / "spec.json").exists():
            inner = RunFolder.open(self.train_folder)
            if not inner.finished:
                return inner
        return self

    def _write(self, name: str, data: Mapping[str, Any]) -> None:
        write_json(self.path / name, {"format": FORMAT, **data})

    def _read(self, name: str, what: str) -> dict[str, Any] | None:
        return read_json(self.path / name, what=what) if (self.path / name).exists() else None


def refuse_occupied(path: Path) -> None:
    """Raise UsageError unless a new run may be made at `path`; OSError where the disk fails."""
    if not path.exists():
        return
    if not path.is_dir():
        raise UsageError(f"{path} is a file, so no run can be made there. Choose another --out.")
    if (path / "spec.json").exists():
        raise UsageError(
            f"{path} already holds a run. Go on with it: chronas resume {shlex.quote(str(path))},"
            " or choose another --out."
        )
    others = sorted({entry.name for entry in path.iterdir()} - _SKELETON)
    # A kill while a run was being made leaves parts of the skeleton; those may be made again.
    others = [name for name in others if not name.startswith((".spec.json.", ".journal.jsonl.", f".{LOCK}."))]
    journal = path / "journal.jsonl"
    if not others and journal.exists() and journal.stat().st_size:
        others = [journal.name]
    if others:
        raise UsageError(f"{path} is not empty (it holds {others[0]!r}) and holds no run. Choose another --out.")


def refuse_unwritable(path: Path) -> None:
    """Raise PermissionError where nothing can be written at `path`, or below the nearest folder above it.

    Raises UsageError where what is above it is a file.
    """
    refuse_making(path)
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))


def _why_no_run(path: Path) -> str:
    """What is at `path` instead of a run, and which run may be meant."""
    file = file_above(path)
    if file is not None:
        return f"{file} is a file, not a folder."
    above = next((folder for folder in path.parents if (folder / "spec.json").exists()), None)
    if above is not None:
        return f"it lies inside one. Try: {above}"
    inside = _runs_in(path)
    if inside:
        return f"it holds runs. Name one of them: {', '.join(map(str, inside[:5]))}"
    words = "it has no spec.json." if path.exists() else "it does not exist."
    names = [folder.name for folder in _runs_in(path.parent)]
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    return f"{words} Did you mean {path.parent / near[0]}?" if near else words


def _runs_in(folder: Path) -> list[Path]:
    try:
        return sorted(entry.parent for entry in folder.glob("*/spec.json"))
    except OSError:
        return []
