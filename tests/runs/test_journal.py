"""The journal survives kills and full disks, and names any other damage."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chronas.errors import EnvironmentFault, InternalError, RunError
from chronas.runs.journal import Journal


def note(message: str, stage: str = "search") -> dict[str, Any]:
    return {"kind": "note", "stage": stage, "t": 0.5, "level": "info", "message": message}


def resume(rewind: int, stage: str = "search") -> dict[str, Any]:
    return {"kind": "resume", "stage": stage, "t": 0.5, "rewind": rewind}


def seqs(journal: Journal) -> list[int]:
    return [record["seq"] for record in journal.records()]


def make(path: Path, *messages: str) -> Journal:
    journal = Journal(path)
    for message in messages:
        journal.append(note(message))
    return journal


def test_what_is_appended_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    returned = make(path, "a").append({**note("ä\n"), "metrics": {"loss": float("nan"), "acc": 1.5}}, sync=False)
    again = Journal(path)
    assert returned == again.raw()[1]
    assert again.raw()[1]["message"] == "ä\n"
    assert again.raw()[1]["metrics"] == {"loss": None, "acc": 1.5}
    assert not again.torn
    assert again.append(note("c"))["seq"] == again.last_seq() == 3
    assert len(path.read_bytes().splitlines()) == 3


def test_a_tail_torn_at_any_byte_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    make(path, "a", "b")
    good = path.read_bytes()
    make(path, "torn")
    whole = path.read_bytes()
    for cut in range(len(good), len(whole)):
        path.write_bytes(whole[:cut])
        reader = Journal(path, write=False)
        assert path.read_bytes() == whole[:cut], "a reader must not touch the file"
        assert reader.torn == (cut > len(good))
        journal = Journal(path)
        assert journal.torn == (cut > len(good))
        assert path.read_bytes() == good
        assert journal.append(note("torn"))["seq"] == 3
        assert path.read_bytes() == whole


@pytest.mark.parametrize("tail", [b'{"seq": 3, "ki\n', b"\0\0\0\0", b"\n", b"\xff\xfe\n"])
def test_an_unreadable_last_line_is_cut_off(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    make(path, "a", "b")
    good = path.read_bytes()
    path.write_bytes(good + tail)
    assert Journal(path).torn
    assert path.read_bytes() == good


def drop_middle(lines: list[bytes]) -> list[bytes]:
    return [lines[0], *lines[2:]]


def repeat_second(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[1], *lines[2:]]


def tear_second(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1][:9], *lines[2:]]


def nan_second(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(b"0.5", b"NaN"), *lines[2:]]


def list_second(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b"[2]", *lines[2:]]


def stageless_second(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b'{"seq": 2, "t": 1, "kind": "note"}', *lines[2:]]


def endless_second(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b"[" * 100_000, *lines[2:]]


@pytest.mark.parametrize(
    ("damage", "line"),
    [(drop_middle, 2), (repeat_second, 3), (tear_second, 2), (nan_second, 2), (list_second, 2),
     (stageless_second, 2), (endless_second, 2)],
)  # fmt: skip
def test_other_damage_is_an_error_that_names_the_line(
    tmp_path: Path, damage: Callable[[list[bytes]], list[bytes]], line: int
) -> None:
    path = tmp_path / "journal.jsonl"
    make(path, "a", "b", "c", "d")
    path.write_bytes(b"\n".join(damage(path.read_bytes().splitlines())) + b"\n")
    before = path.read_bytes()
    with pytest.raises(RunError, match=rf"Line {line} of .*journal\.jsonl .*another --out"):
        Journal(path)
    assert path.read_bytes() == before, "a damaged journal must be left as it is"


def test_a_whole_last_line_with_a_wrong_number_is_damage_and_not_torn(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    make(path, "a")
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(RunError, match=r"Line 2 .*seq 1 where 2"):
        Journal(path)


def test_a_rewind_drops_the_later_records_of_its_stage_only(tmp_path: Path) -> None:
    journal = make(tmp_path / "journal.jsonl", "1", "2", "3")
    journal.append(note("4", stage="train"))
    journal.append(resume(1))
    journal.append(note("6"))
    assert seqs(journal) == [1, 4, 5, 6]
    assert len(journal.raw()) == 6
    assert seqs(Journal(journal.path)) == [1, 4, 5, 6]


def test_two_resumes_in_a_row_and_a_further_one_back(tmp_path: Path) -> None:
    journal = make(tmp_path / "journal.jsonl", "1", "2", "3")
    journal.append(resume(2))
    journal.append(resume(2))
    assert seqs(journal) == [1, 2, 5]
    journal.append(note("6"))
    journal.append(resume(6))
    assert seqs(journal) == [1, 2, 5, 6, 7]
    journal.append(note("8"))
    journal.append(resume(1))
    assert seqs(journal) == [1, 9]
    journal.append(resume(0))
    assert seqs(journal) == [10]


@pytest.mark.parametrize(
    "record",
    [
        {"kind": "note", "stage": "search"},
        {"kind": "note", "t": 1.0},
        {"stage": "search", "t": 1.0},
        {"kind": "resume", "stage": "search", "t": 1.0},
        {**note("x"), "seq": 7},
        {**note("x"), "thing": object()},
        {**note("x"), "choices": {1: 2}},
    ],
)
def test_a_record_that_could_not_be_read_again_is_refused(tmp_path: Path, record: dict[str, Any]) -> None:
    journal = make(tmp_path / "journal.jsonl", "a")
    before = journal.path.read_bytes()
    with pytest.raises(InternalError):
        journal.append(record)
    assert journal.path.read_bytes() == before


def test_a_reader_cannot_append(tmp_path: Path) -> None:
    make(tmp_path / "journal.jsonl", "a")
    with pytest.raises(InternalError, match="lock"):
        Journal(tmp_path / "journal.jsonl", write=False).append(note("b"))


@pytest.mark.parametrize("call", ["write", "fsync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_a_valid_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    journal = make(tmp_path / "journal.jsonl", "a")
    before = journal.path.read_bytes()
    real = os.write

    def full(descriptor: int, data: bytes = b"") -> int:
        if call == "write" and len(data) > 5:
            return real(descriptor, data[:5])
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        # The write takes five bytes at a time until fewer are left, so the line is all but whole.
        patch.setattr(os, call, full)
        with pytest.raises(EnvironmentFault, match=r"is full .*Free space"):
            journal.append(note("lost"))
    assert journal.path.read_bytes() == before
    assert journal.append(note("b"))["seq"] == 2
    assert [record["message"] for record in Journal(journal.path).records()] == ["a", "b"]


def test_a_short_write_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = make(tmp_path / "journal.jsonl")
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    journal.append(note("a"))
    assert json.loads(journal.path.read_bytes())["message"] == "a"


def test_an_interrupt_in_the_middle_of_a_line_leaves_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = make(tmp_path / "journal.jsonl", "a")
    real = os.write

    def interrupted(descriptor: int, data: bytes) -> int:
        real(descriptor, data[:7])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            journal.append(note("lost"))
    journal.append(note("b"))
    assert [record["message"] for record in Journal(journal.path).raw()] == ["a", "b"]
