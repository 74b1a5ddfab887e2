"""How images are read: the one place where each word of it is written.

The command line, `--config`, `chronas.Options`, `chronas.load` and spec.json all take their words from here.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chronas.errors import UnknownNameError, UsageError

SMALLEST, LARGEST = 8, 224
"""The sides in pixels that images may have when a network sees them."""
FITS = ("crop", "pad", "stretch")
MIRRORS = ("auto", "yes", "no")
USUAL_TEST_SHARE = 0.1
TYPES: Mapping[str, Any] = {
    "whole": int, "decimal": int | float, "text": str, "hidden": str, "flag": bool, "fit": str, "mirror": str,
}  # fmt: skip
NOUNS = {
    "whole": "a whole number", "decimal": "a number", "text": "text", "hidden": "text", "flag": "True or False",
    "fit": "one of " + ", ".join(FITS), "mirror": "one of " + ", ".join(MIRRORS),
}  # fmt: skip


def word(kind: str, metavar: str, text: str, default: Any = None) -> Any:
    """A field with what the command line needs to offer it."""
    return field(default=default, metadata={"kind": kind, "metavar": metavar, "help": text})


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """How images are read, fitted, held out.

    size           side in pixels that images are brought to; None: as they are, or chosen where they differ
    fit            how: "crop" (shorter side, then the centre), "pad" (longer side, black edges), "stretch"
    range          "LOW:HIGH", the values that stand for black and white; None: found from the training images
    mirror         whether training shows mirror images too: "yes", "no", "auto" (decided from the images)
    val_share      share of the training images to validate with; None: 5,000 of 50,000 or more, else 10 %
    test_share     share held out for the test where there are no test images; 0: none; None: 0.1
    limit          use only so many training images
    skip_bad, skip_empty   go on without unreadable images, without classes that have no image
    drop_duplicates        leave out training and validation images that stand in another part or under another label,
                           and copies
    config_name    the configuration of a Hugging Face data set that has several
    labels, image_column, label_column   a table of labels (CSV or TSV) for a folder of images, and its columns
    label_regex    the label in a file's name, as the first group of a regular expression
    cache          a folder that keeps decoded images for the next run
    range_found    no word of users: the range that a run found ("integer:0:4095"), which is not found again
    """

    size: int | None = word("whole", "N", "bring all images to N x N pixels (default: as they are, or chosen)")
    fit: str = word("fit", "HOW", "how --size fits them: crop, pad or stretch (default: crop)", "crop")
    range: str | None = word("text", "LOW:HIGH", "pixel values of black and white (default: found from the images)")
    mirror: str = word("mirror", "WHETHER", "train on mirror images too: yes, no, auto (default: auto)", "auto")
    val_share: float | None = word("decimal", "X", "share of the training images to validate with")
    test_share: float | None = word(
        "decimal", "X", "share to hold out for the test where the data has no test images (default: 0.1)")  # fmt: skip
    limit: int | None = word("whole", "N", "use only N training images")
    skip_bad: bool = word("flag", "", "go on without images that cannot be read", False)
    skip_empty: bool = word("flag", "", "go on without classes that have no image", False)
    drop_duplicates: bool = word("flag", "", "leave out images that stand twice", False)
    config_name: str | None = word("text", "NAME", "which configuration of a Hugging Face data set")
    labels: str | None = word("text", "FILE", "table of labels (CSV or TSV) for a folder of images")
    image_column: str | None = word("text", "NAME", "its column of file names (default: guessed from the header)")
    label_column: str | None = word("text", "NAME", "its column of labels (default: guessed from the header)")
    label_regex: str | None = word("text", "RE", r"the label in file names, e.g. '^([a-z]+)\.' for cat.1.png")
    cache: str | None = word("text", "DIR", "keep decoded images there for the next run on the same files")
    range_found: str | None = word("hidden", "", "")

    def __post_init__(self) -> None:
        # As people write them in Python: mirror=False, range=(0, 1), labels=Path("labels.csv").
        said: dict[str, Any] = {"mirror": self.mirror, "range": self.range, "labels": self.labels, "cache": self.cache}
        for name, value in said.items():
            if isinstance(value, bool):
                value = "yes" if value else "no"
            elif isinstance(value, tuple | list):
                value = ":".join(map(str, value))
            object.__setattr__(self, name, str(value) if isinstance(value, Path) else value)

    def check(self) -> None:
        """Raise UsageError for a word that no data can fit."""
        for field_ in dataclasses.fields(DataOptions):
            value, wanted = getattr(self, field_.name), TYPES[field_.metadata["kind"]]
            unsaid = value is None and field_.default is None
            if not unsaid and (not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool)):
                raise UsageError(f"{field_.name} must be {NOUNS[field_.metadata['kind']]}, but got {value!r}.")
        if self.size is not None and not SMALLEST <= self.size <= LARGEST:
            raise UsageError(f"The size must lie between {SMALLEST} and {LARGEST} pixels, but it is {self.size}.")
        if self.val_share is not None and not 0 < self.val_share < 1:
            raise UsageError(f"The validation share must lie between 0 and 1, but it is {self.val_share}.")
        if self.test_share is not None and not 0 <= self.test_share < 1:
            raise UsageError(f"The test share must lie between 0 (none) and 1, but it is {self.test_share}.")
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"The limit must be at least 1 image, but it is {self.limit}.")
        for kind, name, known in (("fit", self.fit, FITS), ("choice for mirror", self.mirror, MIRRORS)):
            if name not in known:
                raise UnknownNameError(kind, name, known)
        if self.range is not None:
            parse_range(self.range)
        if self.label_regex is not None:
            _check_regex(self.label_regex)

    @property
    def held_for_test(self) -> float:
        """The share held out for the test where the data has no test images."""
        return USUAL_TEST_SHARE if self.test_share is None else self.test_share


NAMES = tuple(one.name for one in dataclasses.fields(DataOptions))


def with_words(options: DataOptions, words: Mapping[str, Any]) -> DataOptions:
    """`options` with `words` over them.

    Raises UnknownNameError for a word that does not exist.
    """
    for name in words:
        if name not in NAMES:
            raise UnknownNameError("word of how data is read", name, NAMES)
    return dataclasses.replace(options, **words)


def plain(options: DataOptions) -> DataOptions:
    """The words of how data is read alone, out of an object that holds more."""
    return DataOptions(**{name: getattr(options, name) for name in NAMES})


def parse_range(text: str) -> tuple[float, float]:
    """The two values of "LOW:HIGH".

    Raises UsageError unless both are numbers and the first is the smaller.
    """
    low, colon, high = text.partition(":")
    try:
        found = float(low), float(high)
    except ValueError:
        found = (math.nan, math.nan)
    if not colon or not all(map(math.isfinite, found)) or found[0] >= found[1]:
        raise UsageError(f"--range takes the values of black and white, for example 0:1, 0:4095 or -1:1, not {text!r}.")
    return found


def _check_regex(text: str) -> None:
    try:
        groups = re.compile(text).groups
    except re.error as error:
        raise UsageError(f"--label-regex {text!r} is no regular expression: {error}.") from None
    if groups < 1:
        raise UsageError(f"--label-regex {text!r} needs a group for the label, for example '^([a-z]+)'.")
