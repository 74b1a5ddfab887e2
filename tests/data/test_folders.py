"""Folders of image files: which are classes, which are parts, what is never data, and what is said of it."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from files_support import content_of, fails, picture, read, told, write

from chronas.data.formats.counted import counted_note
from chronas.data.formats.files.folder import image_files
from chronas.data.formats.files.layout import part_of
from chronas.data.formats.ignored import inside_note
from chronas.data.load import load

PETS = [f"{name}/{index}.png" for name in ("cat", "dog") for index in range(4)]


def under(folder: str, names: Sequence[str]) -> list[str]:
    return [f"{folder}/{name}" for name in names]


def run(root: Path) -> Path:
    """What a run of Chronas leaves, with an image among it."""
    return write(root, ["spec.json", "journal.jsonl", "report.html", "search/state.pt", "figure.png"])


@pytest.mark.parametrize(
    "name", [".ipynb_checkpoints", ".thumbnails", "@eaDir", ".Trash-0/files", "__MACOSX", "lost+found", "$RECYCLE.BIN",
             "System Volume Information"]
)  # fmt: skip
def test_what_systems_leave_behind_is_never_data(tmp_path: Path, name: str) -> None:
    write(tmp_path, [*PETS, *under(f"cat/{name}", ["a.png", "b.png"]), f"{name}/0.png"])
    raw = read(tmp_path)
    assert set(told(raw)) == set(PETS)
    assert (
        f"Left out: 3 files in {'hidden folders' if name.startswith('.') else 'folders of the system'} ("
        in raw.notes[0]
    )
    assert name.partition("/")[0] in raw.notes[0]
    assert image_files(tmp_path) == [tmp_path / name for name in PETS]


def test_what_counts_is_said(tmp_path: Path) -> None:
    write(
        tmp_path / "train",
        [*PETS, "cat/Thumbs.db", "dog/desktop.ini", "dog/._0.png", "dog/0.txt", "dog/README", "lone.png"],
    )
    write(tmp_path / "test", [*PETS, ".DS_Store"])
    write(tmp_path, ["readme.md"])
    said = read(tmp_path).notes[0]
    assert said == (
        "Read: 16 images in 2 classes (train 8, test 8). Left out: 2 hidden files (.DS_Store, ._0.png), "
        "2 files of the system (Thumbs.db, desktop.ini), 3 files of other kinds (.md, .txt, without ending), "
        "1 image outside the class folders (lone.png)."
    )
    assert said in load(tmp_path).notes


def test_the_counted_note() -> None:
    assert counted_note({"train": 1}, 2, {"in hidden folders": []}) == "Read: 1 image in 2 classes."
    left = {"of other kinds": [".txt", ".json", ".txt"], "rows without a label": [""], "Chronas runs": ["runs/a"]}
    assert counted_note({"train": 1200, "val": 3}, 1, left) == (
        "Read: 1,203 images in 1 class (train 1,200, val 3). Left out: 3 files of other kinds (.txt, .json), "
        "1 row without a label, 1 Chronas run (runs/a)."
    )
    many = counted_note({"train": 1}, 2, {"of other kinds": ["a", "b", "c", "d", "e", "e"]})
    assert many.endswith("6 files of other kinds (e, a, b, c, ...).")


def test_runs_inside_the_data_are_no_classes(tmp_path: Path) -> None:
    write(tmp_path, PETS)
    before = read(tmp_path)
    for place in ("runs/photos-1", "runs/photos-2", "own-run", "runs/more/deep-1"):
        run(tmp_path / place)
    write(tmp_path / "half-made", ["journal.jsonl", "lock"])
    write(tmp_path / "cache", ["CACHEDIR.TAG", "images.npy"])
    raw = read(tmp_path)
    assert told(raw) == told(before)
    assert "5 Chronas runs (" in raw.notes[0]
    assert "1 cache (cache)" in raw.notes[0]
    assert not any("figure.png" in str(file) for file in image_files(tmp_path))
    fails(tmp_path / "own-run", "is a run of Chronas", "chronas show")


def test_an_emptied_folder_of_runs_is_no_class_but_any_other_is(tmp_path: Path) -> None:
    write(tmp_path, PETS)
    (tmp_path / "runs").mkdir()
    assert read(tmp_path).classes == ("cat", "dog")
    (tmp_path / "emu").mkdir()
    fails(tmp_path, "emu has no images")


def test_a_run_folder_inside_the_data_gets_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "photos", PETS)
    assert "inside the folder of images (runs/a)" in (
        inside_note(tmp_path / "photos" / "runs" / "a", tmp_path / "photos") or ""
    )
    assert inside_note(tmp_path / "runs" / "a", tmp_path / "photos") is None
    assert inside_note(tmp_path / "photos.run", str(tmp_path / "photos")) is None
    assert inside_note("runs/a", ([0], [1])) is None
    monkeypatch.chdir(tmp_path / "photos")
    assert inside_note("runs/a", ".") is not None
    assert inside_note("runs/a", "digits") is None


def test_the_order_is_that_of_paths(tmp_path: Path) -> None:
    """The split follows the order, and an older run is resumed with the same."""
    names = [f"{name}/{tail}" for name in ("a", "b") for tail in ("x.png", "x-1.png", "x/1.png", "x/y/2.png", "X.png")]
    random.Random(0).shuffle(names)
    write(tmp_path, names)
    assert list(told(read(tmp_path))) == [str(Path(name)) for name in sorted(map(Path, names))]


def test_an_empty_class_is_left_out_on_request(tmp_path: Path) -> None:
    write(tmp_path / "train", [*PETS, "emu/notes.txt"])
    write(tmp_path / "test", PETS)
    fails(tmp_path, f"{tmp_path / 'train' / 'emu'} has no images", "--skip-empty")
    data = load(tmp_path, skip_empty=True)
    assert data.classes == ("cat", "dog")
    assert "Left out, for they have no images: the classes emu." in data.notes
    write(tmp_path / "test", ["emu/1.png"])
    fails(tmp_path, "has classes that train lacks: emu", skip_empty=True)


def test_many_empty_classes_are_counted(tmp_path: Path) -> None:
    write(tmp_path, PETS)
    for index in range(25):
        (tmp_path / f"x{index:02}").mkdir()
    message = fails(tmp_path, "x19 has no images", "... and 5 more")
    assert "x20" not in message


@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize("part", ["test", "val"])
def test_a_test_set_that_lacks_a_class_is_judged_on_the_others(tmp_path: Path, part: str, empty: bool) -> None:
    write(tmp_path / "train", [*PETS, *under("emu", ["1.png", "2.png", "3.png"])])
    write(tmp_path / part, PETS)
    if empty:
        (tmp_path / part / "emu").mkdir()
    data = load(tmp_path)
    assert data.classes == ("cat", "dog", "emu")
    assert f"The {part} part has no images of class 'emu'; it is judged on the other 2." in data.notes


def test_a_test_set_with_more_classes_is_an_error_that_names_them(tmp_path: Path) -> None:
    write(tmp_path / "train", PETS)
    write(tmp_path / "test", [*PETS, "emu/1.png", "yak/1.png"])
    (tmp_path / "test" / "rat").mkdir()
    fails(tmp_path, f"{tmp_path / 'test'} has classes that train lacks: emu, yak")


def test_a_test_set_without_images_is_not_used(tmp_path: Path) -> None:
    write(tmp_path / "train", PETS)
    (tmp_path / "test" / "cat").mkdir(parents=True)
    assert "Not used: test, which has no images." in read(tmp_path).notes


@pytest.mark.parametrize(
    ("name", "part"),
    [("Train", "train"), ("TEST", "test"), ("valid", "val"), ("training_set", "train"), ("test-images", "test"),
     ("seg_train", "train"), ("dev", "val"), ("steam_train", None), ("test_tube", None), ("train_test", None),
     ("cat", None)],
)  # fmt: skip
def test_names_of_parts(name: str, part: str | None) -> None:
    assert part_of(name) == part


@pytest.mark.parametrize("around", ["photos", "a/b/c", "dataset/dataset"])
@pytest.mark.parametrize("parts", [True, False])
def test_folders_around_the_data_are_gone_through(tmp_path: Path, around: str, parts: bool) -> None:
    names = [*under("Train", PETS), *under("Test", PETS)] if parts else PETS
    write(tmp_path, [*under(around, names), "docs/readme.md", "sample.png"])
    raw = read(tmp_path)
    assert raw.classes == ("cat", "dog")
    assert set(raw.parts) == ({"train", "test"} if parts else {"train"})
    assert f"Read from the folder {around}, which is the data set in {tmp_path}." in raw.notes
    assert "1 image outside the class folders (sample.png)" in raw.notes[0]


def test_parts_inside_images_and_parts_doubled(tmp_path: Path) -> None:
    write(tmp_path / "a", [*under("images/train", PETS), *under("images/test", PETS)])
    write(
        tmp_path / "b",
        [*under("seg_train/seg_train", PETS), *under("seg_test/seg_test", PETS), "seg_pred/seg_pred/1.png"],
    )
    for place in (tmp_path / "a", tmp_path / "b"):
        raw = read(place)
        assert (raw.classes, {part: len(one) for part, one in raw.parts.items()}) == (
            ("cat", "dog"),
            {"train": 8, "test": 8},
        )
    assert any("Not used: seg_pred (1 image)" in note for note in read(tmp_path / "b").notes)


def test_a_single_class_folder_is_not_gone_through(tmp_path: Path) -> None:
    fails(write(tmp_path / "a", ["cat/1.png", "cat/2.png"]), "only one class (cat)")
    fails(write(tmp_path / "b", ["cat/1.png", "cat/x/2.png", "cat/y/3.png"]), "only one class (cat)")
    nested = write(tmp_path / "c", ["cat/x/1.png", "cat/y/2.png", "dog/x/3.png"])
    assert set(told(read(nested)).values()) == {"cat", "dog"}


def test_several_data_sets_side_by_side_are_named(tmp_path: Path) -> None:
    write(tmp_path, [*under("old/train", PETS), *under("new/train", PETS), "cat/1.png"])
    fails(tmp_path, "2 data set(s) with a folder 'train' of their own", f"\n  {tmp_path / 'new'}\n  {tmp_path / 'old'}")


def test_images_without_labels_are_told_where_labels_may_stand(tmp_path: Path) -> None:
    flat = write(tmp_path / "flat", ["cat.1.png", "cat.2.png", "dog.1.png", "dog.2.png", "dog.10.png", "cat.3.png"])
    fails(
        flat,
        "6 images but no labels",
        "labels.csv",
        "--labels FILE",
        "--label-regex '^([A-Za-z]+)[._ -]'",
        "cat 3, dog 3",
    )
    plain = write(tmp_path / "plain", ["1.png", "2.png"])
    fails(plain, "2 images but no labels", r"--label-regex '^([a-z]+)\.' takes cat from cat.12.png")
    parts = write(tmp_path / "parts", ["train/1.png", "test/1.png"])
    fails(parts, "2 images but no labels")
    one = write(tmp_path / "one", ["images/1.png"])
    fails(one, "1 image but no labels")


YOLO = ["images/train/1.png", "images/val/2.png", "labels/train/1.txt", "labels/val/2.txt", "data.yaml"]


@pytest.mark.parametrize(
    ("names", "word"),
    [
        (YOLO, "YOLO"),
        (under("dataset", YOLO), "YOLO"),
        (["train/images/1.png", "train/labels/1.txt", "valid/images/1.png", "valid/labels/1.txt"], "YOLO"),
        (["images/1.png", "annotations/instances_train.json"], "COCO"),
        (["train/1.png", "valid/2.png", "annotations/instances_train2017.json"], "COCO"),
        (["train/1.png", "train/_annotations.coco.json", "valid/1.png"], "COCO"),
        (["JPEGImages/1.jpg", "Annotations/1.xml", "ImageSets/Main/train.txt"], "Pascal VOC"),
        (["images/1.png", "images/2.png", "masks/1.png", "masks/2.png"], "segmentation"),
    ],
)
def test_data_of_other_tasks_is_named(tmp_path: Path, names: list[str], word: str) -> None:
    fails(write(tmp_path, names), word, "Chronas classifies", "labels.csv")


def test_classes_called_like_those_of_other_tasks_are_read(tmp_path: Path) -> None:
    """Class folders win: only images that lie flat can be those of a detector."""
    first = write(tmp_path / "a", [*under("images", PETS), "labels/1.txt"])
    second = write(tmp_path / "b", [*PETS, "annotations/instances.json"])
    assert read(first).classes == ("cat", "dog")
    assert read(second, skip_empty=True).classes == ("cat", "dog")
    third = write(tmp_path / "c", ["masks/1.png", "goggles/2.png", "masks/3.png", "goggles/4.png"])
    assert read(third).classes == ("goggles", "masks")


def test_links_that_loop_are_left_out_and_others_followed(tmp_path: Path) -> None:
    write(tmp_path / "data", PETS)
    write(tmp_path / "elsewhere", ["1.png", "2.png"])
    (tmp_path / "data" / "emu").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "cat" / "again").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "self").symlink_to(tmp_path / "data" / "self")
    raw = read(tmp_path / "data")
    assert raw.classes == ("cat", "dog", "emu")
    assert len(raw.parts["train"]) == 10
    assert "1 link to a folder around them (again)" in raw.notes[0]
    (tmp_path / "data" / "cat" / "gone.png").symlink_to(tmp_path / "nothing.png")
    fails(tmp_path / "data", "cat/gone.png: No such file or directory")


def test_folders_nested_too_deep_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, [*PETS, "cat/" + "d/" * 60 + "1.png"])
    raw = read(tmp_path)
    assert len(raw.parts["train"]) == 8
    assert "1 file in folders nested too deep (d)" in raw.notes[0]


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [*PETS, "emu/1.png", "lost+found/x/1.png"])
    real = os.scandir

    def scandir(place: Any = ".") -> Any:
        if str(place).endswith(("emu", "lost+found")):
            raise PermissionError(13, "Permission denied", str(place))
        return real(place)

    monkeypatch.setattr(os, "scandir", scandir)
    fails(tmp_path, "1 folder(s)", "emu: Permission denied", "--skip-bad")
    raw = read(tmp_path, skip_bad=True, skip_empty=True)
    assert raw.classes == ("cat", "dog")
    assert "1 folder that cannot be read (emu)" in raw.notes[0].replace("folders", "folder")


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    write(tmp_path, ["dog/1.png", "dog/2.png"])
    strange = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(strange)
    for name in (b"/\xff1.png", b"/2.png"):
        with open(strange + name, "wb") as file:
            file.write(picture())
    raw = read(tmp_path)
    assert raw.classes == ("caf\\xe9", "dog")
    items = raw.parts["train"].pixels
    assert isinstance(items, tuple)
    assert sorted(item.name for item in items)[:2] == ["caf\\xe9/2.png", "caf\\xe9/\\xff1.png"]
    assert all(content_of(item) == picture() for item in items)
    "".join(raw.notes).encode("utf-8")
    assert load(tmp_path, test_share=0).classes == raw.classes


def test_accents_written_in_two_ways_are_one_class(tmp_path: Path) -> None:
    write(tmp_path / "train", ["caf\u00e9/1.png", "caf\u00e9/2.png", "dog/1.png", "dog/2.png"])
    write(tmp_path / "test", ["cafe\u0301/1.png", "dog/1.png"])
    raw = read(tmp_path)
    assert set(told(raw, "test").values()) == {"caf\u00e9", "dog"}


def test_what_may_be_meant_is_named(tmp_path: Path) -> None:
    write(tmp_path, ["photos.zip", "labels.csv"])
    fails(tmp_path, "It holds photos.zip, which can be given itself")
    fails(tmp_path / "labels.csv", "give the folder of its images, and --labels")


def test_a_folder_that_may_not_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, PETS)
    monkeypatch.setattr(os, "access", lambda *_: False)
    fails(tmp_path, "may not be read: Permission denied")
