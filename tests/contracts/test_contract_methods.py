"""Every registered method keeps the contract of methods, on every space that it can search."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from registered import make_method, small_space

from chronas.methods import METHODS
from chronas.methods.oneshot import OneShotMethod
from chronas.nets import BUILDERS, SUPERNETS
from chronas.testing.methods import check_method, trace


def cases() -> list[tuple[str, str, str]]:
    """(method, preset, space): every method, each of its presets, every space that has what it needs."""
    found = []
    for entry in METHODS:
        spaces = SUPERNETS.names() if "supernet" in entry.needs else BUILDERS.names()
        presets = ("default", *METHODS.load(entry.name).presets)
        found += [(entry.name, preset, space) for preset in presets for space in spaces]
    return found


@pytest.mark.parametrize(("method", "preset", "space"), cases())
def test_method(method: str, preset: str, space: str) -> None:
    check_method(functools.partial(make_method, method, preset), small_space(space))


@pytest.mark.parametrize("entry", METHODS, ids=lambda entry: entry.name)
def test_registration_tells_the_truth(entry) -> None:  # type: ignore[no-untyped-def]
    kind = METHODS.load(entry.name)
    assert kind.name == entry.name
    assert issubclass(kind, OneShotMethod) == ("supernet" in entry.needs)
    assert kind.Settings() == kind.Settings()
    for changes in kind.presets.values():
        kind.Settings(**changes)


def digests() -> dict[str, str]:
    """A fingerprint of what each method decides."""
    found = {}
    for method, preset, space in cases():
        decided = trace(functools.partial(make_method, method, preset), small_space(space), 3)
        found[f"{method}/{preset}/{space}"] = hashlib.sha256(json.dumps(decided).encode()).hexdigest()
    return found


def test_a_fresh_process_decides_the_same() -> None:
    code = "import json, test_contract_methods as t; print(json.dumps(t.digests()))"
    environment = {**os.environ, "PYTHONHASHSEED": "random", "PYTHONPATH": str(Path(__file__).parent)}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == digests()
