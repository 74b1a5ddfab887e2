"""The library's verbs: what they take over, refuse and say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from chronas import api
from chronas.context import placed
from chronas.data.load import load
from chronas.errors import EnvironmentFault, UsageError
from chronas.execution.interrupt import StopFlag
from chronas.runs.folder import RunFolder
from chronas.seeding import stream
from chronas.train_stage import TrainStage
from chronas.training.hardware import Hardware

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


def test_what_a_user_says_about_the_images_of_a_run_holds(images: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    api.search(images, budget="1 evaluations", out=run, options=options(test_share=0.2, seed=3))
    api.train(run, images, budget="0.1 epochs", out=tmp_path / "t", options=api.Options(seed=0, test_share=0.1))
    spec = RunFolder.open(tmp_path / "t").spec
    assert (spec["seed"], spec["data"]["test_share"]) == (0, 0.1)


def test_a_run_goes_on_with_its_images_where_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = tmp_path / "photos"
    pixels = stream(0, "tests", "photos").integers(256, size=(60, 8, 8, 3), dtype=np.uint8)
    for index, image in enumerate(pixels):
        (photos / str(index % 2)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(photos / str(index % 2) / f"{index}.png")
    ended = iter([False] * 3 + [True] * 1000)
    monkeypatch.setattr(StopFlag, "requested", property(lambda flag: next(ended)))
    monkeypatch.setattr(StopFlag, "exit_code", property(lambda flag: 130))
    assert api.search(photos, budget="4 evaluations", out=tmp_path / "run", options=options()).interrupted
    monkeypatch.undo()
    # Little memory is free now: the images are read into it all the same, as at first.
    monkeypatch.setattr("chronas.data.on_disk.free_memory", lambda: 0)
    assert not RunFolder.open(tmp_path / "run").spec["streamed"]
    assert api.resume(tmp_path / "run").result["status"] == "finished"


def test_a_place_that_cannot_be_written_is_told_before_loading(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def access(path: Path, mode: int) -> bool:
        return Path(path) != tmp_path

    monkeypatch.setattr("chronas.runs.folder.os.access", access)
    monkeypatch.setattr(api, "load", lambda *_, **__: pytest.fail("the images were loaded"))
    with pytest.raises(EnvironmentFault, match="No permission for"):
        api.search(images, budget="1 evaluations", out=tmp_path / "a" / "b", options=options())


def test_a_comparison_that_there_is_not_is_refused(images: Path, tmp_path: Path) -> None:
    words = api.Options(baselines=("plain",), max_params=100_000, space="resnet", method="random")
    with pytest.raises(UsageError, match="no plain network within these limits"):
        api.fit(images, budget="1h", out=tmp_path / "run", options=words)
    assert not (tmp_path / "run").exists()


def test_a_training_has_no_baselines(images: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    api.search(images, budget="1 evaluations", out=run, options=options())
    with pytest.raises(UsageError, match="with fit"):
        api.train(run, images, budget="1 epochs", options=api.Options(baselines=("random",)))


def test_images_that_would_fill_a_gpu_stay_where_they_are(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load(images)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * data.bytes - 1, 2**40))
    there = placed(data, Hardware("cuda", True))
    assert there.train is data.train
    assert "stay in the main memory" in there.notes[-1]


def test_no_time_to_train_is_told_with_a_better_budget(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainStage, "_closing_seconds", lambda *_: 100.0)
    run = tmp_path / "run"
    with pytest.raises(UsageError, match=r"judging it takes about 1m 40s here.*chronas train .* --budget 410s"):
        api.fit(images, budget="20s", out=run, options=options(search_share=0.01))
    assert RunFolder.open(run).read_result()["status"] == "failed"  # type: ignore[index]
    with pytest.raises(UsageError, match=r"Give a budget of at least 20\d s"):
        api.train(run, images, budget="20s")
    with pytest.raises(UsageError, match=r"Give a budget of at least 20\d s"):
        api.resume(run / "train")


def test_words_for_images_that_are_loaded_already_are_refused(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="size"):
        api.search(load(images), budget="1 evaluations", out=tmp_path / "run", options=options(size=8))
