"""Tables of labels beside images, and labels in the names of files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from files_support import fails, read, told, write

from chronas.data.formats.files.rows import ImageNames
from chronas.data.load import load
from chronas.errors import DataError, UsageError

SIX = [f"images/{index:04}.png" for index in range(6)]
SAID = {name: "cat" if index % 2 else "dog" for index, name in enumerate(SIX)}


def rows(pattern: str = "images/{:04}.png,{}", header: str = "file_name,label") -> str:
    lines = [pattern.format(index, "cat" if index % 2 else "dog") for index in range(6)]
    return "\n".join([header, *lines] if header else lines) + "\n"


def six(root: Path, content: str | bytes, name: str = "labels.csv") -> Path:
    """Six images and a table of their labels."""
    write(root, SIX)
    (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return root


@pytest.mark.parametrize(
    "content",
    [
        rows(),
        rows("{:04}.png,{}", "image,class"),
        rows("{:04},{}", "image_id,target"),
        rows("./images/{:04}.png,{}", "path,y"),
        rows("/home/me/data/images/{:04}.png,{}", "filepath,category"),
        rows("C:\\data\\images\\{:04}.png,{}", "Path,Label"),
        rows("/elsewhere/{:04}.PNG,{}", "path,breed"),
        rows("{:04}.png;{}", "file name;species"),
        rows("{:04}.png\t{}", "id\tlabel"),
        rows('"{:04}.png","{}"', '"file_name","label"'),
        rows("{:04}.png, {}", "file_name, label"),
        "\ufeff" + rows(),
        rows().replace("\n", "\r\n"),
        rows() + "\n\n",
        rows().encode("utf-16"),
        rows("7,{:04},x,{}", "number,id_code,remark,diagnosis"),
        rows("{:04},{}", "Image,Id"),
        rows("{:04}.png,{}", ""),
    ],
)  # fmt: skip
def test_tables_in_many_forms(tmp_path: Path, content: str | bytes) -> None:
    raw = read(six(tmp_path, content))
    assert told(raw) == SAID
    assert raw.classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.tsv", rows("{:04}.png\t{}", "file_name\tlabel")),
        ("train.csv", rows()),
        ("metadata.jsonl", "".join(f'{{"file_name": "{name}", "label": "{label}"}}\n' for name, label in SAID.items())),
    ],
)
def test_tables_of_other_names(tmp_path: Path, name: str, content: str) -> None:
    assert told(read(six(tmp_path, content, name))) == SAID


def test_what_was_read_is_said(tmp_path: Path) -> None:
    six(tmp_path, "file_name,label\nimages/0000.png,dog\n0001,cat\n0002,\n0003.png, \n")
    write(tmp_path, ["notes.txt"])
    raw = read(tmp_path)
    assert told(raw) == {SIX[0]: "dog", SIX[1]: "cat"}
    assert raw.notes[0] == (
        "Read: 2 images in 2 classes. Left out: 2 images without a label (images/0002.png, images/0003.png), "
        "2 images without a row (images/0004.png, images/0005.png), 1 file of other kinds (.txt)."
    )
    assert raw.notes[1] == f"Labels come from {tmp_path / 'labels.csv'} (images: file_name, labels: label)."


def test_numbers_are_sorted_as_numbers(tmp_path: Path) -> None:
    content = "id,y\n" + "".join(f"{index:04},{label}\n" for index, label in enumerate((10, 2, 1, 10, 2, 1)))
    assert read(six(tmp_path, content)).classes == ("1", "2", "10")
    # As pandas writes whole numbers in a column with gaps.
    content = "id,y\n" + "".join(
        f"{index:04},{label}\n" for index, label in enumerate(("1.0", "0.0", "", "1.0", "0.0"))
    )
    assert read(six(tmp_path, content)).classes == ("0", "1")


def test_zeros_and_a_single_one_name_the_column(tmp_path: Path) -> None:
    content = "image,healthy,rust,scab\n" + "".join(
        f"{index:04},{int(index < 2)},{int(2 <= index < 4)},{float(index >= 4)}\n" for index in range(6)
    )
    raw = read(six(tmp_path, content))
    assert list(told(raw).values()) == ["healthy", "healthy", "rust", "rust", "scab", "scab"]


def test_a_column_of_parts_is_used(tmp_path: Path) -> None:
    parts = ("train", "Train", "train", "valid", "test", "test")
    content = "file_name,label,split\n" + "".join(
        f"{index:04}.png,{'cat' if index % 2 else 'dog'},{part}\n" for index, part in enumerate(parts)
    )
    raw = read(six(tmp_path, content))
    assert {part: list(told(raw, part)) for part in raw.parts} == {"train": SIX[:3], "val": [SIX[3]], "test": SIX[4:]}
    assert "parts: split" in raw.notes[1]


def test_parts_by_folder_or_by_table(tmp_path: Path) -> None:
    """Two images of one name are told apart by the folder of their part."""
    first = write(tmp_path / "a", ["train/1.png", "train/2.png", "test/1.png", "test/2.png"])
    (first / "train.csv").write_text("id,label\n1,cat\n2,dog\n")
    (first / "test.csv").write_text("id,label\n1,dog\n2,cat\n")
    (first / "sample_submission.csv").write_text("id,label\n1,cat\n2,cat\n")
    expected = ({"train/1.png": "cat", "train/2.png": "dog"}, {"test/1.png": "dog", "test/2.png": "cat"})
    raw = read(first)
    assert (told(raw), told(raw, "test")) == expected
    # As Hugging Face lays out image folders: a table in each.
    second = write(tmp_path / "b", ["train/1.png", "train/2.png", "test/1.png", "test/2.png"])
    (second / "train" / "metadata.csv").write_text("file_name,label\n1.png,cat\n2.png,dog\n")
    (second / "test" / "metadata.csv").write_text("file_name,label\n1.png,dog\n2.png,cat\n")
    raw = read(second)
    assert (told(raw), told(raw, "test")) == expected
    # One table, whose paths tell the part.
    third = write(tmp_path / "c", ["train/1.png", "train/2.png", "test/1.png", "test/2.png"])
    (third / "labels.csv").write_text("path,label\ntrain/1.png,cat\ntrain/2.png,dog\ntest/1.png,dog\ntest/2.png,cat\n")
    raw = read(third)
    assert (told(raw), told(raw, "test")) == expected
    (third / "labels.csv").write_text("path,label\n1.png,cat\n2.png,dog\n")
    fails(third, "'1.png' may mean test/1.png or train/1.png")


def test_test_images_of_a_contest_have_no_labels(tmp_path: Path) -> None:
    write(tmp_path, ["train_images/1.png", "train_images/2.png", "test_images/3.png"])
    (tmp_path / "train.csv").write_text("id_code,diagnosis\n1,0\n2,4\n")
    (tmp_path / "test.csv").write_text("id_code\n3\n")
    raw = read(tmp_path)
    assert told(raw) == {"train_images/1.png": "0", "train_images/2.png": "4"}
    assert "1 image without a row (test_images/3.png)" in raw.notes[0]


def test_a_table_two_folders_deeper(tmp_path: Path) -> None:
    six(tmp_path / "archive" / "data", rows())
    assert told(read(tmp_path)) == {f"archive/data/{name}": label for name, label in SAID.items()}


def test_the_table_may_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    six(tmp_path / "data", rows(), "one.csv")
    (tmp_path / "data" / "two.csv").write_text(rows("{:04},{}x", "file,label"))
    fails(tmp_path / "data", "several tables of labels", "one.csv", "two.csv", "--labels FILE")
    assert read(tmp_path / "data", labels=str(tmp_path / "data" / "two.csv")).classes == ("catx", "dogx")
    assert read(tmp_path / "data", labels="one.csv").classes == ("cat", "dog")
    (tmp_path / "three.txt").write_text("0000.png 1\nimages/0001.png 2\n")
    monkeypatch.chdir(tmp_path)
    raw = read(Path("data"), labels="three.txt")
    assert told(raw) == {SIX[0]: "1", SIX[1]: "2"}
    fails(tmp_path / "data", "no.csv is not there, and not in", labels="no.csv")
    fails(tmp_path / "data", "is a folder", labels=".")


def test_tables_that_say_the_same_are_one(tmp_path: Path) -> None:
    six(tmp_path, rows())
    (tmp_path / "metadata.csv").write_text(rows())
    assert told(read(tmp_path)) == SAID


def test_columns_may_be_named(tmp_path: Path) -> None:
    six(tmp_path, rows("{:04}.png,{},old,7", "Bild,Tier,Alter,Nummer"))
    fails(
        tmp_path, "no labels", "labels.csv lies there", "Bild, Tier, Alter, Nummer", "--image-column", "--label-column"
    )
    fails(tmp_path, "cannot be told from its header", "--label-column NAME", labels="labels.csv")
    assert told(read(tmp_path, image_column="Bild", label_column="tier")) == SAID
    assert told(read(tmp_path, label_column="Tier")) == SAID
    fails(tmp_path, "no column 'Vogel' (--label-column)", "Bild, Tier, Alter", label_column="Vogel")


def test_rows_without_an_image(tmp_path: Path) -> None:
    content = rows("{:04}.png,{}") + "".join(f"{index:04}.png,cat\n" for index in range(100, 125))
    six(tmp_path, content)
    message = fails(tmp_path, "25 of 31 rows name an image that is not in", "line 8: 0100.png", "5 more", "--skip-bad")
    assert "0120" not in message
    raw = read(tmp_path, skip_bad=True)
    assert told(raw) == SAID
    assert "25 rows whose image is not there" in raw.notes[0]
    (tmp_path / "labels.csv").write_text("file_name,label\nx.png,cat\ny.png,dog\n")
    fails(tmp_path, "2 of 2 rows", "Images there are called images/0000.png", "--image-column", skip_bad=True)


def test_a_missing_image_is_not_one_of_another_folder(tmp_path: Path) -> None:
    write(tmp_path, ["train/a/1.png", "train/b/2.png"])
    (tmp_path / "labels.csv").write_text("path,label\ntrain/a/1.png,x\ntrain/b/1.png,y\ntrain/b/2.png,y\n")
    fails(tmp_path, "1 of 3 rows", "line 3: train/b/1.png", labels=str(tmp_path / "labels.csv"))


def test_equal_names_are_told_apart_by_all_their_folders(tmp_path: Path) -> None:
    write(tmp_path, ["x/a/1.png", "y/a/1.png"])
    (tmp_path / "labels.csv").write_text("path,label\n/data/x/a/1.png,p\ny/a/1.png,q\n")
    assert told(read(tmp_path, labels=str(tmp_path / "labels.csv"))) == {"x/a/1.png": "p", "y/a/1.png": "q"}


def test_numbers_are_no_names_of_images_where_a_column_has_names(tmp_path: Path) -> None:
    """Images 1 and 2, a column of numbers, and names of images that are not there."""
    write(tmp_path, ["1.png", "2.png"])
    (tmp_path / "labels.csv").write_text("file_name,grade\n" + "".join(f"x{i}.png,{i}\n" for i in range(6)))
    fails(tmp_path, "6 of 6 rows name an image that is not in", "x0.png")


def test_contradictions(tmp_path: Path) -> None:
    six(tmp_path, rows() + "images/0000.png,dog\n0000,cat\n")
    fails(tmp_path, "gives images/0000.png the labels 'dog' and 'cat'", "one label")
    six(tmp_path, rows() + "images/0000.png,dog\n")
    assert told(read(tmp_path)) == SAID


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("file_name,label\n0000.png,a,b\n", ("labels.csv, line 2: 3 cell(s)", "2 columns")),
        ("", ("labels.csv is empty",)),
        ("file_name,label\n0000.png,\0\n", ("no table of text",)),
        ("file_name,label\n0000.png,\n", ("no image with a label",)),
        ("file_name,label,split\n0000.png,a,test\n", ("no image with a label is for training",)),
    ],
)
def test_damaged_tables(tmp_path: Path, content: str, words: tuple[str, ...]) -> None:
    fails(six(tmp_path, content), *words)


def test_windows_letters(tmp_path: Path) -> None:
    six(tmp_path, "file_name,label\n0000.png,caf\u00e9\n0001.png,th\u00e9\n".encode("cp1252"))
    assert read(tmp_path).classes == ("caf\u00e9", "th\u00e9")


def test_class_folders_go_before_a_table(tmp_path: Path) -> None:
    names = [f"{name}/{index}.png" for name in ("a", "b") for index in range(3)]
    write(tmp_path, names)
    (tmp_path / "labels.csv").write_text("file_name,label\n" + "".join(f"{name},{name[2]}\n" for name in names))
    raw = read(tmp_path)
    assert raw.classes == ("a", "b")
    assert any("is not used, for there are class folders: --labels" in note for note in raw.notes)
    assert read(tmp_path, labels="labels.csv").classes == ("0", "1", "2")
    fails(tmp_path, "has class folders, so no table is read", label_column="label")
    (tmp_path / "labels.csv").write_text("file_name,label\nx\n")
    assert read(tmp_path).classes == ("a", "b")


def test_tables_inside_archives(tmp_path: Path) -> None:
    six(tmp_path / "x", rows())
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as made:
        for file in sorted((tmp_path / "x").rglob("*.*")):
            made.write(file, file.relative_to(tmp_path))
    assert told(read(tmp_path / "x.zip")) == {f"x/{name}": label for name, label in SAID.items()}
    assert len(read(tmp_path / "x.zip", labels="x/labels.csv").parts["train"]) == 6


def test_labels_in_names(tmp_path: Path) -> None:
    write(tmp_path, ["cat.1.png", "cat.2.png", "dog.1.png", "dog.2.png", "readme.png", "x.txt"])
    raw = read(tmp_path, label_regex=r"^([a-z]+)\.\d")
    assert told(raw) == {"cat.1.png": "cat", "cat.2.png": "cat", "dog.1.png": "dog", "dog.2.png": "dog"}
    assert "1 image that --label-regex does not match (readme.png)" in raw.notes[0]
    fails(tmp_path, "matches no training image", "They are called cat.1.png", label_regex="^([A-Z]+)_")


def test_labels_in_names_of_parts(tmp_path: Path) -> None:
    write(tmp_path, ["train/3_1.png", "train/12_2.png", "test/3_9.png", "other/3_0.png"])
    raw = read(tmp_path, label_regex=r"^(\d+)_")
    assert raw.classes == ("3", "12")
    assert (told(raw), told(raw, "test")) == ({"train/12_2.png": "12", "train/3_1.png": "3"}, {"test/3_9.png": "3"})
    assert "1 image outside the folders of the split (3_0.png)" in raw.notes[0]
    write(tmp_path, ["test/4_1.png"])
    fails(tmp_path, "The test part has label 4, which no training image has", label_regex=r"^(\d+)_")


def test_words_that_do_not_fit(tmp_path: Path) -> None:
    six(tmp_path, rows())
    (tmp_path / "x.npz").write_bytes(b"")
    both: dict[str, Any] = {"labels": "labels.csv", "label_regex": "(a)"}
    for source, words, said in (
        (tmp_path, both, "Give one of them"),
        (tmp_path / "x.npz", {"labels": "labels.csv"}, "--labels goes with a folder or an archive"),
        (tmp_path / "x.npz", {"label_regex": "(a)"}, "--label-regex goes with"),
    ):
        with pytest.raises(UsageError, match=said):
            load(source, **words)


def by_filter(names: ImageNames, cell: str, folder: str, part: str | None) -> str | None:
    """What a look at every image of the name finds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageNames, "_nearest", lambda *_: [])
        return found_in(names, cell, folder, part)


def found_in(names: ImageNames, cell: str, folder: str, part: str | None) -> str | None:
    try:
        return names.find(cell, folder, part)
    except DataError as error:
        return str(error)


def test_looking_up_finds_what_a_look_at_every_image_finds() -> None:
    rng = np.random.default_rng(0)
    folders = ["train", "test", "a", "b", "é", "images", "e\u0301"]

    def path(depth: int, name: str) -> str:
        return "/".join([*(str(one) for one in rng.choice(folders, depth)), name])

    for _ in range(40):
        many = {path(int(rng.integers(0, 4)), str(rng.choice(["1.png", "2.PNG", "2.jpg"]))) for _ in range(12)}
        names = ImageNames(sorted(many), lambda one: next((p for p in ("train", "test") if p in one.split("/")), None))
        for _ in range(60):
            cell = path(int(rng.integers(0, 4)), str(rng.choice(["1.png", "1", "2.png", "2"])))
            folder = str(rng.choice(["", "a", "train/b", "elsewhere"]))
            part = str(rng.choice(["train", "test", "val", ""])) or None
            assert found_in(names, cell, folder, part) == by_filter(names, cell, folder, part), (many, cell, folder)


@pytest.mark.parametrize("part", [None, "train"])
def test_many_images_of_one_name_are_not_looked_through_for_each_row(
    monkeypatch: pytest.MonkeyPatch, part: str | None
) -> None:
    images = [f"video{video}/frames/{frame:03}.jpg" for video in range(200) for frame in range(3)]
    looked: list[str] = []

    def agrees(self: ImageNames, path: str, names: list[str]) -> bool:
        looked.append(path)
        return True

    names = ImageNames(images, lambda _: None)
    monkeypatch.setattr(ImageNames, "_agrees", agrees)
    assert [names.find(path, part=part) for path in images] == images
    assert [names.find(path.removesuffix(".jpg"), "data", part) for path in images] == images
    assert not looked
