"""Class and probability of image files, read as training read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from chronas.data.batches import Normalise
from chronas.data.decode import settled
from chronas.data.formats.files.folder import SUFFIXES, image_files
from chronas.data.levels import DIM, Kind, PixelRange, Seen, check_alike, found_range, joined
from chronas.data.pixels import DAMAGED, LISTED, DeepImageError, Reading, fit_channels, open_pixels, reason
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


@dataclass(frozen=True)
class Predictions:
    """What the network says about many images.

    rows    a prediction for each image that can be read, in their order
    failed  why there is none, for each other path
    notes   what was found about images of more than 8 bits
    """

    rows: tuple[Prediction, ...]
    failed: Mapping[str, str]
    notes: tuple[str, ...] = ()


def predict(bundle: Bundle, images: Sequence[Path]) -> list[Prediction]:
    """Predictions for `images`, all of which must be readable; see `predict_each`.

    Args:
        bundle: the network.
        images: image files, and folders of them.

    Returns:
        A prediction for each image, in their order.

    Raises:
        DataError: names every missing and unreadable file.
    """
    found = predict_each(bundle, images)
    if found.failed:
        raise DataError(failed_message(found.failed))
    return list(found.rows)


def failed_message(failed: Mapping[str, str]) -> str:
    """The error for paths that give no prediction, a line each."""
    lines = [f"{path}: {why}" for path, why in failed.items()]
    more = f"\n  ... and {len(lines) - LISTED} more" if len(lines) > LISTED else ""
    listed = "\n  ".join(lines[:LISTED])
    return f"{len(lines)} path(s) give no image:\n  {listed}{more}\nRepair them or leave them out."


def predict_each(bundle: Bundle, images: Sequence[Path]) -> Predictions:
    """Predictions for all of `images` that can be read; a folder stands for the images below it, by name.

    Every image is converted as in training: grey or RGB, transparency on white, black and white as they were found
    there, and where its size differs it is fitted as there.

    Args:
        bundle: the network.
        images: image files, and folders of them.

    Returns:
        The predictions, and why others have none.
    """
    paths, failed = _expand(images)
    rows: dict[int, Prediction] = {}
    deep: dict[int, tuple[Kind, Seen]] = {}
    # Images of more than 8 bits are read once the range of all of them is known.
    shallow = bundle.range if bundle.range is not None and bundle.range.kind == "uint8" else None
    _predict_at(bundle, paths, range(len(paths)), shallow, rows, deep, failed)
    notes = _low(bundle)
    for kind in dict.fromkeys(kind for kind, _ in deep.values()):
        looks = {place: seen for place, (own, seen) in deep.items() if own == kind}
        known = bundle.range if bundle.range is not None and bundle.range.kind == kind else None
        if known is None:
            # Nothing is known of such images but what they show themselves.
            found, told = _found_together(looks, kind, paths, failed)
            notes += told
        else:
            found = {place: known for place, seen in looks.items() if _fits(seen, known, str(paths[place]), failed)}
        for chosen in dict.fromkeys(found.values()):
            places = [place for place, own in found.items() if own == chosen]
            _predict_at(bundle, paths, places, chosen, rows, {}, failed)
    return Predictions(tuple(rows[place] for place in sorted(rows)), failed, tuple(notes))


def _fits(seen: Seen, known: PixelRange, name: str, failed: dict[str, str]) -> bool:
    """Whether an image can be meant in the range of the training; if not, `failed` says why."""
    try:
        # As one that was given: one dark image is no sign of another range.
        check_alike(seen, replace(known, given=True), name, "")
    except DataError:
        failed[name] = (f"its values reach from {seen.low:g} to {seen.high:g}, but {known.word} were black and white "
                        "in the training")  # fmt: skip
        return False
    return True


def _found_together(
    looks: Mapping[int, Seen], kind: Kind, paths: Sequence[Path], failed: dict[str, str]
) -> tuple[dict[int, PixelRange], list[str]]:
    """The range of each image: of all together, or where they do not fit together of each alone."""
    try:
        chosen, told = settled([("given", joined(looks.values()))], kind, None)
        return dict.fromkeys(looks, chosen), told
    except DataError:
        found = {}
    for place, seen in looks.items():
        try:
            found[place] = found_range(seen, kind, str(paths[place]))
        except DataError:
            failed[str(paths[place])] = (f"its values reach from {seen.low:g} to {seen.high:g}, and black and white "
                                         "cannot be told from that; save it with 8 bits")  # fmt: skip
    return found, []


def _low(bundle: Bundle) -> list[str]:
    """A note where images of 8 bits may be meant otherwise than the training's numbers were."""
    found = bundle.range
    if found is None or found.kind == "uint8" or not 1 < found.high - found.low < DIM:
        return []
    return [f"In the training {found.word} were black and white; in files of 8 bits 0:255 are. Files that hold the "
            "training's numbers as they are come out too dark: scale them."]  # fmt: skip


def _predict_at(
    bundle: Bundle, paths: Sequence[Path], places: Sequence[int], chosen: PixelRange | None,
    rows: dict[int, Prediction], deep: dict[int, tuple[Kind, Seen]], failed: dict[str, str],
) -> None:  # fmt: skip
    """Fill `rows` for the images at `places`, `deep` for those that need another range, `failed` for the rest."""
    normalise = Normalise(bundle.mean, bundle.std, "cpu", False, torch.float32)
    reading = Reading((bundle.task.height, bundle.task.width), bundle.fit, chosen)
    for start in range(0, len(places), BATCH):
        pixels, read = [], []
        for place in places[start : start + BATCH]:
            try:
                pixels.append(image_tensor(paths[place], bundle.task, reading))
                read.append(place)
            except DeepImageError as found:
                try:
                    deep[place] = (found.kind, found.seen)
                except ValueError as error:
                    failed[str(paths[place])] = reason(error)
            except DAMAGED as error:
                failed[str(paths[place])] = reason(error)
        if read:
            logits = _logits(bundle, normalise(torch.stack(pixels)))
            found_rows = _predictions(bundle, [paths[place] for place in read], logits)
            rows |= dict(zip(read, found_rows, strict=True))


def image_tensor(path: Path, task: Task, reading: Reading | None = None) -> torch.Tensor:
    """One image for a network.

    Args:
        path: its file.
        task: what the network takes.
        reading: how it is read; None: cut to the network's size, 8 bits as they are.

    Returns:
        The image as uint8 (c, h, w).

    Raises:
        DeepImageError: it has more than 8 bits, and `reading` has no range for it.
        What Pillow raises on damaged files (`chronas.data.pixels.DAMAGED`).
    """
    pixels, _ = open_pixels(Encoded(str(path), path), reading or Reading((task.height, task.width)))
    return torch.from_numpy(_channels(pixels, task.channels).transpose(2, 0, 1).copy())


def _expand(images: Sequence[Path]) -> tuple[list[Path], dict[str, str]]:
    """The image files that `images` stand for, and why other paths stand for none."""
    paths: list[Path] = []
    failed = {}
    for path in map(Path, images):
        if path.is_dir():
            try:
                inside = image_files(path)
            except DataError as error:
                failed[str(path)] = str(error)
                continue
            paths += inside
            if not inside:
                failed[str(path)] = f"a folder without images ({', '.join(sorted(SUFFIXES))})"
        else:
            paths.append(path)
    return paths, failed


def _channels(pixels: Pixels, channels: int) -> Pixels:
    """(h, w, 1 or 3) as (h, w, channels)."""
    if channels in (1, 3):
        return fit_channels(pixels, channels)
    raise DataError(
        f"This network takes images of {channels} channels; image files can be read for 1 (grey) or 3 (RGB)."
        " Use the network in Python: chronas export --format python."
    )


def _logits(bundle: Bundle, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = bundle.net(images)
    return logits.float()


def _predictions(bundle: Bundle, paths: Sequence[Path], logits: torch.Tensor) -> Iterator[Prediction]:
    for path, row in zip(paths, torch.softmax(logits, dim=1).tolist(), strict=True):
        best = max(range(len(row)), key=row.__getitem__)
        yield Prediction(str(path), bundle.classes[best], row[best], tuple(row))
