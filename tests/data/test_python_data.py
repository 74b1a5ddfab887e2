"""Data given in Python: what works, and one plain message for what does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from chronas.data.formats.python import datasets as python_sets
from chronas.data.formats.python.read import read_python
from chronas.data.load import load
from chronas.data.options import DataOptions
from chronas.data.raw import Raw
from chronas.errors import DataError, UsageError

X = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
Y = np.arange(12) % 3
T = torch.from_numpy(X).permute(0, 3, 1, 2)
WORDS = ("ant", "bee", "cow")


def read(source: Any, **options: Any) -> Raw:
    return read_python(source, DataOptions(**options))[0]


def right(raw: Raw, part: str = "train", count: int = 12) -> None:
    pixels = raw.parts[part].pixels
    assert isinstance(pixels, np.ndarray)
    assert np.array_equal(pixels, X[:count])
    assert raw.parts[part].labels.tolist() == Y[:count].tolist()


PICTURES = [Image.fromarray(one) for one in X]


@pytest.mark.parametrize(
    "source",
    [
        (X, Y), [X, Y], (X.transpose(0, 3, 1, 2), Y), (T, torch.from_numpy(Y)), (list(X), Y.tolist()), (Y, X),
        (list(T), [torch.tensor(int(one)) for one in Y]), (PICTURES, Y), (X, np.eye(3)[Y]), (X.tolist(), Y.tolist()),
        {"x": X, "y": Y}, {"images": PICTURES, "labels": Y.tolist()}, {"train": (X, Y)},
    ],
    ids=lambda source: type(source).__name__,
)  # fmt: skip
def test_images_and_labels(source: Any) -> None:
    right(read(source))


@pytest.mark.parametrize(
    "source",
    [
        ((X, Y), (X[:6], Y[:6])), [[X, Y], [X[:6], Y[:6]]], ((list(X), list(Y)), (list(X[:6]), list(Y[:6]))),
        {"train": (X, Y), "test": (X[:6], Y[:6])}, {"x_train": X, "y_train": Y, "x_test": X[:6], "y_test": Y[:6]},
        (TensorDataset(T, torch.from_numpy(Y)), TensorDataset(T[:6], torch.from_numpy(Y[:6]))),
        {"train": list(zip(PICTURES, Y, strict=True)), "Testing": list(zip(PICTURES[:6], Y[:6], strict=True))},
    ],
    ids=lambda source: type(source).__name__,
)  # fmt: skip
def test_training_and_test(source: Any) -> None:
    raw = read(source)
    assert tuple(raw.parts) == ("train", "test")
    right(raw)
    right(raw, "test", 6)


def test_three_parts_and_a_test_part_without_labels() -> None:
    raw = read(((X, Y), (X[:3], Y[:3]), (X[:6], Y[:6])))
    right(raw, "val", 3)
    right(raw, "test", 6)
    for nothing in (None, np.full(6, -1), [None] * 6):
        raw = read(((X, Y), (X[:6], nothing)))
        assert tuple(raw.parts) == ("train",)
        assert raw.notes == ("The 6 test images have no labels and are not used.",)


def test_values_stay_as_they_are() -> None:
    for kind in (torch.float32, torch.bfloat16):
        images = torch.rand(12, 3, 8, 8).to(kind).requires_grad_()
        pixels = read((images, Y)).parts["train"].pixels
        assert isinstance(pixels, np.ndarray)
        assert pixels.dtype == np.float32
        assert np.array_equal(pixels, images.detach().float().permute(0, 2, 3, 1).numpy())
    assert np.shares_memory(read((X, Y)).parts["train"].pixels, X)
    deep = [Image.fromarray(one[..., 0].astype(np.uint16) * 100) for one in X]
    pixels = read((deep, Y)).parts["train"].pixels
    assert isinstance(pixels, np.ndarray)
    assert pixels.dtype == np.uint16
    assert np.array_equal(pixels[..., 0], X[..., 0].astype(np.uint16) * 100)


class Items(Dataset[Any]):
    """A map-style Dataset of whatever `make` makes of a number."""

    def __init__(self, make: Any, **more: Any) -> None:
        self.make = make
        self.__dict__.update(more)

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        return self.make(index)


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return ((T[i], int(Y[i])) for i in range(12))


class LongStream(Stream):
    def __len__(self) -> int:
        return 12


class NoLength(Dataset[Any]):
    def __getitem__(self, index: int) -> Any:
        if index >= 12:
            raise IndexError
        return T[index], int(Y[index])


class Feature:
    names = WORDS


def as_dict(index: int) -> dict[str, Any]:
    return {"id": index, "image": PICTURES[index], "mask": PICTURES[0], "label": int(Y[index]), "other": index % 2}


@pytest.mark.parametrize(
    "source",
    [
        Items(lambda i: (T[i], int(Y[i]))), Items(lambda i: (PICTURES[i], torch.tensor(int(Y[i])))),
        Items(lambda i: [X[i], np.eye(3)[Y[i]]]), Items(as_dict), Stream(), LongStream(), NoLength(),
        Subset(Items(as_dict), range(12)), ((X[i], Y[i]) for i in range(12)), [(X[i], Y[i]) for i in range(12)],
        [as_dict(i) for i in range(12)],
    ],
    ids=lambda source: type(source).__name__,
)  # fmt: skip
def test_datasets(source: Any) -> None:
    right(read(source))


@pytest.mark.parametrize(
    "source",
    [
        Items(lambda i: (T[i], WORDS[Y[i]])), Items(lambda i: (T[i], int(Y[i])), classes=list(WORDS)),
        Subset(Items(lambda i: (T[i], int(Y[i])), classes=list(WORDS)), range(12)),
        Items(as_dict, features={"image": None, "label": Feature()}),
    ],
    ids=lambda source: type(source).__name__,
)  # fmt: skip
def test_names_of_classes(source: Any) -> None:
    raw = read(source)
    right(raw)
    assert raw.classes == WORDS


def test_columns_of_items_are_chosen() -> None:
    raw = read(Items(as_dict), image_column="mask", label_column="other")
    assert raw.parts["train"].labels.tolist() == [0, 1] * 6
    with pytest.raises(DataError, match=r"item 0 has no label column: looked for label, .*; it has image, breed"):
        read([{"image": PICTURES[0], "breed": 1}])


def test_train_and_test_must_number_the_classes_alike() -> None:
    sets = [Items(lambda i: (T[i], int(Y[i])), classes=list(names)) for names in (WORDS, WORDS[::-1])]
    with pytest.raises(DataError, match="the test Dataset numbers other classes than the training one: cow, bee"):
        read(tuple(sets))


def test_pillow_images_of_different_size() -> None:
    mixed = [one if i % 2 else one.resize((10, 12)) for i, one in enumerate(PICTURES)]
    data = load((mixed, Y), size=8, test_share=0)
    assert data.train.shape == (3, 8, 8)
    assert load(Items(lambda i: (mixed[i], Y[i])), size=8, test_share=0).train.shape == (3, 8, 8)
    one_colour = [one.convert("L") if i else one for i, one in enumerate(PICTURES)]
    assert load((one_colour, Y), test_share=0).train.shape == (3, 8, 8)


class Frame:
    """As pandas: an array, and indexed by names."""

    shape = (12, 2)
    columns = ("a", "b")

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.zeros(self.shape)

    def __len__(self) -> int:
        return 12

    def __getitem__(self, name: str) -> Any:
        raise KeyError(name)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, "is None"), (3, "is an int"), ([], "is an empty list"), ({}, "is an empty dict"), ({1, 2}, "is a set"),
        ({"a": 1}, "is a dict with the keys a"), ({"train": X}, "is an ndarray of shape .* in its train part"),
        (X, r"is an ndarray of shape \(12, 8, 8, 3\) alone"), (T, "is a Tensor of"), (Frame(), "is a Frame of"),
        ((X, Y, Y), r"is a tuple of 3 \(ndarray\)"), ((X, None), r"is a tuple of 2 \(ndarray, NoneType\)"),
        (["a", "b"], r"is a list of 2 \(str\)"), ([1, 2], "is a list of 2"), (Items, "is a type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_other_objects_are_refused_with_what_is_accepted(source: Any, words: str) -> None:
    with pytest.raises(UsageError, match=f"The data {words}.*, which cannot be read. Accepted: a path, .*Datasets"):
        load(source)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ((X, Y[:6]), "there are 12 images but 6 labels"), ((X[:6], list(Y)), "there are 6 images but 12 labels"),
        (((X, Y), (X[:6], Y)), r"arrays \(test\): there are 6 images but 12 labels"),
        (([], []), r"images must be .* but their shape is \(0,\)"),
        ((Frame(), Y), r"images must be .* but their shape is \(12, 2\)"),
        ((X, [[0, 1], [1]] * 6), "lists of different length. .*multi-label"),
        ((X, ["a", 1, 2] * 4), "all text or all numbers, but both 'a' and 1"),
        ((X, [0.5] * 12), "whole numbers, but 0.5 is none"), ((X, [np.nan, 1] * 6), r"6 are missing \(NaN\)"),
        (([X[0], X[1] / 255], [0, 1]), "some images are float64 and uint8"),
        (([X[0] / 255, X[1, :6] / 255], [0, 1]), r"differ in size, e.g. \(6, 8\) and \(8, 8\)"),
        (([[[1, 2], [1]], [[1]]], [0, 1]), "no array of one shape"),
        (Items(lambda i: (X[i], 1, 2)), r"item 0: must be \(image, label\) or a dict with both, not a tuple of 3"),
        (Items(lambda i: X[i]), "item 0: must be .* not an ndarray"), (range(3), "item 0: must be .* not an int"),
        (Items(lambda i: ("a.png", 1)), "item 0: an image must be one of Pillow .* but it is a str"),
        (Items(lambda i: (X[:2], 1)), r"item 0: an image must be .* its shape is \(2, 8, 8, 3\)"),
        (Subset(Items(as_dict), []), "Subset is empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_unusable_images_and_labels(source: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        load(source)


def test_words_beside_missing_ones() -> None:
    raw = read((X, [float("nan"), "bee", "cow", None] * 3))
    assert raw.classes == ("bee", "cow")
    assert raw.notes == ("6 of 12 training images have no label and are left out.",)


def test_a_loader_of_batches_and_a_set_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"A DataLoader gives batches; .*loader.dataset"):
        load(DataLoader(Items(as_dict)))

    def endless() -> Iterator[Any]:
        while True:
            yield X[0], 0

    monkeypatch.setattr(python_sets, "free_memory", lambda: 10_000)
    with pytest.raises(DataError, match="after 27 images half of the free memory is full"):
        load(endless())
