"""Scoring networks without training: the library function."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from chronas.architecture import Architecture, make_space
from chronas.data.images import ImageData
from chronas.data.load import load
from chronas.errors import DataError, EnvironmentFault, ProxyError, UnknownNameError, UsageError
from chronas.proxies.base import ProxyBatch
from chronas.proxies.base import score as score_one
from chronas.reports.scored import agreement
from chronas.scoring import Scores, check_target, draw, score
from chronas.seeding import stream, torch_stream
from chronas.task import Task
from chronas.training.hardware import Hardware
from chronas.training.scores import proxy_batch, untrained

CELL = {"cells": 1, "channels": 4}


@pytest.fixture(scope="module")
def scores() -> Scores:
    return score("digits", space="nasbench201", proxies=("params", "naswot"), samples=12, batch=16, settings=CELL)


def test_networks_are_different_and_scored_in_the_order_drawn(scores: Scores) -> None:
    canonical = {scores.space.canonical(choices) for choices in scores.networks}
    assert len(canonical) == len(scores.networks) == 12
    assert scores.columns["params"] == tuple(map(float, scores.params))
    assert scores.networks == draw(make_space("nasbench201", CELL), 12, 0)


def test_scores_depend_on_the_seed_alone(scores: Scores) -> None:
    again = score("digits", space="nasbench201", proxies=("naswot",), samples=12, batch=16, settings=CELL, in_flight=2)
    other = score("digits", space="nasbench201", proxies=("naswot",), samples=12, batch=16, settings=CELL, seed=1)
    assert again.columns["naswot"] == scores.columns["naswot"]
    assert other.columns["naswot"] != scores.columns["naswot"]


def test_a_network_without_a_score_is_named_and_never_the_best(scores: Scores) -> None:
    column, reasons = scores.columns["naswot"], scores.reasons["naswot"]
    assert sum(value is None for value in column) == len(reasons)
    places = scores.best("naswot", 3)
    assert [column[place] for place in places] == sorted((v for v in column if v is not None), reverse=True)[:3]
    none = Scores(
        scores.space, scores.networks, scores.params, scores.madds, {"naswot": (None,) * 12}, {"naswot": ("x",)}
    )
    with pytest.raises(ProxyError, match="none of 12 networks: x"):
        none.best("naswot")


def test_copies_of_an_image_are_left_out(tmp_path: Path) -> None:
    draw_pixels = stream(0, "tests", "copies")
    pixels = draw_pixels.integers(256, size=(60, 8, 8, 1), dtype=np.uint8)
    pixels[30:] = pixels[:30]
    data = load_arrays(pixels, tmp_path)
    batch = proxy_batch(data, Hardware("cpu", bfloat16=False), 0, 40)
    assert 25 <= len(batch.images) <= 30
    assert len({image.numpy().tobytes() for image in batch.images}) == len(batch.images)
    assert len(batch.labels) == len(batch.images)
    scored = score(data, space="nasbench201", samples=4, settings=CELL)
    assert any(value is not None for value in scored.columns["naswot"])
    with pytest.raises(DataError, match="one and the same"):
        proxy_batch(load_arrays(np.zeros_like(pixels), tmp_path), Hardware("cpu", bfloat16=False), 0, 40)


def load_arrays(pixels: np.ndarray, folder: Path) -> ImageData:
    np.savez(folder / "images.npz", x_train=pixels, y_train=np.arange(len(pixels)) % 2)
    return load(folder / "images.npz")


def test_equal_networks_have_equal_scores_however_they_are_written() -> None:
    """An edge that leads nowhere draws no weights before those that count."""
    space = make_space("nasbench201", CELL)
    task, hardware = Task(1, 8, 8, 10), Hardware("cpu", bfloat16=False)
    dead = space.parse("|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    live = space.parse("|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    assert space.exact(dead) == space.exact(live)
    batch = ProxyBatch(torch.randn(8, 1, 8, 8, generator=torch_stream(0, "tests")), torch.arange(8), 10)
    nets = [untrained(Architecture(space, choices), task, hardware, 0, "naswot")() for choices in (dead, live)]
    assert score_one("naswot", nets[0], batch) == score_one("naswot", nets[1], batch)
    sizes = [untrained(Architecture(space, choices), task, hardware, 0, "params")() for choices in (dead, live)]
    assert score_one("params", sizes[0], batch) > score_one("params", sizes[1], batch)


def test_where_scores_cannot_be_written_is_told_before_scoring(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "file" / "scores.csv", tmp_path):
        with pytest.raises((EnvironmentFault, UsageError)):
            check_target(target)


def test_a_small_space_gives_all_it_has() -> None:
    space = make_space("superkernel", {"layers": 1, "m": 2, "reductions": 0})
    assert len(draw(space, 100, 0)) == 4


def test_files_hold_every_network(scores: Scores, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    scores.write(tmp_path / "new" / "scores.csv")
    scores.write(tmp_path / "scores.parquet")
    with (tmp_path / "new" / "scores.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    filed = parquet.read_table(tmp_path / "scores.parquet").to_pylist()
    assert [row["architecture"] for row in rows] == [row["architecture"] for row in filed]
    assert [row["naswot"] for row in filed] == list(scores.columns["naswot"])
    assert filed == list(scores.records())


def test_wrong_words_are_told_before_anything_is_scored(scores: Scores, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="naswot"):
        score("digits", space="nasbench201", proxies=("naswto",))
    with pytest.raises(UsageError, match="at least one network"):
        score("digits", space="nasbench201", samples=0)
    with pytest.raises(UsageError, match=r"\.parquet or \.csv"):
        scores.write(tmp_path / "scores.txt")
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault, match="cannot be written"):
        scores.write(tmp_path / "file" / "scores.csv")


def test_agreement_with_the_shipped_table_is_kendalls_tau(scores: Scores) -> None:
    found = agreement(scores)
    assert [one.dataset for one in found] == ["cifar10", "cifar100", "imagenet16"]
    assert all(one.networks == 12 and set(one.taus) == {"params", "naswot"} for one in found)
    assert all(-1 <= tau <= 1 for one in found for tau in one.taus.values())
    perfect = dict.fromkeys(["params"], tuple(np.asarray(_accuracies(scores), dtype=float)))
    best = Scores(scores.space, scores.networks, scores.params, scores.madds, perfect, {"params": ()})
    assert agreement(best)[0].taus["params"] == pytest.approx(1.0)


def _accuracies(scores: Scores) -> list[float]:
    from chronas.benchmarks import load
    from chronas.benchmarks.testing_door import test_accuracy

    table = load("nasbench201")
    return [test_accuracy(table, "cifar10", choices) for choices in scores.networks]


def test_a_space_without_a_table_has_no_agreement() -> None:
    made = score("digits", space="superkernel", proxies=("params",), samples=12, settings={"layers": 2, "m": 3})
    assert agreement(made) == []
