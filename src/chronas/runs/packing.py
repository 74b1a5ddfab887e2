"""A nested state taken apart into JSON data and tensors, and put together again, exactly.

What JSON lacks is written as an object with one reserved key: __tensor__ (its name among the tensors),
__tuple__, __float__ (nan, inf, -inf) and __items__ (a dict with other keys than text, as [key, value] pairs).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from chronas.errors import InternalError

_DTYPES = {torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
           torch.int8, torch.uint8, torch.bool}  # fmt: skip
_RESERVED = {"__tensor__", "__tuple__", "__float__", "__items__"}


def pack(state: Mapping[str, Any]) -> tuple[Any, dict[str, torch.Tensor]]:
    """`state` as JSON data and tensors on the CPU, contiguous, none sharing memory with another.

    Raises InternalError, naming the path, for a type that cannot be stored.
    """
    packer = _Packer()
    return packer.pack(state, ""), packer.tensors


def unpack(data: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """The inverse of `pack`. Raises KeyError, TypeError or ValueError for data that `pack` did not make."""
    if isinstance(data, list):
        return [unpack(item, tensors) for item in data]
    if not isinstance(data, dict):
        return data
    if len(data) != 1 or (mark := next(iter(data))) not in _RESERVED:
        return {key: unpack(item, tensors) for key, item in data.items()}
    content = data[mark]
    if mark == "__tensor__":
        return tensors[content]
    if mark == "__float__":
        return float(content)
    if mark == "__tuple__":
        return tuple(unpack(item, tensors) for item in content)
    return {unpack(key, tensors): unpack(item, tensors) for key, item in content}


class _Packer:
    def __init__(self) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self._storages: set[int] = set()

    def pack(self, value: Any, where: str) -> Any:
        # Exact types: a NumPy float is a float too, but would not come back as what it was.
        kind = type(value)
        if value is None or kind in (str, int, bool):
            return value
        if kind is float:
            return value if math.isfinite(value) else {"__float__": repr(value)}
        if isinstance(value, torch.Tensor):
            return {"__tensor__": self._tensor(value, where)}
        if kind is list:
            return [self.pack(item, f"{where}/{number}") for number, item in enumerate(value)]
        if kind is tuple:
            return {"__tuple__": [self.pack(item, f"{where}/{number}") for number, item in enumerate(value)]}
        if isinstance(value, dict):
            return self._dict(value, where)
        raise InternalError(f"A snapshot cannot hold {kind.__module__}.{kind.__name__} (at {where or 'the top'}).")

    def _dict(self, value: dict[Any, Any], where: str) -> Any:
        if all(type(key) is str and key not in _RESERVED for key in value):
            return {key: self.pack(item, f"{where}/{key}") for key, item in value.items()}
        pairs = []
        for key, item in value.items():
            if isinstance(key, torch.Tensor):
                raise InternalError(f"A snapshot cannot hold a tensor as a key (at {where or 'the top'}).")
            pairs.append([self.pack(key, f"{where}/key"), self.pack(item, f"{where}/{key}")])
        return {"__items__": pairs}

    def _tensor(self, value: torch.Tensor, where: str) -> str:
        if value.dtype not in _DTYPES or value.layout != torch.strided or value.is_meta:
            raise InternalError(f"A snapshot cannot hold a {value.dtype} {value.layout} tensor (at {where}).")
        plain = value.detach().cpu().contiguous()
        storage = plain.untyped_storage().data_ptr()
        if storage in self._storages:
            plain = plain.clone()
        self._storages.add(plain.untyped_storage().data_ptr())
        # Keys that hold a slash can make two paths alike, and names in the file are ASCII.
        plainly = where.encode("ascii", "backslashreplace").decode("ascii")
        name, number = plainly, 1
        while name in self.tensors:
            number += 1
            name = f"{plainly}#{number}"
        self.tensors[name] = plain
        return name
