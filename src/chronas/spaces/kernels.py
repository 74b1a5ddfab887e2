"""The names of layer operations: "3x5", "conv3x3", "sep5x5", "max3x3", "avg3x3"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from chronas.errors import UsageError

OpKind = Literal["conv", "sep", "max", "avg"]
_NAME = re.compile(r"(conv|sep|max|avg)?([1-9][0-9]?)x([1-9][0-9]?)")


@dataclass(frozen=True)
class Kernel:
    """An operation on a window of `height` x `width` pixels: full or separable convolution, or a pool."""

    kind: OpKind
    height: int
    width: int


def parse_kernel(name: str, dense_limit: int) -> Kernel:
    """Read an option name.

    A bare "ixj" is a full convolution when i*j <= dense_limit and depthwise-separable above it
    (NASIB section 3.4, K = 9). Raises UsageError.
    """
    match = _NAME.fullmatch(name)
    if not match:
        raise UsageError(f"{name!r} is no kernel. Write for example 3x3, 1x7, conv5x5, sep5x5, max3x3 or avg3x3.")
    height, width = int(match[2]), int(match[3])
    kind: OpKind = match[1] or ("conv" if height * width <= dense_limit else "sep")  # type: ignore[assignment]
    return Kernel(kind, height, width)


def superkernel(m: int) -> tuple[str, ...]:
    """All m*m kernel names, rows first: 1x1, 1x2, ..., mxm."""
    return tuple(f"{i}x{j}" for i in range(1, m + 1) for j in range(1, m + 1))
