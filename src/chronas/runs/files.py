"""Files that are either whole or absent, and JSON that any reader accepts.

A kill, a full disk or a power cut leaves the old content or the new one, never a mixture: the new content
goes to a temporary file beside the target, is forced to the disk, and then takes the target's name.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from chronas.errors import EnvironmentFault, InternalError, RunError

FORMAT = 1
FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""What every os.open takes: programs that are started do not inherit the file, and bytes stay as they are."""
FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


def run_of(path: Path) -> Path:
    """The run folder that `path` lies in (the nearest one with a spec.json), else the folder of `path`."""
    return next((folder for folder in path.parents if (folder / "spec.json").exists()), path.parent)


@contextlib.contextmanager
def disk_faults(path: Path) -> Iterator[None]:
    """Turn an OSError raised inside into an EnvironmentFault that names `path` and says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            words = f"The disk holding {path} is full (or your quota on it is used up). {_after_freeing(path)}"
        elif error.errno in _FORBIDDEN:
            words = (
                f"No permission for {path} ({error.strerror}). Change the permissions of {path.parent},"
                " or choose a folder that you may write to with --out."
            )
        else:
            words = f"Cannot use {path}: {error.strerror or error}. Check the folder and the disk that holds it."
        raise EnvironmentFault(words) from error


def _after_freeing(path: Path) -> str:
    run = run_of(path)
    if not (run / "spec.json").exists():
        return "Free space and try again, or choose a place on another disk."
    return f"Nothing written so far is lost; free space and run: chronas resume {shlex.quote(str(run))}"


def to_disk(descriptor: int) -> None:
    """Force what was written to the disk; file systems that cannot do this (some network drives) are let pass."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def sync_folder(folder: Path) -> None:
    """Force the names in `folder` to the disk; file systems that cannot do this are let pass."""
    if os.name != "posix":
        return  # folders cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        to_disk(descriptor)
    except OSError as error:
        # Some file systems want a file that is open for writing, which a folder cannot be.
        if error.errno != errno.EBADF:
            raise
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`: one os.write, more only where the system took less than it was given."""
    view = memoryview(data)
    while len(view):
        view = view[os.write(descriptor, view) :]


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` (bytes) atomically and durably. Raises EnvironmentFault on a full disk."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_faults(path):
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | FLAGS, 0o666)
            try:
                write_all(descriptor, data)
                to_disk(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def remove_leftovers(folder: Path, pattern: str) -> None:
    """Remove the temporary files of killed writers of files named like the glob `pattern` in `folder`."""
    with disk_faults(folder):
        for leftover in folder.glob(f".{pattern}.*.tmp"):
            leftover.unlink(missing_ok=True)


def strict(value: Any, where: str = "") -> Any:
    """`value` as strict JSON data: tuples become lists, and NaN and the infinities, which JSON lacks, null.

    Metrics may be NaN, so readers of metrics must expect None. Raises InternalError for any other type and
    for keys that are not text; `where` is the path that the message names.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InternalError(f"JSON keys must be text, but {where or 'the data'} has the key {key!r}.")
        return {key: strict(item, f"{where}/{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item, f"{where}/{number}") for number, item in enumerate(value)]
    raise InternalError(f"JSON cannot hold {type(value).__name__} (at {where or 'the top'}).")


def dump(data: Any, *, indent: int | None = None) -> str:
    """`data` as strict JSON text (see `strict`)."""
    return json.dumps(strict(data), allow_nan=False, indent=indent)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def parse(text: bytes) -> Any:
    """Strict JSON from UTF-8 `text`. Raises ValueError, whatever is wrong with it."""
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Replace `path` by `data` as strict, indented JSON, atomically. Raises as `write_bytes` and `strict`."""
    write_bytes(path, (dump(data, indent=1) + "\n").encode())


def read_json(path: Path, *, what: str, format: int | None = FORMAT) -> dict[str, Any]:
    """The JSON object in `path`, which is `what` (words for messages) and has the format number `format`.

    `format=None` does not look at the number. Raises RunError naming the file when it is missing, no JSON, no
    object, or of another format.
    """
    path = Path(path)
    try:
        with disk_faults(path):
            data = parse(path.read_bytes())
    except ValueError as error:
        raise RunError(f"{path} ({what}) is damaged: it is not JSON ({error}). Restore it from a copy.") from error
    except EnvironmentFault as fault:
        if isinstance(fault.__cause__, FileNotFoundError | NotADirectoryError):
            raise RunError(f"There is no {what}: {path} does not exist.") from fault
        raise
    if not isinstance(data, dict):
        raise RunError(f"{path} ({what}) is damaged: it holds no JSON object. Restore it from a copy.")
    if format is not None:
        check_format(data.get("format"), format, f"{path} ({what})")
    return data


def check_format(found: object, expected: int, subject: str) -> None:
    """Raise RunError unless `found` is the number `expected`; `subject` begins the message."""
    if not isinstance(found, int) or isinstance(found, bool):
        raise RunError(f"{subject} has no format number, so Chronas did not write it. Restore it from a copy.")
    if found > expected:
        raise RunError(f"{subject} was written by format {found}, this version reads {expected}: upgrade Chronas.")
    if found < expected:
        raise RunError(
            f"{subject}: format {found} is too old, this version reads {expected}. Use the chronas version"
            " that wrote it, or start a new run with another --out."
        )
