"""Who holds a lock file, and whether that process has ended."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock file.

    `machine` tells apart machines, and containers, of one name; `born` tells apart processes of one pid;
    `locks`: it has the system's lock too.
    """

    host: str
    machine: str
    pid: int
    born: str
    started: str
    locks: bool = False

    @classmethod
    def this(cls, locks: bool = False) -> Holder:
        """The process that asks."""
        return cls(socket.gethostname(), _machine(), os.getpid(), _born(os.getpid()), now(), locks)

    @property
    def here(self) -> bool:
        """Whether its processes can be seen from here."""
        return (self.host, self.machine) == (socket.gethostname(), _machine())

    @property
    def gone(self) -> bool:
        """Whether it is known to have ended."""
        if os.name != "posix" or not self.here:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False  # somebody else's process
        return self.born != _born(self.pid)


def read_holder(file: Path) -> Holder | str | None:
    """Who made the lock file `file`.

    Returns:
        None where it does not exist; words for somebody unknown where it does not tell.

    Raises:
        OSError: it cannot be read.
    """
    try:
        held: Any = json.loads(file.read_bytes())
        words = {name: str(held[name]) for name in ("host", "machine", "born", "started")}
        return Holder(pid=int(held["pid"]), locks=held.get("locks") is True, **words)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return "Another process"


def now() -> str:
    """The time of day, with the zone."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _machine() -> str:
    """Differs between two machines, two starts of one machine, and two containers; empty where nothing tells."""
    try:
        started = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{started} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _born(pid: int) -> str:
    """When the process `pid` was started, in units of the system's own; empty where nothing tells."""
    try:
        # The name of the program, in parentheses, may hold anything.
        state, *others = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        # A killed process whose exit code nobody has asked for, as in containers without an init, has a number still.
        return "ended" if state in "ZX" else others[18]
    except (OSError, ValueError, IndexError):
        return ""
