"""One encoded image into uint8 pixels.

Transparency is laid over white, a photograph's orientation tag is obeyed, whole numbers of more than 8 bits and
floating-point numbers are scaled by the range of the data.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from chronas.data.fit import ROOM, fit_image
from chronas.data.levels import Kind, PixelRange, Seen, kind_of
from chronas.data.raw import Encoded, Pixels, Values
from chronas.errors import DataError

LISTED = 20
GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N", "I", "F")
# What Pillow's decoders raise on damaged files.
DAMAGED = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error,
           zlib.error, Image.DecompressionBombError, OverflowError, NotImplementedError)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """How images become pixels.

    frame   (height, width) that each is brought to; None: as they are
    fit     how: "crop", "pad", "stretch"
    range   black and white; of "uint8" it is applied to images of 8 bits, else to deeper ones; None: 8 bits as they
            are, deeper ones cannot be read yet
    """

    frame: tuple[int, int] | None = None
    fit: str = "crop"
    range: PixelRange | None = None

    @property
    def mark(self) -> str:
        """What changes when other pixels come out, whoever decided it."""
        return f"{self.frame} {self.fit} {None if self.range is None else self.range.mark}"

    @classmethod
    def square(cls, size: int | None, fit: str = "crop", range: PixelRange | None = None) -> Reading:
        """Into a square of `size` pixels, or as they are."""
        return cls(None if size is None else (size, size), fit, range)


class DeepImageError(ValueError):
    """The image has more than 8 bits, and the range of the data is not known; `seen` tells of its pixels."""

    def __init__(self, values: Values) -> None:
        super().__init__(f"{values.dtype} pixels need a range")
        self.values = values

    @property
    def kind(self) -> Kind:
        """What its range is of."""
        return "float" if self.values.dtype.kind == "f" else "integer"

    @property
    def seen(self) -> Seen:
        """A look at its pixels. Raises ValueError where they are not finite."""
        if not np.isfinite(self.values).all():
            raise ValueError("it holds NaN or infinite values")
        return Seen.of(self.values)


class Header(NamedTuple):
    """What an image's header tells; height and width as seen upright."""

    height: int
    width: int
    grey: bool
    deep: bool
    floating: bool
    format: str


def read_header(item: Encoded) -> Header | str:
    """What the header of an image tells, or why it cannot be read."""
    try:
        with Image.open(item.opened()) as image:
            turned = "exif" in image.info and image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            width, height = image.size if not turned else image.size[::-1]
            return Header(height, width, image.mode in GREY_MODES, is_deep(image.mode), image.mode == "F",
                          image.format or "")  # fmt: skip
    except DAMAGED as error:
        return reason(error)


def is_deep(mode: str) -> bool:
    """Whether a Pillow mode has more than 8 bits a value."""
    return mode == "F" or mode.startswith("I")


def open_pixels(item: Encoded, how: Reading) -> tuple[Pixels, bool]:
    """One image.

    Args:
        item: the image.
        how: how it is read.

    Returns:
        Its pixels (h, w, 3) or (h, w, 1) as uint8, and whether it is grey.

    Raises:
        DeepImageError: it needs a range. What Pillow raises (`DAMAGED`): it cannot be read.
    """
    with Image.open(item.opened()) as opened:
        if how.frame is not None and opened.format == "JPEG":
            opened.draft(None, (ROOM * how.frame[1], ROOM * how.frame[0]))
        return image_pixels(opened, how)


def image_pixels(image: Image.Image, how: Reading) -> tuple[Pixels, bool]:
    """As `open_pixels`, of an image that Pillow has opened."""
    tiles = getattr(image, "tile", None)  # what an opened file holds, in the words of its decoder
    raw = str(tiles[0][3]) if tiles else ""
    if "exif" in image.info:
        image = ImageOps.exif_transpose(image) or image
    grey = image.mode in GREY_MODES
    if ";16" in raw and not grey and not np.asarray(image)[..., :3].any():
        raise ValueError("its colours have 16 bits of which only the lower 8 are used; save it with 8 bits")
    if is_deep(image.mode):
        image = Image.fromarray(_shallow(deep_values(image), how.range))
    elif image.mode != "RGB":
        image = _plain(image)
    if how.range is not None and how.range.kind == "uint8":
        image = Image.fromarray(how.range.to_bytes(np.asarray(image)))
    if how.frame is not None:
        image = fit_image(image, *how.frame, how.fit)
    pixels = np.asarray(image)
    return (pixels if pixels.ndim == 3 else pixels[..., None]), grey


def deep_values(image: Image.Image) -> Values:
    """The values (h, w) of an image of more than 8 bits."""
    values: Values = np.asarray(image)
    return values


def _shallow(values: Values, chosen: PixelRange | None) -> Pixels:
    if chosen is None or chosen.kind != kind_of(values.dtype):
        raise DeepImageError(values)
    if not np.isfinite(values).all():
        raise ValueError("it holds NaN or infinite values")
    return chosen.to_bytes(values)


def fit_channels(pixels: Pixels, channels: int) -> Pixels:
    """Pixels (h, w, 1 or 3) with `channels` channels; grey becomes RGB by repeating."""
    if pixels.shape[2] == channels:
        return np.array(pixels)
    if pixels.shape[2] == 1:
        return np.repeat(pixels, channels, axis=2)
    return np.asarray(Image.fromarray(pixels).convert("L"))[..., None].copy()


def _plain(image: Image.Image) -> Image.Image:
    """The image as mode L or RGB."""
    if image.mode == "L" and "transparency" not in image.info:
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        grey = image.mode in GREY_MODES
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("L" if grey else "RGB")
    return image.convert("RGB")


def reason(error: Exception) -> str:
    """Why an image cannot be read, in few words."""
    if isinstance(error, UnidentifiedImageError):
        return "no known image format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def unreadable_message(lines: Sequence[str]) -> str:
    """The error for unreadable images, a line each; lists 20 and counts the rest."""
    more = f"\n  ... and {len(lines) - LISTED} more" if len(lines) > LISTED else ""
    listed = "\n  ".join(lines[:LISTED])
    return (
        f"{len(lines)} image(s) cannot be read:\n  {listed}{more}\n"
        "Repair or remove them, or pass --skip-bad to go on without them."
    )


class MixedSizesError(DataError):
    """Images of different size where one is needed."""

    def __init__(
        self, names: tuple[str, str], sizes: tuple[tuple[int, int], tuple[int, int]], different: int, total: int
    ) -> None:
        (height, width), (other_height, other_width) = sizes
        super().__init__(
            f"Images differ in size: {names[0]} is {width}x{height} pixels, {names[1]} is "
            f"{other_width}x{other_height} (width x height; {different} of {total} differ from the first). "
            "Pass --size N to bring all of them to N x N pixels."
        )
