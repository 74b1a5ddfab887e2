"""Class and probability of image files, read as training read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from chronas.data.batches import Normalise
from chronas.data.decode import DAMAGED, LISTED, fit_centre, fit_channels, open_pixels, reason
from chronas.data.folder import SUFFIXES, image_files
from chronas.data.raw import Encoded, Pixels
from chronas.deploy.bundle import Bundle
from chronas.errors import DataError
from chronas.task import Task

BATCH = 64


@dataclass(frozen=True)
class Prediction:
    """What the network says about one image.

    image          its path, as given or as found in the folder given
    label          the class with the highest probability
    probability    of that class, 0..1
    probabilities  of every class, in the order of the bundle's classes
    """

    image: str
    label: str
    probability: float
    probabilities: tuple[float, ...]


def predict(bundle: Bundle, images: Sequence[Path]) -> list[Prediction]:
    """Predictions for `images`, in their order; a folder stands for the images below it, by name.

    Every image is converted as in training (grey or RGB, transparency on white) and, where its size differs,
    its shorter side is resized and its centre cut out. Raises one DataError that names every missing and
    unreadable file.
    """
    paths, problems = _expand(images)
    normalise = Normalise(bundle.mean, bundle.std, "cpu", False, torch.float32)
    predictions: list[Prediction] = []
    for start in range(0, len(paths), BATCH):
        pixels = []
        for path in paths[start : start + BATCH]:
            try:
                pixels.append(image_tensor(path, bundle.task, bundle.resize))
            except DAMAGED as error:
                problems.append(f"{path}: {reason(error)}")
        if not problems:  # after the first fault only the other faults are of interest
            logits = _logits(bundle, normalise(torch.stack(pixels)))
            predictions += _predictions(bundle, paths[start : start + BATCH], logits)
    if problems:
        more = f"\n  ... and {len(problems) - LISTED} more" if len(problems) > LISTED else ""
        raise DataError(
            f"{len(problems)} path(s) give no image:\n  " + "\n  ".join(problems[:LISTED]) + more
            + "\nRepair them or leave them out."
        )  # fmt: skip
    return predictions


def image_tensor(path: Path, task: Task, resize: int | None = None) -> torch.Tensor:
    """The image in `path` as uint8 (c, h, w) for `task`. Raises what Pillow raises on damaged files.

    resize: the side in pixels that training resized to, None where it read images of one size.
    """
    item = Encoded(str(path), path)
    pixels, _ = open_pixels(item, resize)
    if pixels.shape[:2] != (task.height, task.width):
        if task.height == task.width:
            pixels, _ = open_pixels(item, task.height)
        else:
            pixels = _fit(pixels, task.height, task.width)
    return torch.from_numpy(_channels(pixels, task.channels).transpose(2, 0, 1).copy())


def _expand(images: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The image files that `images` stand for, and a line per path that stands for none."""
    paths: list[Path] = []
    problems = []
    for path in map(Path, images):
        if path.is_dir():
            inside = image_files(path)
            paths += inside
            if not inside:
                problems.append(f"{path}: a folder without images ({', '.join(sorted(SUFFIXES))})")
        else:
            paths.append(path)
    return paths, problems


def _channels(pixels: Pixels, channels: int) -> Pixels:
    """(h, w, 1 or 3) as (h, w, channels)."""
    if channels in (1, 3):
        return fit_channels(pixels, channels)
    raise DataError(
        f"This network takes images of {channels} channels; image files can be read for 1 (grey) or 3 (RGB)."
        " Use the network in Python: chronas export --format python."
    )


def _fit(pixels: Pixels, height: int, width: int) -> Pixels:
    """The centre of `height` x `width`, after scaling until both sides suffice."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    cut = np.asarray(fit_centre(image, width, height))
    return cut if cut.ndim == 3 else cut[..., None]


def _logits(bundle: Bundle, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = bundle.net(images)
    return logits.float()


def _predictions(bundle: Bundle, paths: Sequence[Path], logits: torch.Tensor) -> Iterator[Prediction]:
    for path, row in zip(paths, torch.softmax(logits, dim=1).tolist(), strict=True):
        best = max(range(len(row)), key=row.__getitem__)
        yield Prediction(str(path), bundle.classes[best], row[best], tuple(row))
