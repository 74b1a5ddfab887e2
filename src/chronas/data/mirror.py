"""Whether mirror images help in training: decided from the training images.

A mirrored photo of a cat is a photo of a cat. A mirrored "keep left" sign is a "keep right" sign, and a mirrored
letter is none at all. A quick classifier tells: it learns from images as they are and is asked about others, as they
are and mirrored. The features are responses to random patches of the images, pooled in four quarters, and the
classifier is ridge regression (Coates, Ng and Lee, "An analysis of single-layer networks in unsupervised feature
learning", 2011): a second or two of work, and no result depends on a learning rate.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from chronas.data.split import held_out
from chronas.seeding import stream

MOST_IMAGES, LEAST_IMAGES = 1000, 40
SIDE = 24
PATCH, PATCHES = 6, 96
CHUNK = 128
RIDGE = 1e-2
SURE = 3.0
"""Standard errors that a difference must have to count."""
LOSS = 0.03
"""A classifier that is right on so much less of the mirrored images says that they are something else."""
SWAPPED = 0.3
"""Share of a class whose mirrored images are taken for one other class, above which the two are mirror images."""
MOST_CLASSES = 200
"""With more classes than this a few thousand images tell nothing about each."""


@dataclass(frozen=True)
class Mirror:
    """Whether to mirror, and why, for the user."""

    use: bool
    note: str


def decide_mirror(
    images: torch.Tensor, labels: torch.Tensor, classes: Sequence[str], most: int = MOST_IMAGES
) -> Mirror:
    """Compare a quick classifier on images as they are and mirrored, in two halves that check each other.

    Args:
        images: training images (n, c, h, w) as uint8.
        labels: their labels (n,).
        classes: a name per label.
        most: look at so many images at most.

    Returns:
        No mirror images where mirrored ones are recognised clearly less often, or where those of one class are taken
        for another class. Where the classifier learns nothing, what is usual: yes for colour, no for grey.
    """
    usual = Mirror(images.shape[1] > 1, "")
    how = "Training mirrors half of the images" if usual.use else "Training does not mirror images"
    undecided = Mirror(usual.use, f"{how}, as is usual for {'colour' if usual.use else 'grey'} images (too little is "
                       "known to decide). --mirror yes or no decides.")  # fmt: skip
    numbers = labels.cpu().numpy()
    if len(numbers) > most:
        _, places = held_out(numbers, most, 0, "mirror", least=2, leave=0)
    else:
        places = np.arange(len(numbers))
    if len(places) < LEAST_IMAGES or not 2 <= len(classes) <= MOST_CLASSES:
        return undecided
    chosen = torch.from_numpy(places)
    with _one_thread():
        plain, mirrored = _said(_small(images[chosen.to(images.device)].cpu()), numbers[places], len(classes))
    return _verdict(plain, mirrored, numbers[places], classes) or undecided


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread: the decision is the same on every number of cores, and quick on a busy machine too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _verdict(
    plain: npt.NDArray[np.int64], mirrored: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], classes: Sequence[str]
) -> Mirror | None:
    """None where the classifier is no better than chance."""
    right, right_mirrored = plain == labels, mirrored == labels
    chance = np.bincount(labels).max() / len(labels)
    if right.mean() < chance + SURE * np.sqrt(chance * (1 - chance) / len(labels)):
        return None
    pair = _swapped(plain, mirrored, labels, len(classes))
    if pair is not None:
        one, other = classes[pair[0]], classes[pair[1]]
        return Mirror(False, f"Training does not mirror images: mirrored images of {one!r} look like {other!r}. "
                             "--mirror yes does it all the same.")  # fmt: skip
    loss = right.astype(float) - right_mirrored
    mean, error = loss.mean(), loss.std() / np.sqrt(len(loss))
    found = f"a quick classifier is right on {100 * right.mean():.0f} % of held-out images and on " \
            f"{100 * right_mirrored.mean():.0f} % of the same mirrored"  # fmt: skip
    if mean > LOSS and mean > SURE * error:
        return Mirror(False, f"Training does not mirror images: {found}. --mirror yes does it all the same.")
    return Mirror(True, f"Training mirrors half of the images: {found}. --mirror no keeps them as they are.")


def _swapped(
    plain: npt.NDArray[np.int64], mirrored: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], classes: int
) -> tuple[int, int] | None:
    """Two classes of which mirrored images of the one are clearly taken for the other, the clearest pair."""
    counts = np.bincount(labels, minlength=classes).astype(float)
    before, after = (np.bincount(labels * classes + said, minlength=classes**2).reshape(classes, classes)
                     for said in (plain, mirrored))  # fmt: skip
    more = after - before
    np.fill_diagonal(more, 0)
    # As a count: the difference of two counts of the same images has at most their sum as variance.
    clear = more / np.sqrt(np.maximum(after + before, 1))
    clear[(more < SWAPPED * counts[:, None]) | (more < 4)] = 0
    best = int(clear.argmax())
    return divmod(best, classes) if clear.flat[best] >= SURE else None


def _small(images: torch.Tensor) -> torch.Tensor:
    """uint8 images as floats with sides of at most `SIDE` pixels, each with mean 0 and deviation 1."""
    out = []
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK].float()
        height, width = chunk.shape[2:]
        scale = min(1.0, SIDE / max(height, width))
        if scale < 1:
            size = (max(PATCH, round(height * scale)), max(PATCH, round(width * scale)))
            chunk = functional.interpolate(chunk, size, mode="bilinear", antialias=True)
        deviation, mean = torch.std_mean(chunk, (1, 2, 3), keepdim=True)
        out.append((chunk - mean) / (deviation + 8))
    return torch.cat(out)


def _said(
    images: torch.Tensor, labels: npt.NDArray[np.int64], classes: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The labels (n,) that the classifier fitted on the other half gives each image, as it is and mirrored."""
    halves = np.zeros(len(labels), bool)
    halves[held_out(labels, len(labels) // 2, 0, "mirror halves", least=1, leave=1)[1]] = True
    filters, bias = _patches(images[torch.from_numpy(halves)])
    plain = _features(images, filters, bias)
    mirrored = _features(images.flip(3), filters, bias)
    said = [np.zeros(len(labels), np.int64) for _ in range(2)]
    for half in (halves, ~halves):
        weights, centre = _ridge(plain[half], labels[half], classes)
        for found, features in zip(said, (plain, mirrored), strict=True):
            found[~half] = ((features[~half] - centre) @ weights).argmax(1)
    return said[0], said[1]


def _patches(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Random patches as filters that answer to what is alike, whitened, and the answer of an average patch."""
    draw = stream(0, "mirror patches")
    count, channels, height, width = images.shape
    side = min(PATCH, height, width)
    many = 20 * PATCHES
    which = draw.integers(0, count, many)
    top, left = draw.integers(0, height - side + 1, many), draw.integers(0, width - side + 1, many)
    corners = zip(which, top, left, strict=True)
    cut = torch.stack([images[i, :, y : y + side, x : x + side] for i, y, x in corners]).double()
    flat = cut.reshape(many, -1)
    mean = flat.mean(0)
    values, vectors = torch.linalg.eigh((flat - mean).T @ (flat - mean) / many)
    whiten = vectors @ torch.diag((values.clamp(min=0) + 0.1 * values.mean() + 1e-6).rsqrt()) @ vectors.T
    white = (flat - mean) @ whiten
    lively = white[torch.argsort(-white.norm(dim=1), stable=True)[: many // 2]]
    kept = lively[torch.from_numpy(draw.permutation(len(lively))[:PATCHES])]
    kept = kept / kept.norm(dim=1, keepdim=True)
    filters = (kept @ whiten).float()
    return filters.reshape(-1, channels, side, side), -(filters @ mean.float())


def _features(images: torch.Tensor, filters: torch.Tensor, bias: torch.Tensor) -> npt.NDArray[np.float64]:
    """Answers of all filters, above and below zero, the mean and the largest in each quarter: (n, features)."""
    out = []
    for start in range(0, len(images), CHUNK):
        answers = functional.conv2d(images[start : start + CHUNK], filters, bias)
        both = torch.cat([(answers - 0.5).relu(), (-answers - 0.5).relu()], 1)
        pooled = [functional.adaptive_avg_pool2d(both, 2), functional.adaptive_max_pool2d(both, 1)]
        out.append(torch.cat([part.flatten(1) for part in pooled], 1))
    return torch.cat(out).double().numpy()


def _ridge(
    features: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], classes: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weights (features, classes) and the centre (features,) of ridge regression on one column a class."""
    centre, spread = features.mean(0), features.std(0) + 1e-3
    scaled = (features - centre) / spread
    wanted = np.eye(classes)[labels] - np.bincount(labels, minlength=classes) / len(labels)
    # In the smaller of the two forms, which give the same.
    penalty = RIDGE * len(labels) * scaled.shape[1] / scaled.shape[1] ** 0.5
    if len(scaled) < scaled.shape[1]:
        inner = scaled @ scaled.T + penalty * np.eye(len(scaled))
        weights = scaled.T @ np.linalg.solve(inner, wanted)
    else:
        weights = np.linalg.solve(scaled.T @ scaled + penalty * np.eye(scaled.shape[1]), scaled.T @ wanted)
    return weights / spread[:, None], centre
