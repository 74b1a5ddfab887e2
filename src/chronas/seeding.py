"""Named random streams. Nothing in Chronas reads or writes global random state.

A stream is a pure function of (seed, purpose, indices): asking for it again gives the same numbers, in this
process or another, so a resumed run needs to remember only where it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, *path: str | int) -> int:
    """A 63-bit seed derived from `seed` and a path of words and indices; stable across processes."""
    text = json.dumps([seed, *path], separators=(",", ":")).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def stream(seed: int, *path: str | int) -> np.random.Generator:
    """A NumPy generator for the purpose named by `path`, e.g. `stream(0, "shuffle", epoch)`."""
    return np.random.Generator(np.random.PCG64(derive(seed, *path)))


def torch_stream(seed: int, *path: str | int, device: str = "cpu") -> torch.Generator:
    """A torch generator on `device` for the purpose named by `path`."""
    import torch

    generator = torch.Generator(device=device)
    generator.manual_seed(derive(seed, *path))
    return generator


def rng_state(generator: np.random.Generator) -> dict[str, Any]:
    """The state of a PCG64 generator as JSON-able data."""
    state = generator.bit_generator.state
    return {"state": str(state["state"]["state"]), "inc": str(state["state"]["inc"]),
            "has_uint32": int(state["has_uint32"]), "uinteger": int(state["uinteger"])}  # fmt: skip


def restore_rng(state: dict[str, Any]) -> np.random.Generator:
    """The generator whose `rng_state` was `state`."""
    bits = np.random.PCG64()
    bits.state = {
        "bit_generator": "PCG64",
        "state": {"state": int(state["state"]), "inc": int(state["inc"])},
        "has_uint32": state["has_uint32"],
        "uinteger": state["uinteger"],
    }
    return np.random.Generator(bits)


@contextlib.contextmanager
def torch_scope(seed: int, *path: str | int, device: str = "cpu") -> Iterator[None]:
    """Run a block whose library calls read torch's global stream (weight init, dropout) on a named stream.

    The global state is put back afterwards, so nothing outside the block notices.
    """
    import torch

    with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
        torch.manual_seed(derive(seed, *path))
        yield
