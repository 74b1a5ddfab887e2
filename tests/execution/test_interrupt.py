"""Which signals ask to stop, and when one stops at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from chronas.execution.interrupt import Interrupted, StopFlag

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in CODES}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", CODES)
def test_the_first_signal_asks_and_the_second_stops(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopFlag().installed() as stop:
        assert stop.exit_code == 0
        send(number)
        assert stop.exit_code == CODES[number]
        with pytest.raises(Interrupted):
            send(number)
    assert signal.getsignal(number) is before


def test_nohup_is_kept_to() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopFlag().installed() as stop:
        send(signal.SIGHUP)
        assert not stop.requested


def test_files_that_belong_together_are_written_before_a_second_signal_stops() -> None:
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
        with pytest.raises(Interrupted):
            write(stop)
    assert written == ["tensors", "json", "all"]


def test_a_first_signal_inside_only_asks() -> None:
    with StopFlag().installed() as stop:
        with stop.held():
            send(signal.SIGTERM)
        assert stop.requested
