"""A bundle comes back the same, and damage is named before anything is built from it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from sample_bundle import kernels, logits, residual, rgb

from chronas.deploy.bundle import Bundle, checksum, load_bundle, remove_bundle, save_bundle
from chronas.errors import ArchitectureError, InternalError, RunError, UsageError
from chronas.runs.files import write_json


@pytest.mark.parametrize("make", [rgb, kernels, residual])
def test_round_trip_gives_the_same_logits(tmp_path: Path, make: Callable[[], Bundle]) -> None:
    bundle = dataclasses.replace(make(), resize=32, metrics={"test_accuracy": 91.25, "loss": math.nan})
    save_bundle(tmp_path / "model", bundle)
    for place in (tmp_path, tmp_path / "model", tmp_path / "model" / "model.json"):
        loaded = load_bundle(place)
        assert torch.equal(logits(loaded), logits(bundle))
        assert loaded.manifest.classes == bundle.classes
        assert (loaded.mean, loaded.std, loaded.resize) == (bundle.mean, bundle.std, 32)
        assert loaded.architecture.to_json() == bundle.architecture.to_json()
        assert loaded.metrics["test_accuracy"] == 91.25
        assert math.isnan(loaded.metrics["loss"])
        assert not loaded.net.training
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model.json", "model.safetensors"]


def test_loading_leaves_the_global_stream_alone(tmp_path: Path) -> None:
    save_bundle(tmp_path, rgb())
    before = torch.get_rng_state()
    load_bundle(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_half_precision_is_refused(tmp_path: Path) -> None:
    bundle = rgb()
    bundle.net.half()
    with pytest.raises(InternalError, match="float32"):
        save_bundle(tmp_path, bundle)
    assert not (tmp_path / "model.json").exists()


def test_saving_checks_the_class_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 class names for 3 classes"):
        save_bundle(tmp_path, dataclasses.replace(rgb(), classes=("a", "b")))


def test_tampered_tensors(tmp_path: Path) -> None:
    save_bundle(tmp_path, rgb())
    file = tmp_path / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(RunError, match=r"model\.safetensors is damaged: its checksum"):
        load_bundle(tmp_path)


def test_tensors_of_another_network_with_a_fitting_checksum(tmp_path: Path) -> None:
    save_bundle(tmp_path, rgb())
    tensors = safetensors.torch.load_file(tmp_path / "model.safetensors")
    tensors["net.head.linear.bias"] = torch.zeros(4)
    tensors["extra"] = torch.zeros(1)
    del tensors["net.head.linear.weight"]
    _replace(tmp_path, safetensors.torch.save(tensors))
    with pytest.raises(RunError) as caught:
        load_bundle(tmp_path)
    for word in ("missing: net.head.linear.weight", "not part of it: extra", "float32[4], not float32[3]"):
        assert word in str(caught.value)


def test_a_file_that_is_no_safetensors(tmp_path: Path) -> None:
    save_bundle(tmp_path, rgb())
    _replace(tmp_path, b"\xff" * 40)
    with pytest.raises(RunError, match=r"model\.safetensors is damaged"):
        load_bundle(tmp_path)


def test_missing_tensors(tmp_path: Path) -> None:
    save_bundle(tmp_path, rgb())
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(RunError, match=r"tensors of the model are missing: .*model\.safetensors"):
        load_bundle(tmp_path)


def _edit(body: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split("/")
    for key in parents:
        body = body[key]
    body[last] = value


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("classes", ["a", "b"], "2 class names for 3 classes"),
        ("classes", ["a", "b", 3], "list of str"),
        ("task/classes", 4, "3 class names for 4"),
        ("task/height", "9", "whole numbers"),
        ("task/height", 0, "at least 1x1x1"),
        ("task", None, '"task" must be an object'),
        ("normalisation/std", [0.1, 0.0, 0.1], "normalises by"),
        ("normalisation/mean", [0.1], "channels of 3"),
        ("resize", -1, '"resize"'),
        ("metrics", {"accuracy": "high"}, '"accuracy" must be a number'),
        ("chronas", '"""\nimport os', "must be a version"),
        ("format", 2, "format 2"),
    ],
)
def test_wrong_entries_are_named(tmp_path: Path, path: str, value: Any, words: str) -> None:
    save_bundle(tmp_path, rgb())
    body = json.loads((tmp_path / "model.json").read_text())
    _edit(body, path, value)
    write_json(tmp_path / "model.json", body)
    with pytest.raises(RunError) as caught:
        load_bundle(tmp_path)
    assert words in str(caught.value)
    assert "model.json" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("architecture/space", "os:system"),
        ("architecture/settings", {"layers": 3, "width": 4, "strange": 1}),
        ("architecture/choices", {"layer 1": "max3x3"}),
        ("architecture", []),
    ],
)
def test_an_illegal_architecture_names_the_file(tmp_path: Path, path: str, value: Any) -> None:
    save_bundle(tmp_path, rgb())
    body = json.loads((tmp_path / "model.json").read_text())
    _edit(body, path, value)
    write_json(tmp_path / "model.json", body)
    with pytest.raises((ArchitectureError, RunError), match=r"model\.json"):
        load_bundle(tmp_path)


def test_a_giant_architecture_is_refused_before_it_is_built(tmp_path: Path) -> None:
    save_bundle(tmp_path, rgb())
    body = json.loads((tmp_path / "model.json").read_text())
    body["architecture"]["settings"]["width"] = 4096  # several GB with its three stages
    write_json(tmp_path / "model.json", body)
    with pytest.raises(RunError, match="does not fit the architecture"):
        load_bundle(tmp_path)


def test_extra_keys_and_paths_are_not_looked_at(tmp_path: Path) -> None:
    bundle = rgb()
    save_bundle(tmp_path, bundle)
    body = json.loads((tmp_path / "model.json").read_text())
    body.update({"weights": "../../etc/passwd", "__reduce__": ["os.system", "true"], "code": "import os"})
    body["tensors"]["file"] = "/etc/passwd"
    write_json(tmp_path / "model.json", body)
    assert torch.equal(logits(load_bundle(tmp_path)), logits(bundle))


def test_runs_without_a_network_say_what_to_do(tmp_path: Path) -> None:
    write_json(tmp_path / "spec.json", {"format": 1})
    (tmp_path / "model").mkdir()
    for place in (tmp_path, tmp_path / "model"):
        with pytest.raises(RunError, match=f"chronas resume {tmp_path}"):
            load_bundle(place)
    write_json(tmp_path / "result.json", {"format": 1, "status": "finished"})
    with pytest.raises(RunError, match=f"chronas train {tmp_path} DATA --budget"):
        load_bundle(tmp_path)


def test_other_paths(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist"):
        load_bundle(tmp_path / "nothing")
    with pytest.raises(RunError, match=r"holds no model\.json"):
        load_bundle(tmp_path)
    (tmp_path / "image.png").write_bytes(b"")
    with pytest.raises(RunError, match="is no model"):
        load_bundle(tmp_path / "image.png")


def _replace(folder: Path, data: bytes) -> None:
    """Other tensors, with the checksum of model.json made to fit."""
    (folder / "model.safetensors").write_bytes(data)
    body = json.loads((folder / "model.json").read_text())
    body["tensors"] = {"bytes": len(data), "checksum": checksum(data)}
    write_json(folder / "model.json", body)


def test_an_unfinished_network_says_so(tmp_path: Path) -> None:
    save_bundle(tmp_path, dataclasses.replace(rgb(), finished=False))
    assert not load_bundle(tmp_path).finished
    body = json.loads((tmp_path / "model.json").read_text())
    assert body["finished"] is False
    del body["finished"]
    write_json(tmp_path / "model.json", body)
    assert load_bundle(tmp_path).finished, "files of earlier versions are of finished trainings"
    write_json(tmp_path / "model.json", {**body, "finished": "no"})
    with pytest.raises(RunError, match='"finished" must be true or false'):
        load_bundle(tmp_path)


def test_a_finished_training_goes_before_an_unfinished_search(tmp_path: Path) -> None:
    later = tmp_path / "train" / "model"
    save_bundle(tmp_path / "model", dataclasses.replace(rgb(), finished=False))
    assert not load_bundle(tmp_path).finished
    save_bundle(later, rgb())
    assert load_bundle(tmp_path).finished
    save_bundle(tmp_path / "model", rgb())
    save_bundle(later, dataclasses.replace(rgb(), finished=False))
    assert load_bundle(tmp_path).finished


def test_a_removed_bundle_is_gone(tmp_path: Path) -> None:
    save_bundle(tmp_path, rgb())
    remove_bundle(tmp_path)
    remove_bundle(tmp_path)
    assert not list(tmp_path.iterdir())
