"""Small image files for the tests of their readers."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chronas.data.load import _read_path, load
from chronas.data.options import DataOptions
from chronas.data.raw import Encoded, Raw
from chronas.errors import DataError


@functools.cache
def picture(shade: int = 90) -> bytes:
    """A PNG of 8 x 8 pixels, all of one shade."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(out, "PNG")
    return out.getvalue()


def write(root: Path, names: Iterable[str]) -> Path:
    """A file for each name below `root`: an image, or some text where the name has another ending."""
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture() if file.suffix.lower() in (".png", ".jpg") else b"text")
    return root


def read(path: Path, **words: Any) -> Raw:
    """The data at `path`, as its reader hands it over."""
    return _read_path(path, DataOptions(**words))


def told(raw: Raw, part: str = "train") -> dict[str, str]:
    """The class of each image of a part, by its name."""
    one = raw.parts[part]
    assert isinstance(one.pixels, tuple)
    return {item.name: raw.classes[label] for item, label in zip(one.pixels, one.labels, strict=True)}


def contents(raw: Raw, part: str = "train") -> list[bytes]:
    """The bytes of each image of a part."""
    pixels = raw.parts[part].pixels
    assert isinstance(pixels, tuple)
    return [content_of(item) for item in pixels]


def content_of(item: Encoded) -> bytes:
    opened = item.opened()
    return opened.read_bytes() if isinstance(opened, Path) else opened.read()


def fails(source: Path, *words: str, **options: Any) -> str:
    """The message of the DataError that `source` gives; it holds all `words`."""
    with pytest.raises(DataError) as caught:
        load(source, **options)
    message = str(caught.value)
    for word in words:
        assert word in message
    return message
