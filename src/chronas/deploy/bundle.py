"""The model bundle: the trained found network with everything that using it needs.

A folder with model.safetensors (the tensors) and model.json (everything else, with the checksum of the
tensors). Reading one executes nothing from the files: the network is built from its validated architecture.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from chronas.architecture import Architecture
from chronas.data.levels import PixelRange
from chronas.deploy.manifest import Manifest, manifest_json, read_manifest
from chronas.errors import ArchitectureError, ChronasError, EnvironmentFault, InternalError, RunError
from chronas.nets import build
from chronas.runs.files import disk_faults, parse, read_json, write_bytes, write_json
from chronas.runs.folder import TRAINED
from chronas.seeding import torch_scope
from chronas.task import Task

MODEL = "model"


@dataclass(frozen=True)
class Bundle:
    """A trained network and what using it needs.

    net           images (b, c, h, w), normalised, to logits (b, classes); eval mode, float32, on the CPU
    architecture  what was found
    task          shape of the images and number of classes
    classes       a name per class, in label order
    mean, std     per channel, in units of 0..1
    resize        side in pixels that training resized images to (its --size), or None where it did not
    fit, range    how it did (its --fit), and what was black and white where that is not 0 and 255 of 8 bits
    metrics       what was measured, e.g. {"test_accuracy": 91.2} (percent); NaN where undefined
    finished      False for what an interrupted run had trained so far: its training can go on (`chronas resume`)
    """

    net: nn.Module
    architecture: Architecture
    task: Task
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    chronas_version: str = field(default_factory=lambda: importlib.metadata.version("chronas"))
    fit: str = "crop"
    range: PixelRange | None = None
    finished: bool = True

    @property
    def manifest(self) -> Manifest:
        """Everything but the network."""
        return Manifest(self.architecture, self.task, self.classes, self.mean, self.std, self.resize,
                        self.metrics, self.chronas_version, self.fit, self.range, self.finished)  # fmt: skip


def save_bundle(folder: Path, bundle: Bundle) -> None:
    """Write `bundle` as model.safetensors and model.json into `folder`, each whole or not at all.

    model.json comes last and holds the checksum of the tensors. Raises InternalError for a network that is
    not float32, UsageError for class names or a normalisation that do not fit the task, and EnvironmentFault
    on a full disk.
    """
    folder = Path(folder)
    bundle.manifest.check()
    data = safetensors.torch.save(state_tensors(bundle.net))
    body = manifest_json(bundle.manifest)
    body["tensors"] = {"bytes": len(data), "checksum": checksum(data)}
    with disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / f"{MODEL}.safetensors", data)
    write_json(folder / f"{MODEL}.json", body)


def load_bundle(path: Path) -> Bundle:
    """The bundle at `path`: a run folder, a folder with model.json, or that file itself.

    A run is one that trained its network, or a search whose network was trained later (`chronas train RUN`).

    Raises RunError naming the file and what to do when there is none or it is damaged, ArchitectureError when
    the architecture in it is not legal.
    """
    file = model_file(Path(path))
    body = read_json(file, what="model")
    try:
        manifest = read_manifest(body)
    except ArchitectureError as error:
        raise ArchitectureError(f"{file} (model): {error}") from error
    except ChronasError as error:
        raise RunError(f"{file} (model) is damaged: {error} Restore it from a copy.") from error
    weights = file.with_suffix(".safetensors")
    net = _build(manifest, _read_tensors(weights, body.get("tensors")), weights)
    return Bundle(net, manifest.architecture, manifest.task, manifest.classes, manifest.mean, manifest.std,
                  manifest.resize, manifest.metrics, manifest.chronas_version, manifest.fit,
                  manifest.range, manifest.finished)  # fmt: skip


def remove_bundle(folder: Path) -> None:
    """Remove the bundle in `folder`, if there is one. Raises EnvironmentFault where that is forbidden."""
    with disk_faults(Path(folder)):
        for ending in ("json", "safetensors"):  # without its JSON a model does not count
            (Path(folder) / f"{MODEL}.{ending}").unlink(missing_ok=True)


def state_tensors(net: nn.Module) -> dict[str, torch.Tensor]:
    """Contiguous copies on the CPU of all tensors of `net`, buffers of batch norms included.

    Raises InternalError for floating tensors that are not float32.
    """
    tensors = {}
    for name, value in net.state_dict().items():
        if value.is_floating_point() and value.dtype != torch.float32:
            raise InternalError(f"A bundle holds float32 tensors, but {name} is {value.dtype}.")
        tensors[name] = value.detach().cpu().contiguous().clone()
    return tensors


def checksum(data: bytes) -> str:
    """The checksum of a tensor file's bytes (64 hex digits)."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def model_file(path: Path) -> Path:
    """The model.json that `path` (a run, a model folder, one of its files) leads to; raises RunError."""
    with disk_faults(path):
        if path.is_file():
            if path.suffix not in (".json", ".safetensors"):
                raise RunError(f"{path} is no model. Name a run folder, a model folder or its model.json.")
            return path.with_suffix(".json")
        places = [folder / f"{MODEL}.json" for folder in (path, path / MODEL, path / TRAINED / MODEL)]
        found = [file for file in places if file.is_file()]
        if found:
            # What a stopped search had so far is worth less than what was trained from scratch later.
            return next((file for file in found if len(found) == 1 or _is_finished(file)), found[-1])
        if not path.exists():
            raise RunError(f"There is no model: {path} does not exist.")
        run = path if (path / "spec.json").exists() else path.parent
        if (run / "spec.json").exists():
            raise RunError(_untrained(run))
    raise RunError(f"{path} holds no model.json, so it is neither a run with a trained network nor a model.")


def _is_finished(file: Path) -> bool:
    """Whether a model.json is that of a finished training; also where it cannot be read, for that is told later."""
    try:
        return bool(parse(file.read_bytes()).get("finished", True))
    except (OSError, ValueError, AttributeError):
        return True


def _untrained(run: Path) -> str:
    inner = run / TRAINED
    run = inner if (inner / "spec.json").exists() else run
    name = shlex.quote(str(run))
    try:
        finished = parse((run / "result.json").read_bytes()).get("status") == "finished"
    except (OSError, ValueError, AttributeError):
        finished = False
    if finished:
        return (
            f"The run {run} has not trained its network, so there is no model in it."
            f" Run: chronas train {name} DATA --budget 10m"
        )
    return (
        f"The run {run} has no trained network yet. Go on with it: chronas resume {name}"
        f" (or train what it has found: chronas train {name} DATA --budget 10m)"
    )


def _read_tensors(file: Path, entry: object) -> dict[str, torch.Tensor]:
    expected = entry.get("checksum") if isinstance(entry, Mapping) else None
    try:
        with disk_faults(file):
            data = file.read_bytes()
    except EnvironmentFault as fault:
        if isinstance(fault.__cause__, FileNotFoundError):
            raise RunError(f"The tensors of the model are missing: {file}. Restore it from a copy.") from fault
        raise
    if checksum(data) != expected:
        raise RunError(
            f"{file} is damaged: its checksum does not fit {file.with_suffix('.json').name}."
            " Restore both files from one copy."
        )
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise RunError(f"{file} is damaged: {error}. Restore it from a copy.") from error


def _build(manifest: Manifest, tensors: dict[str, torch.Tensor], file: Path) -> nn.Module:
    # First without memory, so that a file that asks for a giant network costs nothing before it is refused.
    with torch_scope(0, "bundle"), torch.device("meta"):
        wanted = build(manifest.architecture, manifest.task).state_dict()
    problems = _differences({name: _kind(value) for name, value in wanted.items()},
                            {name: _kind(value) for name, value in tensors.items()})  # fmt: skip
    if problems:
        raise RunError(
            f"{file} does not fit the architecture and the {manifest.task.classes} classes of"
            f" {file.with_suffix('.json').name}: {problems}. Restore both files from one copy."
        )
    with torch_scope(0, "bundle"):
        net = build(manifest.architecture, manifest.task)
    net.load_state_dict(tensors)
    return net.float().eval().requires_grad_(False)


def _kind(value: torch.Tensor) -> str:
    return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"


def _differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    missing = [name for name in wanted if name not in found]
    strange = [name for name in found if name not in wanted]
    other = [f"{name} is {found[name]}, not {wanted[name]}" for name in wanted
             if name in found and found[name] != wanted[name]]  # fmt: skip
    words = []
    for title, names in (("missing", missing), ("not part of it", strange), ("of another shape", other)):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            words.append(f"{title}: {', '.join(names[:3])}{more}")
    return "; ".join(words)
