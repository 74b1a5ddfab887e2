"""Every registered space keeps the contract of spaces."""

from __future__ import annotations

import subprocess
import sys

import pytest
from registered import small_space

from chronas.architecture import make_space
from chronas.spaces import SPACES
from chronas.testing.spaces import check_space


@pytest.mark.parametrize("name", SPACES.names())
def test_space_with_default_settings(name: str) -> None:
    check_space(make_space(name))


@pytest.mark.parametrize("name", SPACES.names())
def test_small_space(name: str) -> None:
    check_space(small_space(name), seed=1)


@pytest.mark.parametrize("name", SPACES.names())
def test_registered_under_its_own_name(name: str) -> None:
    assert SPACES.load(name).name == name


def test_spaces_and_registries_import_no_torch() -> None:
    code = (
        "import sys, chronas, chronas.nets, chronas.methods, chronas.architecture, chronas.testing.spaces;"
        "from chronas.spaces import SPACES;"
        "made = [chronas.architecture.make_space(n) for n in SPACES.names()];"
        "[chronas.testing.spaces.check_space(s) for s in made];"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
