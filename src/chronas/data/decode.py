"""Encoded images (files or bytes) into one uint8 array, with every fault named.

Grey stays grey only when every image is grey; otherwise all become RGB. Transparency is laid over white,
16-bit grey is scaled to 8 bits, a photograph's orientation tag is obeyed.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from chronas.data.raw import Encoded, Pixels
from chronas.data.share import Faults, can_fork, cores, share, shared_zeros
from chronas.errors import DataError

SMALLEST, LARGEST = 8, 224
LISTED = 20
CHUNK = 128
# So many images make it worth while to share the work: small ones take about 0.1 ms each.
SHARE_SMALL, SHARE_LARGE = 2000, 64
LARGE_BYTES = 8192
GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I")
# What Pillow's decoders raise on damaged files.
DAMAGED = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error,
           zlib.error, Image.DecompressionBombError, OverflowError)  # fmt: skip


@dataclass(frozen=True)
class Decoded:
    """pixels (n, h, w, c) of the readable images, their indices, and a line per unreadable one."""

    pixels: Pixels
    kept: npt.NDArray[np.int64]
    unreadable: tuple[str, ...]


def decode(items: Sequence[Encoded], size: int | None, skip_bad: bool) -> Decoded:
    """Decode all `items`; with `size`, resize the shorter side to it and cut out the centre square.

    Raises DataError that names every unreadable image (unless `skip_bad`), or two images of different size
    when there is no `size`, or sizes out of 8x8 to 224x224.
    """
    large = _typical_bytes(items) > LARGE_BYTES
    workers = cores() if len(items) >= (SHARE_LARGE if large else SHARE_SMALL) else 1
    forked = workers > 1 and can_fork()
    canvas = _Canvas(items, size, shared=forked)
    pieces = -(-len(items) // CHUNK)
    if forked:
        faults = share(canvas.fill, pieces, workers)
    elif workers > 1 and large:
        with ThreadPoolExecutor(workers) as pool:
            faults = {i: fault for found in pool.map(canvas.fill, range(pieces)) for i, fault in found.items()}
    else:
        faults = {i: fault for piece in range(pieces) for i, fault in canvas.fill(piece).items()}
    return canvas.finish(faults, skip_bad)


def _typical_bytes(items: Sequence[Encoded]) -> int:
    some = items[:: max(1, len(items) // 32)]
    sizes = []
    for item in some:
        content = item.content
        try:
            sizes.append(len(content) if isinstance(content, bytes) else content.stat().st_size)
        except OSError:
            continue
    return int(np.median(sizes)) if sizes else 0


class _Canvas:
    """The array being filled."""

    def __init__(self, items: Sequence[Encoded], size: int | None, shared: bool) -> None:
        self.items, self.size = items, size
        self.model, height, width = (0, size, size) if size else self._first_readable()
        if not size:
            check_size(height, width, items[self.model].name)
        make = shared_zeros if shared else _empty
        self.grey = make((len(items),))
        self.pixels = make((len(items), height, width, 3))

    def _first_readable(self) -> tuple[int, int, int]:
        for index, item in enumerate(self.items):
            try:
                height, width = open_pixels(item, None)[0].shape[:2]
            except DAMAGED:
                continue
            return index, height, width
        return 0, SMALLEST, SMALLEST

    def fill(self, piece: int) -> Faults:
        """Decode piece number `piece`; a reason for each unreadable image, the size of each that differs."""
        faults: Faults = {}
        for index in range(piece * CHUNK, min((piece + 1) * CHUNK, len(self.items))):
            try:
                pixels, grey = open_pixels(self.items[index], self.size)
            except DAMAGED as error:
                faults[index] = reason(error)
                continue
            self.grey[index] = grey
            if pixels.shape[:2] == self.pixels.shape[1:3]:
                self.pixels[index] = pixels
            else:
                faults[index] = (pixels.shape[0], pixels.shape[1])
        return faults

    def finish(self, faults: Faults, skip_bad: bool) -> Decoded:
        """The pixels, or the error that `faults` call for."""
        bad = {i: fault for i, fault in faults.items() if isinstance(fault, str)}
        other = {i: fault for i, fault in faults.items() if not isinstance(fault, str)}
        lines = tuple(sorted(f"{self.items[i].name}: {why}" for i, why in bad.items()))
        if lines and not skip_bad:
            raise DataError(unreadable_message(lines))
        if other:
            first = min(other)
            names = self.items[self.model].name, self.items[first].name
            sizes = (self.pixels.shape[1], self.pixels.shape[2]), other[first]
            raise DataError(mixed_message(names, sizes, len(other), len(self.items)))
        kept = np.asarray([i for i in range(len(self.items)) if i not in bad], dtype=np.int64)
        pixels = self.pixels[..., :1] if self.grey[kept].all() else self.pixels
        return Decoded(np.ascontiguousarray(pixels[kept] if bad else pixels), kept, lines)


def _empty(shape: tuple[int, ...]) -> Pixels:
    return np.empty(shape, dtype=np.uint8)


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


def mixed_message(
    names: tuple[str, str], sizes: tuple[tuple[int, int], tuple[int, int]], different: int, total: int
) -> str:
    """The error for images of different size, with two examples; sizes are (height, width)."""
    (height, width), (other_height, other_width) = sizes
    return (
        f"Images differ in size: {names[0]} is {width}x{height} pixels, {names[1]} is "
        f"{other_width}x{other_height} (width x height; {different} of {total} differ from the first). "
        "Pass --size N to bring all of them to N x N pixels."
    )


def check_size(height: int, width: int, name: str) -> None:
    """A DataError for images that are too small, or too large to be used without --size."""
    if min(height, width) < SMALLEST:
        raise DataError(
            f"{name} is {width}x{height} pixels; the smallest that works is {SMALLEST}x{SMALLEST}. "
            "Pass --size N to enlarge all images."
        )
    if max(height, width) > LARGEST:
        raise DataError(
            f"{name} is {width}x{height} pixels; images above {LARGEST}x{LARGEST} need --size N "
            f"(N from {SMALLEST} to {LARGEST}) to be made smaller."
        )


def open_pixels(item: Encoded, size: int | None) -> tuple[Pixels, bool]:
    """One image as (h, w, 3) or (h, w, 1) uint8, and whether it is grey. Raises what Pillow raises."""
    content = item.content
    with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as opened:
        if size is not None and opened.format == "JPEG":
            opened.draft(None, (2 * size, 2 * size))
        return image_pixels(opened, size)


def image_pixels(image: Image.Image, size: int | None) -> tuple[Pixels, bool]:
    """A Pillow image as (h, w, 3) or (h, w, 1) uint8, and whether it is grey."""
    if "exif" in image.info:
        image = ImageOps.exif_transpose(image) or image
    grey = image.mode in GREY_MODES
    if image.mode != "RGB":
        image = _plain(image)
    if size is not None:
        image = fit_centre(image, size, size)
    pixels = np.asarray(image)
    return (pixels if pixels.ndim == 3 else pixels[..., None]), grey


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
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        scale = 257 if image.mode != "I" or (values.size and int(values.max()) > 255) else 1
        return Image.fromarray(np.clip(values // scale, 0, 255).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        grey = image.mode in GREY_MODES
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("L" if grey else "RGB")
    return image.convert("RGB")


def fit_centre(image: Image.Image, width: int, height: int) -> Image.Image:
    """Scaled (antialiased) until both sides just suffice, then the centre of width x height."""
    scale = max(width / image.width, height / image.height)
    new = (max(width, round(image.width * scale)), max(height, round(image.height * scale)))
    if new != image.size:
        image = image.resize(new, Image.Resampling.BICUBIC, reducing_gap=3.0)
    left, top = (new[0] - width) // 2, (new[1] - height) // 2
    return image.crop((left, top, left + width, top + height)) if new != (width, height) else image
