"""NATS-Bench's "simple" folders: meta.pickle.pbz2 and one NNNNNN.pickle.pbz2 per architecture.

A record is {budget: {"arch_str", "dataset_seed": {data set: [seeds]}, "all_results": {(data set, seed): trial}}}; a
trial has per-epoch dictionaries `train_times`, `eval_acc1es` and `eval_times`, the latter two with keys "SET@EPOCH".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chronas.architecture import make_space
from chronas.benchmarks.contents import Column, Contents, Facts, choices_array, info, measured
from chronas.benchmarks.importers.parquet import expect_rows
from chronas.benchmarks.importers.unpickle import load_record
from chronas.errors import ArchitectureError, TableError
from chronas.spaces import Space
from chronas.work import Choices

NAME = re.compile(r"NATS-(tss|sss)-(v\d+_\d+)-[0-9a-f]+(-simple|-full)?")
RECORD = re.compile(r"(\d{6})\.pickle\.pbz2")
VERSION = "v1_0"


@dataclass(frozen=True)
class _Kind:
    """One of the two spaces of NATS-Bench."""

    table: str
    code: str
    space: str
    rows: int
    words: str


TOPOLOGY = _Kind("natsbench_tss", "tss", "nasbench201", 15_625, "the topology space (NAS-Bench-201)")
SIZE = _Kind("natsbench_sss", "sss", "natssize", 32_768, "the size space")


@dataclass(frozen=True)
class _Set:
    """Where an accuracy lies: the name of the data set in the record, and the set within it."""

    group: str
    dataset: str
    stored: str
    part: str


SETS = (
    _Set("validation", "cifar10", "cifar10-valid", "x-valid"), _Set("test", "cifar10", "cifar10", "ori-test"),
    _Set("validation", "cifar100", "cifar100", "x-valid"), _Set("test", "cifar100", "cifar100", "x-test"),
    _Set("validation", "imagenet16", "ImageNet16-120", "x-valid"),
    _Set("test", "imagenet16", "ImageNet16-120", "x-test"),
)  # fmt: skip
DATASETS = ("cifar10", "cifar100", "imagenet16")


def read_topology(source: Path, partial: bool) -> Contents:
    """The folder NATS-tss-v1_0-...-simple. Raises TableError."""
    return _read(source, TOPOLOGY, partial)


def read_size(source: Path, partial: bool) -> Contents:
    """The folder NATS-sss-v1_0-...-simple. Raises TableError."""
    return _read(source, SIZE, partial)


def _read(source: Path, kind: _Kind, partial: bool) -> Contents:
    _check_folder(source, kind)
    space = make_space(kind.space)
    architectures = _architectures(source, kind)
    files = [(index, path) for index, path in _records(source) if index < len(architectures)]
    expect_rows(len(files), kind.rows, source, partial)
    choices: list[Choices] = []
    rows: list[dict[str, float]] = []
    for index, path in files:
        choices.append(_parsed(space, architectures[index], path))
        rows.append(_row(load_record(path), architectures[index], path))
    columns = (*_columns(rows, source), info("index", [index for index, _ in files], np.uint16))
    return Contents(kind.table, kind.space, {}, DATASETS, _facts(kind), choices_array(choices, str(source)), columns)


def _check_folder(source: Path, kind: _Kind) -> None:
    example = f"NATS-{kind.code}-{VERSION}-...-simple"
    if not source.is_dir():
        raise TableError(f"{source} is no folder. Give the unpacked folder {example}, not an archive or a single file.")
    match = NAME.fullmatch(source.resolve().name)
    if match and match[1] != kind.code:
        raise TableError(f"{source} holds the other space of NATS-Bench. Use the kind natsbench_{match[1]} for it.")
    if match and match[2] != VERSION:
        raise TableError(f"{source} is version {match[2]} of NATS-Bench, this version of chronas reads {VERSION}.")


def _architectures(source: Path, kind: _Kind) -> list[str]:
    """All architectures of the space, in the benchmark's order."""
    meta = source / "meta.pickle.pbz2"
    found = load_record(meta).get("meta_archs")
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise TableError(f"{meta} has no list of architectures ('meta_archs'). Unpack it again.")
    if len(found) != kind.rows:
        other = SIZE if kind is TOPOLOGY else TOPOLOGY
        hint = f"it is {other.words}: use the kind {other.table}" if len(found) == other.rows else "another release?"
        raise TableError(f"{meta} lists {len(found)} architectures, not the {kind.rows} of {kind.words}; {hint}.")
    return found


def _records(source: Path) -> Iterator[tuple[int, Path]]:
    for path in sorted(source.glob("*.pickle.pbz2")):
        if match := RECORD.fullmatch(path.name):
            yield int(match[1]), path


def _parsed(space: Space, text: str, path: Path) -> Choices:
    try:
        return space.parse(text)
    except ArchitectureError as error:
        raise TableError(f"{path} is of an architecture that {space.name!r} does not have: {error}") from error


def _row(record: Mapping[Any, Any], architecture: str, path: Path) -> dict[str, float]:
    """Column name to value for one architecture."""
    row: dict[str, float] = {}
    try:
        for budget in sorted(record, key=int):
            results = record[budget]
            if results["arch_str"] != architecture:
                raise TableError(f"{path} is of {results['arch_str']}, but should be of {architecture}. Unpack again.")
            for where in SETS:
                trials = [results["all_results"][where.stored, seed]
                          for seed in results["dataset_seed"].get(where.stored, [])]  # fmt: skip
                row |= _measured(where, int(budget), trials)
            if "params" not in row:
                first = results["all_results"]["cifar10-valid", results["dataset_seed"]["cifar10-valid"][0]]
                row |= {"params": float(first["params"]) * 1e6, "flops": float(first["flop"]) * 1e6}
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise TableError(f"{path} is no record of NATS-Bench {VERSION}: {error!r} is missing or strange.") from error
    return row


def _measured(where: _Set, epochs: int, trials: list[Mapping[str, Any]]) -> dict[str, float]:
    """Mean accuracy, price and number of trials of one set; empty where the record has none."""
    key = f"{where.part}@{epochs - 1}"
    known = [trial for trial in trials if key in trial["eval_acc1es"]]
    if not known:
        return {}
    if any(int(trial["epochs"]) != epochs for trial in known):
        raise ValueError(f"a training of other than {epochs} epochs")
    accuracy = float(np.mean([float(trial["eval_acc1es"][key]) for trial in known]))
    if where.group == "test":
        return {f"test {where.dataset} {epochs}": accuracy}
    found = {f"validation {where.dataset} {epochs}": accuracy, f"seeds {where.dataset} {epochs}": float(len(known))}
    prices = [price for trial in known if (price := _price(trial, where.part, epochs)) is not None]
    return found | ({f"seconds {where.dataset} {epochs}": float(np.mean(prices))} if prices else {})


def _price(trial: Mapping[str, Any], part: str, epochs: int) -> float | None:
    """Training and one validation pass, as the official `simulate_train_eval` charges them."""
    train, evaluation = trial["train_times"], trial["eval_times"].get(f"{part}@{epochs - 1}")
    if not train or evaluation is None:
        return None
    return sum(float(train[epoch]) for epoch in range(epochs)) + float(evaluation)


def _columns(rows: list[dict[str, float]], source: Path) -> list[Column]:
    names = sorted({name for row in rows for name in row})
    values = {name: _values(rows, name) for name in names}
    columns: list[Column] = []
    for name in names:
        group, _, rest = name.partition(" ")
        dataset, _, epochs = rest.partition(" ")
        if group in ("validation", "test", "seconds"):
            columns.append(measured(group, dataset, int(epochs), values[name]))  # type: ignore[arg-type]
        elif group == "seeds":
            columns.append(info(f"{dataset}_seeds_{epochs}", np.nan_to_num(values[name]), np.uint8))
        elif np.isfinite(values[name]).all():
            columns.append(info(name, np.rint(values[name])))
    if not any(column.group == "validation" for column in columns):
        raise TableError(f"{source} holds no validation accuracy, so it is no folder of NATS-Bench {VERSION}.")
    return columns


def _values(rows: list[dict[str, float]], name: str) -> npt.NDArray[np.float64]:
    return np.asarray([row.get(name, np.nan) for row in rows], dtype=np.float64)


def _facts(kind: _Kind) -> Facts:
    return Facts(
        title=f"NATS-Bench, {kind.words}: {kind.rows:,} architectures on three data sets",
        paper="Dong et al. 2021 (arXiv 2009.00437)",
        licence="MIT",
        source=f"D-X-Y/NATS-Bench, NATS-{kind.code}-{VERSION}",
        seeds="means over the stored seeds (columns DATASET_seeds_EPOCHS say how many)",
        caveats=(
            "Means over seeds make a simulated search a little easier than one random seed, as the official"
            " interface draws it.",
            "cifar10 validation: trained on 25,000 images, validated on the other 25,000; test: trained on all"
            " 50,000. cifar100 and imagenet16: validation and test are the two halves of the original test set.",
            "params and flops are those of the network for CIFAR-10, from the shortest training: at 200 epochs the"
            " stored ones carry an averaging fault for some cells.",
        ),
    )
