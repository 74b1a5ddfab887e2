"""Which weights a run that is stopped keeps: the better of those as they are and the annealed ones."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from chronas import api
from chronas.deploy.bundle import load_bundle
from chronas.errors import EnvironmentFault
from chronas.execution.interrupt import StopFlag
from chronas.training.network import NetworkTrainer
from chronas.training.unfinished import Schedule
from chronas.unfinished import Keeper

MARK = 0.25


@pytest.fixture
def images() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    return (rng.integers(0, 120, (200, 8, 8)) + 100 * labels[:, None, None]).astype(np.uint8), labels


@pytest.fixture(autouse=True)
def without_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of a network before it is judged, and nothing of the search is at hand."""
    monkeypatch.setattr(NetworkTrainer, "_look", lambda self, ledger: {})
    monkeypatch.setattr(Keeper, "carry", lambda self, networks: None)


def annealed(self: Schedule, net: nn.Module, seconds: float) -> nn.Module:
    """A copy whose last bias tells it from the others."""
    made = copy.deepcopy(net)
    with torch.no_grad():
        list(made.parameters())[-1].fill_(MARK)
    return made


def stopped(images: Any, out: Path) -> api.RunResult:
    """A training that is asked to stop after its first slice."""
    stop = StopFlag()

    def listen(record: Mapping[str, Any]) -> None:
        if record["kind"] == "epoch":
            stop.signal = 2

    settings = {"space": {"layers": 2, "width": 4, "m": 3}}
    options = api.Options(space="superkernel", method="random", settings=settings, device="cpu", precision="float32",
                          listeners=[listen], stop=stop)  # fmt: skip
    return api.fit(images, budget="4 epochs", out=out, options=options)


def marked(out: Path) -> bool:
    return bool((list(load_bundle(out).net.parameters())[-1] == MARK).all())


@pytest.mark.parametrize("gain", [0.5, -0.5])
def test_the_annealed_copy_is_taken_where_it_is_better(
    tmp_path: Path, images: Any, monkeypatch: pytest.MonkeyPatch, gain: float
) -> None:
    def judge(self: Keeper, net: nn.Module, until: float) -> dict[str, float]:
        changed = bool((list(net.parameters())[-1] == MARK).all())
        return {"val_accuracy": 99.0 + (gain if changed else 0.0), "val_loss": 0.1, "val_images": 7.0}

    monkeypatch.setattr(Schedule, "annealed", annealed)
    monkeypatch.setattr(Keeper, "_judge", judge)
    result = stopped(images, tmp_path / "run")
    assert (result.interrupted, result.exit_code) == (True, 130)
    entry = result.result["unfinished"]
    assert entry["annealed"] is marked(tmp_path / "run") is (gain > 0)
    assert (entry["val_accuracy"], entry["val_images"]) == (99.0 + max(gain, 0.0), 7)
    assert load_bundle(tmp_path / "run").metrics == {"val_accuracy": entry["val_accuracy"]}


def test_without_time_to_judge_there_is_a_model_all_the_same(
    tmp_path: Path, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chronas.unfinished.KEEPING_SECONDS", -1.0)
    entry = stopped(images, tmp_path / "run").result["unfinished"]
    assert entry["val_accuracy"] is None
    assert entry["annealed"] is False
    assert not load_bundle(tmp_path / "run").finished


def test_the_batch_norms_are_renewed(tmp_path: Path, images: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed: list[nn.Module] = []
    true = Schedule.renew_norms

    def renew(self: Schedule, net: nn.Module) -> None:
        renewed.append(net)
        true(self, net)

    monkeypatch.setattr(Schedule, "renew_norms", renew)
    stopped(images, tmp_path / "run")
    assert len(renewed) == len({id(net) for net in renewed}) == 1


def test_the_report_tells_of_it_until_the_run_is_finished(tmp_path: Path, images: Any) -> None:
    out = tmp_path / "run"
    assert stopped(images, out).interrupted
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "what was trained so far" in page
    assert "unfinished" in page
    assert api.resume(out, data=images).result["status"] == "finished"
    assert "what was trained so far" not in (out / "report.html").read_text(encoding="utf-8")


def test_a_disk_that_is_full_costs_the_model_and_not_the_run(
    tmp_path: Path, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path, bundle: object) -> None:
        raise EnvironmentFault("The disk is full.")

    monkeypatch.setattr("chronas.unfinished.save_bundle", full)
    result = stopped(images, tmp_path / "run")
    assert (result.interrupted, result.exit_code) == (True, 130)
    assert result.result["unfinished"] is None
    monkeypatch.undo()
    assert api.resume(tmp_path / "run", data=images).result["status"] == "finished"
