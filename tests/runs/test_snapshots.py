"""Snapshots come back exactly, and a damaged one costs one step back, never a wrong state."""

from __future__ import annotations

import json
import math
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chronas.errors import InternalError, RunError
from chronas.runs import snapshots
from chronas.runs.files import write_bytes

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
          torch.int8, torch.uint8, torch.bool]  # fmt: skip


def same(a: Any, b: Any) -> bool:
    """Equal in type, structure, order of keys and bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and _bits(a) == _bits(b)
    if isinstance(a, dict):
        return same(list(a), list(b)) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return bool(a == b)


def _bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    dtype = draw(st.sampled_from(DTYPES))
    count = math.prod(shape)
    values = torch.tensor(draw(st.lists(st.integers(0, 99), min_size=count, max_size=count)))
    made = values.reshape(shape).to(dtype)
    return made.transpose(0, -1) if len(shape) > 1 and draw(st.booleans()) else made


words = st.text(max_size=3) | st.sampled_from(["__tensor__", "__tuple__", "__items__", "__float__", "a/b", "a"])
keys = words | st.integers(-3, 3) | st.booleans() | st.none() | st.tuples(st.integers(0, 2), words)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | words | tensors()
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(words, inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(state=st.dictionaries(keys, trees, max_size=4))
def test_any_state_comes_back_as_it_was(tmp_path: Path, state: dict[Any, Any]) -> None:
    snapshots.save(tmp_path, "search", 7, state)
    loaded = snapshots.load_latest(tmp_path, "search")
    assert loaded is not None
    assert same(loaded.state, state)


def test_memory_layouts_sharing_and_special_values(tmp_path: Path) -> None:
    whole = torch.arange(48.0).reshape(1, 3, 4, 4)
    parameter = torch.nn.Parameter(whole.clone())
    state = {
        "channels_last": whole.contiguous(memory_format=torch.channels_last),
        "twice": [whole, whole, whole[0], whole[:, 1:2]],
        "expanded": torch.tensor([1.0]).expand(3),
        "special": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
        "scalar": torch.tensor(3),
        "empties": [torch.empty(0), torch.empty(2, 0, dtype=torch.bfloat16)],
        "a": {"b": torch.tensor(1)},
        "a/b": torch.tensor(2),
        "floats": [float("nan"), float("inf"), -float("inf"), -0.0, 0.1],
        "huge": 2**127,
    }
    snapshots.save(tmp_path, "search", 0, {**state, "parameter": parameter})
    loaded = snapshots.load_latest(tmp_path, "search")
    assert loaded is not None
    assert same(loaded.state.pop("parameter"), parameter.detach())
    assert same(loaded.state, state)
    loaded.state["twice"][0].zero_()
    assert torch.equal(loaded.state["twice"][1], whole), "a loaded tensor has its own memory"


def test_an_optimizer_goes_on_from_a_snapshot(tmp_path: Path) -> None:
    def step(weights: torch.nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
        (weights.grad,) = torch.autograd.grad(weights.square().sum(), weights)
        optimizer.step()

    weights = torch.nn.Parameter(torch.arange(4.0))
    optimizer = torch.optim.AdamW([weights], lr=0.1)
    step(weights, optimizer)
    model = OrderedDict(weights=weights)
    snapshots.save(tmp_path, "train", 1, {"model": model, "optimizer": optimizer.state_dict()})
    loaded = snapshots.load_latest(tmp_path, "train")
    assert loaded is not None
    other = torch.nn.Parameter(loaded.state["model"]["weights"])
    again = torch.optim.AdamW([other], lr=0.5)
    again.load_state_dict(loaded.state["optimizer"])
    step(weights, optimizer)
    step(other, again)
    assert torch.equal(weights, other)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (np.float64(1), "/a/0"),
        (np.zeros(2), "/a/0"),
        (np.int64(1), "/a/0"),
        ({1}, "/a/0"),
        (b"x", "/a/0"),
        (torch.Size([1]), "/a/0"),
        (torch.zeros(1, dtype=torch.complex64), "/a/0"),
        (torch.zeros(1, device="meta"), "/a/0"),
        ({"in": object()}, "/a/0/in"),
    ],
)
def test_other_types_are_refused_by_path(tmp_path: Path, value: object, path: str) -> None:
    with pytest.raises(InternalError, match=rf"{path}\)"):
        snapshots.save(tmp_path, "search", 1, {"a": [value]})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("stage", "index"), [("../x", 1), ("", 1), ("a/b", 1), ("search", -1)])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, stage: str, index: int) -> None:
    with pytest.raises(InternalError, match="plain word"):
        snapshots.save(tmp_path, stage, index, {})


def fill(folder: Path, *numbers: int, stage: str = "search") -> None:
    for number in numbers:
        snapshots.save(folder, stage, number, {"n": number, "w": torch.full((5,), float(number))})


def test_two_of_each_stage_are_kept(tmp_path: Path) -> None:
    assert snapshots.load_latest(tmp_path / "absent", "search") is None
    fill(tmp_path, 1, 2, 5)
    fill(tmp_path, 1, stage="search-more")
    fill(tmp_path, 1_000_000, stage="train")
    assert snapshots.indices(tmp_path, "search") == [2, 5]
    assert snapshots.indices(tmp_path, "train") == [1_000_000]
    assert snapshots.stages(tmp_path) == ["search", "search-more", "train"]
    assert len(list(tmp_path.iterdir())) == 8
    assert snapshots.load_latest(tmp_path, "other") is None


def test_saving_removes_what_a_rewind_left_ahead_and_torn_leftovers(tmp_path: Path) -> None:
    fill(tmp_path, 8, 9)
    (tmp_path / ".search-000010.safetensors.77.tmp").write_bytes(b"x")
    (tmp_path / "search-000011.safetensors").write_bytes(b"never finished")
    fill(tmp_path, 3)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "search-000003.json",
        "search-000003.safetensors",
    ]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def flip_last(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


DAMAGES = [
    ("safetensors", truncate), ("safetensors", empty), ("safetensors", remove), ("safetensors", flip_last),
    ("json", truncate), ("json", empty), ("json", flip_last),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "damage"), DAMAGES)
def test_a_damaged_newest_falls_back_to_the_one_before(
    tmp_path: Path, kind: str, damage: Callable[[Path], None]
) -> None:
    fill(tmp_path, 1, 2)
    damage(tmp_path / f"search-000002.{kind}")
    loaded = snapshots.load_latest(tmp_path, "search")
    assert loaded is not None
    assert (loaded.number, loaded.state["n"]) == (1, 1)
    assert torch.equal(loaded.state["w"], torch.ones(5))
    assert len(loaded.notes) == 1
    assert "search-000002" in loaded.notes[0]
    damage(tmp_path / f"search-000001.{kind}")
    with pytest.raises(RunError, match="No snapshot of the stage 'search'"):
        snapshots.load_latest(tmp_path, "search")


def test_a_flip_of_any_bit_gives_no_wrong_state(tmp_path: Path) -> None:
    fill(tmp_path, 1, 2)
    for kind in ("json", "safetensors"):
        path = tmp_path / f"search-000002.{kind}"
        whole = path.read_bytes()
        for place in range(len(whole)):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << place % 8
            path.write_bytes(bytes(damaged))
            loaded = snapshots.load_latest(tmp_path, "search")
            # A flip between a blank and another blank changes nothing; anything else must be noticed.
            assert loaded is not None
            assert loaded.number == loaded.state["n"] == loaded.state["w"][0]
            assert loaded.number == 1 or kind == "json"
        path.write_bytes(whole)
    loaded = snapshots.load_latest(tmp_path, "search")
    assert loaded is not None
    assert loaded.number == 2


def test_a_snapshot_under_another_name_does_not_count(tmp_path: Path) -> None:
    fill(tmp_path, 1, 2)
    for kind in ("json", "safetensors"):
        (tmp_path / f"search-000001.{kind}").rename(tmp_path / f"search-000003.{kind}")
    loaded = snapshots.load_latest(tmp_path, "search")
    assert loaded is not None
    assert loaded.number == 2


@pytest.mark.parametrize("break_at", ["search-000003.safetensors", "search-000003.json"])
def test_a_kill_while_saving_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_at: str
) -> None:
    fill(tmp_path, 1, 2)

    def killed(path: Path, data: bytes) -> None:
        if path.name == break_at:
            raise KeyboardInterrupt
        write_bytes(path, data)

    monkeypatch.setattr("chronas.runs.snapshots.write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, 3)
    loaded = snapshots.load_latest(tmp_path, "search")
    assert loaded is not None
    assert loaded.number == 2
    assert loaded.notes == []


@pytest.mark.parametrize(("number", "words"), [(0, "too old"), (2, "upgrade Chronas")])
def test_another_format_is_an_error_and_no_step_back(tmp_path: Path, number: int, words: str) -> None:
    fill(tmp_path, 1, 2)
    path = tmp_path / "search-000002.json"
    body = {**json.loads(path.read_bytes()), "format": number}
    del body["checksum"]
    path.write_text(json.dumps({**body, "checksum": snapshots.checksum_of(body)}))
    with pytest.raises(RunError, match=words):
        snapshots.load_latest(tmp_path, "search")


def test_thousands_of_tensors_need_two_files_and_six_syncs_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    monkeypatch.setattr(os, "fsync", syncs.append)
    state = {"weights": [torch.full((3,), float(number)) for number in range(4000)]}
    snapshots.save(tmp_path, "search", 1, state)
    assert len(syncs) <= 6
    loaded = snapshots.load_latest(tmp_path, "search")
    assert loaded is not None
    assert same(loaded.state, state)
