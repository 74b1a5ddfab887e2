"""The file format: what is written is read, and no damage passes for data."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chronas.benchmarks import load
from chronas.benchmarks.container import MAGIC, Container, write
from chronas.benchmarks.contents import Contents, Facts, choices_array, info, mean_by, measured, merged
from chronas.benchmarks.table import Table
from chronas.errors import EnvironmentFault, InternalError, TableError

FACTS = Facts("a test", "none", "none", "made up", "one", ("beware of nothing",), {"digits": "share"})
CHOICES = [(0, 1, 2, 3, 4, 0), (4, 4, 4, 4, 4, 4), (1, 0, 0, 0, 0, 0)]


def contents(**changes: Any) -> Contents:
    columns = (
        measured("validation", "digits", 3, [50.0, np.nan, 70.0]), measured("seconds", "digits", 3, [1.0, 2.0, np.nan]),
        measured("test", "digits", 3, [51.0, 52.0, np.nan]), info("params", [10, 20, 30]),
    )  # fmt: skip
    values = {"name": "mine", "space": "nasbench201", "settings": {"cells": 3}, "datasets": ("digits",),
              "facts": FACTS, "choices": choices_array(CHOICES, "test"), "columns": columns}  # fmt: skip
    return Contents(**{**values, **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "mine.table", contents())
    return tmp_path / "mine.table"


def test_what_is_written_is_read(path: Path) -> None:
    table = load(path)
    assert (table.name, len(table), table.datasets, table.epochs) == ("mine", 3, ("digits",), (3,))
    assert table.facts == FACTS
    assert table.space.settings.cells == 3
    assert table.columns["params"].tolist() == [10, 20, 30]
    assert table.columns["choices"].tolist() == [list(choices) for choices in CHOICES]
    assert table.validation("digits", CHOICES[0], 3).seconds == 1.0
    assert table.validation("digits", CHOICES[2], 3).seconds is None
    assert "digits: share" in table.describe()


def test_same_contents_same_bytes(path: Path, tmp_path: Path) -> None:
    write(tmp_path / "again.table", contents())
    assert path.read_bytes() == (tmp_path / "again.table").read_bytes()


def test_nan_is_never_told(path: Path) -> None:
    with pytest.raises(TableError, match=r"no validation of .*avg_pool_3x3.* on digits at 3 epochs"):
        load(path).validation("digits", CHOICES[1], 3)


def test_an_absent_architecture_is_an_error(path: Path) -> None:
    with pytest.raises(TableError, match=r"'mine' \(3 rows\) has no row for \|nor_conv_3x3~0"):
        load(path).index((3, 3, 3, 3, 3, 3))


def test_rows_are_found_by_canonical_form(path: Path) -> None:
    """(1,0,0,0,0,0) and all zeros both give nothing; only some member of the class is in the table."""
    table = load(path)
    alike = (0, 0, 0, 0, 0, 0)
    canonical = table.space.canonical(alike)
    write(path, contents(choices=choices_array([canonical, *CHOICES[:2]], "test")))
    assert load(path).index((0, 0, 1, 0, 0, 0)) == 0


@pytest.mark.parametrize("kept", [0, 10, 100, -1])
def test_truncated(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(TableError, match=r"mine\.table.*(too short|truncated).*(import-table|copy it again)"):
        Table(path)


def test_longer_than_it_should_be(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(TableError, match="bytes of"):
        Table(path)


def test_any_changed_byte_is_noticed(path: Path) -> None:
    """A changed byte is an error on opening or on reading, unless it lies in the padding between arrays."""
    whole = path.read_bytes()
    entries = Container(path).header.entries.values()
    data = [at for entry in entries for at in (entry.offset, entry.offset + entry.size - 1)]
    start = min(entry.offset for entry in entries)
    for at in [*range(24), *range(24, start, 97), start - 1, *data]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        with pytest.raises(TableError, match=r"mine\.table"):
            everything(path)


def everything(path: Path) -> None:
    container = Container(path)
    for name in container.header.entries:
        container.array(name)


def test_a_checksum_is_verified_when_the_array_is_read(path: Path) -> None:
    entry = Container(path).header.entries["digits_val_3"]
    whole = bytearray(path.read_bytes())
    whole[entry.offset] ^= 1
    path.write_bytes(whole)
    table = Table(path)
    assert table.columns["params"].tolist() == [10, 20, 30]
    with pytest.raises(TableError, match="checksum of 'digits_val_3' does not match"):
        table.validation("digits", CHOICES[0], 3)


def test_other_formats(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:8] + struct.pack("<I", 2) + whole[12:])
    with pytest.raises(TableError, match="has table format 2, this version reads 1: upgrade"):
        Table(path)
    other = tmp_path / "nasbench_only108.tfrecord"
    other.write_bytes(b"PAR1" * 20)
    with pytest.raises(TableError, match=r"is no table of Chronas.*chronas import-table KIND"):
        Table(other)
    with pytest.raises(TableError, match="Cannot read the table"):
        Table(tmp_path / "absent.table")


@pytest.mark.parametrize("change", [
    {"dtype": "|O"}, {"offset": -64}, {"offset": 1 << 40}, {"shape": [1 << 40]}, {"shape": [2]}, {"group": "secret"},
    {"shape": []}, {"shape": [-3]}, {"dtype": "nonsense"}, {"offset": 1.5}, {"extra": 1},
])  # fmt: skip
def test_headers_of_strangers_are_validated(path: Path, change: dict[str, Any]) -> None:
    """Even with right checksums, nothing outside of the file is read and nothing is made an object."""
    rewrite(path, change)
    with pytest.raises(TableError, match="header that makes no sense"):
        Table(path)


def rewrite(path: Path, change: dict[str, Any]) -> None:
    """Change one array's entry in the header and make all checksums right again."""
    whole = path.read_bytes()
    length = struct.unpack_from("<Q", whole, 16)[0]
    tree = json.loads(whole[24 : 24 + length])
    tree["arrays"][1] |= change
    text = json.dumps(tree).encode().ljust(length)
    assert len(text) == length
    path.write_bytes(struct.pack("<8sIIQ", MAGIC, 1, zlib.crc32(text), length) + text + whole[24 + length :])


def test_choices_of_another_space(path: Path) -> None:
    write(path, contents(choices=choices_array([(0, 0), (1, 1), (2, 2)], "test")))
    with pytest.raises(TableError, match="choices that the space 'nasbench201' does not have"):
        _ = Table(path).space
    write(path, contents(choices=choices_array([(9, 0, 0, 0, 0, 0)] * 3, "test")))
    with pytest.raises(TableError, match="choices that the space"):
        _ = Table(path).space
    write(path, contents(space="lost"))
    with pytest.raises(TableError, match="no space named 'lost'"):
        _ = Table(path).space


def test_contents_must_fit_together() -> None:
    with pytest.raises(InternalError, match="two columns of one name"):
        contents(columns=(info("a", [1, 2, 3]), info("a", [1, 2, 3])))
    with pytest.raises(InternalError, match="shape"):
        contents(columns=(info("a", [1, 2]),))
    with pytest.raises(InternalError, match="no group or data set"):
        contents(columns=(measured("test", "other", 3, [1, 2, 3]),))
    with pytest.raises(TableError, match="holds no architecture"):
        choices_array([], "FILE")


def test_unwritable_place(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="Cannot write"):
        write(tmp_path / "absent" / "mine.table", contents())


def test_means_over_equal_rows() -> None:
    different, of_row = merged([(1, 2), (0, 0), (1, 2), (3, 3)])
    assert different == [(1, 2), (0, 0), (3, 3)]
    means = mean_by(of_row, 3, [1.0, np.nan, 3.0, 5.0])
    assert np.array_equal(means, [2.0, np.nan, 5.0], equal_nan=True)
