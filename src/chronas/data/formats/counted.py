"""One line that says which files count: read, left out, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

SHOWN = 4
MOST_COUNTED = 20_000
"""Files of one kind that are left out are counted up to here: a hidden folder may be a copy of a whole disk."""

_NOUNS = re.compile(r"\b(file|row|image|folder|run|cache|link|table)s\b")
_AFTER_FILES = ("in", "of", "with", "without", "that", "named")


def counted_note(read: Mapping[str, int], classes: int, left_out: Mapping[str, Sequence[str]]) -> str:
    """What was read and what was left out, in a line for the user.

    Args:
        read: the number of images of each part, for example {"train": 100, "test": 20}.
        classes: the number of classes.
        left_out: for each reason a word for every file concerned, of which the few most frequent are shown: the
            name of a hidden folder, the ending of a file. A reason says what is counted ("rows without a label",
            "Chronas runs"); where it begins as "in hidden folders" does, files are.

    Returns:
        For example "Read: 120 images in 2 classes (train 100, test 20). Left out: 3 files of other kinds (.txt)."
    """
    total = sum(read.values())
    parts = f" ({', '.join(f'{part} {count:,}' for part, count in read.items())})" if len(read) > 1 else ""
    kinds = "class" if classes == 1 else "classes"
    said = f"Read: {total:,} {'image' if total == 1 else 'images'} in {classes:,} {kinds}{parts}."
    left = [_left(reason, words) for reason, words in left_out.items() if words]
    return f"{said} Left out: {', '.join(left)}." if left else said


def _left(reason: str, words: Sequence[str]) -> str:
    what = f"files {reason}" if reason.partition(" ")[0] in _AFTER_FILES else reason
    if len(words) == 1:
        what = _NOUNS.sub(r"\1", what, count=1)
    number = f"{len(words):,}" + (" or more" if len(words) >= MOST_COUNTED else "")
    return f"{number} {what}{_examples(words)}"


def _examples(words: Sequence[str]) -> str:
    counts = Counter(words)
    often = sorted(filter(None, counts), key=lambda word: (-counts[word], word))
    return f" ({', '.join(often[:SHOWN])}{', ...' if len(often) > SHOWN else ''})" if often else ""
