"""A process that works on a run and can be told at which point to die, to be signalled, or to run out of disk.

Started as `python child.py`, it reads one JSON order per line, forks (torch is imported once, and real
processes stay cheap), writes the pid, and, asked by an empty line, waits for the fork and writes its exit
code (minus the signal).
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from chronas import account, api, driver, train_stage, unfinished
from chronas.data.load import load
from chronas.errors import ChronasError
from chronas.execution.interrupt import Interrupted
from chronas.methods import METHODS

TRACEBACK = 70
"""Exit code for an error that no user should see."""


def snapshots_every(steps: int) -> None:
    """Make a snapshot due after so many steps, instead of seconds."""
    asked: dict[int, int] = {}
    save = driver.Driver._snapshot

    def due(self: driver.Driver) -> bool:
        asked[id(self)] = asked.get(id(self), 0) + 1
        return asked[id(self)] > steps

    def saving(self: driver.Driver) -> None:
        save(self)
        asked[id(self)] = 0

    driver.Driver._due = due  # type: ignore[method-assign]
    driver.Driver._snapshot = saving  # type: ignore[method-assign]


def nth(number: int, act: Callable[[], None]) -> Callable[[], None]:
    """A function that does `act` when it is called the `number`-th time, counted from 1."""
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            act()

    return call


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_write(number: int) -> None:
    """Die in the middle of the `number`-th os.write: half of the bytes get out."""
    write, state = os.write, {"calls": 0}

    def writing(descriptor: int, data: Any) -> int:
        state["calls"] += 1
        if state["calls"] == number:
            write(descriptor, bytes(data)[: len(data) // 2])
            die()
        return write(descriptor, data)

    os.write = writing


def die_before_replace(number: int) -> None:
    """Die when a file is whole but has not its name yet."""
    replace, count = os.replace, nth(number, die)

    def replacing(source: Any, target: Any) -> None:
        count()
        replace(source, target)

    os.replace = replacing  # type: ignore[assignment]


def full_disk(capacity: int) -> None:
    """After `capacity` bytes every os.write fails like one on a full disk, the last one half-way."""
    write, left = os.write, [capacity]

    def writing(descriptor: int, data: Any) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = write(descriptor, bytes(data)[: left[0]])
        left[0] -= taken
        return taken

    os.write = writing


HOMES = {"write_report": account, "judge": train_stage, "save_bundle": train_stage, "load": api,
         "metrics_of": unfinished}  # fmt: skip
"""The modules that call a step of the run."""


def die_in(place: str) -> None:
    """Die at the entrance of a step of the run."""

    def dying(*args: Any, **words: Any) -> None:
        die()

    setattr(HOMES[place], place, dying)


def send(name: str, wait: float = 0.0) -> None:
    """Send this process a signal, `wait` seconds from now."""
    time.sleep(wait)
    os.kill(os.getpid(), getattr(signal, name))


def signal_in(place: str, name: str, wait: float = 0.0) -> None:
    """Send the signal at the entrance of a step of the run, which then goes on."""
    step = getattr(HOMES[place], place)
    hit = nth(1, lambda: send(name, wait))

    def signalling(*args: Any, **words: Any) -> Any:
        hit()
        return step(*args, **words)

    setattr(HOMES[place], place, signalling)


def signal_at_step(number: int, name: str) -> None:
    """Send the signal after the `number`-th training step, in the middle of a slice."""
    pause = driver.Driver._pause
    hit = nth(number, lambda: send(name))

    def pausing(self: driver.Driver) -> bool:
        hit()
        return pause(self)

    driver.Driver._pause = pausing  # type: ignore[method-assign]


def read_only() -> None:
    """Let no file be opened for writing, as on a file system that is mounted read-only."""
    opening = os.open

    def refusing(path: Any, flags: int, *more: Any, **words: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return opening(path, flags, *more, **words)

    os.open = refusing


def prepare(order: Mapping[str, Any]) -> list[driver.Listener]:
    """Lay the traps that `order` names; returns the listeners of the run."""
    # A kill loses nothing that the system was given; only a power cut would, and waiting for the disk is slow.
    os.fsync = lambda fd: None
    if "snapshots_every" in order:
        snapshots_every(order["snapshots_every"])
    for name, trap in (("die_in_write", die_in_write), ("die_before_replace", die_before_replace),
                       ("full_disk", full_disk), ("die_in", die_in)):  # fmt: skip
        if name in order:
            trap(order[name])
    for name, pair in (("signal_in", signal_in), ("signal_at_step", signal_at_step)):
        if name in order:
            pair(*order[name])
    if order.get("read_only"):
        read_only()
    listeners: list[driver.Listener] = []
    if "die_at_record" in order:
        count = nth(order["die_at_record"], die)
        listeners.append(lambda record: count())
    for number, name, *wait in order.get("signals", []):
        # The handler runs before the next line of the driver.
        hit = nth(number, lambda name=name, wait=wait: send(name, *wait))  # type: ignore[misc]
        listeners.append(lambda record, hit=hit: hit())  # type: ignore[misc]
    if order.get("slow"):
        listeners.append(lambda record: time.sleep(order["slow"]))
    return listeners


def work(order: Mapping[str, Any]) -> int:
    """Do the verb; returns the exit code."""
    listeners = prepare(order)
    try:
        if order["verb"] == "resume":
            return api.resume(order["out"], listeners=listeners).exit_code
        options = api.Options(**order["options"], listeners=listeners)
        verb = api.search if order["verb"] == "search" else api.fit
        return verb(order["data"], budget=order["budget"], out=order["out"], options=options).exit_code
    except ChronasError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    except Interrupted as stopped:
        return 128 + int(stopped.args[0])


def forked(order: Mapping[str, Any]) -> None:
    code = TRACEBACK
    try:
        with open(order["log"], "a", encoding="utf-8") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        code = work(order)
    except BaseException:  # noqa: BLE001  the code and the log tell the test
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(code)


def main() -> None:
    torch.set_num_threads(1)
    for name in METHODS.names():
        METHODS.load(name)
    # What would be imported late is imported once, for all forks.
    load((np.arange(40 * 64, dtype=np.uint8).reshape(40, 8, 8), np.arange(40) % 2))
    for line in iter(sys.stdin.readline, ""):
        pid = os.fork()
        if pid == 0:
            forked(json.loads(line))
        print(pid, flush=True)
        # Only when asked: until then the pid cannot belong to another process.
        sys.stdin.readline()
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
