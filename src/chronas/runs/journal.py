"""The journal of a run: one JSON object per line, only ever appended to.

Records are numbered from 1, so `seq` is also the line number. After a kill the work since the last snapshot
is done again; a `resume` record says which records that took back, and `records()` leaves those out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from chronas.errors import InternalError, RunError
from chronas.runs.files import FLAGS, disk_faults, dump, parse, strict, to_disk, write_all


class Journal:
    """The journal in the file `path`; a missing file is an empty journal.

    A last line that a kill tore is left out, and `torn` says so. With `write=True` it is also cut off the
    file and `append` is allowed; a reader beside a working process opens with `write=False`, which changes
    nothing.
    Raises RunError for any other damage, naming the line.
    """

    def __init__(self, path: Path, *, write: bool = True) -> None:
        self.path = Path(path)
        self.torn = False
        self.writable = False
        self._lines: list[tuple[dict[str, Any], int]] = []
        if write:
            self.claim()
        else:
            self._read()

    def claim(self) -> None:
        """Read the file again, cut a torn last line off, allow `append`. The caller holds the run's lock."""
        size = self._read()
        if size > self._end:
            with disk_faults(self.path):
                os.truncate(self.path, self._end)
        self.writable = True

    def release(self) -> None:
        """Forbid `append` again."""
        self.writable = False

    def append(self, record: Mapping[str, Any], *, sync: bool = True) -> dict[str, Any]:
        """Write `record` (with `kind`, `stage`, `t`) as one line and return it with its `seq`.

        `sync=False` leaves it to the system when the line reaches the disk: a kill cannot lose it, a power
        cut can. NaN becomes null. Raises EnvironmentFault on a full disk; the journal stays as it was.
        """
        if not self.writable:
            raise InternalError(f"{self.path} is open for reading; append needs the run's lock.")
        whole = strict({"seq": len(self._lines) + 1, **record})
        problem = _problem(whole, len(self._lines) + 1)
        if problem:
            raise InternalError(f"A journal record {problem}: {record!r}.")
        line = dump(whole).encode() + b"\n"
        with disk_faults(self.path):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | FLAGS, 0o666)
            try:
                self._write(descriptor, line, whole, sync)
            finally:
                os.close(descriptor)
        return dict(whole)

    def raw(self) -> list[dict[str, Any]]:
        """All records in the order written, those that a resume took back included."""
        return [record for record, _ in self._lines]

    def records(self) -> list[dict[str, Any]]:
        """The logical records: a `resume` of stage S with `rewind` R drops earlier ones of S with seq > R."""
        kept: list[dict[str, Any]] = []
        for record, _ in self._lines:
            if record["kind"] == "resume":
                stage, rewind = record["stage"], record["rewind"]
                kept = [old for old in kept if old["stage"] != stage or old["seq"] <= rewind]
            kept.append(record)
        return kept

    def last_seq(self) -> int:
        """The `seq` of the last record, 0 in an empty journal."""
        return len(self._lines)

    @property
    def _end(self) -> int:
        """Bytes up to and including the newline of the last whole line."""
        return self._lines[-1][1] if self._lines else 0

    def _write(self, descriptor: int, line: bytes, record: dict[str, Any], sync: bool) -> None:
        if os.fstat(descriptor).st_size != self._end:
            os.ftruncate(descriptor, self._end)
        try:
            write_all(descriptor, line)
            if sync:
                to_disk(descriptor)
            # One step makes the record count, so an interrupt falls either before it or after it.
            self._lines.append((record, self._end + len(line)))
        except BaseException:
            os.ftruncate(descriptor, self._end)
            raise

    def _read(self) -> int:
        """Fill the lines from the file; returns its size in bytes."""
        with disk_faults(self.path):
            data = self.path.read_bytes() if self.path.exists() else b""
        lines: list[tuple[dict[str, Any], int]] = []
        start = 0
        while (newline := data.find(b"\n", start)) >= 0:
            number, last = len(lines) + 1, newline + 1 == len(data)
            try:
                record = parse(data[start:newline])
            except ValueError as error:
                if last:
                    break
                self._damaged(number, f"is not JSON ({error})")
            problem = _problem(record, number)
            if problem:
                self._damaged(number, problem)
            lines.append((record, newline + 1))
            start = newline + 1
        self._lines = lines
        self.torn = self.torn or start < len(data)
        return len(data)

    def _damaged(self, number: int, why: str) -> NoReturn:
        raise RunError(
            f"Line {number} of {self.path} {why}. A kill leaves no such damage: the file was changed or the"
            " disk failed. Restore the file from a copy, or start a new run with another --out."
        )


def _problem(record: object, seq: int) -> str | None:
    """What is wrong with `record` as the record number `seq`, or None."""
    if not isinstance(record, dict):
        return "is no JSON object"
    if type(record.get("seq")) is not int or record["seq"] != seq:
        return f"has seq {record.get('seq')!r} where {seq} must stand"
    for key in ("kind", "stage"):
        if not isinstance(record.get(key), str):
            return f"has no {key!r}"
    if type(record.get("t")) not in (int, float):
        return "has no time 't' in seconds"
    if record["kind"] == "resume" and type(record.get("rewind")) is not int:
        return "is a resume without 'rewind', the seq to go back to"
    return None
