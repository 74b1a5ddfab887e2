"""Which of several named arrays are images and which are labels, and of which part."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chronas.data.raw import PART_OF_NAME
from chronas.errors import DataError

PARTS = "|".join(sorted(PART_OF_NAME, key=len, reverse=True))
IMAGES = "x|data|images?|imgs?|pictures?|inputs?|features"
LABELS = "y|labels?|targets?|class|classes"
# Of the name in lower case without signs between the words: xtrain, trainimages, validationlabels, trainsetx.
NAME = re.compile(
    rf"(?:(?P<before>{PARTS})(?:set)?)?(?:(?P<images>{IMAGES})|(?P<labels>{LABELS}))(?:(?P<after>{PARTS})(?:set)?)?"
)
UNNAMED = re.compile(r"arr_\d+")
IMAGE_DIMS, LABEL_DIMS = (3, 4), (1, 2)
EXPECTED = "x_train and y_train (also x_test, y_test, x_val, y_val), x and y, images and labels, or data and target"
Shapes = Mapping[str, tuple[int, ...]]
Pair = tuple[str, str | None]


@dataclass(frozen=True)
class Found:
    """The names of images and labels (None: it has none) by part; the names that are not used."""

    parts: Mapping[str, Pair]
    unused: tuple[str, ...]

    def note(self) -> str:
        """What was taken for what, in a sentence or two."""
        nouns = {"train": "training", "val": "validation", "test": "test"}
        read = ", ".join(
            f"{images}{' with ' + labels if labels else ''} ({nouns[part]})"
            for part, (images, labels) in self.parts.items()
        )
        return f"Read arrays: {read}." + (f" Not used: {', '.join(self.unused)}." if self.unused else "")


def find_arrays(shapes: Shapes, where: str) -> Found:
    """Sort arrays into parts by their names, and by their shapes where the names do not tell.

    Args:
        shapes: the shape of each array by its name, in the order in which they were written.
        where: the data's name in messages.

    Returns:
        Images and labels of train, and of val and test where they are there.

    Raises:
        DataError: where two arrays may be the same thing, or images or labels are lacking.
    """
    kinds = {name: meant(name) for name in shapes}
    if not any(kinds.values()):
        pairs = _by_shape(shapes, where)
    else:
        named = {name: kind for name, kind in kinds.items() if kind}
        # Arrays without a part are the training images, unless others say that they are.
        bare = "train" if ("train", "images") not in named.values() else ""
        given = {name: (part or bare, kind) for name, (part, kind) in named.items() if part or bare}
        pairs = {part: pair for part in ("train", "val", "test") if (pair := _pair(part, given, shapes, where))}
    if "train" not in pairs:
        raise DataError(f"{where} must hold arrays named {EXPECTED}; it holds {_listed(shapes)}.")
    used = {name for pair in pairs.values() for name in pair}
    return Found(pairs, tuple(name for name in shapes if name not in used))


def meant(name: str) -> tuple[str, str] | None:
    """The part ("" if it is not said) and "images" or "labels"; None for any other name."""
    found = NAME.fullmatch(re.sub(r"[^a-z0-9]", "", name.lower()))
    if not found or (found["before"] and found["after"]):
        return None
    part = found["before"] or found["after"]
    return PART_OF_NAME[part] if part else "", "images" if found["images"] else "labels"


def _pair(part: str, given: Mapping[str, tuple[str, str]], shapes: Shapes, where: str) -> Pair | None:
    images = _only([name for name, kind in given.items() if kind == (part, "images")], shapes, IMAGE_DIMS, part, where)
    labels = _only([name for name, kind in given.items() if kind == (part, "labels")], shapes, LABEL_DIMS, part, where)
    unnamed = {name: shape for name, shape in shapes.items() if name not in given and not meant(name)}
    if images and not labels and part == "train":
        labels = _alike(unnamed, shapes[images], LABEL_DIMS)
        if labels is None:
            raise DataError(f"{where} holds {images} but no labels for it: name them as in {EXPECTED}. "
                            f"It holds {_listed(shapes)}.")  # fmt: skip
    if labels and not images and part == "train":
        images = _alike(unnamed, shapes[labels], IMAGE_DIMS)
    return (images, labels) if images else None


def _only(names: Sequence[str], shapes: Shapes, dims: Sequence[int], part: str, where: str) -> str | None:
    """The one of `names` whose shape fits, or the only one."""
    fitting = [name for name in names if len(shapes[name]) in dims] or list(names)
    if len(fitting) > 1:
        what = "images" if dims == IMAGE_DIMS else "labels"
        raise DataError(f"{where}: {' and '.join(fitting)} may both be the {what} of the {part} part. "
                        "Keep one of them, or give the other another name.")  # fmt: skip
    return fitting[0] if fitting else None


def _alike(unnamed: Shapes, beside: tuple[int, ...], dims: Sequence[int]) -> str | None:
    """The only array of as many entries and the right number of dimensions."""
    fitting = [name for name, shape in unnamed.items() if len(shape) in dims and shape[0] == beside[0]]
    return fitting[0] if len(fitting) == 1 else None


def _by_shape(shapes: Shapes, where: str) -> dict[str, Pair]:
    """Images are what has three or four dimensions; the order counts where `np.savez` numbered the arrays."""
    images = [name for name, shape in shapes.items() if len(shape) in IMAGE_DIMS]
    labels = [name for name, shape in shapes.items() if len(shape) in LABEL_DIMS]
    ordered = all(UNNAMED.fullmatch(name) for name in shapes)
    if len(images) != len(labels) or len(images) not in ((1, 2) if ordered else (1,)):
        if images:
            raise DataError(f"{where}: the names do not tell which arrays are images and labels of which part. "
                            f"Name them {EXPECTED}. It holds {_listed(shapes)}.")  # fmt: skip
        return {}
    return dict(zip(("train", "test"), zip(images, labels, strict=True), strict=False))


def _listed(shapes: Shapes, most: int = 10) -> str:
    some = [f"{name} {shape}" for name, shape in list(shapes.items())[:most]]
    return (", ".join(some) + (", ..." if len(shapes) > most else "")) or "none"
