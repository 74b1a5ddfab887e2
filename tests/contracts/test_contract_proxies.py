"""Every registered proxy keeps the contract of proxies, and has scores in every space with a builder."""

from __future__ import annotations

import subprocess
import sys

import pytest
from registered import small_space

from chronas.nets import BUILDERS
from chronas.proxies import PROXIES
from chronas.testing.proxies import check_proxy, check_proxy_on

WORDS = {"images", "labels", "weights", "relu"}


@pytest.mark.parametrize("name", PROXIES.names())
def test_proxy(name: str) -> None:
    check_proxy(name)


@pytest.mark.parametrize("space", BUILDERS.names())
def test_every_proxy_scores_networks_of(space: str) -> None:
    for name in PROXIES.names():
        check_proxy_on(name, small_space(space))


@pytest.mark.parametrize("entry", PROXIES, ids=lambda entry: entry.name)
def test_registration_tells_the_truth(entry) -> None:  # type: ignore[no-untyped-def]
    assert entry.needs <= WORDS
    assert entry.load().__name__ == entry.name
    assert entry.load().__doc__
    assert entry.summary


def test_listing_proxies_imports_no_torch() -> None:
    code = "import sys; from chronas.proxies import PROXIES; list(PROXIES); assert 'torch' not in sys.modules"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
