"""Where and in which precision tensors are computed."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import nn

from chronas.errors import EnvironmentFault, UsageError

Precision = Literal["auto", "float32", "bfloat16"]
N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class Hardware:
    """A device ("cpu", "cuda", "cuda:1") and whether matrix work is autocast to bfloat16."""

    device: str
    bfloat16: bool

    @classmethod
    def find(cls, device: str = "auto", precision: Precision = "auto") -> Hardware:
        """Resolve "auto": the first GPU if there is one; bfloat16 where the hardware computes it natively.

        Raises UsageError for an unknown word and EnvironmentFault for a device that is not there.
        """
        if precision not in ("auto", "float32", "bfloat16"):
            raise UsageError(f"precision must be auto, float32 or bfloat16, but got {precision!r}.")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        kind, _, number = device.partition(":")
        if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
            raise UsageError(f"device must be auto, cpu, cuda or cuda:N, but got {device!r}.")
        if kind == "cuda" and not torch.cuda.is_available():
            raise EnvironmentFault(f"The device {device!r} was asked for, but torch sees no CUDA GPU here.")
        if number and int(number) >= torch.cuda.device_count():
            raise EnvironmentFault(f"The device {device!r} was asked for, but torch sees {torch.cuda.device_count()} "
                                   "CUDA GPUs here, numbered from 0.")  # fmt: skip
        if precision == "auto":
            return cls(device, _native_bfloat16(kind))
        return cls(device, precision == "bfloat16")

    @property
    def kind(self) -> str:
        return self.device.partition(":")[0]

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """The context in which a forward pass and its loss run."""
        return torch.autocast(self.kind, torch.bfloat16, enabled=self.bfloat16)

    def place(self, net: N) -> N:
        """Move a network here, channels last."""
        return net.to(device=torch.device(self.device), memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _native_bfloat16(kind: str) -> bool:
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(supported and supported())
