"""Data sets of Hugging Face: every layout gives the same images, labels and classes."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chronas.data.formats.huggingface import dataset as huggingface
from chronas.data.load import load
from chronas.data.options import DataOptions
from chronas.data.raw import Encoded, Held, Member, Raw, RawPart
from chronas.data.stream import StreamedSplit
from chronas.errors import DataError, UnknownNameError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

NAMES = ("ant", "bee", "cow")
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def png(number: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), number, dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def table(numbers: Sequence[int], labels: Any = None, names: Sequence[str] | None = NAMES, **extra: Any) -> Any:
    """Images that are their number all over, labelled 0, 1, 2, 0 ..."""
    cells = pa.array([{"bytes": png(n), "path": f"{n}.png"} for n in numbers], STRUCT)
    given = pa.array([n % 3 for n in numbers]) if labels is None else labels
    feature = {"_type": "ClassLabel", "names": list(names)} if names else {"_type": "Value"}
    features = {"image": {"_type": "Image"}, "label": feature}
    made = pa.table({**extra, "image": cells, "label": given})
    return made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def write(file: Path, content: Any, rows: int = 4) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(content, file, row_group_size=rows)


def read(path: Path, **options: Any) -> Raw:
    return huggingface.read(path, DataOptions(**options))


def numbers(part: RawPart) -> list[int]:
    """The number that each image shows."""
    assert isinstance(part.pixels, tuple)
    return [Image.open(item.opened()).getpixel((0, 0))[0] for item in part.pixels]  # type: ignore[index]


def words(raw: Raw, part: str = "train") -> list[str]:
    return [raw.classes[label] for label in raw.parts[part].labels]


def right(raw: Raw, part: str, wanted: Sequence[int]) -> None:
    assert numbers(raw.parts[part]) == list(wanted)
    assert words(raw, part) == [NAMES[n % 3] for n in wanted]


LAYOUTS = {
    "hub": ("data/train-00000-of-00002", "data/train-00001-of-00002", "data/test-00000-of-00001"),
    "flat": ("train-0", "train-1", "test"),
    "one configuration": ("mnist/train-00000-of-00002", "mnist/train-00001-of-00002", "mnist/test-00000-of-00001"),
    "converted": ("default/train/0000", "default/train/0001", "default/test/0000"),
    "converted in part": ("small/partial-train/0000", "small/partial-train/0001", "small/partial-test/0000"),
    "named": ("cifar_train_1", "cifar_train_2", "cifar_test"),
    "folders": ("Train/a", "Train/b", "test/a"),
}


@pytest.mark.parametrize("names", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(tmp_path: Path, names: tuple[str, str, str]) -> None:
    for name, shown in zip(names, (range(5), range(5, 12), range(12, 18)), strict=True):
        write(
            tmp_path / f"{name}.parquet", table(shown, id=pa.array(list(shown)), caption=pa.array(["x"] * len(shown)))
        )
    raw = read(tmp_path)
    assert tuple(raw.parts) == ("train", "test")
    right(raw, "train", range(12))
    right(raw, "test", range(12, 18))
    assert raw.classes == NAMES
    assert raw.notes == ("Read: 18 images in 3 classes (train 12, test 6).",)
    assert huggingface.matches(tmp_path, DataOptions())


def test_several_configurations(tmp_path: Path) -> None:
    write(tmp_path / "grey" / "train-00000-of-00001.parquet", table(range(6)))
    write(tmp_path / "colour" / "train" / "0000.parquet", table(range(6, 12)))
    with pytest.raises(DataError, match=r"2 configurations: colour, grey. --config-name NAME"):
        read(tmp_path)
    right(read(tmp_path, config_name="colour"), "train", range(6, 12))
    with pytest.raises(UnknownNameError, match="Did you mean 'colour'"):
        read(tmp_path, config_name="color")
    write(tmp_path / "default" / "train-00000-of-00001.parquet", table(range(20, 26)))
    raw = read(tmp_path)
    right(raw, "train", range(20, 26))
    assert "Of several configurations 'default' is read; --config-name NAME chooses: colour, grey." in raw.notes
    write(tmp_path / "data" / "train.parquet", table(range(30, 36)))
    right(read(tmp_path), "train", range(30, 36))


def test_files_that_are_not_used_or_not_there_are_said(tmp_path: Path) -> None:
    write(tmp_path / "train-00000-of-00003.parquet", table(range(6)))
    write(tmp_path / "train-00002-of-00003.parquet", table(range(6, 9)))
    write(tmp_path / "unsupervised.parquet", table(range(9)))
    assert read(tmp_path).notes == (
        "Read: 9 images in 3 classes. Left out: 1 file of no known part (unsupervised.parquet).",
        "Only 2 of 3 files train-*-of-00003 are there (lacking: number 1).",
    )


def test_no_training_files(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", table(range(3)))
    right(read(tmp_path), "train", range(3))
    write(tmp_path / "b.parquet", table(range(3)))
    with pytest.raises(DataError, match=r"no name starts with 'train'.*a.parquet, b.parquet"):
        read(tmp_path)
    numbered = tmp_path / "numbered"
    for place in range(2):
        write(numbered / f"000{place}.parquet", table(range(3 * place, 3 * place + 3)))
    right(read(numbered), "train", range(6))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.binary()])
def test_text_labels(tmp_path: Path, kind: Any) -> None:
    text = pa.array([NAMES[n % 3] for n in range(8)])
    write(tmp_path / "train.parquet", table(range(8), text.cast(kind), names=None))
    write(tmp_path / "test.parquet", table(range(2), pa.array(["cow", "bee"]).cast(kind), names=None))
    raw = read(tmp_path)
    assert raw.classes == NAMES
    assert words(raw) == [NAMES[n % 3] for n in range(8)]
    assert words(raw, "test") == ["cow", "bee"]
    write(tmp_path / "test.parquet", table(range(2), pa.array(["cow", "emu"]).cast(kind), names=None))
    with pytest.raises(DataError, match="the test part has the label 'emu', which no training image has"):
        read(tmp_path)


@pytest.mark.parametrize("kind", [pa.int8(), pa.int16(), pa.uint8(), pa.int64(), pa.float32(), pa.bool_()])
def test_number_labels(tmp_path: Path, kind: Any) -> None:
    write(tmp_path / "a.parquet", table(range(8), pa.array([n % 2 for n in range(8)]).cast(kind), names=None))
    raw = read(tmp_path / "a.parquet")
    assert raw.parts["train"].labels.tolist() == [0, 1] * 4
    assert raw.classes == ("0", "1")


def test_lists_as_labels(tmp_path: Path) -> None:
    one_hot = pa.array([[int(n % 3 == k) for k in range(3)] for n in range(9)])
    write(tmp_path / "train.parquet", table(range(9), one_hot, names=None))
    assert read(tmp_path).parts["train"].labels.tolist() == [0, 1, 2] * 3
    write(tmp_path / "train.parquet", table(range(9), pa.array([[0], [1, 2], []] * 3), names=None))
    with pytest.raises(DataError, match="multi-label"):
        read(tmp_path)


@pytest.mark.parametrize("values", [[-1] * 6, [None] * 6, "no column"])
@pytest.mark.parametrize("names", [NAMES, None])
def test_a_test_part_without_labels_is_used_for_nothing(tmp_path: Path, values: Any, names: Any) -> None:
    write(tmp_path / "train.parquet", table(range(24), names=names))
    test = table(range(6), pa.array([0] * 6 if values == "no column" else values, pa.int64()), names=names)
    write(tmp_path / "test.parquet", test.drop_columns(["label"]) if values == "no column" else test)
    raw = read(tmp_path)
    assert tuple(raw.parts) == ("train",)
    assert "The 6 test images have no labels and are not used." in raw.notes
    data = load(tmp_path)
    assert data.test is not None
    assert len(data.train) + len(data.val) + len(data.test) == 24


def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", table(range(6), pa.array([0, -1, 2, 0, None, 2])))
    raw = read(tmp_path)
    assert numbers(raw.parts["train"]) == [0, 2, 3, 5]
    assert raw.parts["train"].labels.tolist() == [0, 2, 0, 2]
    assert raw.notes[1:] == ("2 of 6 training images have no label and are left out.",)
    write(tmp_path / "train.parquet", table(range(3), pa.array(["ant", "", None]), names=None))
    assert words(read(tmp_path)) == ["ant"]
    write(tmp_path / "train.parquet", table(range(3), pa.array([-1, -1, -1])))
    with pytest.raises(DataError, match="no training image has a label"):
        read(tmp_path)
    # Where the classes have no names, -1 may be anything.
    write(tmp_path / "train.parquet", table(range(3), pa.array([0, 1, -1]), names=None))
    with pytest.raises(DataError, match="label -1 is out of range"):
        read(tmp_path)


def cells_of(kind: str, shown: Sequence[int]) -> Any:
    if kind == "struct":
        return pa.array([{"bytes": png(n)} for n in shown])
    types = {"binary": pa.binary(), "large_binary": pa.large_binary()}
    return pa.array([png(n) for n in shown], types[kind])


@pytest.mark.parametrize("kind", ["struct", "binary", "large_binary"])
def test_types_of_image_columns(tmp_path: Path, kind: str) -> None:
    made = pa.table({"odd": cells_of(kind, range(6)), "label": [n % 3 for n in range(6)]})
    write(tmp_path / "train.parquet", made)
    raw = read(tmp_path)
    assert numbers(raw.parts["train"]) == list(range(6))
    assert raw.parts["train"].labels.tolist() == [0, 1, 2] * 2


def test_columns_are_chosen_by_features_names_and_words(tmp_path: Path) -> None:
    other = pa.array([{"bytes": png(n + 100), "path": None} for n in range(6)], STRUCT)
    fine = pa.array([n % 2 for n in range(6)])
    both = table(range(6), mask=other, coarse=fine)
    write(tmp_path / "train.parquet", both)
    right(read(tmp_path), "train", range(6))
    raw = read(tmp_path, image_column="mask", label_column="coarse")
    assert numbers(raw.parts["train"]) == list(range(100, 106))
    assert raw.classes == ("0", "1")
    with pytest.raises(UnknownNameError, match=r"no image column in .*train.parquet named 'maks'. Did you mean 'mask'"):
        read(tmp_path, image_column="maks")
    # What the features say comes before the usual names.
    told = pa.table({"image": other, "scan": both["image"], "label": fine, "grade": both["label"]})
    classes = {"_type": "ClassLabel", "names": list(NAMES)}
    features = {"scan": {"_type": "Image"}, "grade": classes, "label": {"_type": "Value"}}
    write(tmp_path / "train.parquet", told.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}))  # fmt: skip
    right(read(tmp_path), "train", range(6))
    # Without features the names tell.
    write(tmp_path / "train.parquet", both.replace_schema_metadata())
    assert numbers(read(tmp_path).parts["train"]) == list(range(6))
    write(tmp_path / "train.parquet", pa.table({"left": other, "right": other, "label": fine}))
    with pytest.raises(DataError, match=r"several columns that may be the image: left, right. --image-column"):
        read(tmp_path)
    write(tmp_path / "train.parquet", pa.table({"image": other, "sex": fine, "age": fine}))
    with pytest.raises(DataError, match=r"several columns that may be the label: sex, age. --label-column"):
        read(tmp_path)
    write(tmp_path / "train.parquet", pa.table({"image": other, "sex": fine}))
    assert "The labels are those of the column 'sex'; --label-column NAME takes another." in read(tmp_path).notes
    write(tmp_path / "train.parquet", pa.table({"image": other, "caption": [f"picture {n}" for n in range(6)]}))
    with pytest.raises(DataError, match=r"no label column: .* 'caption' has 6 different values in 6 rows"):
        read(tmp_path)
    write(tmp_path / "train.parquet", pa.table({"image": other}))
    with pytest.raises(DataError, match="has no label column; it has image"):
        read(tmp_path)
    write(tmp_path / "train.parquet", pa.table({"image": pa.array([[1, 2]] * 6), "label": fine}))
    with pytest.raises(DataError, match=r"column 'image' must hold encoded images .* not list"):
        read(tmp_path)


@pytest.mark.parametrize("form", ["struct", "text"])
@pytest.mark.parametrize("place", ["data", "."])
def test_rows_that_only_hold_paths(tmp_path: Path, form: str, place: str) -> None:
    for number in range(6):
        file = tmp_path / place / "pictures" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(number))
    paths = [f"pictures/{n}.png" for n in range(6)]
    cells = pa.array([{"bytes": None, "path": p} for p in paths], STRUCT) if form == "struct" else pa.array(paths)
    column = "image" if form == "struct" else "file_name"
    write(tmp_path / "data" / "train.parquet", pa.table({column: cells, "label": [n % 3 for n in range(6)]}))
    raw = read(tmp_path)
    assert numbers(raw.parts["train"]) == list(range(6))
    (tmp_path / place / "pictures" / "4.png").unlink()
    with pytest.raises(DataError, match=r"1 of 6 rows hold the path .* not there: pictures/4.png"):
        read(tmp_path)


@pytest.mark.parametrize("statistics", [True, False])
def test_rows_with_bytes_and_with_paths_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statistics: bool
) -> None:
    # Groups of two: both in the file, one of them, none.
    cells = [{"bytes": png(n) if n in (0, 1, 3) else None, "path": f"{n}.png"} for n in range(6)]
    for number in (2, 4, 5):
        (tmp_path / f"{number}.png").write_bytes(png(number))
    made = pa.table({"image": pa.array(cells, STRUCT), "label": [n % 3 for n in range(6)]})
    pq.write_table(made, tmp_path / "train.parquet", row_group_size=2, write_statistics=statistics)
    for share in (0.25, 0):
        monkeypatch.setattr(huggingface, "HELD_SHARE", share)
        assert numbers(read(tmp_path).parts["train"]) == list(range(6))


def test_images_that_do_not_fit_into_memory_stay_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in range(2):
        write(tmp_path / f"train-{place}.parquet", table(range(12 * place, 12 * place + 12)), rows=5)
    held = read(tmp_path)
    assert all(isinstance(item.content, Held) for item in items(held))
    first = load(tmp_path, max_memory_bytes=0)
    whole = load(tmp_path)
    monkeypatch.setattr(huggingface, "HELD_SHARE", 0)
    raw = read(tmp_path)
    assert [item.name for item in items(raw)] == [item.name for item in items(held)]
    for item in items(raw):
        assert isinstance(item.content, Member)
        assert 0 < item.nbytes < 10_000
        assert len(pickle.dumps(item.content)) < 1000
    right(raw, "train", range(24))
    mixed = np.random.default_rng(0).permutation(24)
    assert numbers(raw.parts["train"].take(mixed)) == mixed.tolist()
    assert len({item.stamp() for item in items(raw)}) == 24
    assert load(tmp_path).fingerprint == whole.fingerprint
    streamed = load(tmp_path, max_memory_bytes=0)
    assert streamed.streamed
    assert streamed.fingerprint == first.fingerprint, "a run goes on whatever memory is free"
    assert isinstance(streamed.train, StreamedSplit)
    shown = {int(streamed.train.read(place)[0, 0, 0]) for place in range(len(streamed.train))}
    assert shown == {int(image[0, 0, 0]) for image in whole.train.images}


def items(raw: Raw) -> tuple[Encoded, ...]:
    pixels = raw.parts["train"].pixels
    assert isinstance(pixels, tuple)
    return pixels


def save(folder: Path, content: Any, files: int = 1, features: Any = None, file_format: bool = False) -> None:
    """As `save_to_disk` of Hugging Face writes a Dataset."""
    folder.mkdir(parents=True)
    names = [f"data-{place:05}-of-{files:05}.arrow" for place in range(files)]
    each = -(-len(content) // files)
    for place, name in enumerate(names):
        kind = pa.ipc.new_file if file_format else pa.ipc.new_stream
        with pa.OSFile(str(folder / name), "wb") as sink, kind(sink, content.schema) as writer:
            writer.write_table(content.slice(place * each, each), max_chunksize=3)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features or {}}))


@pytest.mark.parametrize("file_format", [False, True])
def test_save_to_disk(tmp_path: Path, file_format: bool) -> None:
    save(tmp_path / "train", table(range(14)), files=3, file_format=file_format)
    save(tmp_path / "test", table(range(6)), file_format=file_format)
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    (tmp_path / "train" / "cache-1f.arrow").write_bytes(b"left by a filter")
    raw = read(tmp_path)
    right(raw, "train", range(14))
    right(raw, "test", range(6))
    assert all(isinstance(item.content, Member) for item in items(raw))
    assert load(tmp_path).classes == NAMES
    right(read(tmp_path / "train"), "train", range(14))
    right(read(tmp_path / "test" / "data-00000-of-00001.arrow"), "train", range(6))
    (tmp_path / "train" / "data-00001-of-00003.arrow").unlink()
    with pytest.raises(DataError, match=r"lacks data-00001-of-00003.arrow, which state.json says"):
        read(tmp_path)


def test_save_to_disk_with_the_features_beside(tmp_path: Path) -> None:
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(NAMES)}}
    save(tmp_path / "d", table(range(6)).replace_schema_metadata(), features=features)
    assert read(tmp_path / "d").classes == NAMES


def test_arrow_files_of_the_cache(tmp_path: Path) -> None:
    save(tmp_path / "x", table(range(6)))
    (tmp_path / "x" / "data-00000-of-00001.arrow").rename(tmp_path / "mnist-train.arrow")
    assert huggingface.matches(tmp_path, DataOptions())
    right(read(tmp_path), "train", range(6))


def test_damaged_files_are_named(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", table(range(6)))
    broken = tmp_path / "train-1.parquet"
    broken.write_bytes((tmp_path / "train-0.parquet").read_bytes()[:-40])
    with pytest.raises(DataError, match=r"train-1.parquet is no readable Parquet file"):
        read(tmp_path)
    broken.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    with pytest.raises(DataError, match=r"train-1.parquet is a pointer of Git LFS.*git lfs pull"):
        read(tmp_path)
    whole = bytearray((tmp_path / "train-0.parquet").read_bytes())
    whole[4:200] = bytes(196)
    broken.write_bytes(bytes(whole))
    with pytest.raises(DataError, match=r"train-1.parquet is no readable Parquet file"):
        read(tmp_path)
    write(broken, pa.table({"image": [b"x"]}))
    with pytest.raises(DataError, match=r"train-1.parquet has no label column 'label'"):
        read(tmp_path)
    save(tmp_path / "saved", table(range(6)))
    arrow = tmp_path / "saved" / "data-00000-of-00001.arrow"
    arrow.write_bytes(arrow.read_bytes()[:300])
    with pytest.raises(DataError, match=r"data-00000-of-00001.arrow is no readable Arrow file"):
        read(tmp_path / "saved")


def test_folders_of_other_data_are_left_alone(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(png(0))
    write(tmp_path / "cat" / "features.parquet", table(range(3)))
    write(tmp_path / ".cache" / "train.parquet", table(range(3)))
    assert not huggingface.matches(tmp_path, DataOptions())
