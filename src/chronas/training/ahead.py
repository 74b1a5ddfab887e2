"""Scoring what will be asked for next while the network asked for is waited for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future

from torch import nn

from chronas.errors import ProxyError
from chronas.proxies.base import ProxyBatch
from chronas.proxies.flight import Flight, Found, Processes, Threads
from chronas.work import Evaluate, Work


class Ahead:
    """Several networks are scored at once, by processes with one thread each; by a thread where there is room for one.

    room   how many at once, and on what batch; asked when the first is scored
    build  for a piece of work, what makes its network; it travels to the process
    """

    def __init__(
        self, room: Callable[[], tuple[int, ProxyBatch]], build: Callable[[Evaluate], Callable[[], nn.Module]]
    ) -> None:
        self._room, self._build = room, build
        self._alone = False
        self._count = 1
        self._flight: Flight | None = None
        self._begun: dict[Evaluate, Future[Found]] = {}
        self._notes: list[str] = []

    def score(self, work: Evaluate, upcoming: Callable[[int], Sequence[Work]]) -> float:
        """The score of `work`; what is `upcoming` is begun. Raises ProxyError."""
        try:
            return self._flown(work, upcoming)
        except BrokenExecutor as error:
            # Whose network it was cannot be told: this one is tried once more, alone.
            self._notes.append(f"A process that scored networks has ended ({_first_line(error)}); it is begun anew.")
            self.close()
        try:
            return self._flown(work, lambda count: ())
        except BrokenExecutor as error:
            self.close()
            raise ProxyError(f"The process that scored this network has ended: {_first_line(error)}") from error

    def _flown(self, work: Evaluate, upcoming: Callable[[int], Sequence[Work]]) -> float:
        self._begin(work)
        for one in upcoming(2 * self._count - 1) if self._count > 1 else ():
            if isinstance(one, Evaluate):
                self._begin(one)
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
        except TypeError as error:
            if self._alone:
                raise
            self._stay_here(f"Networks of this space cannot be sent to processes ({_first_line(error)})")
            started = self._open().start(names, build)
        self._begun[work] = started

    def _open(self) -> Flight:
        if self._flight is None:
            count, batch = self._room()
            self._count = 1 if self._alone else count
            try:
                self._flight = Processes(count, batch) if self._count > 1 else Threads(1, batch)
            except (OSError, ImportError) as error:
                self._stay_here(f"No processes can be started here ({error})")
                self._count, self._flight = 1, Threads(1, batch)
        return self._flight

    def _stay_here(self, why: str) -> None:
        self.close()
        self._alone = True
        self._notes.append(f"{why}: networks are scored one by one.")

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
