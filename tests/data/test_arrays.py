"""NumPy archives and files: names in any form, labels in any form, and a message for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from files_support import fails, write
from files_support import read as read_path

from chronas.data.formats import npy, npz
from chronas.data.formats.array_names import find_arrays, meant
from chronas.data.load import load
from chronas.data.options import DataOptions
from chronas.data.raw import Raw
from chronas.errors import DataError

WORDS = np.array(["cat", "dog", "emu"])


def images(count: int = 12) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def labels(count: int = 12) -> np.ndarray:
    return np.arange(count) % 3


def read(folder: Path, *unnamed: Any, **arrays: Any) -> Raw:
    np.savez(folder / "d.npz", *unnamed, **arrays)
    return npz.read(folder / "d.npz", DataOptions())


def right(raw: Raw, part: str, count: int) -> None:
    pixels = raw.parts[part].pixels
    assert isinstance(pixels, np.ndarray)
    assert np.array_equal(pixels, images(count))
    assert raw.parts[part].labels.tolist() == labels(count).tolist()


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ("x_train", "y_train"), ("X_train", "y_train"), ("X", "Y"), ("train_x", "train_y"), ("trainX", "trainY"),
        ("data", "target"), ("Images", "Labels"), ("train_images", "train_labels"), ("images-train", "labels-train"),
        ("train_set_x", "train_set_y"), ("arr_0", "arr_1"), ("training.data", "training.targets"), ("x", "classes"),
        ("faces", "people"), ("x", "people"),
    ],
)  # fmt: skip
def test_names(tmp_path: Path, x: str, y: str) -> None:
    raw = read(tmp_path, **{y: labels(), x: images()})
    right(raw, "train", 12)
    assert raw.notes == (f"Read arrays: {x} with {y} (training).",)


@pytest.mark.parametrize("form", ["{}_{part}", "{part}_{}", "{}{part}", "{part}-{}"])
@pytest.mark.parametrize("names", [("X", "y"), ("images", "labels"), ("data", "target")])
def test_names_of_parts(tmp_path: Path, form: str, names: tuple[str, str]) -> None:
    given: dict[str, Any] = {}
    for part, count in (("train", 12), ("valid", 6), ("test", 9)):
        given |= {form.format(names[0], part=part): images(count), form.format(names[1], part=part): labels(count)}
    raw = read(tmp_path, **given)
    for part, count in (("train", 12), ("val", 6), ("test", 9)):
        right(raw, part, count)


def test_names_that_mean_something_else() -> None:
    assert meant("X_train") == ("train", "images")
    assert meant("y") == ("", "labels")
    for name in ("xy", "train", "test_x_train", "metadata", "x2", "yes", "index"):
        assert meant(name) is None, name


def test_numbered_arrays_in_their_order(tmp_path: Path) -> None:
    right(read(tmp_path, images(), labels()), "train", 12)
    right(read(tmp_path, labels(), images()), "train", 12)
    raw = read(tmp_path, images(), labels(), images(9), labels(9))
    right(raw, "train", 12)
    right(raw, "test", 9)
    assert raw.notes == ("Read arrays: arr_0 with arr_1 (training), arr_2 with arr_3 (test).",)
    right(read(tmp_path, images(), images(9), labels(), labels(9)), "test", 9)


def test_what_is_not_used_is_said(tmp_path: Path) -> None:
    given = {"x_train": images(), "y_train": labels(), "x": images(9), "y": labels(9), "names": WORDS}
    raw = read(tmp_path, **given, x_test=images(6))
    right(raw, "train", 12)
    assert tuple(raw.parts) == ("train",)
    assert raw.notes == (
        "Read arrays: x_train with y_train (training), x_test (test). Not used: x, y, names.",
        "The 6 test images have no labels and are not used.",
    )
    # Of two names for the same thing the shape tells: rows of pixels are no images.
    right(read(tmp_path, data=images().reshape(12, -1), images=images(), target=labels()), "train", 12)


def test_names_that_do_not_tell(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="x and images may both be the images of the train part"):
        read(tmp_path, x=images(), images=images(), y=labels())
    with pytest.raises(DataError, match=r"do not tell which arrays .* It holds a \(12, 8, 8, 3\), b \(12, 8, 8, 3\)"):
        read(tmp_path, a=images(), b=images(), c=labels())
    with pytest.raises(
        DataError, match=r"holds x_train but no labels for it.*It holds x_train \(12, 8, 8, 3\), x_test"
    ):
        read(tmp_path, x_train=images(), x_test=images())
    with pytest.raises(DataError, match=r"must hold arrays named x_train and y_train .*; it holds c \(12,\)"):
        read(tmp_path, c=labels())


@pytest.mark.parametrize("kind", ["U", "S"])
def test_text_labels(tmp_path: Path, kind: str) -> None:
    raw = read(tmp_path, x=images(), y=WORDS[[2, 1, 0] * 4].astype(kind), x_test=images(3), y_test=WORDS.astype(kind))
    assert raw.classes == ("cat", "dog", "emu")
    assert raw.parts["train"].labels.tolist() == [2, 1, 0] * 4
    assert raw.parts["test"].labels.tolist() == [0, 1, 2]
    with pytest.raises(DataError, match=r"the test part has the label 'fox', which no training image has. Classes"):
        read(tmp_path, x=images(), y=WORDS[labels()], x_test=images(1), y_test=np.array(["fox"]))
    with pytest.raises(DataError, match="training labels are text, but those of the test part are numbers"):
        read(tmp_path, x=images(), y=WORDS[labels()], x_test=images(3), y_test=labels(3))


@pytest.mark.parametrize("kind", [np.int64, np.float32, np.bool_, np.uint8])
def test_one_hot_labels(tmp_path: Path, kind: Any) -> None:
    right(read(tmp_path, x=images(), y=np.eye(3)[labels()].astype(kind)), "train", 12)


@pytest.mark.parametrize("kind", [np.float64, np.uint8, np.int8])
def test_columns_and_whole_floats_as_labels(tmp_path: Path, kind: Any) -> None:
    right(read(tmp_path, x=images(), y=labels().astype(kind)), "train", 12)
    right(read(tmp_path, x=images(), y=labels().astype(kind)[:, None]), "train", 12)


def test_tables_of_labels_that_are_not_one_hot(tmp_path: Path) -> None:
    both = np.eye(3)[labels()]
    both[3] = [1, 1, 0]
    both[5] = 0
    with pytest.raises(
        DataError, match=r"2 of 12 rows in labels of shape \(12, 3\) do not hold exactly one 1.*multi-label"
    ):
        read(tmp_path, x=images(), y=both)
    with pytest.raises(DataError, match=r"of shares or scores: labels.argmax\(axis=1\)"):
        read(tmp_path, x=images(), y=np.full((12, 3), 1 / 3))
    with pytest.raises(DataError, match=r"one per image, but their shape is \(12, 1, 3\)"):
        npz.read(save(tmp_path, x_train=images(), y_train=np.eye(3)[labels()][:, None]), DataOptions())


def save(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "e.npz", **arrays)
    return folder / "e.npz"


def test_labels_of_minus_one_everywhere_are_none(tmp_path: Path) -> None:
    for missing in (np.full(6, -1), np.full((6, 1), -1.0), np.full(6, np.nan)):
        raw = read(tmp_path, x=images(), y=labels(), x_test=images(6), y_test=missing)
        assert tuple(raw.parts) == ("train",)
        assert raw.notes[1] == "The 6 test images have no labels and are not used."
    with pytest.raises(
        DataError, match=r"label -1 is out of range; labels start at 0. If it stands for images without"
    ):
        read(tmp_path, x=images(), y=labels() - 1)


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    objects = np.array(["cat", "dog", "emu"] * 4, dtype=object)
    with pytest.raises(DataError, match=r"y holds Python objects \(pickled\).*np.array\(labels, dtype=str\)"):
        read(tmp_path, x=images(), y=objects)
    # One that is not used does no harm.
    right(read(tmp_path, x=images(), y=labels(), names=objects), "train", 12)
    np.save(tmp_path / "X.npy", images())
    np.save(tmp_path / "y.npy", objects)
    with pytest.raises(DataError, match=r"y.npy holds Python objects \(pickled\)"):
        npy.read(tmp_path, DataOptions())


@pytest.mark.parametrize(
    "names",
    [("X", "Y", None, None), ("x_train", "y_train", "x_test", "y_test"), ("train/x", "train/y", "test/x", "test/y")],
)
def test_files_in_a_folder(tmp_path: Path, names: tuple[Any, ...]) -> None:
    for name, array in zip(names, (images(), labels(), images(9), labels(9)), strict=True):
        if name:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            np.save(tmp_path / f"{name}.npy", array)
    assert npy.matches(tmp_path, DataOptions())
    raw = npy.read(tmp_path, DataOptions())
    right(raw, "train", 12)
    if names[2]:
        right(raw, "test", 9)
    assert load(tmp_path).task.classes == 3


def test_files_are_mapped_and_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", images())
    np.save(tmp_path / "y.npy", labels())
    pixels = npy.read(tmp_path, DataOptions()).parts["train"].pixels
    base: Any = pixels
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_files_that_are_no_data(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", images())
    with pytest.raises(DataError, match="is one array; images and their labels are two"):
        npy.read(tmp_path / "X.npy", DataOptions())
    (tmp_path / "y.npy").write_bytes((tmp_path / "X.npy").read_bytes()[:500])
    with pytest.raises(DataError, match=r"y.npy is truncated or no .npy file"):
        npy.read(tmp_path, DataOptions())
    other = tmp_path / "photos"
    (other / "cat").mkdir(parents=True)
    np.save(other / "embeddings.npy", labels())
    np.save(other / "cat" / "x.npy", images())
    assert not npy.matches(other, DataOptions())


def test_the_shapes_alone_are_looked_at() -> None:
    found = find_arrays({"labels": (5,), "data": (5, 8, 8)}, "it")
    assert found.parts == {"train": ("data", "labels")}
    assert found.unused == ()


def files_of(folder: Path, **arrays: Any) -> None:
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


@pytest.mark.parametrize(
    "stray",
    [
        {"mean": np.zeros(3), "std": np.ones(3)},
        {"mean": np.zeros((8, 8, 3)), "std": np.ones((8, 8, 3))},
        {"mean": np.zeros((8, 8, 3)), "weights": np.ones(2)},
        {"features": np.zeros((6, 16))},
        {"features": np.zeros((6, 16)), "labels": np.arange(6)},
        {"x": np.array([{}], dtype=object)},
    ],
)
@pytest.mark.parametrize("names", [["cat/1.png", "dog/1.png"], ["train/cat/1.png", "train/dog/1.png"]])
def test_stray_arrays_do_not_hide_class_folders(tmp_path: Path, stray: dict[str, Any], names: list[str]) -> None:
    write(tmp_path, names)
    files_of(tmp_path, **stray)
    assert read_path(tmp_path).classes == ("cat", "dog")


def test_arrays_of_images_and_labels_count_beside_pictures_of_them(tmp_path: Path) -> None:
    write(tmp_path, ["pictures/1.png"])
    files_of(tmp_path, x=images(), y=labels())
    assert npy.matches(tmp_path, DataOptions())


def test_without_image_files_the_message_is_about_the_names_of_arrays(tmp_path: Path) -> None:
    files_of(tmp_path, mean=np.zeros(3), std=np.ones(3))
    fails(tmp_path, "must hold arrays named x_train and y_train", "mean (3,)")
