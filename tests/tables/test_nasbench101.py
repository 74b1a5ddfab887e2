"""NAS-Bench-101's TFRecord files, made by the tests in the format of the official ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from table_files import crc32c, masked, metrics_message, record101, tfrecord

from chronas.benchmarks import import_table
from chronas.benchmarks.importers.protobuf import model_metrics
from chronas.benchmarks.importers.tfrecord import masked_crc32c, records
from chronas.benchmarks.testing_door import test_accuracy as accuracy_in_test
from chronas.errors import TableError

CONV, ONE, POOL = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"
SINGLE = ("010001000", f"input,{CONV},output")
DOUBLE = ("0110000100010000", f"input,{CONV},{POOL},output")


def samples() -> list[bytes]:
    """Two cells at two budgets, three trainings each."""
    made = []
    for key, cell, base in (("aa", SINGLE, 0.5), ("bb", DOUBLE, 0.7)):
        for epochs in (36, 108):
            for number in range(3):
                final = (10.0 * epochs + number, base + number / 100, base - 0.1 + epochs / 10_000)
                made.append(record101(key, epochs, *cell, final))
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "nasbench_full.tfrecord"
    path.write_bytes(tfrecord(samples()))
    return path


def test_means_over_trainings(file: Path, tmp_path: Path) -> None:
    table = import_table("nasbench101", file, tmp_path / "n.table", partial=True)
    assert (len(table), table.epochs) == (2, (36, 108))
    choices = table.space.parse(f"{DOUBLE[0]}:{DOUBLE[1]}")
    row = table.validation("cifar10", choices, 108)
    assert row.val_accuracy == pytest.approx(71.0, abs=1e-4)
    assert row.seconds == pytest.approx(1081.0, abs=1e-3)
    assert accuracy_in_test(table, "cifar10", choices, 108) == pytest.approx(61.08, abs=1e-4)
    assert table.columns["cifar10_trainings_36"].tolist() == [3, 3]
    assert table.columns["params"].tolist() == [8_555_530] * 2


def test_isomorphic_cells_are_one_row(file: Path, tmp_path: Path) -> None:
    """Inner nodes in another order, and a node that leads nowhere, give the same cell."""
    table = import_table("nasbench101", file, tmp_path / "n.table", partial=True)
    row = table.index(table.space.parse(f"{DOUBLE[0]}:{DOUBLE[1]}"))
    assert table.index(table.space.parse(f"0110000100010000:input,{POOL},{CONV},output")) == row
    bits = "01101" + "00001" + "00001" + "00000" + "00000"
    assert table.index(table.space.parse(f"{bits.replace('01101', '01110')}:input,{POOL},{CONV},{ONE},output")) == row
    with pytest.raises(TableError, match="has no row for"):
        table.index(table.space.parse(f"{SINGLE[0]}:input,{ONE},output"))


def test_a_part_of_the_file_needs_partial(file: Path, tmp_path: Path) -> None:
    with pytest.raises(TableError, match="has 2 of 423624 architectures"):
        import_table("nasbench101", file, tmp_path / "n.table")


def test_truncated(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    for kept in (len(whole) - 1, len(whole) - 5, 5):
        file.write_bytes(whole[:kept])
        with pytest.raises(TableError, match=r"nasbench_full\.tfrecord is truncated.*again"):
            import_table("nasbench101", file, tmp_path / "n.table", partial=True)


def test_changed_bytes(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    for at in (9, 40, len(whole) - 2, len(whole) - 30):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(TableError, match="is damaged: the checksum"):
            import_table("nasbench101", file, tmp_path / "n.table", partial=True)


@pytest.mark.parametrize("content", [
    b"no json", b"[1, 2]", json.dumps(["aa", 108, *SINGLE, "!!"]).encode(),
    json.dumps(["aa", 108, *SINGLE, "AAAA"]).encode(), b"\xff\xfe",
])  # fmt: skip
def test_records_of_something_else(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tfrecord").write_bytes(tfrecord([content]))
    with pytest.raises(TableError, match=r"x\.tfrecord holds a record that is not NAS-Bench-101's"):
        import_table("nasbench101", tmp_path / "x.tfrecord", tmp_path / "n.table", partial=True)


def test_wrong_files(tmp_path: Path, file: Path) -> None:
    out = tmp_path / "n.table"
    (tmp_path / "text.tfrecord").write_bytes(b"this is a text, not a TFRecord file at all")
    with pytest.raises(TableError, match="is no TFRecord file, or it is damaged"):
        import_table("nasbench101", tmp_path / "text.tfrecord", out)
    file.write_bytes(tfrecord([record101("aa", 108, "010001000", "input,conv5x5,output", (1.0, 0.5, 0.5))]))
    with pytest.raises(TableError, match="holds a cell that is not one of NAS-Bench-101"):
        import_table("nasbench101", file, out, partial=True)


def test_checksum_against_its_definition() -> None:
    assert crc32c(b"123456789") == 0xE3069283, "the published check value of CRC-32C"
    rng = np.random.Generator(np.random.PCG64(0))
    chunks = [rng.bytes(int(length)) for length in rng.integers(0, 90, size=40)] + [b"", b"x"]
    assert masked_crc32c(chunks).tolist() == [masked(chunk) for chunk in chunks]


def test_framing_against_another_writer(tmp_path: Path) -> None:
    writer = pytest.importorskip("tensorboard.summary.writer.record_writer")
    with (tmp_path / "other.tfrecord").open("wb") as file:
        other = writer.RecordWriter(file)
        for content in samples():
            other.write(content)
        other.flush()
    assert list(records(tmp_path / "other.tfrecord")) == samples()
    assert (tmp_path / "other.tfrecord").read_bytes() == tfrecord(samples())


def test_metrics_message() -> None:
    points = [(0.0, 0.0, 0.1, 0.11, 0.12), (54.0, 500.0, 0.9, 0.8, 0.7), (108.0, 1000.0, 1.0, 0.94, 0.93)]
    metrics = model_metrics(metrics_message(300, points))
    assert (metrics.params, metrics.total_seconds) == (300, 1234.5)
    assert [(e.epoch, e.seconds, e.train_accuracy, e.validation_accuracy, e.test_accuracy)
            for e in metrics.evaluations] == points  # fmt: skip
    for broken in (metrics_message(300, points)[:-1], b"\x80" * 11, b"\x0f", b"\x0a\x7f"):
        with pytest.raises(ValueError):
            model_metrics(broken)
