"""Each kind of bad data gives one DataError that names what is wrong."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chronas.data.load import load
from chronas.errors import DataError, UsageError


def picture(side: int = 8, tall: int | None = None) -> Image.Image:
    return Image.fromarray(np.full((tall or side, side, 3), 90, dtype=np.uint8))


def folder(root: Path, counts: dict[str, int], side: int = 8) -> Path:
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for index in range(count):
            picture(side).save(root / name / f"{index}.png")
    return root


def fails(source: Any, *words: str, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(source, **options)
    message = str(caught.value)
    for word in words:
        assert word in message
    return message


def arrays(count: int = 20, side: int = 8) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((count, side, side, 3), dtype=np.uint8), np.arange(count) % 2


def test_no_such_path_suggests_a_near_name(tmp_path: Path) -> None:
    folder(tmp_path / "flowers", {"a": 1})
    fails(tmp_path / "flower", "There is no file or folder", "'flowers'")
    fails("digit", "'digits'")


def test_unknown_format_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("hello")
    fails(tmp_path, "no format known", "class folders", "IDX", "Parquet", ".npz", "CIFAR")
    fails(tmp_path / "readme.txt", "no format known")


def test_empty_class_folder_is_named(tmp_path: Path) -> None:
    fails(folder(tmp_path, {"cat": 4, "dog": 4, "emu": 0}), str(tmp_path / "emu"), "no images", "--skip-empty")


def test_two_folders_for_one_part(tmp_path: Path) -> None:
    for name in ("train", "val", "valid"):
        folder(tmp_path / name, {"cat": 4, "dog": 4})
    fails(tmp_path, "two folders for one part", "val and valid")


def test_a_test_folder_alone(tmp_path: Path) -> None:
    folder(tmp_path / "test", {"cat": 4, "dog": 4})
    fails(tmp_path, "has test but no folder 'train'")


def test_all_unreadable_images_are_named_or_left_out(tmp_path: Path) -> None:
    folder(tmp_path, {"cat": 6, "dog": 6})
    whole = (tmp_path / "cat" / "1.png").read_bytes()
    (tmp_path / "cat" / "1.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "dog" / "2.png").write_bytes(b"no image")
    (tmp_path / "dog" / "3.png").write_bytes(b"")
    fails(tmp_path, "3 image(s)", "cat/1.png", "dog/2.png", "dog/3.png", "--skip-bad")
    data = load(tmp_path, skip_bad=True, test_share=0)
    assert len(data.train) + len(data.val) == 9
    assert bool((data.train.images == 90).all())
    assert any("cat/1.png" in note and "3 unreadable" in note for note in data.notes)


def test_truncated_jpeg_is_unreadable(tmp_path: Path) -> None:
    folder(tmp_path, {"cat": 3, "dog": 3})
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "x.jpg")
    content = (tmp_path / "x.jpg").read_bytes()
    (tmp_path / "cat" / "cut.jpg").write_bytes(content[:-40])
    fails(tmp_path, "cat/cut.jpg")


def test_many_unreadable_images_are_counted(tmp_path: Path) -> None:
    folder(tmp_path, {"cat": 3, "dog": 3})
    for index in range(25):
        (tmp_path / "cat" / f"bad{index:02}.png").write_bytes(b"x")
    message = fails(tmp_path, "25 image(s)", "bad19.png", "and 5 more")
    assert "bad20.png" not in message


def test_skipping_may_not_empty_a_class(tmp_path: Path) -> None:
    folder(tmp_path, {"cat": 6, "dog": 3})
    for file in (tmp_path / "dog").iterdir():
        file.write_bytes(b"x")
    fails(tmp_path, "'dog'", skip_bad=True)


def test_nothing_readable_at_all(tmp_path: Path) -> None:
    folder(tmp_path, {"cat": 3, "dog": 3})
    for file in tmp_path.glob("*/*"):
        file.write_bytes(b"x")
    fails(tmp_path, "6 image(s)")
    fails(tmp_path, "no train image", skip_bad=True)


def test_one_class_only(tmp_path: Path) -> None:
    fails(folder(tmp_path, {"cat": 4}), "only one class", "cat")
    fails((arrays()[0], np.zeros(20, dtype=int)), "only one class")


def test_more_than_a_thousand_classes_are_read() -> None:
    labels = np.repeat(np.arange(1500), 2)
    assert len(load((np.zeros((3000, 8, 8), dtype=np.uint8), labels), test_share=0).classes) == 1500


@pytest.mark.parametrize(
    ("labels", "word"),
    [
        (np.arange(20) % 2 + 0.5, "whole numbers"),
        (np.array([1 + 1j, 2] * 10), "whole numbers or text"),
        (np.arange(20) % 2 - 1, "label -1 is out of range"),
        (np.arange(19) % 2, "20 images but 19 labels"),
        (np.eye(2)[np.arange(20) % 2] * 2, "one-hot"),
        (np.array([np.nan, 1.0] * 10), "whole numbers"),
    ],
)
def test_bad_labels(labels: np.ndarray, word: str) -> None:
    fails((arrays()[0], labels), word)


def test_test_labels_that_train_lacks(tmp_path: Path) -> None:
    images, labels = arrays()
    np.savez(tmp_path / "d.npz", x_train=images, y_train=labels, x_test=images, y_test=labels + 1)
    fails(tmp_path / "d.npz", "label 2")


def test_labels_beyond_the_named_classes(tmp_path: Path) -> None:
    rows = np.zeros((4, 3072), dtype=np.uint8)
    for name in ("train", "test"):
        (tmp_path / name).write_bytes(pickle.dumps({b"data": rows, b"fine_labels": [0, 1, 2, 0]}, protocol=2))
    (tmp_path / "meta").write_bytes(pickle.dumps({b"fine_label_names": [b"a", b"b"]}, protocol=2))
    fails(tmp_path, "label 2 is out of range", "2 classes")


def test_train_and_test_classes_differ(tmp_path: Path) -> None:
    folder(tmp_path / "train", {"cat": 3, "dog": 3})
    folder(tmp_path / "test", {"cat": 3, "emu": 3})
    fails(tmp_path, str(tmp_path / "test"), "has classes that train lacks: emu")


def test_class_with_a_single_image_is_named(tmp_path: Path) -> None:
    fails(folder(tmp_path, {"cat": 5, "dog": 1}), "'dog'", "at least 2")


def test_limit_below_what_the_split_needs() -> None:
    fails(arrays(), "limit of 3", "need 4", limit=3)


def test_sizes(tmp_path: Path) -> None:
    fails(folder(tmp_path / "a", {"cat": 3, "dog": 3}, side=7), "7x7", "8x8")
    fails(arrays(side=7), "7x7")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite_floats(value: float) -> None:
    images = np.zeros((20, 8, 8, 3), dtype=np.float32)
    images[3, 0, 0, 0] = value
    fails((images, arrays()[1]), "1 image(s) hold NaN")


def test_pixel_range_and_shape() -> None:
    labels = arrays()[1]
    fails((np.full((20, 8, 8, 3), -0.5), labels), "before normalisation")
    fails((np.full((20, 8, 8, 3), 70000.0), labels), "70000", "--range")
    fails((np.zeros((20, 192), dtype=np.uint8), labels), "(20, 192)")
    fails((np.zeros((20, 8, 8, 5), dtype=np.uint8), labels), "1 or 3 channels")


def test_damaged_npz(tmp_path: Path) -> None:
    images, labels = arrays()
    file = tmp_path / "d.npz"
    np.savez(file, x=images, y=labels)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    fails(file, "truncated")
    np.savez(file, a=images)
    fails(file, "x_train", "holds a (20, 8, 8, 3)")
    np.savez(file, x=images)
    fails(file, "holds x but no labels")
    np.savez(file, x=np.array([{}] * 20, dtype=object), y=labels)
    fails(file, "d.npz: x holds Python objects")


def test_damaged_idx(tmp_path: Path) -> None:
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte"
    header = bytes([0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 8])
    images.write_bytes(header + bytes(256))
    fails(tmp_path, "no labels beside it")
    labels.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 0, 1]))
    assert len(load(tmp_path, test_share=0).classes) == 2
    images.write_bytes(header + bytes(200))
    fails(tmp_path, "truncated", "200")
    images.write_bytes(b"PNG!" + bytes(256))
    fails(tmp_path, "no IDX file")
    images.unlink()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + bytes(256))[:-12])
    fails(tmp_path, "truncated")


class Evil:
    """Pickles to a call that a loader must refuse."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (eval, ("1/0",))


def test_cifar_pickle_that_asks_for_more_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train").write_bytes(pickle.dumps({b"data": Evil()}, protocol=2))
    (tmp_path / "test").write_bytes(b"")
    (tmp_path / "meta").write_bytes(pickle.dumps({b"fine_label_names": [b"a", b"b"]}, protocol=2))
    fails(tmp_path, "eval has no place")
    (tmp_path / "train").write_bytes(b"\x80\x02garbage")
    fails(tmp_path, "no intact CIFAR batch")


def test_cifar_lacks_a_batch(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1").write_bytes(b"")
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"a", b"b"]}, protocol=2))
    fails(tmp_path, "lacks data_batch_2", "test_batch")


def test_parquet_faults(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    file = tmp_path / "train.parquet"
    file.write_bytes(b"PAR1 but no more")
    fails(file, "no readable Parquet")
    pq.write_table(pa.table({"text": ["a"], "label": [0]}), file)
    fails(file, "no image column", "text")
    pq.write_table(pa.table({"img": [b"x"], "text": ["a"]}), file)
    fails(file, "no label column")
    pq.write_table(pa.table({"img": [b"x"] * 4, "label": [0, 0, 1, 1]}), file)
    fails(file, "train.parquet row 0", "4 image(s)", test_share=0)
    file.rename(tmp_path / "test.parquet")
    fails(tmp_path, "starts with 'train'")


@pytest.mark.parametrize("options", [{"size": 4}, {"size": 300}, {"val_share": 0.0}, {"limit": 0}, {"test_share": 1.0}])
def test_wrong_options(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        load(arrays(), **options)
