"""Which weights a run that is stopped keeps: the better of those as they are and the annealed ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from chronas import api
from chronas.deploy.bundle import load_bundle
from chronas.errors import EnvironmentFault, InternalError, RunError, TrainingError
from chronas.execution.interrupt import StopFlag
from chronas.runs.folder import RunFolder
from chronas.training.judge import Judgement, judge
from chronas.training.network import NetworkTrainer
from chronas.training.unfinished import Schedule, Unfinished
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
    monkeypatch.setattr(Keeper, "carry", lambda self, networks: self.end())


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
    def judge(self: Keeper, one: Unfinished, net: nn.Module, until: float) -> dict[str, float]:
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

    def renew(self: Schedule, net: nn.Module, seconds: float) -> bool:
        renewed.append(net)
        return true(self, net, seconds)

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


def notes(out: Path) -> list[str]:
    records = RunFolder.open(out).journal.records()
    return [r["message"] for r in records if r["kind"] == "note" and r["stage"] != "run"]


KINDS = [InternalError("It is another network."), torch.cuda.OutOfMemoryError("CUDA out of memory"), MemoryError()]


@pytest.mark.parametrize("failure", KINDS)
@pytest.mark.parametrize("where", ["chronas.execution.inline.InlineExecutor.unfinished", "chronas.unfinished.judge"])
def test_whatever_fails_in_keeping_is_a_note(
    tmp_path: Path, images: Any, monkeypatch: pytest.MonkeyPatch, where: str, failure: Exception
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(where, failing)
    result = stopped(images, tmp_path / "run")
    assert (result.interrupted, result.exit_code, result.result["status"]) == (True, 130, "interrupted")
    (note,) = notes(tmp_path / "run")
    assert note == f"What was trained could not be kept: {str(failure) or 'MemoryError'}"
    monkeypatch.undo()
    assert api.resume(tmp_path / "run", data=images).result["status"] == "finished"


def test_an_annealing_that_fails_costs_nothing_else(
    tmp_path: Path, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: Schedule, net: nn.Module, seconds: float) -> None:
        raise TrainingError("The loss is nan.")

    monkeypatch.setattr(Schedule, "annealed", failing)
    entry = stopped(images, tmp_path / "run").result["unfinished"]
    assert entry["val_accuracy"] is not None
    assert not entry["annealed"]
    assert notes(tmp_path / "run") == ["The learning rate could not be brought to its end: The loss is nan."]


@pytest.mark.parametrize(("earlier", "stays"), [(1e-9, False), (1e9, True)])
def test_of_two_that_nobody_judged_the_one_trained_longer_stays(
    tmp_path: Path, images: Any, monkeypatch: pytest.MonkeyPatch, earlier: float, stays: bool
) -> None:
    monkeypatch.setattr("chronas.unfinished.KEEPING_SECONDS", -1.0)
    out = tmp_path / "run"
    stopped(images, out)
    held = json.loads((out / "result.json").read_text(encoding="utf-8"))
    held["unfinished"]["seconds"] = earlier
    (out / "result.json").write_text(json.dumps(held), encoding="utf-8")
    stop = StopFlag()

    def listen(record: Mapping[str, Any]) -> None:
        if record["kind"] == "epoch":
            stop.signal = 2

    entry = api.resume(out, data=images, listeners=[listen], stop=stop).result["unfinished"]
    assert (entry["seconds"] == earlier) is stays


def test_where_steps_take_long_nothing_is_begun_that_does_not_fit(
    tmp_path: Path, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step of 30 s: neither batch norms nor validation images nor an annealing."""
    advance = NetworkTrainer.advance

    def slow(self: NetworkTrainer, *words: Any) -> Any:
        found = advance(self, *words)
        self.step_seconds = 30.0
        return found

    monkeypatch.setattr(NetworkTrainer, "advance", slow)
    for name in ("chronas.unfinished.judge", "chronas.training.unfinished.Schedule._look",
                 "chronas.training.unfinished.Schedule._step"):  # fmt: skip
        monkeypatch.setattr(name, lambda *_, **__: pytest.fail("that takes too long"))
    monkeypatch.setattr("chronas.unfinished.LEAST_CHUNK", 20)
    entry = stopped(images, tmp_path / "run").result["unfinished"]
    assert entry["val_accuracy"] is None
    assert not notes(tmp_path / "run")
    assert not load_bundle(tmp_path / "run").finished


def test_judging_looks_at_so_many_images_as_fit(tmp_path: Path, images: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def judge_some(net: nn.Module, split: Any, *, batch_size: int, **words: Any) -> Judgement:
        sizes.append(batch_size)
        return judge(net, split, batch_size=batch_size, **words)

    monkeypatch.setattr("chronas.unfinished.judge", judge_some)
    monkeypatch.setattr(Schedule, "image_seconds", property(lambda self: 0.05))
    monkeypatch.setattr(Schedule, "annealed", lambda *_: None)
    stopped(images, tmp_path / "run")
    assert sizes[0] in (22, 23, 24), "of 0.05 s each within 1.2 s"


def test_a_run_that_fails_leaves_what_it_trained(tmp_path: Path, images: Any) -> None:
    def listen(record: Mapping[str, Any]) -> None:
        if record["kind"] == "epoch":
            raise RunError("Something is wrong.")

    out = tmp_path / "run"
    settings = {"space": {"layers": 2, "width": 4, "m": 3}}
    options = api.Options(space="superkernel", method="random", settings=settings, device="cpu", listeners=[listen])
    with pytest.raises(RunError, match="Something is wrong"):
        api.fit(images, budget="4 epochs", out=out, options=options)
    assert not load_bundle(out).finished
    result = RunFolder.open(out).read_result()
    assert result is not None
    assert (result["status"], result["unfinished"]["stage"]) == ("failed", "found")
    assert api.resume(out, data=images).result["unfinished"] is None
    assert load_bundle(out).finished


def test_a_baseline_that_fails_leaves_the_finished_model(tmp_path: Path, images: Any) -> None:
    def listen(record: Mapping[str, Any]) -> None:
        if record["kind"] == "epoch" and record["stage"] == "random":
            raise RunError("Something is wrong.")

    settings = {"space": {"layers": 2, "width": 4, "m": 3}}
    options = api.Options(space="superkernel", method="random", settings=settings, device="cpu", listeners=[listen],
                          baselines=("random",))  # fmt: skip
    with pytest.raises(RunError, match="Something is wrong"):
        api.fit(images, budget="4 epochs", out=tmp_path / "run", options=options)
    assert load_bundle(tmp_path / "run").finished


def test_weights_that_are_not_finite_are_not_kept(tmp_path: Path, images: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    true = NetworkTrainer.unfinished

    def broken(self: NetworkTrainer, *words: Any) -> list[Unfinished]:
        with torch.no_grad():
            next(self.net.parameters()).fill_(float("nan"))
        return true(self, *words)

    monkeypatch.setattr(NetworkTrainer, "unfinished", broken)
    assert stopped(images, tmp_path / "run").result["unfinished"] is None
    with pytest.raises(RunError):
        load_bundle(tmp_path / "run")
