"""Scoring what will be asked for next while the network asked for is waited for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future, wait

from chronas.errors import ProxyError
from chronas.proxies.base import ProxyBatch
from chronas.proxies.flight import Build, Flight, Found, NoProcesses, Processes, Threads
from chronas.work import Evaluate, Work

LOOK_SECONDS = 0.1
"""Between two looks at whether it is enough."""


class Ahead:
    """Several networks are scored at once, by processes with one thread each; by a thread where there is room for one.

    room   how many at once, and on what batch; asked when the first is scored
    build  for a piece of work, what makes its network; it travels to the process
    """

    def __init__(self, room: Callable[[], tuple[int, ProxyBatch]], build: Callable[[Evaluate], Build]) -> None:
        self._room, self._build = room, build
        self._flight: Flight | None = None
        self._begun: dict[Evaluate, Future[Found]] = {}
        self._count = 1
        # Processes at most: fewer once one has ended, 0 where there can be none.
        self._most = sys.maxsize
        self._notes: list[str] = []

    def score(
        self, work: Evaluate, upcoming: Callable[[int], Sequence[Work]], enough: Callable[[], bool] = lambda: False
    ) -> float | None:
        """The score of `work`; what is `upcoming` is begun. Raises ProxyError.

        None where `enough` says so while it is waited for: another call goes on waiting.
        """
        try:
            return self._flown(work, upcoming, enough)
        except BrokenExecutor as error:
            # Whose network it was cannot be told: this one is tried once more, alone. Perhaps it was too many at once.
            self._most = max(1, self._count // 2)
            fewer = f"from here on {self._most} at once" if self._most < self._count else "it is begun anew"
            self._notes.append(f"A process that scored networks has ended ({_first_line(error)}): {fewer}.")
            self.close()
        try:
            return self._flown(work, lambda count: (), enough)
        except BrokenExecutor as error:
            self.close()
            raise ProxyError(f"The process that scored this network has ended: {_first_line(error)}") from error

    def _flown(
        self, work: Evaluate, upcoming: Callable[[int], Sequence[Work]], enough: Callable[[], bool]
    ) -> float | None:
        self._begin(work)
        for one in upcoming(2 * self._count - 1) if isinstance(self._flight, Processes) else ():
            if isinstance(one, Evaluate):
                self._begin(one)
        self._begin(work)  # anew, where beginning the others has ended the processes
        while not wait((self._begun[work],), LOOK_SECONDS).done:
            if enough():
                return None
        found = self._begun.pop(work).result()[work.fidelity.proxy].score
        if isinstance(found, ProxyError):
            raise found
        return found

    def _begin(self, work: Evaluate) -> None:
        if work in self._begun:
            return
        names, build = (work.fidelity.proxy,), self._build(work)
        try:
            started = self._open().start(names, build)
        except NoProcesses as error:
            self._notes.append(f"{_first_line(error)}. Networks are scored one by one.")
            self._most = 0
            self.close()
            started = self._open().start(names, build)
        self._begun[work] = started

    def _open(self) -> Flight:
        if self._flight is None:
            room, batch = self._room()
            self._count = min(room, self._most)
            # One thread computes what the one of a process does.
            alone = room == 1 or self._most == 0
            self._flight = Threads(1, batch) if alone else Processes(self._count, batch)
        return self._flight

    def notes(self) -> list[str]:
        """Messages for people, each handed out once."""
        found, self._notes = self._notes, []
        return found

    def close(self) -> None:
        """End the processes, and forget what they were doing."""
        if self._flight is not None:
            self._flight.close()
        self._flight = None
        self._begun.clear()


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
