"""WebDataset: images and labels as files of one name, 00001.jpg and 00001.cls, in tars that may be many."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chronas.data.formats.counted import counted_note
from chronas.data.formats.files.archive import open_archive
from chronas.data.formats.files.columns import LABEL_NAMES
from chronas.data.formats.files.layout import part_of_words
from chronas.data.formats.files.source import Source
from chronas.data.formats.files.tree import OTHER_KINDS
from chronas.data.formats.ignored import ignored_folder
from chronas.data.formats.labelled import from_labels
from chronas.data.options import DataOptions
from chronas.data.raw import Encoded, Raw
from chronas.errors import DataError

LABEL_ENDINGS = ("cls", "cls.txt", "label", "label.txt")
NAMES_FILES = ("classes.txt", "labels.txt", "classnames.txt", "class_names.txt")


def matches(path: Path, options: DataOptions) -> bool:
    """A folder of tars, without folders."""
    return path.is_dir() and bool(_shards(path)) and not any(
        one.is_dir() and not ignored_folder(one.name) for one in path.iterdir()
    )  # fmt: skip


def _shards(path: Path) -> list[Path]:
    return sorted(one for one in path.iterdir() if one.suffix.lower() == ".tar" and not one.name.startswith("."))


def read_shards(path: Path, options: DataOptions) -> Raw:
    """The images of all shards in a folder. Raises DataError."""
    sources = [open_archive(shard) for shard in _shards(path)]
    bare = [source.where.name for source in sources if not holds(source)]
    if bare:
        raise DataError(
            f"{path} is a folder of archives, but {', '.join(bare[:5])} holds no labels beside its images (00001.cls "
            "beside 00001.jpg). Archives of class folders are read one by one: give one, or unpack them."
        )
    return read(sources, path)


def holds(source: Source) -> bool:
    """Whether labels lie beside images, in files of their name."""
    tree = source.tree
    for inner in tree.walk():
        labels = {_key(name) for name in inner.others if _ending(name) in LABEL_ENDINGS}
        if labels and any(_key(name) in labels for name in inner.images):
            return True
    beside = {_key(name) for name in tree.others if _ending(name) == "json"}
    if not tree.images or tree.folders or not {_key(name) for name in tree.images} <= beside:
        return False
    first = next(name for name in tree.others if _ending(name) == "json")
    return bool(_label(source.bytes_of(first), True))


def read(sources: Sequence[Source], where: Path) -> Raw:
    """The images of all sources with their labels; `test` in the name of a source makes it the test part."""
    listed: dict[str, list[tuple[Encoded, str]]] = {}
    left = sources[0].left_out
    for source in sources:
        part = part_of_words(source.where.name) or "train"
        for item, label in _samples(source):
            if label:
                listed.setdefault(part, []).append((item, label))
            else:
                left.add("images without a label", item.name)
        if source is not sources[0]:
            for reason, words in source.left_out.words.items():
                for word in words:
                    left.add(reason, word)
    raw = from_labels(listed, str(where), _class_names(sources, where))
    said = counted_note({part: len(one) for part, one in raw.parts.items()}, len(raw.classes), left.words)
    return Raw(raw.parts, raw.classes, (said, *raw.notes))


def _samples(source: Source) -> Iterator[tuple[Encoded, str]]:
    """Each image with its label, "" where it has none."""
    for tree in source.tree.walk():
        labels: dict[str, str] = {}
        for name in sorted(tree.others, key=_ending, reverse=True):  # a .cls counts for more than a .json
            ending = _ending(name)
            if ending in LABEL_ENDINGS or ending == "json":
                content = source.bytes_of(tree.within(name))
                found = _label(content, ending == "json")
                labels[_key(name)] = found or labels.get(_key(name), "")
            elif name.lower() not in NAMES_FILES:
                source.left_out.add(OTHER_KINDS, f".{ending}")
        for name in sorted(tree.images):
            item = source.image(tree.within(name))
            place = f"{source.where.name}: {item.name}"
            yield Encoded(place, item.content), labels.get(_key(name), "")


def _label(content: bytes, is_json: bool) -> str:
    text = content.decode("utf-8-sig", "replace").strip()
    if not is_json:
        return text
    try:
        found: Any = json.loads(text)
    except ValueError:
        return ""
    if isinstance(found, dict):
        lower = {str(key).lower(): value for key, value in found.items()}
        found = next((lower[name] for name in (*LABEL_NAMES, "cls") if name in lower), None)
    return str(found).strip() if isinstance(found, str | int) and not isinstance(found, bool) else ""


def _class_names(sources: Sequence[Source], where: Path) -> tuple[str, ...]:
    """The names of the classes, from a list in the archives or beside them; empty where there is none."""
    contents = [
        source.bytes_of(tree.within(name))
        for source in sources for tree in source.tree.walk() for name in tree.others if name.lower() in NAMES_FILES
    ]  # fmt: skip
    folder = where if where.is_dir() else where.parent
    contents += [(folder / name).read_bytes() for name in NAMES_FILES if (folder / name).is_file()]
    if not contents:
        return ()
    return tuple(line.strip() for line in contents[0].decode("utf-8-sig", "replace").splitlines() if line.strip())


def _key(name: str) -> str:
    return name.partition(".")[0]


def _ending(name: str) -> str:
    return name.partition(".")[2].lower()
