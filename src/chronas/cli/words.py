"""The parser of one verb: argparse with our errors, and nearest names for misspelt options."""

from __future__ import annotations

import argparse
import difflib
import re
import shutil
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from chronas.errors import UnknownNameError, UsageError

T = TypeVar("T")
NEGATIVE = re.compile(r"-[0-9.]|-(inf|nan)", re.IGNORECASE)
"""How a negative value begins."""
Namespace = argparse.Namespace


class Parser(argparse.ArgumentParser):
    """Words that are not given are absent from the namespace, so a configuration file can stand in."""

    def __init__(self, verb: str, summary: str, *, notes: str = "") -> None:
        super().__init__(
            prog=f"chronas {verb}", description=summary, epilog=notes or None, allow_abbrev=False,
            formatter_class=_Formatter, argument_default=argparse.SUPPRESS, add_help=False,
        )  # fmt: skip
        self.verb = verb
        self.long: dict[str, argparse.Action] = {}
        self.option("--help", "-h", action="help", help="show this text and end")

    def option(self, name: str, *more: str, **words: Any) -> None:
        """Add the option `name` ("--budget")."""
        self.long[name] = self.add_argument(name, *more, **words)

    def read(self, words: Sequence[str]) -> Namespace:
        """Parse; raises UsageError, with the nearest name for an option that does not exist."""
        found, rest = self.parse_known_args(self._with_values(words))
        for word in rest:
            if word.startswith("-") and word != "-":
                self._unknown(word.partition("=")[0])
        if rest:
            raise UsageError(f"chronas {self.verb} has no use for {rest[0]!r}. See: chronas {self.verb} --help")
        return found

    def _with_values(self, words: Sequence[str]) -> list[str]:
        """`--budget -5s` as `--budget=-5s`: argparse would take -5s for an option, and we have none like it."""
        joined: list[str] = []
        for word in words:
            before = self.long.get(joined[-1]) if joined else None
            if before is not None and before.nargs is None and NEGATIVE.match(word):
                joined[-1] = f"{joined[-1]}={word}"
            else:
                joined.append(word)
        return joined

    def _unknown(self, name: str) -> NoReturn:
        near = difflib.get_close_matches(name, self.long, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"chronas {self.verb} has no option {name}.{hint} See: chronas {self.verb} --help")

    def error(self, message: str) -> NoReturn:
        words = message.removeprefix("argument ").replace("the following arguments are required", "missing")
        words = words.replace("expected one argument", "needs a value")
        raise UsageError(f"{words}. See: chronas {self.verb} --help")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=min(110, max(40, shutil.get_terminal_size().columns)))


def whole(text: str) -> int:
    """A whole number."""
    return _converted(text, int, "a whole number")


def decimal(text: str) -> float:
    """A number."""
    return _converted(text, float, "a number")


SCALES = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000, "b": 1_000_000_000}


def count(text: str) -> int:
    """A count for people: 900000, 900k, 1.5M, 2G."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)([kmgb]?)", text.strip().lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"takes a count such as 900k, 1.5M or 2G, but got {text!r}")
    return round(float(found[1]) * SCALES[found[2]])


def one_of(kind: str, known: Sequence[str]) -> Callable[[str], str]:
    """A converter that takes one of `known`; raises UnknownNameError for other words."""

    def convert(text: str) -> str:
        if text not in known:
            raise UnknownNameError(kind, text, known)
        return text

    return convert


def _converted(text: str, kind: Callable[[str], T], words: str) -> T:
    try:
        return kind(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"takes {words}, but got {text!r}") from error
