"""As much of the protocol-buffer wire format as NAS-Bench-101's `ModelMetrics` needs."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_DOUBLE = struct.Struct("<d")
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Evaluation:
    """One point of a training: `seconds` of training so far; accuracies in [0, 1]."""

    epoch: float
    seconds: float
    train_accuracy: float
    validation_accuracy: float
    test_accuracy: float


@dataclass(frozen=True)
class Metrics:
    """One training: before it, halfway, at its end."""

    evaluations: tuple[Evaluation, ...]
    params: int
    total_seconds: float


def fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """(field number, value) of a message: varints as int, everything else as bytes. Raises ValueError."""
    found: list[tuple[int, int | bytes]] = []
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint(data, at)
            found.append((number, value))
            continue
        if kind == BYTES:
            length, at = _varint(data, at)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + length > end:
            raise ValueError("a field reaches beyond its message")
        found.append((number, data[at : at + length]))
        at += length
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("a number is cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number has no end")


def model_metrics(data: bytes) -> Metrics:
    """A `ModelMetrics` message. Raises ValueError where it is not one."""
    evaluations, params, seconds = [], 0, 0.0
    for number, value in fields(data):
        if number == 1 and isinstance(value, bytes):
            evaluations.append(_evaluation(value))
        elif number == 2 and isinstance(value, int):
            params = value
        elif number == 3 and isinstance(value, bytes):
            seconds = _double(value)
    return Metrics(tuple(evaluations), params, seconds)


def _evaluation(data: bytes) -> Evaluation:
    numbers = {number: _double(value) for number, value in fields(data) if number <= 5 and isinstance(value, bytes)}
    return Evaluation(*(numbers.get(place, 0.0) for place in range(1, 6)))


def _double(value: bytes) -> float:
    if len(value) != _DOUBLE.size:
        raise ValueError("a field is no double")
    return float(_DOUBLE.unpack(value)[0])
