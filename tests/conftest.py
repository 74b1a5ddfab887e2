"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Tiny networks on several threads wait for each other more than they compute; child processes inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """The folder with real CIFAR-10 and benchmark tables; tests that need it skip where it is absent."""
    if not (SHARED / "cifar10" / "train.parquet").exists():
        pytest.skip(f"real data is not here: {SHARED}")
    return SHARED
