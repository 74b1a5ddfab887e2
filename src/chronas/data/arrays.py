"""Arrays and torch datasets as data: any common layout and value range into (n, h, w, c) uint8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from chronas.data.decode import LARGEST, SMALLEST, image_pixels
from chronas.data.raw import Pixels, Raw, RawPart, check_labels, check_range, renumber
from chronas.errors import DataError

CHUNK = 1024


BRIGHT_16 = 2**14
"""16-bit images whose brightest pixel is below this are of another depth, and nobody says which."""


def to_pixels(values: npt.ArrayLike, where: str) -> Pixels:
    """Images (n,h,w,c), (n,c,h,w) or (n,h,w) as (n, h, w, c) uint8, c = 1 or 3.

    Whole numbers must lie in 0..255 (or be uint16 of the whole range to 65535), floats in 0..1 or 0..255. Raises
    DataError otherwise.
    """
    array = np.asarray(values)
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or 0 in array.shape:
        raise DataError(f"{where}: images must be (n,h,w), (n,h,w,c) or (n,c,h,w), but their shape is {array.shape}.")
    if array.shape[3] not in (1, 3) and array.shape[1] in (1, 3):
        array = array.transpose(0, 2, 3, 1)
    if array.shape[3] not in (1, 3):
        raise DataError(f"{where}: images need 1 or 3 channels, but their shape is {array.shape}.")
    return np.ascontiguousarray(_to_bytes(array, where))


def _to_bytes(array: npt.NDArray[Any], where: str) -> Pixels:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16 and int(array.max()) > 255:
        if int(array.max()) < BRIGHT_16:
            raise DataError(f"{where}: uint16 pixels reach {int(array.max())}, which is neither 8 nor 16 bits. "
                            "Scale them to 0 to 255.")  # fmt: skip
        return (array // 257).astype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise DataError(f"{where}: pixels must be numbers, not {array.dtype}.")
    if array.dtype.kind == "f" and not bool(np.isfinite(array).all()):
        count = int((~np.isfinite(array)).any(axis=(1, 2, 3)).sum())
        raise DataError(f"{where}: {count} image(s) hold NaN or infinite values.")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 255:
        raise DataError(
            f"{where}: pixels lie in {low:g} to {high:g}, but must lie in 0 to 255 (or 0 to 1 as floats). "
            "Give the images before normalisation."
        )
    if array.dtype.kind == "f":
        return np.round(array * (255 if high <= 1 else 1)).astype(np.uint8)
    return array.astype(np.uint8)


def from_arrays(parts: Mapping[str, tuple[Any, Any]], where: str) -> Raw:
    """Parts named train, val, test as (images, labels) arrays; classes are named by their numbers."""
    found = {}
    for name, (images, labels) in parts.items():
        place = f"{where} ({name})"
        pixels = to_pixels(images, place)
        found[name] = RawPart(pixels, check_labels(labels, len(pixels), place))
    return renumber(found)


def from_dataset(dataset: Any, where: str) -> Raw:
    """A map-style torch Dataset of (Pillow image or tensor, label); `dataset.classes` names the classes."""
    images, labels = [], []
    for index in range(len(dataset)):
        item = dataset[index]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DataError(f"{where}: item {index} must be (image, label), not {type(item).__name__}.")
        images.append(_one_image(item[0], f"{where} item {index}"))
        labels.append(item[1].item() if hasattr(item[1], "item") else item[1])
    if not images:
        raise DataError(f"{where} is empty.")
    part = RawPart(_stack(images, where), check_labels(labels, len(images), where))
    names = getattr(dataset, "classes", None)
    if not isinstance(names, list | tuple):
        return renumber({"train": part})
    check_range(part.labels, len(names), where)
    return Raw({"train": part}, tuple(str(name) for name in names))


def _one_image(image: Any, where: str) -> npt.NDArray[Any]:
    if isinstance(image, Image.Image):
        return image_pixels(image, None)[0]
    array = image.numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if array.ndim == 2:
        return np.asarray(array[..., None])
    if array.ndim != 3:
        raise DataError(f"{where}: an image must be a Pillow image or (c,h,w), but its shape is {array.shape}.")
    return np.asarray(array if array.shape[2] in (1, 3) else array.transpose(1, 2, 0))


def _stack(images: list[npt.NDArray[Any]], where: str) -> Pixels:
    sizes = {image.shape[:2] for image in images}
    if len(sizes) > 1:
        first, second = sorted(sizes)[:2]
        raise DataError(f"{where}: images differ in size, e.g. {first} and {second}; resize them in the dataset.")
    if len({image.shape[2] for image in images}) > 1:
        images = [np.broadcast_to(image, (*image.shape[:2], 3)) for image in images]
    return to_pixels(np.stack(images), where)


def fit_pixels(pixels: Pixels, size: int | None, where: str) -> Pixels:
    """Check the size of (n, h, w, c) images, or with `size` bring them to the centre square of that size."""
    height, width = pixels.shape[1:3]
    if size is None:
        if min(height, width) < SMALLEST or max(height, width) > LARGEST:
            raise DataError(
                f"{where}: images are {width}x{height} pixels; without --size N they must lie between "
                f"{SMALLEST}x{SMALLEST} and {LARGEST}x{LARGEST}."
            )
        return pixels
    if (height, width) == (size, size):
        return pixels
    scale = size / min(height, width)
    new = (max(size, round(height * scale)), max(size, round(width * scale)))
    top, left = (new[0] - size) // 2, (new[1] - size) // 2
    out = np.empty((len(pixels), size, size, pixels.shape[3]), dtype=np.uint8)
    for start in range(0, len(pixels), CHUNK):
        chunk = torch.from_numpy(pixels[start : start + CHUNK].copy()).permute(0, 3, 1, 2)
        # As images in files are fitted, and as `predict` does it.
        done = torch.nn.functional.interpolate(chunk, new, mode="bicubic", antialias=True)
        cut = done[:, :, top : top + size, left : left + size]
        out[start : start + CHUNK] = cut.permute(0, 2, 3, 1).numpy()
    return out
