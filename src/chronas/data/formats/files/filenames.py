"""Images whose labels stand in their names (cat.12.png), and folders of images that have no labels at all."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Sequence

from chronas.data.formats.counted import counted_note
from chronas.data.formats.files.layout import part_of
from chronas.data.formats.files.source import Source
from chronas.data.formats.files.table import Table
from chronas.data.formats.files.tree import OTHER_KINDS, Tree, printable
from chronas.data.formats.labelled import PARTS, from_labels
from chronas.data.options import DataOptions
from chronas.data.raw import Encoded, Raw
from chronas.errors import DataError

OUTSIDE_PARTS = "images outside the folders of the split"
UNMATCHED = "images that --label-regex does not match"
GUESSES = (r"^([A-Za-z]+)[._ -]", r"^([A-Za-z_ -]*[A-Za-z])[._ -]*\d+", r"^([^_]+)_", r"[_-]([A-Za-z0-9]+)\.[A-Za-z]+$")
"""Usual ways to write a label into a name: cat.12.png, cat_0012.png, great_pyrenees_17.jpg, 5_1.png, 17_cat.png."""


class PartFolders:
    """Which part each image lies in, by folders train, val and test (of images alone, or of more folders)."""

    def __init__(self, tree: Tree) -> None:
        self._parts: dict[str, str] = {}
        while not self._parts:
            found = {inner.path: part for inner in tree.with_images() if (part := part_of(inner.name))}
            self._parts = found if "train" in found.values() else {}
            full = tree.with_images()
            if len(full) != 1 or tree.images:
                break
            tree = full[0]

    def __bool__(self) -> bool:
        """Whether there are such folders."""
        return bool(self._parts)

    def part(self, path: str) -> str | None:
        """The part that the image at `path` lies in; None where it lies in none."""
        for folder, part in self._parts.items():
            if path.startswith(folder + "/"):
                return part
        return None


def read_names(source: Source, options: DataOptions) -> Raw:
    """The images with the first group of `--label-regex` in their names as label. Raises DataError."""
    pattern = re.compile(options.label_regex or "")
    folders = PartFolders(source.tree)
    listed: dict[str, list[tuple[Encoded, str]]] = {}
    unmatched: list[str] = []
    for path in source.tree.all_images():
        name = printable(path.rpartition("/")[2])
        part = folders.part(path) if folders else "train"
        found = pattern.search(name)
        if part is None:
            source.left_out.add(OUTSIDE_PARTS, name)
        elif found and found.group(1):
            listed.setdefault(part, []).append((source.image(path), found.group(1)))
        else:
            unmatched.append(name)
            source.left_out.add(UNMATCHED, name)
    if not listed.get("train"):
        names = f"They are called {', '.join(unmatched[:3])}" if unmatched else "There are no images"
        raise DataError(f"--label-regex {options.label_regex!r} matches no training image in {source.where}. {names}.")
    for tree in source.tree.walk():
        for name in tree.others:
            source.left_out.add(OTHER_KINDS, "." + name.rpartition(".")[2].lower())
    raw = from_labels({part: listed[part] for part in PARTS if part in listed}, str(source.where))
    said = counted_note({part: len(one) for part, one in raw.parts.items()}, len(raw.classes), source.left_out.words)
    return Raw(raw.parts, raw.classes, (said, "Labels come from the names of the files.", *raw.notes))


def refuse_unlabelled(source: Source, tables: Sequence[Table] = ()) -> DataError:
    """The error for images without labels: what labels can be taken from, with what fits these names."""
    paths = list(source.tree.all_images())
    example = printable(paths[0]) if paths else "1.png"
    lines = [
        "in folders: put the images of each class into a folder of its name (cat/1.png, dog/2.png)",
        f"in a table: labels.csv beside the images, with the columns file_name,label and rows as {example},cat; "
        "or --labels FILE",
    ]
    guess = _guess([path.rpartition("/")[2] for path in paths])
    if guess:
        lines.append(f"in the names: --label-regex {shlex.quote(guess[0])} finds {guess[1]} here")
    else:
        lines.append(r"in the names: --label-regex '^([a-z]+)\.' takes cat from cat.12.png")
    for table in tables:
        lines.append(
            f"{table.name} lies there, but which of its columns are meant cannot be told ({', '.join(table.header)}): "
            f"name them with --image-column and --label-column"
        )
    listed = "\n  ".join(lines)
    return DataError(f"{source.where} holds {_counted(len(paths))} but no labels. Labels can stand\n  {listed}")


def _counted(images: int) -> str:
    return "1 image" if images == 1 else f"{images:,} images"


def _guess(names: Sequence[str]) -> tuple[str, str] | None:
    """A pattern that finds a label in every name, few enough to be classes; and which."""
    for guess in GUESSES:
        found = [match.group(1) for name in names if (match := re.search(guess, name))]
        counts = Counter(found)
        if len(found) == len(names) and 2 <= len(counts) <= len(names) // 3:
            most = ", ".join(f"{label} {count}" for label, count in counts.most_common(4))
            return guess, f"{len(counts)} labels ({most}{', ...' if len(counts) > 4 else ''})"
    return None
