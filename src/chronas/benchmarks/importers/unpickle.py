"""Pickles of NATS-Bench, through an unpickler that admits plain data, ordered dictionaries and NumPy numbers only."""

from __future__ import annotations

import bz2
import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from chronas.errors import TableError

MOST_BYTES = 1 << 28
"""A record has under a megabyte; a file that unpacks to more than this is no record."""


def _scalar(kind: Any, data: Any = None) -> float | int:
    """A NumPy number from its bytes, as a Python number."""
    if not isinstance(kind, np.dtype) or kind.kind not in "fiub" or not isinstance(data, bytes):
        raise pickle.UnpicklingError("a NumPy value that is no number")
    if len(data) != kind.itemsize:
        raise pickle.UnpicklingError("a NumPy number that is cut short")
    number: float | int = np.frombuffer(data, dtype=kind)[0].item()
    return number


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """How pickles of old protocols write bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("bytes in an encoding other than latin1")
    return text.encode("latin1")


ADMITTED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    """Refuses anything else before it is imported."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in it") from None


def load_record(file: Path) -> dict[Any, Any]:
    """The dictionary in a .pickle.pbz2 file.

    Raises TableError when it is truncated, damaged, no dictionary, or asks for anything but plain data.
    """
    try:
        with bz2.open(file, "rb") as opened:
            data = opened.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise TableError(f"{file} unpacks to more than {MOST_BYTES >> 20} MiB, so it is no record of NATS-Bench.")
        content = _Unpickler(io.BytesIO(data)).load()
    except FileNotFoundError:
        raise TableError(f"{file.parent} lacks {file.name}. Unpack the archive of NATS-Bench again.") from None
    except (OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError,
            MemoryError, pickle.UnpicklingError) as error:  # fmt: skip
        words = str(error) or type(error).__name__
        raise TableError(f"{file} is truncated or no record of NATS-Bench ({words}). Unpack it again.") from error
    if not isinstance(content, dict):
        raise TableError(f"{file} is no record of NATS-Bench: it holds a {type(content).__name__}, not a dictionary.")
    return content
