"""File names that are no text: predictions name them, and JSON gives them back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_support import Chronas
from PIL import Image

NAMES = (b"\xff.png", "Ä.png".encode(), b"a.png")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in NAMES:
        try:
            with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
                Image.fromarray(np.zeros((8, 8), np.uint8)).save(file, "PNG")
        except OSError:
            pytest.skip("this file system takes only names that are UTF-8")
    return tmp_path


@pytest.mark.parametrize(
    "locale", [{}, {"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_a_pipe_in_any_locale(tiny_run: Path, images: Path, locale: dict[str, str]) -> None:
    command = [sys.executable, "-m", "chronas", "predict", str(tiny_run), str(images)]
    surroundings = {**os.environ, "PYTHONIOENCODING": "", **locale}
    table = subprocess.run(command, capture_output=True, env=surroundings, timeout=120, check=True).stdout
    assert b"\\xff.png" in table
    found = subprocess.run([*command, "--json"], capture_output=True, env=surroundings, timeout=120, check=True).stdout
    assert found.isascii()
    rows = json.loads(found)
    assert len(rows) == len(NAMES)
    if "PYTHONUTF8" not in locale:  # there fsencode works with this process's encoding
        assert {os.path.basename(os.fsencode(row["image"])) for row in rows} == set(NAMES)


def test_the_help_says_how(chronas: Chronas) -> None:
    assert "os.fsencode(name)" in chronas("predict", "--help").out
