"""A full disk: one clear error, nothing lost, and after making room the run ends as if nothing had happened."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_runs import assert_same, log_of, order, resumed, run, start_or_resume, unbroken

from chronas.errors import EnvironmentFault


@pytest.mark.parametrize("method", ["nasib", "random"])
@pytest.mark.parametrize("capacity", [0, 900, 6_000, 30_000, 90_000, 200_000])
def test_a_disk_that_fills_up(tmp_path: Path, method: str, capacity: int) -> None:
    out = tmp_path / "run"
    code = run(order("fit", method, out, snapshots_every=4, full_disk=capacity))
    assert code == EnvironmentFault.exit_code, log_of(out)
    assert "EnvironmentFault: The disk holding" in log_of(out)
    assert "Traceback" not in log_of(out)
    assert start_or_resume("fit", method, out) == 0, log_of(out)
    assert_same(out, unbroken("fit", method))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 120 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_real_small_disk(small_disk: Path) -> None:
    out = small_disk / "run"
    words = order("fit", "nasib", out, snapshots_every=2)
    code = run(words)
    assert code == EnvironmentFault.exit_code
    assert subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=False).returncode == 0
    assert resumed(out) == 0, log_of(out)
    assert_same(out, unbroken("fit", "nasib"))
