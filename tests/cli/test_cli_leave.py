"""The process ends at once: everything is said by then, and what was registered for its end has run."""

from __future__ import annotations

import subprocess
import sys

MAIN = "import atexit, sys; sys.argv = ['chronas', *sys.argv[1:]]; from chronas.cli import main; "


def ended(before: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"{MAIN}{before}; main()", *words], capture_output=True, text=True, check=False
    )


def test_output_and_exit_code() -> None:
    done = ended("atexit.register(lambda: print('registered'))", "list", "proxies")
    assert done.returncode == 0
    assert done.stdout.endswith("\nregistered\n")
    assert "naswot" in done.stdout
    assert not done.stderr


def test_a_fault_keeps_its_exit_code() -> None:
    done = ended("pass", "nosuch")
    assert done.returncode == 2
    assert "nosuch" in done.stderr


def test_the_interpreter_is_not_taken_down() -> None:
    """What lives in modules is not destroyed one by one: that is what takes the time."""
    done = ended(
        "import chronas; chronas.late = type('Late', (), {'__del__': lambda self: print('del')})()", "--version"
    )
    assert done.stdout == f"chronas {done.stdout.split()[1]}\n"
