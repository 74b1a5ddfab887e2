"""Arrays of images: one layout, one size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from chronas.data.fit import check_size, placed
from chronas.data.levels import kind_of
from chronas.data.raw import Pixels, Values
from chronas.errors import DataError

CHUNK = 1024


def to_layout(values: npt.ArrayLike, where: str) -> Values:
    """Images in a common layout, their values unchanged.

    Args:
        values: images (n, h, w), (n, h, w, c) or (n, c, h, w) of any number type, c = 1 or 3.
        where: the name of the images in messages.

    Returns:
        The same values as (n, h, w, c); a view where that suffices.

    Raises:
        DataError: for other shapes, and values that are no numbers.
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
    if kind_of(array.dtype) is None:
        raise DataError(f"{where}: pixels must be numbers, not {array.dtype}.")
    return array


def fit_pixels(pixels: Pixels, size: int | None, how: str, where: str) -> Pixels:
    """Bring images to one square size, or check theirs.

    Args:
        pixels: images (n, h, w, c) as uint8.
        size: the side in pixels, or None to keep theirs.
        how: "crop", "pad" or "stretch".
        where: the name of the images in messages.

    Returns:
        Images (n, size, size, c), or those given.

    Raises:
        DataError: where they keep a size that no network can see.
    """
    height, width = pixels.shape[1:3]
    if size is None:
        check_size(height, width, where)
        return pixels
    if (height, width) == (size, size):
        return pixels
    place = placed((height, width), (size, size), how)
    out = np.zeros((len(pixels), size, size, pixels.shape[3]), dtype=np.uint8)
    for start in range(0, len(pixels), CHUNK):
        chunk = torch.from_numpy(pixels[start : start + CHUNK].copy()).permute(0, 3, 1, 2)
        # As images in files are fitted, and as `predict` does it.
        done = torch.nn.functional.interpolate(chunk, place.scaled, mode="bicubic", antialias=True)
        seen = done[:, :, place.source[0], place.source[1]].permute(0, 2, 3, 1)
        out[start : start + CHUNK, place.target[0], place.target[1]] = seen.numpy()
    return out
