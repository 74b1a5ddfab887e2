"""Equal images: in two parts of the data, under two labels, or simply twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chronas.data.raw import Labels, Pixels
from chronas.seeding import stream

ORDER = {"test": "test", "val": "validation", "train": "training"}
"""Parts in the order of their rank: of images that stand in two of them, those in the later one are left out."""
EXAMPLES = 3
CHUNK_BYTES = 1 << 24
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Name = Callable[[str, int], str]


@dataclass(frozen=True)
class Duplicates:
    """What stands twice.

    drop   of each part, the images that are left out where the user wants no duplicates
    notes  a sentence for each kind, with counts and examples
    """

    drop: Mapping[str, Indices]
    notes: tuple[str, ...]


def find_duplicates(
    marks: Mapping[str, npt.NDArray[np.uint64]], labels: Mapping[str, Labels], classes: Sequence[str], name: Name,
    dropped: bool,
) -> Duplicates:  # fmt: skip
    """Compare all images of all parts by their marks.

    What is left out: of the training images those that equal a test or validation image, of the validation images
    those that equal a test image, those under two labels, and later copies. Test images stay.

    Args:
        marks: a number (n,) for each image of a part, equal for equal images.
        labels: the labels of each part.
        classes: their names, for the examples.
        name: the name of an image by part and index.
        dropped: whether the user wants them left out, which decides the words.

    Returns:
        The images to leave out, and what to tell.
    """
    every = _Every(marks, labels)
    if every.counts.max(initial=1) == 1:
        return Duplicates({}, ())
    two_labels, copies = every.two_labels, every.copies
    leave = (every.elsewhere | copies | two_labels) & ~every.tests
    drop = {part: every.index[leave & (every.part == place)] for part, place in every.places.items()}
    end = "left out (--drop-duplicates)" if dropped else "kept; --drop-duplicates leaves them out"
    kinds = [(every.elsewhere & (every.earliest == every.places[part]),
              f"{'training or validation' if part == 'test' else 'training'} images equal a {title} image")
             for part, title in ORDER.items() if part in every.places and part != "train"]  # fmt: skip
    kinds += [(two_labels, "images stand under two labels"), (copies, "images are copies of another with its label")]

    def told(which: Flags, text: str) -> str:
        found = np.flatnonzero(which & leave if dropped else which)
        shown = "; ".join(every.example(int(place), classes, name) for place in found[:EXAMPLES])
        return f"{len(found)} {text}, pixel by pixel, {end}: {shown}{' ...' if len(found) > EXAMPLES else '.'}"

    notes = tuple(told(which, text) for which, text in kinds if (which & leave if dropped else which).any())
    return Duplicates({part: found for part, found in drop.items() if len(found)}, notes)


class _Every:
    """All images of all parts one after the other, test images first, each with the group of its equals.

    part, index  the place of each image; `places` numbers the parts
    counts       images in the group of each; earliest: the first part that it stands in
    """

    def __init__(self, marks: Mapping[str, npt.NDArray[np.uint64]], labels: Mapping[str, Labels]) -> None:
        parts = [part for part in ORDER if part in marks]
        self.names = parts
        self.places = {part: place for place, part in enumerate(parts)}
        self.label = np.concatenate([labels[part] for part in parts])
        self.part = np.repeat(np.arange(len(parts)), [len(marks[part]) for part in parts])
        self.index = np.concatenate([np.arange(len(marks[part])) for part in parts])
        every = np.concatenate([marks[part] for part in parts])
        _, first, self.group, counts = np.unique(every, return_index=True, return_inverse=True, return_counts=True)
        self.counts = counts[self.group]
        self.earliest = self.part[first][self.group]
        self.first = first[self.group] == np.arange(len(every))

    @property
    def elsewhere(self) -> Flags:
        """Those that stand in a part of higher rank, too."""
        return np.asarray(self.part > self.earliest)

    @property
    def two_labels(self) -> Flags:
        """Those that stand under another label, too."""
        groups = int(self.group.max()) + 1
        low, high = np.full(groups, np.iinfo(np.int64).max), np.full(groups, -1)
        np.minimum.at(low, self.group, self.label)
        np.maximum.at(high, self.group, self.label)
        return np.asarray((low < high)[self.group])

    @property
    def copies(self) -> Flags:
        """All but the first of equal images in one part under one label."""
        return np.asarray(~self.first & ~self.elsewhere & ~self.two_labels & (self.counts > 1))

    @property
    def tests(self) -> Flags:
        """The test images, which stay as they are."""
        return np.asarray(self.part == self.places.get("test", -1))

    def example(self, place: int, classes: Sequence[str], name: Name) -> str:
        """An image and one that equals it, in words; one of another label, where there is such."""
        others = np.flatnonzero(self.group == self.group[place])
        differing = others[self.label[others] != self.label[place]]
        other = int(differing[0]) if len(differing) else int(others[others != place][0])
        one, two = (name(self.names[self.part[i]], int(self.index[i])) for i in (place, other))
        labels = f" ({classes[self.label[place]]} and {classes[self.label[other]]})" if len(differing) else ""
        return f"{one} = {two}{labels}"


def pixel_marks(pixels: Pixels) -> npt.NDArray[np.uint64]:
    """A number for each image: a random linear hash of 64 bits of its pixels.

    Args:
        pixels: images (n, h, w, c).

    Returns:
        The numbers (n,), equal for equal images.
    """
    size = int(np.prod(pixels.shape[1:]))
    words = -(-size // 8)
    factors = stream(0, "duplicates").integers(0, 2**64, words, dtype=np.uint64) | np.uint64(1)
    marks = np.empty(len(pixels), np.uint64)
    rows = max(1, CHUNK_BYTES // size)
    for start in range(0, len(pixels), rows):
        chunk = pixels[start : start + rows].reshape(-1, size)
        padded = np.zeros((len(chunk), 8 * words), np.uint8)
        padded[:, :size] = chunk
        values = padded.view(np.uint64)
        # A product alone moves bits upwards only: shifts before and after it spread each over the whole word.
        mixed = (values ^ (values >> np.uint64(29))) * factors
        marks[start : start + rows] = (mixed ^ (mixed >> np.uint64(32))).sum(1, dtype=np.uint64)
    return marks
