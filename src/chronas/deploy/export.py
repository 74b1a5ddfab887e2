"""A bundle as files for use elsewhere; each is loaded again and compared before it counts as written."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import keyword
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from chronas.deploy import graph
from chronas.deploy.bundle import Bundle, save_bundle
from chronas.errors import EnvironmentFault, InternalError, UnknownNameError, UsageError, missing_extra
from chronas.runs.files import FULL, disk_faults, sync_folder, write_bytes

Array: TypeAlias = npt.NDArray[np.float32]
Arrays: TypeAlias = tuple[Array, ...]
Format = Literal["onnx", "torch", "safetensors", "python"]
ONNX_LIMIT = 2**31 - 1
"""Bytes that one ONNX file can hold: the limit of its encoding."""
BATCHES = (1, 5)
SUFFIX = {"onnx": ".onnx", "torch": ".pt2", "python": ".py"}


def export(bundle: Bundle, format: Format, out: Path) -> Path:
    """Write `bundle` in `format` to `out` and return the path of the file (of the folder for safetensors).

    onnx         one file; float images in 0..1 in, "probabilities" and "logits" out, normalisation inside,
                 class names in its metadata; equal to torch within 1e-4
    torch        a torch.export program (.pt2) with the same input and outputs; needs no Chronas to load
    safetensors  `out` becomes a folder with model.safetensors and model.json (a bundle)
    python       NAME.py, plain torch modules, and NAME.safetensors beside it

    A missing suffix is added. Raises UnknownNameError for another format, UsageError for an `out` of the
    wrong kind, EnvironmentFault when an optional package is missing or the disk is full, InternalError when
    the written file computes something else than the network.
    """
    writers: Mapping[str, Callable[[Bundle, Path], None]] = {
        "onnx": _onnx, "torch": _torch, "safetensors": _safetensors, "python": _python}  # fmt: skip
    if format not in writers:
        raise UnknownNameError("export format", format, writers)
    out = _target(format, Path(out))
    made = [place for place in (out, out.parent) if not place.exists()]
    try:
        with disk_faults(out):
            out.parent.mkdir(parents=True, exist_ok=True)
        _require_room(out, _weight_bytes(bundle))
        writers[format](bundle, out)
    except BaseException as error:
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()  # which removes nothing but empty folders
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL:
            raise _no_room(out, _weight_bytes(bundle)) from error
        raise
    return out


def _weight_bytes(bundle: Bundle) -> int:
    return sum(value.numel() * value.element_size() for value in bundle.net.state_dict().values())


def _require_room(out: Path, count: int) -> None:
    """Raise EnvironmentFault unless `count` bytes fit beside `out`; a disk that does not tell is let pass."""
    try:
        found = shutil.disk_usage(out.parent)
    except OSError:
        return
    if found.total and found.free < count:
        raise _no_room(out, count)


def _no_room(out: Path, count: int) -> EnvironmentFault:
    need = f"{count / 1e6:.2g} MB" if count > 5e4 else f"{count / 1e3:.2g} kB"
    return EnvironmentFault(f"The disk holding {out} is full (or your quota on it is used up); the weights alone take "
                            f"{need}. Free space, or choose a place on another disk with --out.")  # fmt: skip


def _target(format: str, out: Path) -> Path:
    if format == "safetensors":
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out} is a file; --format safetensors writes a folder.")
        return out
    if out.is_dir():
        raise UsageError(f"{out} is a folder; name a file, for example {out / ('model' + SUFFIX[format])}.")
    return out if out.suffix == SUFFIX[format] else out.with_name(out.name + SUFFIX[format])


def _safetensors(bundle: Bundle, out: Path) -> None:
    save_bundle(out, bundle)


def _expected(net: torch.nn.Module, images: torch.Tensor) -> Arrays:
    with torch.no_grad():
        found = net(images)
    return tuple(value.numpy() for value in (found if isinstance(found, tuple) else (found,)))


def _compare(what: str, expected: Arrays, found: Sequence[Array], limit: float) -> None:
    """Raise InternalError unless all differences are within `limit`, relative above 1."""
    for wanted, got in zip(expected, found, strict=True):
        error = float(np.max(np.abs(wanted - got) / np.maximum(1, np.abs(wanted))))
        if wanted.shape != got.shape or not error <= limit:
            raise InternalError(
                f"{what} was not written: it differs from the network by {error:.2g} (allowed: {limit:g})."
                " Try another --format and report this."
            )


def _onnx(bundle: Bundle, out: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise missing_extra(package, "export", "Exporting to ONNX")
    size = _weight_bytes(bundle)
    if size > 0.98 * ONNX_LIMIT:
        raise UsageError(
            f"The network has {size / 1e9:.1f} GB of weights; one ONNX file holds 2 GB. Use --format torch."
        )
    net = graph.Deployed(bundle)
    data = _onnx_bytes(net, bundle)
    for batch in BATCHES:
        images = graph.random_images(bundle.task, batch)
        _compare(f"The ONNX file {out}", _expected(net, images), _run_onnx(data, images), 1e-4)
    write_bytes(out, data)


def _onnx_bytes(net: graph.Deployed, bundle: Bundle) -> bytes:
    # Through torch.export: the older tracer freezes shapes into constants and is deprecated.
    with graph.quiet():
        made = torch.onnx.export(
            graph.export_program(net, bundle.task),
            (),
            dynamo=True,
            verbose=False,
            input_names=[graph.INPUT],
            output_names=list(graph.OUTPUTS),
        )
    if made is None:
        raise InternalError("The ONNX exporter returned no program.")
    model: Any = made.model_proto
    _clean(model)
    for key, text in graph.metadata(bundle).items():
        model.metadata_props.add(key=key, value=text)
    data: bytes = model.SerializeToString()
    return data


def _clean(model: Any) -> None:
    """Drop the exporter's notes to developers, and name the free axis."""
    for entry in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info,
                  *model.graph.initializer, model.graph):  # fmt: skip
        entry.ClearField("metadata_props")
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def _run_onnx(data: bytes, images: torch.Tensor) -> list[Array]:
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # nothing here reports anything to anybody
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    found: list[Array] = session.run(list(graph.OUTPUTS), {graph.INPUT: images.numpy()})
    return found


def _torch(bundle: Bundle, out: Path) -> None:
    net = graph.Deployed(bundle)
    program = graph.export_program(net, bundle.task)
    # In memory: where the disk of a file gets full, what writes it ends the process with a stack of its own.
    file = io.BytesIO()
    with graph.quiet():
        torch.export.save(program, file, extra_files={"chronas.json": json.dumps(graph.metadata(bundle))})
        file.seek(0)
        loaded = torch.export.load(file).module()
        for batch in BATCHES:
            images = graph.random_images(bundle.task, batch)
            _compare(f"The program {out}", _expected(net, images), list(_expected(loaded, images)), 1e-5)
    write_bytes(out, file.getvalue())


def _python(bundle: Bundle, out: Path) -> None:
    from chronas.deploy.source import write_source

    name = out.stem
    if not name.isidentifier() or keyword.iskeyword(name) or name in {*sys.stdlib_module_names, *_USED}:
        raise UsageError(f"A Python module cannot be named {name!r}; choose another word for --out.")
    source, tensors = write_source(bundle, name)
    batches = [graph.random_images(bundle.task, batch) for batch in BATCHES]
    # Beside the target: the folder for temporary files may be small, full or closed.
    with disk_faults(out), tempfile.TemporaryDirectory(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent) as folder:
        file = Path(folder, out.name)
        write_bytes(file.with_suffix(".safetensors"), tensors)
        write_bytes(file, source.encode())
        for images, found in zip(batches, _run_python(file, batches), strict=True):
            _compare(f"The module {out}", _expected(bundle.net, images), [found], 1e-5)
        # The weights first: a file of code without its weights would look whole and fail later.
        os.replace(file.with_suffix(".safetensors"), out.with_suffix(".safetensors"))
        os.replace(file, out)
        sync_folder(out.parent)


_USED = ("torch", "safetensors", "numpy", "chronas")
_CHECK = """
import importlib, io, sys
sys.modules["chronas"] = None
sys.path.insert(0, sys.argv[1])
import numpy, torch
net = importlib.import_module(sys.argv[2]).load()
made = io.BytesIO()
with torch.no_grad(), numpy.load(io.BytesIO(sys.stdin.buffer.read())) as given:
    numpy.savez(made, *(net(torch.from_numpy(given[name])).numpy() for name in given.files))
sys.stdout.buffer.write(made.getvalue())
"""


def _run_python(file: Path, batches: Sequence[torch.Tensor]) -> list[Array]:
    """The logits of the module in `file` per batch, from another process that cannot import Chronas."""
    given = io.BytesIO()
    np.savez(given, *(images.numpy() for images in batches))
    words = [sys.executable, "-B", "-c", _CHECK, str(file.parent), file.stem]
    done = subprocess.run(words, input=given.getvalue(), capture_output=True)
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip()[-500:]
        raise InternalError(f"The written module {file.name} does not run: {why}")
    with np.load(io.BytesIO(done.stdout)) as arrays:
        return [arrays[name] for name in arrays.files]
