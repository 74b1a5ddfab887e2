"""Images and labels given in Python: arrays, tensors, Pillow images, lists of these."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from chronas.data.arrays import to_layout
from chronas.data.formats.labels import Pixels
from chronas.data.formats.python.kinds import described
from chronas.data.options import DataOptions
from chronas.data.pixels import Reading, deep_values, image_pixels, is_deep
from chronas.data.raw import Encoded, Values
from chronas.errors import DataError


def images_of(values: Any, where: str) -> Pixels:
    """Many images: an array or tensor in one of the common layouts, or a list of arrays or Pillow images."""
    if isinstance(values, list | tuple) and len(values) and not isinstance(values[0], list | tuple):
        return stacked([one_image(one, f"{where} image {i}") for i, one in enumerate(values)], where)
    try:
        return to_layout(as_array(values), where)
    except (ValueError, TypeError) as error:
        raise DataError(f"{where}: the images are no array of one shape ({error}).") from None


def labels_of(values: Any) -> Any:
    if isinstance(values, list | tuple):
        return [as_array(one) if isinstance(one, torch.Tensor) else one for one in values]
    return as_array(values) if isinstance(values, torch.Tensor) else values


def as_array(values: Any) -> npt.NDArray[Any]:
    """A tensor (of any device and number type) or another array as NumPy's; not copied where that suffices."""
    if not isinstance(values, torch.Tensor):
        return np.asarray(values)
    plain = values.detach().cpu()
    return np.asarray((plain.float() if plain.dtype == torch.bfloat16 else plain).numpy())


def one_image(image: Any, where: str, options: DataOptions | None = None) -> Values:
    """A Pillow image, or an array or tensor (h, w), (h, w, c), (c, h, w), as (h, w, c).

    A Pillow image of up to 8 bits becomes uint8, and is brought to the size that `options` ask for. Other values
    are unchanged.
    """
    if not isinstance(image, Image.Image):
        return _array_image(image, where)
    if is_deep(image.mode):
        return deep_values(image)[..., None]
    early = options is not None and options.size is not None and options.range is None
    how = Reading.square(options.size, options.fit) if options is not None and early else Reading()
    pixels, _ = image_pixels(image, how)
    return pixels


def _array_image(image: Any, where: str) -> Values:
    try:
        array = as_array(image)
    except (ValueError, TypeError) as error:
        raise DataError(f"{where} is no image: {error}") from None
    if array.ndim not in (2, 3):
        what = f"its shape is {array.shape}" if array.ndim else f"it is {described(image)}"
        raise DataError(f"{where}: an image must be one of Pillow or (h,w), (h,w,c), (c,h,w), but {what}.")
    one: Values = to_layout(array[None], where)[0]
    return one


def stacked(images: Sequence[Values], where: str) -> Pixels:
    """Images (h, w, c) as one array; of different size as encoded ones, if they are of 8 bits."""
    kinds = {image.dtype for image in images}
    if len(kinds) > 1:
        some = " and ".join(sorted(map(str, kinds))[:2])
        raise DataError(f"{where}: some images are {some}; bring all to one number type.")
    sizes = sorted({image.shape[:2] for image in images})
    if len(sizes) > 1 and kinds == {np.dtype(np.uint8)}:
        return tuple(Encoded(f"{where} {i}", _png(image)) for i, image in enumerate(images))
    if len(sizes) > 1:
        raise DataError(f"{where}: images differ in size, e.g. {sizes[0]} and {sizes[1]} (height, width); "
                        "bring them to one size first.")  # fmt: skip
    if len({image.shape[2] for image in images}) > 1:
        images = [np.broadcast_to(image, (*image.shape[:2], 3)) for image in images]
    return np.stack(images)


def _png(image: Values) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).save(out, "PNG", compress_level=1)
    return out.getvalue()
