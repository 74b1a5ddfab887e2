"""How a run closes: all images are judged where there is time, a part of them where there is none left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chronas import api
from chronas.deploy.bundle import load_bundle
from chronas.reports.summary import summary_lines
from chronas.runs.folder import RunFolder
from chronas.train_stage import TrainStage
from chronas.training import judge

SETTINGS = {"space": {"layers": 2, "width": 4, "m": 3}}
VAL, TEST = 20, 40


@pytest.fixture
def images() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    return (rng.integers(0, 120, (200, 8, 8)) + 100 * labels[:, None, None]).astype(np.uint8), labels


def fit(images: Any, out: Path) -> Mapping[str, Any]:
    options = api.Options(space="superkernel", method="random", settings=SETTINGS, device="cpu", precision="float32",
                          val_share=VAL / 160, test_share=TEST / 200)  # fmt: skip
    return api.fit(images, budget="2 epochs", out=out, options=options).result


def notes(out: Path) -> list[str]:
    records = RunFolder.open(out).journal.records()
    return [r["message"] for r in records if r["kind"] == "note" and "There was time" in r["message"]]


def test_all_images_where_there_is_time(tmp_path: Path, images: Any) -> None:
    (row,) = fit(images, tmp_path / "run")["networks"]
    assert (row["val_images"], row["test_images"]) == (VAL, TEST)
    assert not notes(tmp_path / "run")


def test_a_part_of_them_where_the_machine_has_become_slow(
    tmp_path: Path, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model, a result and a report are there, and everything says of how many images the accuracy is."""
    out = tmp_path / "run"
    monkeypatch.setattr(judge, "CHUNK", 16)

    def no_time(self: TrainStage, ledger: object) -> Callable[[], float]:
        return lambda: -1.0

    monkeypatch.setattr(TrainStage, "_left", no_time)
    result = fit(images, out)
    (row,) = result["networks"]
    assert result["status"] == "finished"
    assert (row["val_images"], row["test_images"]) == (16, 16)
    assert sum(map(sum, row["confusion"])) == 16
    assert notes(out) == [
        f"There was time to look at 16 of {count} {kind} images, drawn at random: the {kind} accuracy of found is of "
        "these."
        for kind, count in (("validation", VAL), ("test", TEST))
    ]
    assert load_bundle(out).metrics["test_accuracy"] == row["test_accuracy"]
    assert (out / "report.html").exists()
    assert any("of 16 of 40 test images" in line for line in summary_lines(result))


def test_the_best_is_named_before_anything_was_judged(tmp_path: Path, images: Any) -> None:
    seen: dict[str, Any] = {}

    def listen(record: Mapping[str, Any]) -> None:
        kind, stage = record["kind"], record["stage"]
        if kind == "snapshot":
            return
        best = RunFolder.open(tmp_path / "run").read_best()
        seen.setdefault(f"{stage} {kind}", best)

    options = api.Options(space="superkernel", method="random", settings=SETTINGS, device="cpu", listeners=[listen])
    api.search(images, budget="2 epochs", out=tmp_path / "run", options=options)
    assert seen["search ask"] is None
    assert seen["search outcome"] is not None
    assert seen["search outcome"]["metrics"] == {}
    records = RunFolder.open(tmp_path / "run").journal.records()
    first = next(r for r in records if r["kind"] == "ask")
    assert seen["search outcome"]["choices"] == first["work"]["choices"]


def test_a_training_has_its_architecture_as_best_from_the_start(tmp_path: Path, images: Any) -> None:
    found = api.search(images, budget="1 epochs", out=tmp_path / "search", options=api.Options(
        space="superkernel", method="random", settings=SETTINGS, device="cpu"))  # fmt: skip
    assert found.architecture is not None
    best: list[Any] = []

    def listen(record: Mapping[str, Any]) -> None:
        if record["kind"] == "epoch":
            best.append(RunFolder.open(tmp_path / "train").read_best())

    done = api.train(found.architecture, images, budget="1 epochs", out=tmp_path / "train",
                     options=api.Options(device="cpu", listeners=[listen]))  # fmt: skip
    assert best[0]["notation"] == found.architecture.notation
    assert done.architecture is not None
    assert done.architecture.to_json() == found.architecture.to_json()
