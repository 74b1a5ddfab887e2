"""The library's verbs: what they take over, refuse and say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chronas import api
from chronas.data.load import load
from chronas.errors import UsageError
from chronas.runs.folder import RunFolder
from chronas.seeding import stream

SPACE = {"layers": 2, "width": 4, "m": 3, "reductions": 1}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """120 colour images of 12x16 in two classes."""
    pixels = stream(0, "tests", "api").integers(256, size=(120, 12, 16, 3), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", x_train=pixels, y_train=np.arange(120) % 2)
    return tmp_path / "images.npz"


def options(**words: object) -> api.Options:
    return api.Options(space="superkernel", method="random", settings={"space": SPACE}, device="cpu", **words)  # type: ignore[arg-type]


def test_training_what_a_run_found_reads_its_images_alike(images: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    api.search(images, budget="2 evaluations", out=run, options=options(size=8, test_share=0.0, seed=3))
    api.train(run, images, budget="1 epochs", out=tmp_path / "same")
    spec = RunFolder.open(tmp_path / "same").spec
    assert (spec["data"]["size"], spec["data"]["test_share"], spec["seed"]) == (8, 0.0, 3)
    api.train(run, images, budget="1 epochs", out=tmp_path / "other", options=api.Options(size=10))
    assert RunFolder.open(tmp_path / "other").spec["data"]["size"] == 10
    api.train(run, "digits", budget="0.1 epochs", out=tmp_path / "digits")
    assert RunFolder.open(tmp_path / "digits").spec["seed"] == 0


def test_what_was_trained_alone_can_be_trained_again(images: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    api.search(images, budget="2 evaluations", out=run, options=options())
    first = api.train(run, images, budget="1 epochs")
    again = api.train(first.path, images, budget="1 epochs", out=tmp_path / "again")
    assert again.result["networks"][0]["notation"] == first.result["networks"][0]["notation"]


def test_the_metrics_of_a_result_are_those_of_its_architecture(images: Path, tmp_path: Path) -> None:
    done = api.search(images, budget="4 evaluations", out=tmp_path / "run", options=options())
    judged = {
        tuple(r["work"]["choices"]): r["metrics"]["val_accuracy"]
        for r in RunFolder.open(done.path).journal.records()
        if r["kind"] == "outcome"
    }
    found = done.result["search"]
    assert found["metrics"]["val_accuracy"] == judged[tuple(found["choices"])] == max(judged.values())
    best = RunFolder.open(done.path).read_best()
    assert best is not None
    assert best["metrics"] == found["metrics"]


def test_a_home_folder_is_a_path(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(images.parent))
    api.search("~/images.npz", budget="1 evaluations", out=tmp_path / "run", options=options())
    assert RunFolder.open(tmp_path / "run").spec["data"]["source"] == str(images)


@pytest.mark.parametrize("share", [-0.1, 0.0, 1.0, 1.5])
def test_a_share_that_is_none_is_refused(share: float, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="search_share must lie between 0 and 1"):
        api.fit("digits", budget="1h", out=tmp_path / "run", options=api.Options(search_share=share))


def test_a_budget_that_loading_has_used_up_is_told_before_anything_else(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too short: loading took"):
        api.fit("digits", budget="5s", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_words_for_images_that_are_loaded_already_are_refused(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="size"):
        api.search(load(images), budget="1 evaluations", out=tmp_path / "run", options=options(size=8))
