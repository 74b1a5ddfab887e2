"""The names of operations on the edges of a cell: "sep_conv_3x3", "max_pool_5x5", "morph_5x5_d2_w3.1"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chronas.errors import ArchitectureError

CellOpKind = Literal["none", "skip", "avg", "max", "conv", "split", "sep"]
_ODD = r"([1-9]?[13579])"
_PLAIN: dict[str, CellOpKind] = {"none": "none", "skip_connect": "skip"}
_WINDOWS: dict[str, CellOpKind] = {"avg_pool": "avg", "max_pool": "max", "conv": "conv"}
_STAGES: dict[str, tuple[int, tuple[int, ...]]] = {
    "sep_conv": (1, (1,)),
    "dil_conv": (2, ()),
    "dil_sep_conv": (2, (1,)),
}
_WINDOW = re.compile(rf"({'|'.join([*_WINDOWS, *_STAGES])})_{_ODD}x\2")
_SPLIT = re.compile(rf"conv_{_ODD}x1_1x\1")
_MORPH = re.compile(rf"morph_{_ODD}x\1_d([1-9])(?:_w([1-9][0-9]?(?:\.[1-9][0-9]?)*))?")
MOST_STAGES = 20


@dataclass(frozen=True)
class CellOp:
    """An operation that maps C channels to C channels.

    none zero; skip identity; avg, max pool; conv ReLU, full convolution, batch norm; split ReLU, a 1 x k and a
    k x 1 convolution, batch norm; sep: 1 + len(inner) stages of ReLU, depthwise k x k convolution with
    `dilation`, pointwise convolution, batch norm. `inner` are the widths between the stages as multiples of C.
    """

    kind: CellOpKind
    kernel: int = 1
    dilation: int = 1
    inner: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The customary name; "morph_5x5_d2_w3.1" for stages that have none (Prune-and-Replace)."""
        window = f"{self.kernel}x{self.kernel}"
        for names in (_PLAIN, _WINDOWS):
            for name, kind in names.items():
                if kind == self.kind:
                    return name if names is _PLAIN else f"{name}_{window}"
        if self.kind == "split":
            return f"conv_{self.kernel}x1_1x{self.kernel}"
        for name, stages in _STAGES.items():
            if stages == (self.dilation, self.inner):
                return f"{name}_{window}"
        widths = "_w" + ".".join(map(str, self.inner)) if self.inner else ""
        return f"morph_{window}_d{self.dilation}{widths}"


def separable(kernel: int, dilation: int, inner: Sequence[int]) -> CellOp:
    """The `sep` operation of these numbers; raises ArchitectureError where there is none."""
    widths = "_w" + ".".join(map(str, inner)) if inner else ""
    return parse_cell_op(f"morph_{kernel}x{kernel}_d{dilation}{widths}")


def parse_cell_op(name: str) -> CellOp:
    """The operation of that name; raises ArchitectureError. Kernels are odd: maps keep their size."""
    if name in _PLAIN:
        return CellOp(_PLAIN[name])
    if match := _WINDOW.fullmatch(name):
        if match[1] in _WINDOWS:
            return CellOp(_WINDOWS[match[1]], int(match[2]))
        return CellOp("sep", int(match[2]), *_STAGES[match[1]])
    if match := _SPLIT.fullmatch(name):
        return CellOp("split", int(match[1]))
    if match := _MORPH.fullmatch(name):
        inner = tuple(int(width) for width in (match[3] or "").split(".") if width)
        if len(inner) < MOST_STAGES:
            return CellOp("sep", int(match[1]), int(match[2]), inner)
    raise ArchitectureError(
        f"{name!r} is no operation of a cell. Write for example skip_connect, max_pool_3x3, sep_conv_5x5, "
        f"dil_conv_3x3, conv_7x1_1x7 or morph_5x5_d2_w3.1 (at most {MOST_STAGES} stages)."
    )
