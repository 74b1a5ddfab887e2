"""Where processes cannot score networks, the reason is plain: the caller then scores them one by one."""

from __future__ import annotations

import errno
import os
import tempfile
import warnings
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from chronas.proxies import flight
from chronas.proxies.base import ProxyBatch
from chronas.proxies.flight import NoProcesses, Processes


@pytest.fixture
def batch() -> ProxyBatch:
    return ProxyBatch(torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64), 2)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOSPC, errno.EACCES, errno.ENOENT])
def test_no_room_for_semaphores(batch: ProxyBatch, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def none(*words: object, **more: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("multiprocessing.synchronize._multiprocessing.SemLock", none)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(NoProcesses, match=rf"semaphores in /dev/shm \({os.strerror(number)}\)$"):
            Processes(2, batch)


def test_no_folder_for_temporary_files(batch: ProxyBatch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(NoProcesses, match=r"cannot be started here: .*No such file or directory.*gone"):
        Processes(2, batch)


def test_a_full_folder_for_temporary_files(batch: ProxyBatch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*words: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(flight, "save_file", full)
    with pytest.raises(NoProcesses, match="cannot be started here: I/O error: No space left on device"):
        Processes(2, batch)
    assert not list(tmp_path.iterdir())
