"""Streamed data gives the very batches that the same data gives from memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from chronas.data.augment import Augment
from chronas.data.batches import Batches
from chronas.data.images import ImageData
from chronas.data.load import load
from chronas.data.stream import StreamedSplit
from chronas.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for label in range(2):
        (tmp_path / f"c{label}").mkdir()
        for index in range(15):
            pixels = rng.integers(0, 256, (8, 10, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"c{label}" / f"{index:02}.png")
    return tmp_path


def batches(data: ImageData, **changes: Any) -> Batches:
    options: dict[str, Any] = {
        "mean": data.mean,
        "std": data.std,
        "seed": 1,
        "purpose": "w",
        "augment": Augment(crop=1),
    }
    return Batches(data.train, 4, **{**options, **changes})


def test_streamed_equals_in_memory(folder: Path) -> None:
    memory, disk = load(folder), load(folder, max_memory_bytes=0)
    assert isinstance(disk.train, StreamedSplit)
    assert not isinstance(memory.train, StreamedSplit)
    assert (disk.summary(), disk.task) == (memory.summary(), memory.task)
    assert disk.mean == pytest.approx(memory.mean)
    assert any("read from disk" in note for note in disk.notes)
    here, there = batches(memory, mean=disk.mean, std=disk.std), batches(disk)
    for step in [*range(8), 2, 3, 20]:
        one, two = here.batch(step), there.batch(step)
        assert torch.equal(one[0], two[0])
        assert torch.equal(one[1], two[1])
    for one, two in zip(here.sequential(7), there.sequential(7), strict=True):
        assert torch.equal(one[0], two[0])
        assert torch.equal(one[1], two[1])


def test_faults_of_streamed_data(folder: Path) -> None:
    (folder / "c0" / "bad.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"c0/bad\.png"):
        load(folder, max_memory_bytes=0)
    assert any("bad.png" in note for note in load(folder, max_memory_bytes=0, skip_bad=True).notes)
    Image.new("RGB", (9, 9)).save(folder / "c0" / "bad.png")
    chosen = load(folder, max_memory_bytes=0)
    assert chosen.train.shape == (3, 8, 8)
    assert any("brought to 8 x 8" in note for note in chosen.notes)
    assert load(folder, max_memory_bytes=0, size=8).train.shape == (3, 8, 8)


def test_a_damaged_body_is_left_out_beforehand_where_that_is_asked_for(folder: Path) -> None:
    file = folder / "c0" / "03.png"
    file.write_bytes(file.read_bytes()[:-60])
    kept = load(folder, max_memory_bytes=0, test_share=0, skip_bad=True)
    assert len(kept.train) + len(kept.val) == 29
    assert any("c0/03.png" in note for note in kept.notes)


def test_a_name_that_is_no_text(folder: Path) -> None:
    os.rename(folder / "c0" / "00.png", os.fsencode(folder / "c0") + b"/caf\xe9.png")
    assert load(folder, max_memory_bytes=0).fingerprint == load(folder, max_memory_bytes=0).fingerprint


def test_a_change_of_files_changes_the_fingerprint(folder: Path) -> None:
    before = load(folder, max_memory_bytes=0).fingerprint
    assert before == load(folder, max_memory_bytes=0).fingerprint
    Image.new("RGB", (10, 8)).save(folder / "c0" / "00.png")
    assert before != load(folder, max_memory_bytes=0).fingerprint


def test_an_image_that_breaks_during_training_is_named(folder: Path) -> None:
    data = load(folder, max_memory_bytes=0)
    for file in (folder / "c0").iterdir():
        file.write_bytes(file.read_bytes()[:60])
    source = batches(data)
    with pytest.raises(DataError, match=r"^c0/\d\d\.png cannot be read"):
        list(source.sequential())
