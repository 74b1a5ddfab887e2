"""Every format round-trips: what is written comes back, pixel by pixel and label by label."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from chronas.data.images import ImageData, Split
from chronas.data.load import load

CLASSES = ("ant", "bee", "cow")


def make(count: int, channels: int = 3, side: int = 8, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images whose pixels all tell their number apart, and labels 0, 1, 2, 0, ..."""
    rng = np.random.default_rng(first)
    images = rng.integers(0, 256, (count, side, side, channels), dtype=np.uint8)
    return images, np.arange(count) % 3


def pairs(*splits: Split | None) -> set[tuple[bytes, int]]:
    """Every (pixels, label), whatever the order."""
    found = set()
    for split in splits:
        if split is not None:
            rows = split.images.permute(0, 2, 3, 1).contiguous().numpy()
            found |= {(row.tobytes(), int(label)) for row, label in zip(rows, split.labels, strict=True)}
    return found


def expected(images: np.ndarray, labels: np.ndarray) -> set[tuple[bytes, int]]:
    return {(image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)}


def check(data: ImageData, train: tuple[Any, Any], test: tuple[Any, Any]) -> None:
    assert data.test is not None
    assert pairs(data.train, data.val) == expected(*train)
    assert pairs(data.test) == expected(*test)
    assert len(data.train) + len(data.val) == len(train[1])
    assert data.train.images.dtype == torch.uint8
    assert data.train.labels.dtype == torch.int64
    assert data.task.channels == train[0].shape[3]
    assert data.task.classes == 3


def write_folder(root: Path, images: np.ndarray, labels: np.ndarray) -> None:
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = root / CLASSES[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.squeeze()).save(folder / f"{index:03}.png")


def encoded(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image.squeeze()).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("channels", [1, 3])
def test_folder_with_train_and_test(tmp_path: Path, channels: int) -> None:
    train, test = make(30, channels), make(9, channels, first=1)
    write_folder(tmp_path / "train", *train)
    write_folder(tmp_path / "test", *test)
    data = load(tmp_path)
    check(data, train, test)
    assert data.classes == CLASSES


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_given_validation_folder_is_used_as_is(tmp_path: Path, name: str) -> None:
    train, val = make(12), make(6, first=1)
    write_folder(tmp_path / "train", *train)
    write_folder(tmp_path / name, *val)
    data = load(tmp_path, test_share=0)
    assert pairs(data.train) == expected(*train)
    assert pairs(data.val) == expected(*val)
    assert data.test is None


def test_parts_are_told_from_classes(tmp_path: Path) -> None:
    train, test = make(24), make(6, first=24)
    kaggle, flat = tmp_path / "kaggle", tmp_path / "flat"
    write_folder(kaggle / "Training", *train)
    write_folder(kaggle / "Testing", *test)
    write_folder(kaggle / "masks", *test)
    (kaggle / "val").mkdir()
    found = load(kaggle)
    assert found.test is not None
    assert pairs(found.test) == expected(*test)
    assert "Not used: masks (6 images), val (no images): no split of the data with class folders." in found.notes
    # Folders without folders inside are classes, whatever their names.
    for index, name in enumerate(("train", "test", "bus")):
        (flat / name).mkdir(parents=True)
        for number, image in enumerate(make(6, first=10 * index)[0]):
            Image.fromarray(image).save(flat / name / f"{number}.png")
    assert load(flat, test_share=0).classes == ("bus", "test", "train")


def test_flat_folder_holds_out_a_test_split_that_no_seed_changes(tmp_path: Path) -> None:
    images = make(60)
    write_folder(tmp_path, *images)
    first, second = load(tmp_path, seed=0), load(tmp_path, seed=1)
    assert first.test is not None
    assert second.test is not None
    assert pairs(first.train, first.val, first.test) == expected(*images)
    assert len(first.test) == 6
    assert pairs(first.test) == pairs(second.test)
    assert pairs(first.val) != pairs(second.val)
    assert any("held out" in note for note in first.notes)
    assert first.fingerprint == load(tmp_path, seed=0).fingerprint != second.fingerprint


def test_one_colour_image_makes_all_rgb(tmp_path: Path) -> None:
    write_folder(tmp_path, *make(12, 1))
    Image.fromarray(make(1)[0][0]).save(tmp_path / "ant" / "colour.png")
    assert load(tmp_path).task.channels == 3


def test_alpha_lies_over_white_and_16_bit_is_scaled(tmp_path: Path) -> None:
    for name in CLASSES:
        for index in range(2):
            (tmp_path / "a" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "b" / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a" / name / f"{index}.png")
            deep = np.full((8, 8), 257 * 100, dtype=np.uint16)
            Image.fromarray(deep).save(tmp_path / "b" / name / f"{index}.png")
    clear = load(tmp_path / "a", test_share=0)
    assert clear.train.images.shape[1] == 3
    assert bool((clear.train.images == 255).all())
    deep_grey = load(tmp_path / "b", test_share=0)
    assert deep_grey.train.images.shape[1] == 1
    assert bool((deep_grey.train.images == 100).all())


def test_arrays_of_16_bits() -> None:
    images, labels = make(12)
    for deep in (images.astype(np.uint16), images.astype(np.uint16) * 257):
        assert pairs(load((deep, labels), test_share=0).train) <= expected(images, labels)


def test_size_resizes_the_shorter_side_and_cuts_the_centre(tmp_path: Path) -> None:
    image = np.zeros((20, 60, 3), dtype=np.uint8)
    image[:, 20:40] = 255
    for name in CLASSES:
        (tmp_path / name).mkdir()
        for index, shape in enumerate([image, image[:, :, ::-1].copy(), image.transpose(1, 0, 2).copy()]):
            Image.fromarray(shape).save(tmp_path / name / f"{index}.png")
    data = load(tmp_path, size=10, test_share=0)
    assert data.train.shape == (3, 10, 10)
    assert float(data.train.images.float().mean()) > 240


def write_parquet(file: Path, images: np.ndarray, labels: np.ndarray, named: bool = True, image: str = "img") -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    cells = [{"bytes": encoded(one), "path": f"{i}.png"} for i, one in enumerate(images)]
    table = pa.table({image: cells, "label": labels})
    if named:
        features = {"label": {"names": list(CLASSES), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, file, row_group_size=7)


def test_parquet_folder_with_shards(tmp_path: Path) -> None:
    train, test = make(30), make(9, first=1)
    write_parquet(tmp_path / "train-00000-of-00002.parquet", train[0][:20], train[1][:20])
    write_parquet(tmp_path / "train-00001-of-00002.parquet", train[0][20:], train[1][20:])
    write_parquet(tmp_path / "test-00000-of-00001.parquet", *test)
    data = load(tmp_path)
    check(data, train, test)
    assert data.classes == CLASSES


def test_parquet_file_without_names(tmp_path: Path) -> None:
    images = make(30, 1)
    write_parquet(tmp_path / "x.parquet", *images, named=False, image="image")
    data = load(tmp_path / "x.parquet")
    assert pairs(data.train, data.val, data.test) == expected(*images)
    assert data.classes == ("0", "1", "2")


def cifar_rows(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2).reshape(len(images), -1))


def write_pickle(file: Path, content: dict[bytes, Any]) -> None:
    file.write_bytes(pickle.dumps(content, protocol=2))


def test_cifar10_batches(tmp_path: Path) -> None:
    train, test = make(45, side=32), make(9, side=32, first=1)
    root = tmp_path / "cifar-10-batches-py"
    root.mkdir()
    for part in range(5):
        cut = slice(9 * part, 9 * part + 9)
        content = {b"data": cifar_rows(train[0][cut]), b"labels": [int(v) for v in train[1][cut]]}
        write_pickle(root / f"data_batch_{part + 1}", content)
    write_pickle(root / "test_batch", {b"data": cifar_rows(test[0]), b"labels": [int(v) for v in test[1]]})
    write_pickle(root / "batches.meta", {b"label_names": [name.encode() for name in CLASSES]})
    for place in (tmp_path, root):
        data = load(place)
        check(data, train, test)
        assert data.classes == CLASSES


def test_cifar100_batches(tmp_path: Path) -> None:
    train, test = make(30, side=32), make(9, side=32, first=1)
    for name, part in (("train", train), ("test", test)):
        labels = [int(v) for v in part[1]]
        write_pickle(tmp_path / name, {b"data": cifar_rows(part[0]), b"fine_labels": labels, b"coarse_labels": [0]})
    write_pickle(tmp_path / "meta", {b"fine_label_names": [name.encode() for name in CLASSES]})
    check(load(tmp_path), train, test)


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.mark.parametrize("packed", [False, True])
def test_idx(tmp_path: Path, packed: bool) -> None:
    train, test = make(30, 1), make(9, 1, first=1)
    for name, part in (("train", train), ("t10k", test)):
        for kind, array in (("images-idx3", part[0][..., 0]), ("labels-idx1", part[1])):
            content = idx_bytes(array)
            file = tmp_path / f"{name}-{kind}-ubyte{'.gz' if packed else ''}"
            file.write_bytes(gzip.compress(content) if packed else content)
    check(load(tmp_path), train, test)


@pytest.mark.parametrize("layout", ["nhwc", "nchw", "float01", "float255"])
def test_npz_layouts(tmp_path: Path, layout: str) -> None:
    train, test = make(30), make(9, first=1)
    changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "nhwc": lambda x: x,
        "nchw": lambda x: x.transpose(0, 3, 1, 2),
        "float01": lambda x: (x / 255).astype(np.float32),
        "float255": lambda x: x.astype(np.float64),
    }
    change = changes[layout]
    np.savez(
        tmp_path / "d.npz",
        x_train=change(train[0]),
        y_train=train[1],
        x_test=change(test[0]),
        y_test=test[1][:, None],
    )
    check(load(tmp_path / "d.npz"), train, test)


@pytest.mark.parametrize("keys", [("x", "y"), ("images", "labels"), ("train_images", "train_labels")])
def test_npz_of_grey_images_under_other_names(tmp_path: Path, keys: tuple[str, str]) -> None:
    images, labels = make(30, 1)
    named: dict[str, Any] = {keys[0]: images[..., 0], keys[1]: labels}
    np.savez_compressed(tmp_path / "d.npz", **named)
    data = load(tmp_path / "d.npz")
    assert pairs(data.train, data.val, data.test) == expected(images, labels)


def test_digits() -> None:
    data, again = load("digits"), load("digits", seed=5)
    assert data.test is not None
    assert again.test is not None
    assert (len(data.train) + len(data.val), len(data.test)) == (1438, 359)
    assert data.train.shape == (1, 8, 8)
    assert int(data.train.images.max()) == 255
    assert torch.equal(data.test.images, again.test.images)
    assert data.summary()["classes"] == list("0123456789")


def test_array_pair_renumbers_labels() -> None:
    images, labels = make(30)
    data = load((images, labels * 2 + 1))
    assert data.classes == ("1", "3", "5")
    assert pairs(data.train, data.val, data.test) == expected(images, labels)
    assert any("renumbered" in note for note in data.notes)


class Pictures:
    """A map-style data set like torchvision's."""

    def __init__(self, kind: str) -> None:
        self.images, self.labels = make(30)
        self.kind, self.classes = kind, list(CLASSES)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, label = self.images[index], int(self.labels[index])
        if self.kind == "pillow":
            return Image.fromarray(image), label
        return torch.from_numpy(image).permute(2, 0, 1) / 255, torch.tensor(label)


@pytest.mark.parametrize("kind", ["pillow", "tensor"])
def test_torch_dataset(kind: str) -> None:
    source = Pictures(kind)
    data = load(source)
    assert pairs(data.train, data.val, data.test) == expected(source.images, source.labels)
    assert data.classes == CLASSES
    assert load(data) is data


def test_statistics_are_those_of_the_training_images() -> None:
    data = load(make(60), test_share=0)
    values = data.train.images.double() / 255
    assert data.mean == pytest.approx(values.mean((0, 2, 3)).tolist())
    assert data.std == pytest.approx(values.std((0, 2, 3), unbiased=False).tolist())


def test_real_cifar_parquet(shared_data: Path) -> None:
    data = load(shared_data / "cifar10" / "test.parquet", limit=200, test_share=0)
    assert data.train.shape == (3, 32, 32)
    assert torch.bincount(torch.cat([data.train.labels, data.val.labels])).tolist() == [20] * 10
    assert data.classes[0] == "airplane"
    assert 0.4 < data.mean[0] < 0.6
