"""Scoring many networks: equal ones once, each built once for all proxies, several in flight."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from chronas.errors import ProxyError, UsageError
from chronas.proxies import PROXIES
from chronas.proxies.base import ProxyBatch, score, score_unscoped

Scored = float | ProxyError


@dataclass(frozen=True)
class Candidate:
    """A network to be built when its turn comes.

    key      equal for equal networks, e.g. canonical choices
    build    makes a new network of its own: the last proxy leaves it as it happens to be
    """

    key: Hashable
    build: Callable[[], nn.Module]


@dataclass(frozen=True)
class Timed:
    """A score, or the ProxyError that took its place, and the seconds it took; building the network is not in them."""

    score: Scored
    seconds: float


def score_many(
    name: str, candidates: Iterable[Candidate], batch: ProxyBatch, *, in_flight: int = 1
) -> Iterator[tuple[Candidate, Scored]]:
    """`score_all` with one proxy: each candidate with its score, or the ProxyError that took its place, in order."""
    for candidate, found in score_all((name,), candidates, batch, in_flight=in_flight):
        yield candidate, found[name].score


def score_all(
    names: Sequence[str], candidates: Iterable[Candidate], batch: ProxyBatch, *, in_flight: int = 1
) -> Iterator[tuple[Candidate, dict[str, Timed]]]:
    """Each candidate with its scores by the proxies `names`, in order.

    A key that was met before is not built again. With `in_flight` n above 1, up to n networks are scored at once,
    each by a thread of its own with one torch thread: small networks leave most of a processor idle otherwise.
    Networks are built in the caller's thread, one at a time, so `build` may use `torch_scope`. A network that draws
    from torch's global stream by itself (not dropout: it is off) is repeatable only with `in_flight` 1.
    """
    if in_flight < 1:
        raise UsageError(f"The number of networks in flight must be at least 1, but got {in_flight}.")
    known: dict[Hashable, Future[dict[str, Timed]]] = {}
    waiting: deque[tuple[Candidate, Future[dict[str, Timed]]]] = deque()
    with _workers(in_flight) as start:
        for candidate in candidates:
            if candidate.key not in known:
                known[candidate.key] = start(names, candidate.build(), batch)
            waiting.append((candidate, known[candidate.key]))
            # One network more than are in work is held, so that no thread waits for the next to be built.
            while sum(not future.done() for _, future in waiting) > in_flight:
                yield _finished(waiting)
        while waiting:
            yield _finished(waiting)


def _finished(
    waiting: deque[tuple[Candidate, Future[dict[str, Timed]]]],
) -> tuple[Candidate, dict[str, Timed]]:
    candidate, future = waiting.popleft()
    return candidate, future.result()


Start = Callable[[Sequence[str], nn.Module, ProxyBatch], "Future[dict[str, Timed]]"]


@contextmanager
def _workers(count: int) -> Iterator[Start]:
    if count == 1:
        yield _at_once
        return
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(count, "score", initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield lambda names, net, batch: pool.submit(_scores, _in_thread, names, net, batch)
    finally:
        # The threads' setting is also the start value of threads to come.
        torch.set_num_threads(threads)


def _at_once(names: Sequence[str], net: nn.Module, batch: ProxyBatch) -> Future[dict[str, Timed]]:
    done: Future[dict[str, Timed]] = Future()
    done.set_result(_scores(score, names, net, batch))
    return done


def _in_thread(name: str, net: nn.Module, batch: ProxyBatch, *, keep: bool) -> float:
    return score_unscoped(name, PROXIES.load(name), net, batch, keep)


class _ScoreOne(Protocol):
    def __call__(self, name: str, net: nn.Module, batch: ProxyBatch, *, keep: bool) -> float: ...


def _scores(score_one: _ScoreOne, names: Sequence[str], net: nn.Module, batch: ProxyBatch) -> dict[str, Timed]:
    """One proxy after the other on one network: each but the last leaves it as it was."""
    found: dict[str, Timed] = {}
    for place, name in enumerate(names, start=1):
        began = time.perf_counter()
        try:
            value: Scored = score_one(name, net, batch, keep=place < len(names))
        except ProxyError as error:
            value = ProxyError(str(error))  # without a traceback, whose frames would hold the network
        found[name] = Timed(value, time.perf_counter() - began)
    return found
