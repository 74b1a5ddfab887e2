"""Scoring many networks: equal ones once, each built once for all proxies, several in flight."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import closing
from dataclasses import dataclass

from chronas.errors import EnvironmentFault, UsageError
from chronas.proxies.base import ProxyBatch
from chronas.proxies.flight import Build, Flight, Found, Scored, Threads, Timed, take_off

__all__ = ["Candidate", "Scored", "Timed", "score_all", "score_many"]


@dataclass(frozen=True)
class Candidate:
    """A network to be built when its turn comes.

    key      equal for equal networks, e.g. canonical choices
    build    makes a new network of its own: the last proxy leaves it as it happens to be
    """

    key: Hashable
    build: Build


def score_many(
    name: str, candidates: Iterable[Candidate], batch: ProxyBatch, *, in_flight: int = 1
) -> Iterator[tuple[Candidate, Scored]]:
    """`score_all` with one proxy: each candidate with its score, or the ProxyError that took its place, in order."""
    for candidate, found in score_all((name,), candidates, batch, in_flight=in_flight):
        yield candidate, found[name].score


def score_all(
    names: Sequence[str],
    candidates: Iterable[Candidate],
    batch: ProxyBatch,
    *,
    in_flight: int = 1,
    one_thread: bool = False,
) -> Iterator[tuple[Candidate, Found]]:
    """Each candidate with its scores by the proxies `names`, in order.

    A key that was met before is not built again. With `in_flight` n above 1, up to n networks are scored at once: on a
    CPU by processes, which takes some seconds to begin with, on a GPU by threads (`chronas.proxies.flight`).
    `one_thread` scores with one thread where one at a time is scored, too: the very scores of processes.
    Raises NoProcesses where they cannot be started or a `build` cannot be sent to them, and EnvironmentFault where one
    of them was ended from outside.
    """
    if in_flight < 1:
        raise UsageError(f"The number of networks in flight must be at least 1, but got {in_flight}.")
    flight = Threads(1, batch) if one_thread and in_flight == 1 else take_off(in_flight, batch)
    with closing(flight):
        try:
            yield from _in_order(flight, names, candidates, in_flight)
        except BrokenExecutor as error:
            raise EnvironmentFault(
                f"A process that scored networks has ended: {error}. If memory ran out, fewer networks in flight or "
                "fewer images need less (--in-flight, --batch)."
            ) from error


def _in_order(
    flight: Flight, names: Sequence[str], candidates: Iterable[Candidate], in_flight: int
) -> Iterator[tuple[Candidate, Found]]:
    known: dict[Hashable, Future[Found]] = {}
    waiting: deque[tuple[Candidate, Future[Found]]] = deque()
    for candidate in candidates:
        if candidate.key not in known:
            known[candidate.key] = flight.start(names, candidate.build)
        waiting.append((candidate, known[candidate.key]))
        # As many again as are in work are held, so that nobody waits for the next.
        while waiting and (waiting[0][1].done() or len(waiting) >= 2 * in_flight):
            yield _first(waiting)
    while waiting:
        yield _first(waiting)


def _first(waiting: deque[tuple[Candidate, Future[Found]]]) -> tuple[Candidate, Found]:
    candidate, future = waiting.popleft()
    return candidate, future.result()
