"""Judging looks at the clock: all images, or a fair part of them."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import CPU, Clock, split
from torch import Tensor, nn
from torch.nn import functional as F

from chronas.budget import Budget, Ledger
from chronas.data.images import Split
from chronas.training.hardware import Hardware
from chronas.training.judge import CHUNK, LEAST_CHUNK, Judgement, Watch, chunk_size, judge, remaining, unlimited


class One(nn.Module):
    """Always says class 1; counts its calls."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return torch.stack([torch.zeros(len(x)), torch.ones(len(x))], 1)


def looked(part: Split, net: nn.Module | None = None, **words: Any) -> Judgement:
    return judge(net or One(), part, mean=(0.4,), std=(0.2,), classes=2, hardware=CPU, **words)


def by_class(count: int) -> Split:
    """The images of class 0 first, then those of class 1: as many data sets come."""
    part = split(count, 3)
    order = torch.argsort(part.labels)
    return dataclasses.replace(part, images=part.images[order], labels=part.labels[order])


def test_all_images_where_there_is_time() -> None:
    seen = looked(by_class(100), batch_size=7, left=lambda: 1e9)
    assert (seen.images, seen.total, seen.whole) == (100, 100, True)
    assert seen == looked(by_class(100), batch_size=7)
    assert seen.accuracy == 50


def test_a_part_is_a_fair_sample() -> None:
    left = iter([1e9, 1e9, 1e9, -1.0])
    net = One()
    seen = looked(by_class(400), net, batch_size=20, left=lambda: next(left))
    assert net.calls == 4, "the clock is asked after every batch"
    assert (seen.images, seen.total, seen.whole) == (80, 400, False)
    assert sum(map(sum, seen.confusion)) == 80
    assert min(sum(row) for row in seen.confusion) >= 25, "both classes, though the first 80 images are of one"
    assert seen.accuracy == pytest.approx(100 * sum(seen.confusion[1]) / 80)


def test_the_first_batch_is_always_looked_at_and_the_same() -> None:
    parts = [looked(by_class(60), batch_size=10, left=lambda: -5.0) for _ in range(2)]
    assert parts[0] == parts[1]
    assert parts[0].images == 10


def test_no_batch_is_begun_that_would_end_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four batches of which each takes 3 s, in 10.5 s; the last one is half as large."""
    clock = Clock()
    monkeypatch.setattr("chronas.training.judge.time", SimpleNamespace(monotonic=clock))
    for end, seen in ((10.5, [False, False, False]), (10.4, [False, False, True]), (8.9, [False, True])):
        clock.now = 0.0
        watch = Watch(lambda end=end: end - clock.now, 20, 70)  # type: ignore[misc]
        for number, ended in enumerate(seen, 1):
            clock.now += 3
            assert watch.ended(20 * number, 0.0) is ended
    assert not Watch(unlimited, 20, 70).ended(20, 0.0)


def test_large_images_come_in_smaller_batches() -> None:
    def of(side: int) -> Split:
        return Split(torch.zeros(1, 3, side, side, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))

    assert chunk_size(of(8), CPU) == chunk_size(of(32), CPU) == CHUNK
    assert chunk_size(of(128), CPU) == 31
    assert chunk_size(of(900), CPU) == LEAST_CHUNK
    assert chunk_size(of(900), Hardware("cuda", bfloat16=True)) == CHUNK


def test_an_evaluation_leaves_the_reserve_alone() -> None:
    clock = Clock()
    ledger = Ledger(Budget(10, "seconds"), clock=clock, reserve=4)
    clock.now = 5
    assert remaining(ledger)() == 1
    assert remaining(Ledger(Budget(3, "epochs"), clock=clock)) is unlimited


class Next(nn.Module):
    """Says the class after the true one, which is the image's brightness; of class 7 it says 9."""

    def forward(self, x: Tensor) -> Tensor:
        true = (x[:, 0, 0, 0] * 0.2 + 0.4).mul(255).round().long()
        said = torch.where(true == 7, 9, torch.where(true % 2 == 0, true, true + 1))
        return F.one_hot(said, 256).float()


@pytest.mark.parametrize("classes", [200, 256])
def test_many_classes_have_no_matrix_but_their_mistakes(classes: int) -> None:
    labels = torch.cat([torch.arange(100), torch.full((5,), 7), torch.full((2,), 3)])
    images = labels.byte().view(-1, 1, 1, 1).expand(-1, 1, 8, 8).contiguous()
    net = Next() if classes == 256 else nn.Sequential(Next(), Cut(classes))
    seen = judge(net, Split(images, labels), mean=(0.4,), std=(0.2,), classes=classes, hardware=CPU)
    assert seen.accuracy == pytest.approx(100 * 50 / 107)
    assert seen.mistakes[:3] == ((7, 9, 6), (3, 4, 3), (1, 2, 1))
    assert len(seen.mistakes) == 50
    assert (seen.seen[7], seen.hits[7], seen.seen[150], seen.hits[4]) == (6, 0, 0, 1)
    assert (len(seen.confusion) == 200) is (classes == 200)
    assert set(seen.per_class([str(i) for i in range(classes)])) == {str(i) for i in range(100)}


class Cut(nn.Module):
    """The first classes alone."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        return x[:, : self.classes]
