"""Named streams: pure functions of seed and purpose, apart from all global random state."""

from __future__ import annotations

import contextlib
import json
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chronas.seeding import derive, restore_rng, rng_state, stream, torch_scope, torch_stream


def test_known_values_never_change() -> None:
    """A run from an older version must resume with the same numbers."""
    assert derive(0) == KNOWN[0]
    assert derive(7, "shuffle", 3) == KNOWN[1]


KNOWN = (5621864261735219286, 1532958994249401233)


@given(st.integers(0, 2**40), st.lists(st.one_of(st.text(max_size=5), st.integers(0, 10**9)), max_size=4))
@settings(max_examples=50, derandomize=True, deadline=None)
def test_derived_seeds_fit_63_bits(seed: int, path: list[str | int]) -> None:
    assert 0 <= derive(seed, *path) < 2**63
    assert derive(seed, *path) == derive(seed, *path)


def test_different_paths_give_different_seeds() -> None:
    paths: list[tuple[str | int, ...]] = [
        (),
        ("a",),
        ("b",),
        ("a", 1),
        ("a", 11),
        ("a", "1"),
        ("a1",),
        ("a", 1, 1),
    ]
    seeds = {derive(seed, *path) for seed in (0, 1) for path in paths}
    assert len(seeds) == 2 * len(paths)


def test_streams_repeat() -> None:
    assert stream(1, "x", 2).random(5).tolist() == stream(1, "x", 2).random(5).tolist()
    assert stream(1, "x", 2).random(5).tolist() != stream(1, "x", 3).random(5).tolist()
    first, second = torch_stream(1, "x"), torch_stream(1, "x")
    assert torch.equal(torch.rand(5, generator=first), torch.rand(5, generator=second))
    assert not torch.equal(torch.rand(5, generator=torch_stream(1, "y")), torch.rand(5, generator=torch_stream(1, "x")))


@pytest.mark.parametrize("drawn", [0, 1, 7])
def test_a_stream_goes_on_from_its_state(drawn: int) -> None:
    generator = stream(0, "test")
    for _ in range(drawn):
        generator.integers(5, dtype=np.uint32)  # leaves half of a 64-bit draw behind
    copy = restore_rng(json.loads(json.dumps(rng_state(generator))))
    assert (
        copy.integers(100, size=9, dtype=np.uint32).tolist()
        == generator.integers(100, size=9, dtype=np.uint32).tolist()
    )
    assert copy.gumbel(size=3).tolist() == generator.gumbel(size=3).tolist()


def test_global_state_is_left_alone() -> None:
    before = random.getstate(), repr(np.random.get_state(legacy=False)), torch.get_rng_state()  # noqa: NPY002
    stream(3, "a").random()
    torch.rand(3, generator=torch_stream(3, "a"))
    with torch_scope(3, "a"):
        inside = torch.rand(3)
    again = torch.empty(3)
    with contextlib.suppress(ValueError), torch_scope(3, "a"):
        again.copy_(torch.rand(3))
        raise ValueError
    after = random.getstate(), repr(np.random.get_state(legacy=False)), torch.get_rng_state()  # noqa: NPY002
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
    assert torch.equal(inside, again)


def test_scopes_of_other_purposes_differ() -> None:
    with torch_scope(3, "a"):
        first = torch.rand(3)
    with torch_scope(3, "b"):
        second = torch.rand(3)
    assert not torch.equal(first, second)
