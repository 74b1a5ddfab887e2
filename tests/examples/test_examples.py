"""The examples run as they stand, on a small budget."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_example(name: str, tmp_path: Path) -> None:
    """In a process of its own: an example may register things."""
    line = f"import {name}, pathlib; {name}.main(pathlib.Path('run'), '3 epochs')"
    words = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(EXAMPLES)!r}); {line}"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert (tmp_path / "run" / "report.html").exists()


def test_examples_are_short() -> None:
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) < 62, path.name
