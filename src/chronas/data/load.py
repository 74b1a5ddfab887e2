"""`load`: any supported data into an `ImageData`, with everything checked first."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chronas.data.assemble import assemble
from chronas.data.deadline import LoadTime
from chronas.data.formats import cifar, digits, idx, npy, npz
from chronas.data.formats.files import archive, folder, samples, table
from chronas.data.formats.files.labelling import read_archive
from chronas.data.formats.huggingface import dataset as huggingface
from chronas.data.formats.python.read import read_python
from chronas.data.images import ImageData
from chronas.data.options import DataOptions, with_words
from chronas.data.parts import Asked
from chronas.data.raw import Raw
from chronas.errors import DataError, UsageError


@dataclass(frozen=True)
class Format:
    """One file format: what is looked for, a test of a path, a reader."""

    looks_for: str
    matches: Callable[[Path, DataOptions], bool]
    read: Callable[[Path, DataOptions], Raw]
    takes_labels: bool = False
    """Whether --labels and --label-regex mean something."""


# In the order of trying: the formats with unmistakable names first.
FORMATS = (
    Format("a NumPy archive (.npz)", npz.matches, npz.read),
    Format(
        "a Hugging Face data set (Parquet, also by configuration and split; or a folder of save_to_disk)",
        huggingface.matches,
        huggingface.read,
    ),
    Format("CIFAR python batches (data_batch_1, or train and meta)", cifar.matches, cifar.read),
    Format("IDX files (train-images-idx3-ubyte)", idx.matches, idx.read),
    Format("NumPy files in a folder (x_train.npy and y_train.npy, or X.npy and y.npy)", npy.matches, npy.read),
    Format(
        "an archive (.zip, .tar, .tar.gz) of class folders, or of images with labels (WebDataset: .jpg and .cls)",
        archive.matches,
        read_archive,
        True,
    ),
    Format("a folder of WebDataset shards (train-000000.tar)", samples.matches, samples.read_shards),
    Format(
        "a folder of class folders, also inside train, val, test; or of images with a table of labels (labels.csv)",
        folder.matches,
        folder.read,
        True,
    ),
)


def load(
    source: Any,
    options: DataOptions | None = None,
    *,
    seed: int = 0,
    max_memory_bytes: int | None = None,
    time: LoadTime | None = None,
    **words: Any,
) -> ImageData:
    """Find out what `source` is, read it, check it, and split it.

    Args:
        source: a path, the word "digits", a pair (images, labels) of arrays, two such pairs (training and test) or a
            dict of them, a torch Dataset or a pair (train, test) of Datasets, or an `ImageData` (returned as it is).
        options: how it is read (see `DataOptions`); None: as usual.
        seed: of the validation split and of `limit`.
        max_memory_bytes: above this an image folder is streamed from disk (default: half of the free memory).
        time: the clock and the time that loading must leave something of; None: none.
        words: single words of `DataOptions` over those of `options`, for example size=32.

    Returns:
        The images, split and measured.

    Raises:
        DataError: for unusable data.
        UsageError: for a wrong option, or where reading takes longer than the time.
        EnvironmentFault: for a missing package.
    """
    chosen = with_words(options or DataOptions(), words)
    chosen.check()
    if isinstance(source, ImageData):
        if chosen != DataOptions():
            raise UsageError("Data that is loaded already takes no size, validation share, limit or other such word.")
        return source
    raw, name = _read(source, chosen)
    return assemble(raw, name, Asked(chosen, seed, max_memory_bytes, time or LoadTime()))


def _read(source: Any, options: DataOptions) -> tuple[Raw, str]:
    if isinstance(source, str | Path):
        if str(source) == digits.WORD:
            return digits.read(), digits.WORD
        return _read_path(Path(source).expanduser(), options), str(source)
    return read_python(source, options)


def _read_path(path: Path, options: DataOptions) -> Raw:
    try:
        there = path.exists()
    except OSError as error:
        raise DataError(f"{path} cannot be looked at: {error.strerror}.") from None
    if not there:
        raise DataError(_missing(path))
    if path.is_dir() and not os.access(path, os.R_OK | os.X_OK):
        raise DataError(f"{path} may not be read: {os.strerror(errno.EACCES)}.")
    word = "--labels" if options.labels is not None else "--label-regex" if options.label_regex is not None else None
    for form in FORMATS:
        if (word is None or form.takes_labels) and form.matches(path, options):
            return form.read(path, options)
    if word is not None:
        raise UsageError(f"{word} goes with a folder or an archive of image files, and {path} is none.")
    looked = "\n  ".join(form.looks_for for form in FORMATS)
    raise DataError(f"{path} is in no format known here.{_inside(path)} Looked for:\n  {looked}")


def _inside(path: Path) -> str:
    """What may be meant instead: the archive that a folder holds, the images that a table is of."""
    if path.is_dir():
        found = [one for one in sorted(path.iterdir()) if archive.matches(one, DataOptions())]
        return f" It holds {found[0].name}, which can be given itself: {found[0]}." if found else ""
    if path.suffix.lower() in table.SUFFIXES:
        return f" Of a table of labels give the folder of its images, and --labels {path}."
    return ""


def _missing(path: Path) -> str:
    near: list[str] = []
    if path.parent.is_dir():
        try:
            names = [entry.name for entry in path.parent.iterdir()]
        except OSError:
            names = []
        near = difflib.get_close_matches(path.name, [*names, digits.WORD], n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    return f"There is no file or folder {path}.{hint}"
