"""Pickles of NATS-Bench, through an unpickler that admits plain data, ordered dictionaries and NumPy numbers only."""

from __future__ import annotations

import bz2
import io
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from chronas.errors import TableError
from chronas.unpickle import PickleError, encode_latin1, load_admitted

MOST_BYTES = 1 << 28
"""A record has under a megabyte; a file that unpacks to more than this is no record."""


def _scalar(kind: Any, data: Any = None) -> float | int:
    """A NumPy number from its bytes, as a Python number."""
    if not isinstance(kind, np.dtype) or kind.kind not in "fiub" or not isinstance(data, bytes):
        raise PickleError("a NumPy value that is no number")
    if len(data) != kind.itemsize:
        raise PickleError("a NumPy number that is cut short")
    number: float | int = np.frombuffer(data, dtype=kind)[0].item()
    return number


ADMITTED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): encode_latin1,
}


def load_record(file: Path) -> dict[Any, Any]:
    """The dictionary in a .pickle.pbz2 file.

    Raises TableError when it is truncated, damaged, no dictionary, or asks for anything but plain data.
    """
    try:
        with bz2.open(file, "rb") as opened:
            data = opened.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise TableError(f"{file} unpacks to more than {MOST_BYTES >> 20} MiB, so it is no record of NATS-Bench.")
        content = load_admitted(io.BytesIO(data), ADMITTED, place="it")
    except FileNotFoundError:
        raise TableError(f"{file.parent} lacks {file.name}. Unpack the archive of NATS-Bench again.") from None
    except (OSError, EOFError, ValueError, MemoryError) as error:
        words = str(error) or type(error).__name__
        raise TableError(f"{file} is truncated or no record of NATS-Bench ({words}). Unpack it again.") from error
    if not isinstance(content, dict):
        raise TableError(f"{file} is no record of NATS-Bench: it holds a {type(content).__name__}, not a dictionary.")
    return content
