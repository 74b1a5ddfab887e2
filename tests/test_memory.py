"""The process of the command line keeps freed memory; it takes back nothing that the user has set."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from chronas.memory import keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc of glibc")
def test_it_is_done_on_glibc() -> None:
    code = "import sys; from chronas.memory import keep_freed_memory; sys.exit(0 if keep_freed_memory() else 3)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, env={}, check=False).returncode == 0


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_what_the_user_has_set_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert not keep_freed_memory()


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
