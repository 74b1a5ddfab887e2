"""Small files in the formats in which published tables are distributed, written by the tests."""

from __future__ import annotations

import base64
import bz2
import functools
import itertools
import json
import pickle
import struct
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
ALL_SIZES = [":".join(words) for words in itertools.product(map(str, range(8, 65, 8)), repeat=5)]
NAS_SETS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}


def cell_text(choices: Sequence[int]) -> str:
    """The published string of a NAS-Bench-201 cell."""
    ops = [OPERATIONS[choice] for choice in choices]
    return f"|{ops[0]}~0|+|{ops[1]}~0|{ops[2]}~1|+|{ops[3]}~0|{ops[4]}~1|{ops[5]}~2|"


ALL_CELLS = [cell_text(choices) for choices in itertools.product(range(5), repeat=6)]


def trial(
    arch: str, dataset: str, epochs: int, seed: int, final: Mapping[str, float], train_s: float
) -> dict[str, Any]:
    """What NATS-Bench stores of one training, without weights, as its collecting script writes it."""
    accuracies = {f"{part}@{epochs - 1}": value for part, value in final.items()}
    times = {f"{part}@{epoch}": 2.0 for part in final for epoch in range(epochs)}
    return {
        "name": dataset, "net_state_dict": None, "train_acc1es": {epochs - 1: 99.0}, "train_acc5es": None,
        "train_losses": {epochs - 1: 0.1}, "train_times": OrderedDict((e, train_s) for e in range(epochs)),
        "arch_config": {"channel": 16, "num_cells": 5, "arch_str": arch, "class_num": 10},
        "params": np.float64(0.129306), "flop": 15.64737, "seed": str(seed), "epochs": epochs, "latency": [0.0139],
        "eval_names": list(final), "eval_acc1es": accuracies, "eval_times": times,
        "eval_losses": dict.fromkeys(accuracies, 1.0),
    }  # fmt: skip


def record(index: int, arch: str, budgets: Mapping[str, Mapping[tuple[str, int], dict[str, Any]]]) -> dict[str, Any]:
    """One record: budget ("12") to {(data set, seed): trial}."""
    made = OrderedDict()
    for budget, trials in budgets.items():
        seeds: dict[str, list[int]] = {}
        for dataset, seed in trials:
            seeds.setdefault(dataset, []).append(seed)
        made[budget] = {"arch_index": index, "arch_str": arch, "all_results": dict(trials), "dataset_seed": seeds,
                        "clear_net_done": True}  # fmt: skip
    return made


def write_pickle(path: Path, content: Any) -> None:
    path.write_bytes(bz2.compress(pickle.dumps(content, protocol=4), compresslevel=1))


@functools.cache
def _meta(architectures: tuple[str, ...]) -> bytes:
    meta = {
        "meta_archs": list(architectures), "total_archs": len(architectures), "arch2infos": None,
        "evaluated_indexes": set(),
    }  # fmt: skip
    return bz2.compress(pickle.dumps(meta, protocol=4), compresslevel=1)


def nats_folder(folder: Path, architectures: list[str], records: Mapping[int, dict[str, Any]]) -> Path:
    """A "simple" folder of NATS-Bench."""
    folder.mkdir(parents=True)
    (folder / "meta.pickle.pbz2").write_bytes(_meta(tuple(architectures)))
    for index, content in records.items():
        write_pickle(folder / f"{index:06d}.pickle.pbz2", content)
    return folder


def small_nats_record(index: int, arch: str) -> dict[str, Any]:
    """A record with two seeds of CIFAR-10 validation (50 + index and 60 + index) at 12 epochs."""
    trials = {}
    for dataset, parts in NAS_SETS.items():
        for number, seed in enumerate((777, 888) if dataset == "cifar10-valid" else (777,)):
            final = {part: 50.0 + index + 10 * number + place for place, part in enumerate(parts)}
            trials[dataset, seed] = trial(arch, dataset, 12, seed, final, 7.0)
    return record(index, arch, {"12": trials})


def crc32c(data: bytes) -> int:
    """CRC-32C bit by bit, as its definition reads."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    """The checksum of a TFRecord file."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def tfrecord(contents: Iterable[bytes]) -> bytes:
    """The bytes of a TFRecord file."""
    framed = b""
    for data in contents:
        length = struct.pack("<Q", len(data))
        framed += length + struct.pack("<I", masked(length)) + data + struct.pack("<I", masked(data))
    return framed


def _varint(value: int) -> bytes:
    made = b""
    while value > 0x7F:
        made += bytes([value & 0x7F | 0x80])
        value >>= 7
    return made + bytes([value])


def metrics_message(params: int, evaluations: Sequence[tuple[float, float, float, float, float]]) -> bytes:
    """`ModelMetrics`; evaluations are (epoch, seconds, train, validation, test accuracy)."""
    made = b""
    for numbers in evaluations:
        inner = b"".join(_varint(place << 3 | 1) + struct.pack("<d", value) for place, value in enumerate(numbers, 1))
        inner += _varint(6 << 3 | 2) + _varint(7) + b"ckpt-12"
        made += _varint(1 << 3 | 2) + _varint(len(inner)) + inner
    return made + _varint(2 << 3) + _varint(params) + _varint(3 << 3 | 1) + struct.pack("<d", 1234.5)


def record101(key: str, epochs: int, adjacency: str, operations: str, final: tuple[float, float, float]) -> bytes:
    """A record of NAS-Bench-101; `final` is (seconds, validation, test accuracy in [0, 1])."""
    seconds, validation, test = final
    points = [
        (0.0, 0.0, 0.1, 0.1, 0.1),
        (epochs / 2, seconds / 2, 0.5, 0.4, 0.4),
        (epochs, seconds, 1.0, validation, test),
    ]
    raw = base64.encodebytes(metrics_message(8_555_530, points)).decode()  # in lines, as the official writer does
    return json.dumps([key, epochs, adjacency, operations, raw]).encode()
