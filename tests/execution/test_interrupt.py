"""Which signals ask to stop, and when one stops at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from chronas.execution import interrupt
from chronas.execution.interrupt import IMPATIENT_AFTER, Interrupted, StopFlag

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in CODES}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Clock:
    """Stands still unless moved."""

    now = 100.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(interrupt, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("first", CODES)
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_a_later_one_stops(
    clock: Clock, first: signal.Signals, second: signal.Signals
) -> None:
    before = signal.getsignal(first)
    with StopFlag().installed() as stop:
        assert stop.exit_code == 0
        send(first)
        assert stop.exit_code == CODES[first]
        clock.now += 1.1 * IMPATIENT_AFTER
        with pytest.raises(Interrupted):
            send(second)
    assert signal.getsignal(first) is before


@pytest.mark.parametrize("first", CODES)
@pytest.mark.parametrize("later", [0.0, 5.0])
def test_a_terminal_that_is_closed_is_no_impatience(clock: Clock, first: signal.Signals, later: float) -> None:
    """The shell and the kernel both send SIGHUP; so does systemd after its SIGTERM."""
    with StopFlag().installed() as stop:
        send(first)
        clock.now += later
        send(signal.SIGHUP)
        send(signal.SIGHUP)
        assert stop.exit_code == CODES[first]


def test_two_signals_of_one_moment_are_one_wish(clock: Clock) -> None:
    with StopFlag().installed() as stop:
        send(signal.SIGINT)
        clock.now += 0.5 * IMPATIENT_AFTER
        send(signal.SIGTERM)
        assert stop.exit_code == CODES[signal.SIGINT]


@pytest.mark.parametrize("number", CODES)
def test_where_there_is_nothing_to_save_the_first_signal_stops(number: signal.Signals) -> None:
    with StopFlag().installed() as stop, pytest.raises(Interrupted), stop.at_once():
        send(number)


def test_nohup_is_kept_to() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopFlag().installed() as stop:
        send(signal.SIGHUP)
        assert not stop.requested


def test_files_that_belong_together_are_written_before_a_second_signal_stops(clock: Clock) -> None:
    written = []

    def write(stop: StopFlag) -> None:
        with stop.held():
            written.append("tensors")
            send(signal.SIGINT)
            with stop.held():
                written.append("json")
            written.append("all")

    with StopFlag().installed() as stop:
        send(signal.SIGINT)
        clock.now += 1
        with pytest.raises(Interrupted):
            write(stop)
    assert written == ["tensors", "json", "all"]


def test_a_second_signal_is_heard_though_the_files_could_not_be_written(clock: Clock) -> None:
    def write(stop: StopFlag) -> None:
        with stop.held():
            send(signal.SIGINT)
            raise OSError("The disk is full.")

    with StopFlag().installed() as stop:
        send(signal.SIGINT)
        clock.now += 1
        with pytest.raises(Interrupted):
            write(stop)


def test_a_first_signal_inside_only_asks() -> None:
    with StopFlag().installed() as stop:
        with stop.held():
            send(signal.SIGTERM)
        assert stop.requested
