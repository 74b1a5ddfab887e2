"""The guard and what surrounds scores: batches, ranks, many networks."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_nets import branches, noise_batch
from torch import nn

from chronas.errors import ProxyError, UnknownNameError, UsageError
from chronas.proxies import PROXIES
from chronas.proxies.base import ProxyBatch, score
from chronas.proxies.flight import Flight, InTurn, Processes, Threads
from chronas.proxies.guard import untouched
from chronas.proxies.many import Candidate, score_all, score_many
from chronas.proxies.ranks import aggregate, kendall_tau
from chronas.registry import Registry
from chronas.testing import proxies as suite


def make_a_mess(net: Any) -> None:
    assert net.training
    assert net.head.weight.grad is None
    net.live[0].weight.data.mul_(2)
    net.live[1].running_mean = torch.ones(4)
    net.other[0] = nn.Identity()
    net.extra = 5
    net.head.register_forward_hook(lambda *_: None)
    net.double()
    net.stem.forward = lambda x: x
    net.add_module("new", nn.ReLU())
    net.last.train(False)
    raise ArithmeticError


def test_whatever_happens_inside_is_undone() -> None:
    net: Any = branches("both").eval()
    net.head.weight.grad = torch.ones_like(net.head.weight)
    before = suite._trace(net)
    with pytest.raises(ArithmeticError), untouched(net):
        make_a_mess(net)
    assert suite._same(before, suite._trace(net))
    assert not hasattr(net, "extra")


def test_a_network_that_is_thrown_away_gives_the_same_score() -> None:
    net: Any = branches("both").eval()
    net.requires_grad_(False)
    net.head.weight.grad = torch.ones_like(net.head.weight)
    means = net.live[1].running_mean
    before = means.clone()
    for name in ("naswot", "snip", "synflow"):
        thrown = copy.deepcopy(net)
        assert score(name, thrown, noise_batch(), keep=False) == score(name, net, noise_batch())
    assert torch.equal(means, before)
    score("naswot", net, noise_batch(), keep=False)
    assert not torch.equal(means, before)
    assert net.training


def test_the_suite_notices_what_a_proxy_must_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def unseeded(net: nn.Module, batch: ProxyBatch) -> float:
        return float(np.random.default_rng().random())

    def careless(net: nn.Module, batch: ProxyBatch) -> float:
        batch.images.mul_(1.5)
        return 1.0

    def endless(net: nn.Module, batch: ProxyBatch) -> float:
        return float("inf")

    faults = {"unseeded": unseeded, "careless": careless, "endless": endless}
    words = {"unseeded": "two scores", "careless": "changed the images", "endless": "not finite"}
    registry: Registry[object] = Registry("proxy")
    for name, function in faults.items():
        registry.add(name, f"{__name__}:{name}", "faulty")
        monkeypatch.setitem(globals(), name, function)
    monkeypatch.setattr("chronas.proxies.base.PROXIES", registry)
    monkeypatch.setattr(suite, "PROXIES", registry)
    for name, expected in words.items():
        with pytest.raises((AssertionError, ProxyError), match=expected):
            suite.check_proxy(name)


def test_wrong_words() -> None:
    net, batch = branches("both"), noise_batch()
    with pytest.raises(UnknownNameError, match="naswot"):
        score("naswat", net, batch)
    with pytest.raises(UsageError, match="on meta"):
        score("naswot", copy.deepcopy(net).to("meta"), batch)
    with pytest.raises(ProxyError, match="Labels up to 6"):
        score("snip", net, noise_batch(classes=7, size=7))


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (torch.zeros(1, 3, 4, 4), torch.zeros(1, dtype=torch.int64), "2 or more"),
        (torch.zeros(2, 3, 4), torch.zeros(2, dtype=torch.int64), "2 or more"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), "float"),
        (torch.zeros(2, 3, 4, 4), torch.zeros(3, dtype=torch.int64), "as many"),
        (torch.zeros(2, 3, 4, 4), torch.tensor([0, 2]), "do not fit 2 classes"),
        (torch.full((2, 3, 4, 4), torch.nan), torch.tensor([0, 1]), "finite"),
    ],
)
def test_bad_batches(images: torch.Tensor, labels: torch.Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ProxyBatch(images, labels, 2)


def test_a_network_that_cannot_take_one_image() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 8), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4, 4))
    with pytest.raises(ProxyError, match="zico cannot score this network: Expected more than 1 value"):
        score("zico", net, noise_batch(2))


@pytest.mark.parametrize("in_flight", [1, 3])
def test_many(in_flight: int, tmp_path: Path) -> None:
    batch, built = noise_batch(), tmp_path / "built"
    kinds = ["both", "dead", "both", "broken", "zero", "dead", "detached"]

    def build(kind: str) -> nn.Module:
        with built.open("a") as file:
            file.write(f"{kind}\n")
        return nn.Sequential(nn.Flatten()) if kind == "broken" else branches(kind)

    candidates = [Candidate(kind, partial(build, kind)) for kind in kinds]
    threads = torch.get_num_threads()
    found = list(score_all(("naswot", "snip"), candidates, batch, in_flight=in_flight))
    assert [candidate.key for candidate, _ in found] == kinds
    told = built.read_text().split()  # by several processes in whatever order
    assert (told if in_flight == 1 else sorted(told, key=kinds.index)) == list(dict.fromkeys(kinds))
    assert torch.get_num_threads() == threads
    for name in ("naswot", "snip"):
        for candidate, both in found:
            if candidate.key == "broken":
                assert isinstance(both[name].score, ProxyError)
            else:
                assert both[name].score == score(name, branches(str(candidate.key)), batch)


def test_scores_come_when_they_are_there() -> None:
    asked: list[int] = []

    def candidates() -> Iterator[Candidate]:
        for index in range(3):
            asked.append(index)
            yield Candidate(index, lambda: branches("both"))

    for place, _ in enumerate(score_many("params", candidates(), noise_batch())):
        assert asked == list(range(place + 1))


@pytest.mark.parametrize("kind", [InTurn, partial(Threads, 2), partial(Processes, 2)])
def test_a_network_is_built_once_for_all_proxies(kind: Callable[[ProxyBatch], Flight], tmp_path: Path) -> None:
    batch, built, here = noise_batch(), tmp_path / "built", os.getpid()

    def build() -> nn.Module:
        with built.open("a") as file:
            main = os.getpid() == here and threading.current_thread() is threading.main_thread()
            file.write("in main thread" if main else "elsewhere")
        return branches("both")

    names = ("synflow", "naswot", "grasp", "zen", "params")
    with closing(kind(batch)) as flight:
        found = flight.start(names, build).result()
    travels = isinstance(flight, Processes)
    assert built.read_text() == ("elsewhere" if travels else "in main thread")
    assert list(found) == list(names)
    for name, timed in found.items():
        assert timed.score == score(name, branches("both"), batch)
        assert timed.seconds > 0


def test_threads_are_as_before_when_scoring_is_over() -> None:
    def in_new_thread() -> int:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(torch.get_num_threads).result()

    def interrupted() -> nn.Module:
        raise KeyboardInterrupt

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with closing(Threads(2, noise_batch())) as flight:
            flight.start(("params",), lambda: branches("both")).result()
        assert (torch.get_num_threads(), in_new_thread()) == (2, 2)
        with pytest.raises(KeyboardInterrupt), closing(Threads(2, noise_batch())) as flight:
            flight.start(("params",), interrupted)
        assert (torch.get_num_threads(), in_new_thread()) == (2, 2)
    finally:
        torch.set_num_threads(threads)


def test_an_unknown_name_can_be_told_by_another_process() -> None:
    error = UnknownNameError("proxy", "naswod", ["naswot", "zen"])
    assert str(copy.copy(error)) == str(error)


def test_out_of_memory_is_no_bug() -> None:
    class Hungry(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ProxyError, match="naswot needs more memory than there is for 6 images"):
        score("naswot", Hungry(), noise_batch(6))


def test_many_needs_a_number() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        list(score_many("params", [], noise_batch(), in_flight=0))


def test_aggregate() -> None:
    found = aggregate({"a": [1.0, 2.0, 3.0, np.nan], "b": [10.0, 30.0, 20.0, 20.0]})
    assert found.tolist() == [(2 + 1) / 2, (3 + 4) / 2, (4 + 2.5) / 2, (1 + 2.5) / 2]
    with pytest.raises(UsageError, match="one score per network"):
        aggregate({"a": [1.0], "b": [1.0, 2.0]})
    with pytest.raises(UsageError, match="one score per network"):
        aggregate({})


def test_kendall_tau() -> None:
    # 4 of 6 pairs agree, 2 do not.
    assert kendall_tau([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(4 / 6)
    assert kendall_tau([1, 2, np.nan, 3], [1, 2, 0, 3]) == pytest.approx(1.0)
    with pytest.raises(UsageError, match="one length"):
        kendall_tau([1, 2], [1])
    with pytest.raises(UsageError, match="at least two"):
        kendall_tau([1, np.nan], [1, 2])


def test_every_proxy_is_a_file_of_its_name() -> None:
    assert all(entry.target == f"chronas.proxies.{entry.name}:{entry.name}" for entry in PROXIES)
