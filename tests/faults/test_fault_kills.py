"""Kill -9 at any moment, then resume: the run ends as if nothing had happened, to the last bit."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from fault_runs import (
    assert_same,
    decisions,
    home,
    log_of,
    order,
    processes,
    result,
    resumed,
    run,
    start_or_resume,
    unbroken,
)

METHODS = ("nasib", "rsps", "random", "halving")
KILLED = -signal.SIGKILL
MOMENTS = [(("search", "fit")[n % 2], METHODS[n // 2 % 4], (n + random.Random(n).random()) / 20) for n in range(20)]


def survive(verb: str, method: str, out: Path, **traps: object) -> None:
    """One process with the traps, then one without, however far the first came."""
    code = start_or_resume(verb, method, out, snapshots_every=3, **traps)
    assert code in (0, KILLED), log_of(out)
    assert start_or_resume(verb, method, out, snapshots_every=3) == 0, log_of(out)
    assert_same(out, unbroken(verb, method))


def test_two_runs_are_equal_and_another_seed_is_not(tmp_path: Path) -> None:
    model = unbroken("fit", "nasib")
    again, other = tmp_path / "again", tmp_path / "other"
    assert run(order("fit", "nasib", again, snapshots_every=2)) == 0, log_of(again)
    assert_same(again, model)
    words = order("fit", "nasib", other)
    words["options"]["seed"] = 1
    assert run(words) == 0
    assert decisions(other) != decisions(model)


@pytest.mark.parametrize(("verb", "method", "moment"), MOMENTS)
def test_killed_at_a_random_moment(tmp_path: Path, verb: str, method: str, moment: float) -> None:
    model, out = unbroken(verb, method), tmp_path / "run"
    duration = max(0.2, result(model)["budget"]["seconds"])
    pid = processes().start(order(verb, method, out, snapshots_every=3))
    time.sleep(moment * duration)
    os.kill(pid, signal.SIGKILL)
    assert processes().finish() in (0, KILLED)
    assert start_or_resume(verb, method, out) == 0, log_of(out)
    assert_same(out, model)


@pytest.mark.parametrize("method", METHODS)
def test_killed_at_exact_records_again_and_again(tmp_path: Path, method: str) -> None:
    out, kills = tmp_path / "run", 0
    model = unbroken("fit", method)
    code = start_or_resume("fit", method, out, snapshots_every=2, die_at_record=4)
    while code == KILLED and kills < 12:
        kills += 1
        code = start_or_resume("fit", method, out, snapshots_every=2, die_at_record=5 + 3 * kills)
    assert kills > 2
    assert code == 0 or start_or_resume("fit", method, out) == 0, log_of(out)
    assert_same(out, model)


@pytest.mark.parametrize("number", [1, 2, 3, 5, 9, 14, 20, 31, 47, 64])
def test_killed_in_the_middle_of_a_write(tmp_path: Path, number: int) -> None:
    survive("fit", METHODS[number % 4], tmp_path / "run", die_in_write=number)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7, 11, 16, 22])
def test_killed_before_a_file_gets_its_name(tmp_path: Path, number: int) -> None:
    survive("fit", METHODS[number % 4], tmp_path / "run", die_before_replace=number)


@pytest.mark.parametrize("place", ["judge", "save_bundle", "write_report"])
def test_killed_while_closing(tmp_path: Path, place: str) -> None:
    survive("fit", "rsps", tmp_path / "run", die_in=place)


def test_killed_while_a_finished_run_writes_its_last_report(tmp_path: Path) -> None:
    out, model = tmp_path / "run", unbroken("search", "random")
    assert run(order("search", "random", out)) == 0
    (out / "report.html").unlink()
    assert resumed(out) == 0
    assert_same(out, model)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert resumed(out) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before, "a finished run has no work left"
    assert home().exists()
