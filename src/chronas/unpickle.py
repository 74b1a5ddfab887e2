"""The only way in for pickles: official files of data sets and benchmarks, through an unpickler that admits little."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any, BinaryIO, TypeAlias

Admitted: TypeAlias = Mapping[tuple[str, str], Any]
"""What a file may ask for, by module and name, and what it gets."""

DAMAGE = (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError,
          MemoryError)  # fmt: skip
"""What an unpickler raises for a truncated or changed file."""


class PickleError(ValueError):
    """A pickle that is damaged, or asks for more than it may."""


def encode_latin1(text: Any, encoding: Any = "latin1") -> bytes:
    """What stands for `_codecs.encode`: how pickles of old protocols write bytes. Raises PickleError."""
    if not isinstance(text, str) or encoding != "latin1":
        raise PickleError("bytes in an encoding other than latin1")
    return text.encode("latin1")


def load_admitted(file: BinaryIO, admitted: Admitted, *, place: str, encoding: str = "ASCII") -> Any:
    """The content of `file`; what is not in `admitted` is refused before it is imported.

    place     words for messages: "os.system has no place in PLACE"
    encoding  of text that Python 2 wrote; "bytes" leaves it as bytes
    Raises PickleError.
    """
    try:
        return _Unpickler(file, admitted, place, encoding).load()
    except DAMAGE as error:
        raise PickleError(str(error) or type(error).__name__) from error


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, admitted: Admitted, place: str, encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        self._admitted, self._place = admitted, place

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._admitted[module, name]
        except KeyError:
            raise PickleError(f"{module}.{name} has no place in {self._place}") from None
