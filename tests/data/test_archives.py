"""Archives of images and WebDataset shards, read in place."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from files_support import content_of, contents, fails, picture, read, told, write

from chronas.data.formats.files import archive
from chronas.data.formats.files.members import Slice, Zipped
from chronas.data.load import load
from chronas.data.raw import Encoded, Member

PETS = {f"{name}/{index}.png": picture(20 * index) for name in ("cat", "dog") for index in range(4)}


def zipped(file: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(file, "w", method) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file


def tarred(file: Path, members: Mapping[str, bytes]) -> Path:
    mode = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(file.suffix.lower(), "w")
    with tarfile.open(file, mode) as made:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return file


def made(file: Path, members: Mapping[str, bytes]) -> Path:
    return zipped(file, members) if file.suffix.lower() == ".zip" else tarred(file, members)


def within(folder: str, members: Mapping[str, bytes] = PETS) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in members.items()}


ALL = ("d.zip", "D.ZIP", "d.tar", "d.tar.gz", "d.tgz", "d.tar.bz2", "d.tar.xz")


@pytest.mark.parametrize("name", ALL)
def test_class_folders_in_an_archive(tmp_path: Path, name: str) -> None:
    raw = read(made(tmp_path / name, PETS))
    assert told(raw) == {one: one[:3] for one in PETS}
    assert contents(raw) == list(PETS.values())
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["d.zip", "d.tar"])
def test_as_a_folder_with_all_its_rules(tmp_path: Path, name: str) -> None:
    """The same names in an archive and in a folder give the same classes, parts, notes and order."""
    members = {
        **within("photos/Train"), **within("photos/test"), "photos/train.txt": b"",
        "photos/Train/cat/a-b.png": picture(),
        "photos/Train/cat/a/b.png": picture(), "__MACOSX/photos/Train/cat/._0.png": b"x", "photos/.DS_Store": b"",
        "photos/Train/cat/._0.png": b"x", "photos/masks/1.png": picture(),
    }  # fmt: skip
    write(tmp_path / "folder", members)
    inside, outside = read(made(tmp_path / name, members)), read(tmp_path / "folder")
    assert inside.classes == outside.classes
    for part in ("train", "test"):
        assert list(told(inside, part).items()) == list(told(outside, part).items())
    assert inside.notes[0] == outside.notes[0]
    assert [one.replace(name, "folder") for one in inside.notes] == list(outside.notes)


def test_a_loaded_archive_is_the_loaded_folder(tmp_path: Path) -> None:
    for name, content in PETS.items():
        file = tmp_path / "folder" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    expected = load(tmp_path / "folder").fingerprint
    assert {load(made(tmp_path / name, PETS)).fingerprint for name in ("d.zip", "d.tar", "d.tgz")} == {expected}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_ways_of_compressing_in_a_zip(tmp_path: Path, method: int) -> None:
    assert contents(read(zipped(tmp_path / "d.zip", PETS, method))) == list(PETS.values())


def test_a_way_of_compressing_that_is_not_read_is_named(tmp_path: Path) -> None:
    fails(zipped(tmp_path / "d.zip", PETS, zipfile.ZIP_LZMA), "not read (LZMA, cat/0.png)", "deflate")


def _read_in_a_child(item: Encoded) -> bytes:
    return content_of(item)


@pytest.mark.parametrize(("name", "kind"), [("d.zip", Zipped), ("d.tar", Slice)])
def test_members_are_small_and_travel(tmp_path: Path, name: str, kind: type[Member]) -> None:
    raw = read(made(tmp_path / name, PETS))
    items = raw.parts["train"].pixels
    assert isinstance(items, tuple)
    assert all(isinstance(item.content, kind) and item.on_disk for item in items)
    assert len(pickle.dumps(items[1])) < 700
    assert [item.nbytes for item in items] == [len(content) for content in PETS.values()]
    assert len({item.stamp() for item in items}) == len(items)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_read_in_a_child, items) == list(PETS.values())
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(content_of, items * 20)) == list(PETS.values()) * 20


@pytest.mark.parametrize("name", ["d.zip", "d.tar"])
def test_an_archive_that_changed_meanwhile(tmp_path: Path, name: str) -> None:
    raw = read(made(tmp_path / name, PETS))
    before = [item.stamp() for item in raw.parts["train"].pixels if isinstance(item, Encoded)]
    made(tmp_path / name, within("a"))
    with pytest.raises(ValueError, match="has changed"):
        contents(raw)
    again = read(tmp_path / name)
    assert not set(before) & {item.stamp() for item in again.parts["train"].pixels if isinstance(item, Encoded)}


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("damage", [cut, lambda content: b"", lambda content: b"no archive at all, but words" * 30])
def test_damaged_archives(tmp_path: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    file = made(tmp_path / name, {f"{one}/{index}.png": os.urandom(3000) for one in "ab" for index in range(5)})
    file.write_bytes(damage(file.read_bytes()))
    fails(file, name, "cut off")


def test_a_damaged_header_is_not_the_end(tmp_path: Path) -> None:
    file = tarred(tmp_path / "d.tar", PETS)
    with tarfile.open(file) as opened:
        place = opened.getmembers()[3].offset
    content = bytearray(file.read_bytes())
    content[place : place + 20] = b"\xff" * 20
    file.write_bytes(content)
    fails(file, "damaged", f"at byte {place}")


def test_a_damaged_member_is_an_unreadable_image(tmp_path: Path) -> None:
    file = zipped(tmp_path / "d.zip", PETS, zipfile.ZIP_STORED)
    content = bytearray(file.read_bytes())
    place = content.index(PETS["cat/1.png"])
    content[place + 40] ^= 255
    file.write_bytes(content)
    fails(file, "1 image(s) cannot be read", "cat/1.png: damaged in the archive: its checksum differs", "--skip-bad")
    data = load(file, skip_bad=True, test_share=0)
    assert len(data.train) + len(data.val) == 7


def test_a_password_is_named(tmp_path: Path) -> None:
    file = zipped(tmp_path / "d.zip", PETS)
    content = bytearray(file.read_bytes())
    for mark, flags in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        place = content.find(mark)
        while place >= 0:
            content[place + flags] |= 1
            place = content.find(mark, place + 4)
    file.write_bytes(content)
    fails(file, "protected by a password (cat/0.png)")


@pytest.mark.parametrize("name", ["d.zip", "d.tar"])
def test_tricks_with_paths(tmp_path: Path, name: str) -> None:
    tricks = ("../cat/evil.png", "cat/../../evil.png", "/dog/root.png", "./dog/dot.png", "cat\\windows.png")
    members = {**PETS, **dict.fromkeys((*tricks, "a/" * 3000 + "deep.png"), picture())}
    raw = read(made(tmp_path / name, members))
    assert set(told(raw)) == {*PETS, "dog/root.png", "dog/dot.png", "cat/windows.png"}
    assert "2 files with paths that lead out of the archive" in raw.notes[0]
    assert "1 file in folders nested too deep" in raw.notes[0]
    assert os.listdir(tmp_path) == [name]


def test_links_in_archives(tmp_path: Path) -> None:
    file = tmp_path / "d.tar"
    with tarfile.open(file, "w") as out:
        for name, content in PETS.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
        for kind, name in (
            (tarfile.SYMTYPE, "cat/soft.png"),
            (tarfile.LNKTYPE, "cat/hard.png"),
            (tarfile.FIFOTYPE, "cat/p.png"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "cat/0.png" if kind == tarfile.LNKTYPE else "/etc/passwd"
            out.addfile(info)
    raw = read(file)
    assert set(told(raw)) == {*PETS, "cat/hard.png"}
    assert "1 link in the archive" in raw.notes[0]
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as packed:
        for name, content in PETS.items():
            packed.writestr(name, content)
        one = zipfile.ZipInfo("cat/soft.png")
        one.create_system, one.external_attr = 3, 0o120777 << 16
        packed.writestr(one, "/etc/passwd")
    assert set(told(read(tmp_path / "d.zip"))) == set(PETS)


def test_a_name_that_stands_twice_is_the_last(tmp_path: Path) -> None:
    file = tmp_path / "d.tar"
    with tarfile.open(file, "w") as out:
        for name, content in [*PETS.items(), ("cat/0.png", picture(200)), ("./cat/1.png", picture(201))]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    raw = read(file)
    assert (list(told(raw)), len(raw.parts["train"])) == (list(PETS), len(PETS))
    assert contents(raw)[:2] == [picture(200), picture(201)]


def test_names_in_utf8_that_do_not_say_so(tmp_path: Path) -> None:
    file = zipped(tmp_path / "d.zip", {"caf\u00e9/1.png": picture(), "tee/1.png": picture()})
    content = bytearray(file.read_bytes())
    for mark, flags in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        place = content.find(mark)
        while place >= 0:
            content[place + flags + 1] &= 0xF7
            place = content.find(mark, place + 4)
    file.write_bytes(content)
    assert read(file).classes == ("caf\u00e9", "tee")


def test_a_compressed_tar_must_fit_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tarred(tmp_path / "d.tar.gz", {**PETS, "movie.mp4": bytes(100_000)})
    monkeypatch.setattr(archive, "free_memory", lambda: 2 * sum(map(len, PETS.values())))
    assert len(read(file).parts["train"]) == 8
    monkeypatch.setattr(archive, "free_memory", lambda: sum(map(len, PETS.values())))
    fails(file, "kept in memory as a whole", ".zip or .tar")


def test_archives_of_other_kinds_and_without_images(tmp_path: Path) -> None:
    for name in ("d.rar", "d.7z", "d.tar.zst"):
        (tmp_path / name).write_bytes(b"x" * 100)
        fails(tmp_path / name, "of a kind that is not read", ".zip")
    fails(zipped(tmp_path / "a.zip", {"x.csv": b"a,b"}), "a.zip", "no class folders")
    fails(zipped(tmp_path / "b.zip", {"1.png": picture(), "2.png": picture()}), "2 images but no labels")
    fails(zipped(tmp_path / "c.zip", {}), "c.zip", "no class folders")


def samples(numbers: Iterable[int], label: Callable[[int], str], ending: str = "cls") -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for index in numbers:
        found[f"{index:05}.png"] = picture(index)
        found[f"{index:05}.{ending}"] = label(index).encode()
    return found


@pytest.mark.parametrize("ending", ["cls", "json"])
@pytest.mark.parametrize("name", ["shard-000000.tar", "d.tar.gz", "d.zip"])
def test_a_shard(tmp_path: Path, name: str, ending: str) -> None:
    def label(index: int) -> str:
        word = "cat" if index % 2 else "dog"
        return json.dumps({"key": f"{index}", "label": word}) if ending == "json" else word + "\n"

    raw = read(made(tmp_path / name, samples(range(12), label, ending)))
    assert list(told(raw).values()) == ["dog", "cat"] * 6
    assert contents(raw) == [picture(index) for index in range(12)]
    assert raw.notes[0] == "Read: 12 images in 2 classes."


def test_shards_in_a_folder(tmp_path: Path) -> None:
    for name, first in (("train-000000", 0), ("train-000001", 6), ("imagenet-val-000000", 12), ("test-000000", 18)):
        tarred(tmp_path / f"{name}.tar", samples(range(first, first + 6), lambda index: str(10 * (index % 2))))
    raw = read(tmp_path)
    assert {part: len(one) for part, one in raw.parts.items()} == {"train": 12, "val": 6, "test": 6}
    assert raw.classes == ("0", "10")
    assert next(iter(told(raw))) == "train-000000.tar: 00000.png"
    assert len(load(tmp_path).train) == 12


def test_names_beside_shards(tmp_path: Path) -> None:
    tarred(tmp_path / "train-0.tar", samples(range(6), lambda index: str(index % 2)))
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert read(tmp_path).classes == ("cat", "dog")
    assert read(tmp_path / "train-0.tar").classes == ("cat", "dog")
    (tmp_path / "classes.txt").write_text("cat\ndog\nemu\n")
    fails(tmp_path, "'emu'", "--skip-empty")
    assert load(tmp_path, skip_empty=True, test_share=0).classes == ("cat", "dog")
    (tmp_path / "classes.txt").write_text("cat\n")
    fails(tmp_path, "label 1 is out of range", "1 classes")


def test_images_without_a_label_in_shards(tmp_path: Path) -> None:
    members = samples(range(6), lambda index: "" if index == 5 else "ab"[index % 2])
    members |= {"00006.png": picture(), "00000.txt": b"a caption"}
    raw = read(tarred(tmp_path / "d.tar", members))
    assert len(raw.parts["train"]) == 5
    assert raw.notes[0] == (
        "Read: 5 images in 2 classes. Left out: 1 file of other kinds (.txt), "
        "2 images without a label (d.tar: 00005.png, d.tar: 00006.png)."
    )


def test_a_sample_that_stands_twice_in_a_shard_counts_once(tmp_path: Path) -> None:
    members = {**samples(range(4), lambda index: "ab"[index % 2]), "./00000.png": picture(200)}
    raw = read(tarred(tmp_path / "d.tar", members))
    assert contents(raw) == [picture(200), *map(picture, range(1, 4))]


def test_a_folder_of_archives_that_are_no_shards(tmp_path: Path) -> None:
    for name in ("a", "b"):
        tarred(tmp_path / f"{name}.tar", {"1.png": picture(), "2.png": picture()})
    fails(tmp_path, "a.tar, b.tar holds no labels", "00001.cls")


def test_stray_files_of_labels_make_no_shard_of_class_folders(tmp_path: Path) -> None:
    write(tmp_path, [*PETS, "cat/foo.cls", "labels.txt"])
    (tmp_path / "dog" / "notes.label.txt").write_text("dog")
    raw = read(tmp_path)
    assert raw.classes == ("cat", "dog")
    assert len(raw.parts["train"]) == 8
    assert told(read(zipped(tmp_path / "pets.zip", {**PETS, "cat/foo.cls": b"3"})))["cat/0.png"] == "cat"
