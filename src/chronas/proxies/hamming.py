"""Agreement of binary codes, by one exact low-precision matrix product per layer."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FEW_UNITS = 256
MOST_UNITS = 2**24
"""float32 counts exactly up to here (int32 goes further); wider layers are counted in parts."""


@dataclass(frozen=True)
class Activity:
    """What the kernel needs to know of one layer: `both` (b, b), the units active in both images, and all units."""

    both: Tensor
    units: int


def activity(pre_activation: Tensor) -> Activity:
    """Of (b, ...) inputs of ReLUs; a unit is active where its input is positive. The counts are exact.

    One product of 0/1 matrices: int8 factors with int32 sums where the processor has them, else float32, whose
    counts stay below 2^24.
    """
    flat = _rows(pre_activation)
    units = flat.shape[1]
    both = _both_active(flat[:, :MOST_UNITS])
    for start in range(MOST_UNITS, units, MOST_UNITS):
        both = both.double() + _both_active(flat[:, start : start + MOST_UNITS])
    return Activity(both, units)


def kernel_of(layers: Sequence[Activity]) -> npt.NDArray[np.float64]:
    """Sum over units of (1 - |c_i - c_j|), the codes' units less their Hamming distance: (b, b), exact integers.

    With n_i units active in image i and a_ij in both, the distance is n_i + n_j - 2 a_ij, and n_i = a_ii. So one
    product is enough, where a sum of two (of the codes, and of their complements) is usual; and since the kernel
    is linear in `both`, the layers are added first. The same object may occur several times.
    """
    times = Counter(map(id, layers))
    total = torch.zeros_like(layers[0].both, dtype=torch.float64)
    for layer in {id(layer): layer for layer in layers}.values():
        total.add_(layer.both, alpha=times[id(layer)])
    both = total.cpu().numpy()
    active = both.diagonal()
    found: npt.NDArray[np.float64] = sum(layer.units for layer in layers) - active[:, None] - active[None, :] + 2 * both
    return found


def _rows(x: Tensor) -> Tensor:
    """(b, units) without a copy where memory allows it; the order of the units does not matter."""
    if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
        return x.permute(0, 2, 3, 1).reshape(len(x), -1)
    return x.reshape(len(x), -1)


def _both_active(rows: Tensor) -> Tensor:
    if rows.device.type == "cpu" and rows.shape[1] >= FEW_UNITS and fast_int8():
        # Written into int8 and not into bool, a comparison is vectorised; finite numbers compare as their bits do.
        bits = rows.view(torch.int16) if rows.dtype == torch.bfloat16 else rows
        small = torch.gt(bits, 0, out=torch.empty(rows.shape, dtype=torch.int8))
        return torch._int_mm(small, small.t())
    wide = torch.gt(rows, 0, out=torch.empty_like(rows)).float()
    # The network may run in bfloat16 around this: its products count exactly up to 256 only.
    with torch.autocast(rows.device.type, enabled=False):
        return wide @ wide.t()


@functools.cache
def fast_int8() -> bool:
    """Whether this processor multiplies int8 matrices in hardware (VNNI, AMX)."""
    return any(bool(getattr(torch.cpu, name, bool)()) for name in ("_is_vnni_supported", "_is_amx_tile_supported"))
