"""Snapshots: the whole state of a stage at one moment, safe to open.

STAGE-INDEX.safetensors holds the tensors, STAGE-INDEX.json everything else and the checksums of both. The
JSON is written last: a snapshot without it was never finished and does not count.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
from safetensors import SafetensorError

from chronas.errors import EnvironmentFault, InternalError, RunError
from chronas.runs.files import FORMAT, check_format, disk_faults, read_json, remove_leftovers, write_bytes
from chronas.runs.packing import pack, unpack

KEEP = 2
_NAME = re.compile(r"(?P<stage>[A-Za-z][\w.-]*)-(?P<index>\d{6,})\.(?P<kind>json|safetensors)")
_STAGE = re.compile(r"[A-Za-z][\w.-]*")


class Snapshot(NamedTuple):
    """A snapshot read: its `number`, the `state` (tensors on the CPU), `notes` on newer damaged ones."""

    number: int
    state: dict[str, Any]
    notes: list[str]


def name_of(stage: str, index: int) -> str:
    """The name of a snapshot, e.g. search-000123. Raises InternalError for a stage that is no plain word."""
    if not _STAGE.fullmatch(stage) or index < 0:
        raise InternalError(f"A snapshot needs a plain word and a number >= 0, but got {stage!r}, {index}.")
    return f"{stage}-{index:06d}"


def save(folder: Path, stage: str, index: int, state: Mapping[str, Any]) -> str:
    """Write `state` as snapshot number `index` of `stage` into `folder` and return its name.

    `state` nests dict, list, tuple, str, int, float, bool, None and torch.Tensor. Afterwards the stage has
    this snapshot and the one before it; higher indices, which a resume took back, are removed. Raises
    InternalError for other types, EnvironmentFault on a full disk.
    """
    folder, name = Path(folder), name_of(stage, index)
    with disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
    packed, tensors = pack(dict(state))
    data = safetensors.torch.save(tensors)
    body = {
        "format": FORMAT,
        "stage": stage,
        "index": index,
        "tensors": {"count": len(tensors), "bytes": len(data), "checksum": _checksum(data)},
        "state": packed,
    }
    text = json.dumps({**body, "checksum": checksum_of(body)}, allow_nan=False)
    write_bytes(folder / f"{name}.safetensors", data)
    write_bytes(folder / f"{name}.json", text.encode())
    _prune(folder, stage, index)
    return name


def load_latest(folder: Path, stage: str) -> Snapshot | None:
    """The newest whole snapshot of `stage`, or None where none was ever finished.

    A damaged one is passed over with a note. Raises RunError when all are, or when one is of another format.
    """
    notes: list[str] = []
    for index in reversed(indices(folder, stage)):
        try:
            return Snapshot(index, _load(Path(folder), stage, index), notes)
        except ValueError as error:
            notes.append(f"The snapshot {name_of(stage, index)} is damaged and was passed over: {error}.")
    if notes:
        raise RunError(
            f"No snapshot of the stage {stage!r} in {folder} can be used. {' '.join(notes)} Restore the"
            " folder from a copy, or start a new run with another --out."
        )
    return None


def indices(folder: Path, stage: str) -> list[int]:
    """The numbers of the finished snapshots of `stage` in `folder`, ascending; damaged ones included."""
    return sorted(index for found, index, kind in _scan(Path(folder)) if found == stage and kind == "json")


def stages(folder: Path) -> list[str]:
    """The stages that have a finished snapshot in `folder`, by name."""
    return sorted({stage for stage, _, kind in _scan(Path(folder)) if kind == "json"})


def _scan(folder: Path) -> list[tuple[str, int, str]]:
    """(stage, index, kind of file) of every file of a snapshot in `folder`."""
    with disk_faults(folder):
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    found = [match for match in map(_NAME.fullmatch, names) if match]
    return [(match["stage"], int(match["index"]), match["kind"]) for match in found]


def _load(folder: Path, stage: str, index: int) -> dict[str, Any]:
    """The state in one snapshot. Raises ValueError saying how it is damaged, RunError for another format."""
    path = folder / f"{name_of(stage, index)}.json"
    try:
        whole = read_json(path, what="snapshot", format=None)
    except RunError as error:
        raise ValueError(f"{path.name} is not whole ({error.__cause__ or error})") from error
    body = {key: value for key, value in whole.items() if key != "checksum"}
    if whole.get("checksum") != checksum_of(body):
        raise ValueError(f"the checksum of {path.name} does not fit")
    # Every format keeps its checksum this way, so another number here is meant and no flipped bit.
    check_format(body.get("format"), FORMAT, f"{path} (snapshot)")
    if (body.get("stage"), body.get("index")) != (stage, index):
        raise ValueError(f"{path.name} holds another snapshot")
    try:
        data = _read_tensors(path.with_suffix(".safetensors"), body["tensors"]["checksum"])
        state = unpack(body["state"], safetensors.torch.load(data))
    except (SafetensorError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"its content makes no sense ({error})") from error
    if not isinstance(state, dict):
        raise ValueError(f"{path.name} holds no state")
    return state


def _read_tensors(path: Path, checksum: str) -> bytes:
    try:
        with disk_faults(path):
            data = path.read_bytes()
    except EnvironmentFault as fault:
        if isinstance(fault.__cause__, FileNotFoundError):
            raise ValueError(f"{path.name} is missing") from fault
        raise
    if _checksum(data) != checksum:
        raise ValueError(f"the checksum of {path.name} does not fit")
    return data


def _prune(folder: Path, stage: str, newest: int) -> None:
    """Keep the KEEP newest finished snapshots of `stage` up to `newest`; remove the rest and leftovers."""
    kept = [index for index in indices(folder, stage) if index <= newest][-KEEP:]
    doomed = [file for file in _scan(folder) if file[0] == stage and file[1] not in kept]
    with disk_faults(folder):
        # The JSON goes first (it sorts first): a kill leaves no snapshot that looks finished and is not.
        for _, index, kind in sorted(doomed, key=lambda file: (file[2], file[1])):
            (folder / f"{name_of(stage, index)}.{kind}").unlink(missing_ok=True)
    remove_leftovers(folder, f"{stage}-[0-9]*")


def _checksum(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def checksum_of(body: Mapping[str, Any]) -> str:
    """The checksum of a snapshot's JSON without the checksum itself, in any order of its keys."""
    return _checksum(json.dumps(body, separators=(",", ":"), sort_keys=True).encode())
