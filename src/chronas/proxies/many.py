"""Scoring many networks: equal ones once, several in flight."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from chronas.errors import ProxyError, UsageError
from chronas.proxies import PROXIES
from chronas.proxies.base import ProxyBatch, score, score_unscoped

Scored = float | ProxyError


@dataclass(frozen=True)
class Candidate:
    """A network to be built when its turn comes. `key`: equal for equal networks, e.g. canonical choices."""

    key: Hashable
    build: Callable[[], nn.Module]


def score_many(
    name: str, candidates: Iterable[Candidate], batch: ProxyBatch, *, in_flight: int = 1
) -> Iterator[tuple[Candidate, Scored]]:
    """Each candidate with its score, or the ProxyError that took its place, in order.

    A key that was met before is not built again. With `in_flight` n above 1, up to n networks are scored at once,
    each by a thread of its own with one torch thread: small networks leave most of a processor idle otherwise.
    Networks are built in the caller's thread, one at a time, so `build` may use `torch_scope`. A network that draws
    from torch's global stream by itself (not dropout: it is off) is repeatable only with `in_flight` 1.
    """
    if in_flight < 1:
        raise UsageError(f"The number of networks in flight must be at least 1, but got {in_flight}.")
    known: dict[Hashable, Future[Scored]] = {}
    waiting: deque[tuple[Candidate, Future[Scored]]] = deque()
    with _workers(in_flight) as start:
        for candidate in candidates:
            if candidate.key not in known:
                known[candidate.key] = start(name, candidate.build(), batch)
            waiting.append((candidate, known[candidate.key]))
            # One network more than are in work is held, so that no thread waits for the next to be built.
            while sum(not future.done() for _, future in waiting) > in_flight:
                yield _finished(waiting)
        while waiting:
            yield _finished(waiting)


def _finished(waiting: deque[tuple[Candidate, Future[Scored]]]) -> tuple[Candidate, Scored]:
    candidate, future = waiting.popleft()
    return candidate, future.result()


Start = Callable[[str, nn.Module, ProxyBatch], "Future[Scored]"]


@contextmanager
def _workers(count: int) -> Iterator[Start]:
    if count == 1:
        yield _at_once
        return
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(count, "score", initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield lambda name, net, batch: pool.submit(_in_thread, name, net, batch)
    # The threads' setting is also the start value of threads to come.
    torch.set_num_threads(threads)


def _at_once(name: str, net: nn.Module, batch: ProxyBatch) -> Future[Scored]:
    done: Future[Scored] = Future()
    try:
        done.set_result(score(name, net, batch))
    except ProxyError as error:
        done.set_result(error)
    return done


def _in_thread(name: str, net: nn.Module, batch: ProxyBatch) -> Scored:
    try:
        return score_unscoped(name, PROXIES.load(name), net, batch)
    except ProxyError as error:
        return error
