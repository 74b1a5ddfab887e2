"""A path below a file is told as such, whoever names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronas import api
from chronas.errors import RunError, UsageError
from chronas.runs.folder import RunFolder
from chronas.runs.places import file_above, refuse_making, refuse_reading


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "FILE"
    made.write_text("x")
    return made


def test_the_file_above(file: Path) -> None:
    assert file_above(file / "a") == file_above(file / "a" / "b") == file
    assert file_above(file) is None
    assert file_above(file.parent / "absent" / "b") is None
    assert file_above(Path("relative")) is None


def test_nothing_is_made_or_read_below_a_file(file: Path) -> None:
    with pytest.raises(UsageError, match=r"FILE is a file, so no folder can be made in it\. Choose another place"):
        refuse_making(file / "sub")
    with pytest.raises(RunError, match="FILE is a file, not a folder"):
        refuse_reading(file / "sub")
    refuse_making(file.parent / "absent" / "b")
    refuse_reading(file)


def test_runs_below_a_file(file: Path) -> None:
    with pytest.raises(UsageError, match="FILE is a file, so no folder can be made in it"):
        api.fit("digits", budget="20s", out=file / "sub")
    with pytest.raises(RunError, match=r"sub is no run folder: .*FILE is a file, not a folder\."):
        RunFolder.open(file / "sub")
