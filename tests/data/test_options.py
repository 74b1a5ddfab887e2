"""The words of how data is read are written once, checked in one place, and offered everywhere."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from chronas.api import Options
from chronas.cli.fit import parser
from chronas.data.levels import PixelRange
from chronas.data.options import NAMES, DataOptions, plain, with_words
from chronas.errors import DataError, UnknownNameError, UsageError
from chronas.spec import DataSpec


def test_every_word_is_offered_on_the_command_line_and_in_python() -> None:
    offered = parser().long
    for name in NAMES:
        assert (f"--{name.replace('_', '-')}" in offered) is (name != "range_found")
        assert name in {field.name for field in dataclasses.fields(Options)}
        assert name in {field.name for field in dataclasses.fields(DataSpec)}


def test_what_people_write_in_python() -> None:
    words: dict[str, Any] = {"mirror": False, "range": (0, 1), "labels": Path("a.csv"), "cache": Path("c")}
    made = DataOptions(**words)
    made.check()
    assert (made.mirror, made.range, made.labels, made.cache) == ("no", "0:1", "a.csv", "c")
    assert plain(Options(mirror="yes", size=32)) == DataOptions(mirror="yes", size=32)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"size": "64"}, "size must be a whole number"),
        ({"size": True}, "size must be a whole number"),
        ({"val_share": "0.1"}, "val_share must be a number"),
        ({"skip_bad": "yes"}, "skip_bad must be True or False"),
        ({"mirror": None}, "mirror must be one of auto, yes, no"),
        ({"fit": 3}, "fit must be one of crop, pad, stretch"),
        ({"label_regex": "cat"}, "needs a group"),
        ({"label_regex": "("}, "no regular expression"),
        ({"size": 4}, "between 8 and 224"),
        ({"val_share": 1}, "validation share"),
        ({"test_share": 1}, "test share"),
        ({"limit": 0}, "limit"),
    ],
)
def test_wrong_words_are_told(words: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        with_words(DataOptions(), words).check()


def test_an_unknown_word_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="skip_bad"):
        with_words(DataOptions(), {"skipbad": True})


@pytest.mark.parametrize("found", [PixelRange(0, 4095, "integer"), PixelRange(0.1, 1 / 3, "float")])
def test_a_found_range_is_kept_in_full(found: PixelRange) -> None:
    assert PixelRange.of_mark(found.mark) == found
    for wrong in ("", "integer:0", "byte:0:1", "integer:a:b"):
        with pytest.raises(DataError, match="no range"):
            PixelRange.of_mark(wrong)
