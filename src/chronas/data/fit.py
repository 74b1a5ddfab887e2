"""How an image of one shape comes into a frame of another: cut, padded or stretched."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from chronas.data.options import LARGEST, SMALLEST
from chronas.errors import DataError

CANDIDATES = (32, 48, 64, 96, 128, 224)
"""Sides that are chosen from where images need one size and the user names none."""
ROOM = 2
"""A JPEG is decoded at the smallest scale that still has so many times the pixels of the frame on each side."""


@dataclass(frozen=True)
class Placed:
    """scaled: (height, width) that the image is resized to; source: the part of that which is seen; target: where."""

    scaled: tuple[int, int]
    source: tuple[slice, slice]
    target: tuple[slice, slice]


def placed(image: tuple[int, int], frame: tuple[int, int], how: str) -> Placed:
    """Where an image goes in a frame.

    Args:
        image: its (height, width).
        frame: the frame's (height, width).
        how: "crop" (both sides suffice, the centre is seen), "pad" (all of it is seen, black edges), "stretch".

    Returns:
        The size to resize to, and what of it goes where.
    """
    if how == "stretch":
        whole = (slice(0, frame[0]), slice(0, frame[1]))
        return Placed(frame, whole, whole)
    ratios = (frame[0] / image[0], frame[1] / image[1])
    if how == "pad":
        scale = min(ratios)
        size = tuple(min(frame[i], max(1, round(image[i] * scale))) for i in (0, 1))
    else:
        scale = max(ratios)
        size = tuple(max(frame[i], round(image[i] * scale)) for i in (0, 1))
    seen = [min(size[i], frame[i]) for i in (0, 1)]
    source = [slice((size[i] - seen[i]) // 2, (size[i] - seen[i]) // 2 + seen[i]) for i in (0, 1)]
    target = [slice((frame[i] - seen[i]) // 2, (frame[i] - seen[i]) // 2 + seen[i]) for i in (0, 1)]
    return Placed((size[0], size[1]), (source[0], source[1]), (target[0], target[1]))


def fit_image(image: Image.Image, height: int, width: int, how: str) -> Image.Image:
    """A Pillow image in a frame of height x width (antialiased); see `placed`."""
    place = placed((image.height, image.width), (height, width), how)
    scaled = (place.scaled[1], place.scaled[0])
    if scaled != image.size:
        image = image.resize(scaled, Image.Resampling.BICUBIC, reducing_gap=3.0)
    if how == "pad":
        framed = Image.new(image.mode, (width, height))
        framed.paste(image, (place.target[1].start, place.target[0].start))
        return framed
    left, top = place.source[1].start, place.source[0].start
    return image.crop((left, top, left + width, top + height)) if scaled != (width, height) else image


def check_size(height: int, width: int, name: str) -> None:
    """A DataError for images that are too small, or too large to be used as they are."""
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
