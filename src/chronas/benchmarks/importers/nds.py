"""The JSON files of NDS ("On Network Design Spaces for Visual Recognition"): NASNet, Amoeba, PNAS, ENAS, DARTS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chronas.architecture import make_space
from chronas.benchmarks.contents import Contents, Facts, choices_array, info, mean_by, measured, merged
from chronas.benchmarks.importers.parquet import only_file
from chronas.errors import ArchitectureError, TableError
from chronas.spaces.genotype import read_genotype
from chronas.work import Choices

FILES = {"nds_nasnet": "NASNet.json", "nds_amoebanet": "Amoeba.json", "nds_pnas": "PNAS.json",
         "nds_enas": "ENAS.json", "nds_darts": "DARTS.json"}  # fmt: skip


@dataclass(frozen=True)
class _Record:
    net: Mapping[str, Any]
    width: int
    depth: int
    epochs: int
    accuracy: float
    params: float
    flops: float


def read_nasnet(source: Path, partial: bool) -> Contents:
    """NASNet.json. Raises TableError."""
    return _read(source, "nds_nasnet")


def read_amoebanet(source: Path, partial: bool) -> Contents:
    """Amoeba.json. Raises TableError."""
    return _read(source, "nds_amoebanet")


def read_pnas(source: Path, partial: bool) -> Contents:
    """PNAS.json. Raises TableError."""
    return _read(source, "nds_pnas")


def read_enas(source: Path, partial: bool) -> Contents:
    """ENAS.json. Raises TableError."""
    return _read(source, "nds_enas")


def read_darts(source: Path, partial: bool) -> Contents:
    """DARTS.json. Raises TableError."""
    return _read(source, "nds_darts")


def _read(source: Path, name: str) -> Contents:
    file = only_file(source, FILES[name])
    found = [_record(item, file) for item in _items(file)]
    settings = {
        "widths": sorted({record.width for record in found}), "depths": sorted({record.depth for record in found}),
        "dead_parts": True,
    }  # fmt: skip
    different, of_row = merged(_choices(found, name, settings, file))
    longest = max(record.epochs for record in found)
    dataset = "imagenet" if file.stem.endswith("_in") else "cifar10"

    def mean(values: list[float]) -> Any:
        return mean_by(of_row, len(different), values)

    columns = (
        measured("test", dataset, longest, mean([r.accuracy for r in found])),
        info("networks", np.bincount(of_row, minlength=len(different)), np.uint16),
        info("params", np.rint(mean([r.params for r in found]))),
        info("flops", np.rint(mean([r.flops for r in found]))),
    )
    choices = choices_array(different, str(file))
    return Contents(name, name, settings, (dataset,), _facts(file, len(found)), choices, columns)


def _facts(file: Path, count: int) -> Facts:
    return Facts(
        title=f"NDS, {file.stem}: {count:,} networks drawn at random",
        paper="Radosavovic et al. 2019 (arXiv 1905.13214)",
        licence="MIT",
        source=f"facebookresearch/nds, {file.name}",
        seeds="one training each",
        caveats=(
            "It holds test accuracy only (100 minus the error after the last epoch), so methods cannot search in it:"
            " it serves to judge scores in reports.",
        ),
    )


def _items(file: Path) -> list[Any]:
    try:
        tree = json.loads(file.read_bytes())
    except ValueError as error:
        raise TableError(f"{file} is truncated or no JSON ({error}). Unpack it again.") from error
    if isinstance(tree, dict) and {"top", "mid"} <= set(tree):
        tree = [*tree["top"], *tree["mid"]]
    if not isinstance(tree, list) or not tree:
        raise TableError(f"{file} is no file of NDS: it holds no list of networks. Check KIND and file.")
    return tree


def _record(item: Any, file: Path) -> _Record:
    try:
        net, errors = item["net"], item["test_ep_top1"]
        return _Record(net["genotype"], int(net["width"]), int(net["depth"]), len(errors),
                       100.0 - float(errors[-1]), float(item["params"]), float(item["flops"]))  # fmt: skip
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise TableError(
            f"{file} is no file of NDS with cells: a network lacks {error}. The files of ResNet and Vanilla"
            " networks are not read."
        ) from error


def _choices(found: list[_Record], name: str, settings: Mapping[str, Any], file: Path) -> list[Choices]:
    from chronas.spaces.nds import NdsSpace

    space = make_space(name, settings)
    if not isinstance(space, NdsSpace):
        raise TableError(f"{name!r} is no space of NDS.")
    try:
        return [space.canonical(space.from_genotype(read_genotype(r.net), r.width, r.depth)) for r in found]
    except ArchitectureError as error:
        raise TableError(f"{file} holds a network that is not one of {name!r}: {error} Check KIND and file.") from error
