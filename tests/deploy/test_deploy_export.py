"""Exported files compute what the network computes, elsewhere and without Chronas."""

from __future__ import annotations

import dataclasses
import errno
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.torch
import torch
from sample_bundle import even, kernels, logits, residual, rgb
from torch import nn

from chronas.data.levels import PixelRange
from chronas.deploy import export as exporting
from chronas.deploy import graph
from chronas.deploy.bundle import Bundle, load_bundle
from chronas.deploy.export import export
from chronas.deploy.source import write_source
from chronas.errors import EnvironmentFault, InternalError, UnknownNameError, UsageError

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="the extra 'export' is not installed",
)
ELSEWHERE = "import sys; sys.modules['chronas'] = None\nimport json, pathlib, numpy, torch\n"


def _images(bundle: Bundle, count: int) -> torch.Tensor:
    task = bundle.task
    many = torch.linspace(0, 300, count * task.channels * task.height * task.width)
    return (many.sin() / 2 + 0.5).view(count, task.channels, task.height, task.width)


def _expected(bundle: Bundle, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mean, std = torch.tensor(bundle.mean).view(1, -1, 1, 1), torch.tensor(bundle.std).view(1, -1, 1, 1)
    with torch.no_grad():
        out = bundle.net((images - mean) / std)
    return torch.softmax(out, 1), out


def _elsewhere(code: str, *words: Path) -> None:
    """Run `code` in a process in which Chronas cannot be imported."""
    done = subprocess.run([sys.executable, "-c", ELSEWHERE + code, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@needs_onnx
@pytest.mark.parametrize("make", [rgb, even, residual])
def test_onnx(tmp_path: Path, make: Callable[[], Bundle]) -> None:
    import onnxruntime

    bundle = make()
    path = export(bundle, "onnx", tmp_path / "model")
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.onnx"]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape[0] == "batch"
    assert [output.name for output in session.get_outputs()] == ["probabilities", "logits"]
    for count in (1, 3, 6):
        images = _images(bundle, count)
        found = session.run(None, {"images": images.numpy()})
        for got, wanted in zip(found, _expected(bundle, images), strict=True):
            np.testing.assert_allclose(got, wanted.numpy(), atol=1e-4, rtol=1e-4)
    notes = session.get_modelmeta().custom_metadata_map
    assert json.loads(notes["classes"]) == list(bundle.classes)
    assert json.loads(notes["mean"]) == list(bundle.mean)
    assert json.loads(notes["std"]) == list(bundle.std)
    assert json.loads(notes["architecture"]) == json.loads(json.dumps(bundle.architecture.to_json()))
    assert f"(batch, {bundle.task.channels}, {bundle.task.height}, {bundle.task.width})" in notes["input"]
    assert str(Path(graph.__file__).parent).encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "pixels divided by 255"),
        (PixelRange(0, 4095, "integer"), "pixels divided by 4095 (of images of 8 bits: by 255)"),
        (PixelRange(-1, 1, "float"), "pixels less -1, divided by 2 (of images of 8 bits: by 255)"),
        (PixelRange(0, 15, "uint8"), "pixels divided by 15"),
    ],
)
def test_what_is_exported_says_how_pixels_come_to_0_and_1(tmp_path: Path, found: PixelRange | None, words: str) -> None:
    bundle = dataclasses.replace(kernels(), range=found, fit="pad")
    told = graph.metadata(bundle)
    assert words in told["input"]
    assert told["range"] == ("0:255" if found is None else found.word)
    assert "longer side" in told["resize"]
    assert words in export(bundle, "python", tmp_path / "model").read_text()


@needs_onnx
def test_onnx_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = kernels()

    def wrong(data: bytes, images: torch.Tensor) -> list[npt.NDArray[np.float32]]:
        with torch.no_grad():
            found = [value.numpy() for value in graph.Deployed(bundle)(images)]
        return [found[0], found[1] + np.float32(1e-2 if len(images) == 5 else 0)]

    monkeypatch.setattr(exporting, "_onnx_bytes", lambda net, bundle: b"")
    monkeypatch.setattr(exporting, "_run_onnx", wrong)
    with pytest.raises(InternalError, match="differs from the network by"):
        export(bundle, "onnx", tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@needs_onnx
def test_onnxruntime_is_told_to_report_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    told, tell = [], onnxruntime.disable_telemetry_events
    monkeypatch.setattr(onnxruntime, "disable_telemetry_events", lambda: told.append(tell()))
    export(kernels(), "onnx", tmp_path / "model.onnx")
    assert told


def test_the_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentFault, match=r"-e '\.\[export\]'"):
        export(kernels(), "onnx", tmp_path / "model.onnx")


def test_torch_program_and_python_module_without_chronas(tmp_path: Path) -> None:
    bundle = even()
    program = export(bundle, "torch", tmp_path / "model.pt2")
    module = export(bundle, "python", tmp_path / "found")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "found.py",
        "found.safetensors",
        "model.pt2",
    ]
    images = _images(bundle, 3)
    np.save(tmp_path / "images.npy", images.numpy())
    _elsewhere(
        "notes = {'chronas.json': ''}\n"
        "net = torch.export.load(sys.argv[1], extra_files=notes).module()\n"
        "given = torch.from_numpy(numpy.load(sys.argv[3]))\n"
        "assert json.loads(json.loads(notes['chronas.json'])['classes'])[0] == 'cat'\n"
        "assert net(given[:1])[0].shape == (1, 3)\n"
        "sys.path.insert(0, str(pathlib.Path(sys.argv[2]).parent))\n"
        "import found\n"
        "assert found.CLASSES == ('cat', 'dög \"1\"', 'bird'), found.CLASSES\n"
        "assert found.SHAPE == (1, 10, 13) and len(found.MEAN) == len(found.STD) == 1\n"
        "model = found.load()\n"
        "made = [*net(given), found.probabilities(model, given), model(found.normalise(given))]\n"
        "numpy.savez(sys.argv[4], *(value.detach().numpy() for value in made))\n",
        program, module, tmp_path / "images.npy", tmp_path / "made.npz",
    )  # fmt: skip
    with np.load(tmp_path / "made.npz") as made:
        for name, wanted in zip(made.files, _expected(bundle, images) * 2, strict=True):
            np.testing.assert_allclose(made[name], wanted.numpy(), atol=1e-5, rtol=1e-5)
    folder = str(Path(graph.__file__).parent).encode()
    assert folder not in program.read_bytes() + module.read_bytes()


FORMATS: list[Any] = ["torch", "safetensors", "python", pytest.param("onnx", marks=needs_onnx)]


@pytest.mark.parametrize("format", FORMATS)
def test_no_folder_for_temporary_files_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: exporting.Format
) -> None:
    def none(*_: object) -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", none)
    monkeypatch.setattr(tempfile, "tempdir", None)
    made = export(kernels(), format, tmp_path / "net")
    names = {"torch": ["net.pt2"], "safetensors": ["net"], "python": ["net.py", "net.safetensors"]}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == names.get(format, ["net.onnx"])
    assert made.exists()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("call", ["disk_usage", "write", "fsync"])
def test_a_full_disk_is_one_plain_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: exporting.Format, call: str
) -> None:
    def full(*_: object) -> tuple[int, int, int]:
        if call == "disk_usage":
            return shutil._ntuple_diskusage(10**9, 10**9 - 100, 100)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    bundle = kernels()
    monkeypatch.setattr(shutil if call == "disk_usage" else os, call, full)
    with pytest.raises(EnvironmentFault) as caught:
        export(bundle, format, tmp_path / "run" / "net")
    assert str(caught.value).startswith(f"The disk holding {tmp_path / 'run' / 'net'}")
    assert str(caught.value).endswith("kB. Free space, or choose a place on another disk with --out.")
    assert "resume" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_does_not_tell_its_size_is_let_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 0))
    assert export(kernels(), "safetensors", tmp_path / "net").exists()


def test_a_module_that_fails_leaves_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export(kernels(), "python", tmp_path / "net.py")
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
    monkeypatch.setattr(exporting, "_CHECK", "import sys; sys.exit('no such operation')")
    with pytest.raises(InternalError, match=r"net\.py does not run: no such operation"):
        export(even(), "python", tmp_path / "net.py")
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before


def test_safetensors_is_a_bundle(tmp_path: Path) -> None:
    bundle = rgb()
    folder = export(bundle, "safetensors", tmp_path / "deep" / "copy")
    assert torch.equal(logits(load_bundle(folder)), logits(bundle))


def _run(bundle: Bundle, images: torch.Tensor) -> tuple[str, torch.Tensor]:
    """The source written for `bundle`, and what the module says to normalised images."""
    source, tensors = write_source(bundle, "written")
    names: dict[str, Any] = {"__name__": "written"}
    exec(compile(source, "written.py", "exec"), names)
    net = names["Network"]()
    net.load_state_dict(safetensors.torch.load(tensors))
    with torch.no_grad():
        return source, net.eval()(images)


@pytest.mark.parametrize("make", [rgb, kernels, residual])
def test_python_source_is_plain_torch(make: Callable[[], Bundle]) -> None:
    bundle = make()
    images = _images(bundle, 2)
    source, found = _run(bundle, images)
    with torch.no_grad():
        torch.testing.assert_close(found, bundle.net(images), atol=1e-5, rtol=1e-5)
    assert "import chronas" not in source
    assert "torch.ops" not in source  # every operation of these spaces has its plain form


class _Strange(nn.Module):
    """Operations that no table knows, and tensors that belong to no plain module."""

    def __init__(self) -> None:
        super().__init__()
        self.scaling = nn.Parameter(torch.full((1, 1, 1, 8), 1.5))
        self.register_buffer("kept", torch.arange(8.0))
        self.conv = nn.Conv2d(1, 3, 3, padding=1, padding_mode="reflect")
        self.drop = nn.Dropout(0.5)
        self.norm = nn.BatchNorm2d(3, affine=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = self.get_buffer("kept")
        y = self.drop(torch.sigmoid(self.conv(x * self.scaling) - kept) + torch.ones(8))
        return torch.einsum("bchw->bc", self.norm(y)).reshape(x.shape[0], -1)


def test_python_source_of_an_unknown_kind_of_network() -> None:
    bundle = dataclasses.replace(kernels(), net=_Strange().eval())
    images = _images(bundle, 3)
    _, found = _run(bundle, images)
    with torch.no_grad():
        torch.testing.assert_close(found, bundle.net(images), atol=1e-5, rtol=1e-5)


def test_wrong_words(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="'onnx'"):
        export(kernels(), "onx", tmp_path / "a")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="is a folder"):
        export(kernels(), "onnx", tmp_path)
    for name in ("torch.py", "json.py", "my-net.py", "class.py"):
        with pytest.raises(UsageError, match="cannot be named"):
            export(kernels(), "python", tmp_path / name)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        export(kernels(), "safetensors", tmp_path / "file")
