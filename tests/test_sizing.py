"""Which networks `fit` takes for a time, on machines made up here."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from chronas import policy, sizing
from chronas.api import Options
from chronas.architecture import Architecture, make_space
from chronas.budget import Budget
from chronas.data.images import ImageData
from chronas.data.load import load
from chronas.errors import RunError
from chronas.nets import cost
from chronas.spaces.limits import Limits
from chronas.spec import DataSpec, RunSpec, read_spec
from chronas.task import Task
from chronas.training.hardware import Hardware

SPEED = 1e11
"""Multiply-adds per second of the made-up machine, forward and backward together."""


@pytest.fixture
def data() -> ImageData:
    rng = np.random.default_rng(0)
    return load((rng.integers(0, 256, (320, 32, 32, 3), dtype=np.uint8), np.arange(320) % 10), val_share=0.2)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """One on which time is multiply-adds, but 24 channels cost what 32 do."""

    def seconds(architecture: Architecture, task: Task, hardware: Hardware, batch: int) -> float:
        madds = 3 * batch * cost(architecture, task).madds / SPEED
        return madds * (32 / 24) ** 2 if "-24-" in architecture.notation else madds

    monkeypatch.setattr(sizing, "step_seconds", seconds)
    monkeypatch.setattr(sizing, "TIMING_SHARE", math.inf)


def race(data: ImageData, seconds: float, candidates: int = 1, seed: int = 0) -> tuple[str, ...]:
    return sizing.race(data, Hardware.find("cpu"), seconds, candidates, seed).first


def epoch_seconds(data: ImageData, notation: str) -> float:
    space = make_space("resnet")
    return 3 * len(data.train) * cost(Architecture(space, space.parse(notation)), data.task).madds / SPEED


def test_the_network_grows_with_the_time(data: ImageData) -> None:
    sizes = [epoch_seconds(data, race(data, seconds)[0]) for seconds in (2, 8, 30, 120)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_the_first_candidate_gets_about_the_target_number_of_passes(data: ImageData) -> None:
    for seconds in (5.0, 20.0, 60.0):
        passes = seconds / epoch_seconds(data, race(data, seconds)[0])
        target = sizing.target_epochs(seconds, len(data.train))
        assert target / sizing.TOO_SLOW <= passes <= 4 * target


def test_a_width_that_this_machine_is_slow_at_is_not_taken(data: ImageData) -> None:
    taken = {race(data, seconds)[0].split("-")[1] for seconds in np.geomspace(2, 200, 20)}
    assert "24" not in taken
    assert len(taken) > 2


def test_small_images_keep_their_resolution_unless_there_is_no_time_for_it(data: ImageData) -> None:
    assert all(race(data, seconds)[0].startswith("full-") for seconds in (8, 60))
    assert race(data, 0.1)[0].startswith("half-")


def test_the_race_has_as_many_as_asked_and_none_twice(data: ImageData) -> None:
    for count in (1, 2, 5, 9):
        found = race(data, 30, count)
        assert 1 <= len(found) <= count
        assert len(set(found)) == len(found)
    assert race(data, 30, 5) == race(data, 30, 5)
    assert race(data, 30, 5)[0] == race(data, 30)[0]


def test_what_was_considered_says_what_was_expected_and_why(data: ImageData) -> None:
    found = sizing.race(data, Hardware.find("cpu"), 30, 1, 0)
    taken, *others = found.considered
    assert (taken.notation,) == found.first
    assert len(others) > 2
    assert len({one.notation for one in found.considered}) == len(found.considered) <= sizing.TIMED
    assert taken.taken
    assert not any(one.taken for one in others)
    space = make_space("resnet")
    for one in found.considered:
        assert one.timed
        assert one.seconds == pytest.approx(30 / one.passes)
        slow = (32 / 24) ** 2 if "-24-" in one.notation else 1
        assert one.seconds == pytest.approx(slow * epoch_seconds(data, one.notation))
        figures = cost(Architecture(space, space.parse(one.notation)), data.task)
        assert (one.params, one.madds) == (figures.params, figures.madds)
        assert one.wanted == pytest.approx(sizing.target_epochs(30, len(data.train)))
        assert one.least == pytest.approx(one.wanted / sizing.TOO_SLOW)
        assert (one.why == "too slow") == (one.passes < one.least)
    assert taken.why == "the largest that is fast enough"
    assert taken.madds == max(one.madds for one in found.considered if one.passes >= one.least)
    assert sizing.race(data, Hardware.find("cpu"), 0.001, 1, 0).considered[0].why == "the fastest; none is fast enough"


def test_what_races_is_considered_first(data: ImageData) -> None:
    found = sizing.race(data, Hardware.find("cpu"), 30, 5, 0)
    several = len(found.first)
    assert tuple(one.notation for one in found.considered[:several]) == found.first
    assert [one.taken for one in found.considered] == [True] * several + [False] * (len(found.considered) - several)
    assert "drawn among those of about the right cost" in {one.why for one in found.considered[:several]}


def test_what_was_not_timed_is_called_so(data: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizing, "TIMING_SHARE", 0.0)
    assert not any(one.timed for one in sizing.race(data, Hardware.find("cpu"), 30, 1, 0).considered)


def test_the_target_grows_with_the_square_root_of_time_and_on_less_data() -> None:
    assert sizing.target_epochs(120, 50_000) == pytest.approx(5)
    assert sizing.target_epochs(480, 50_000) == pytest.approx(10)
    assert sizing.target_epochs(120, 12_500) == pytest.approx(10)


def test_there_is_a_race_only_where_it_can_tell_something() -> None:
    counts = [policy.race_size(seconds, 50_000) for seconds in (30, 120, 600, 1800, 7200, 86_400)]
    assert counts[:2] == [1, 1]
    assert counts == sorted(counts)
    assert counts[-1] > 10
    assert all(count == 1 or count >= policy.LEAST_CANDIDATES for count in counts)
    shares = [policy.search_share(60 * 2**power) for power in range(12)]
    assert shares == sorted(shares)
    assert math.isclose(shares[1], 0.08)
    assert shares[-1] <= 0.25


def test_timing_ends_where_it_would_take_too_much(data: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[str] = []

    def seconds(architecture: Architecture, task: Task, hardware: Hardware, batch: int) -> float:
        timed.append(architecture.notation)
        return 3 * batch * cost(architecture, task).madds / SPEED

    monkeypatch.setattr(sizing, "step_seconds", seconds)
    monkeypatch.setattr(sizing, "TIMING_SHARE", 0.0)
    assert race(data, 30)
    assert tuple(timed) == sizing.PROBES


def test_limits_are_kept_by_all_that_race(data: ImageData) -> None:
    found = sizing.race(data, Hardware.find("cpu"), 60, 5, 0, Limits(max_params=200_000)).first
    space = make_space("resnet")
    assert found
    assert all(cost(Architecture(space, space.parse(name)), data.task).params <= 200_000 for name in found)


@pytest.mark.parametrize(("budget", "candidates", "share"), [
    ("30s", 1, policy.NO_RACE), ("2d", 27, 0.19), ("50 epochs", None, 0.13),
])  # fmt: skip
def test_the_plan_of_a_fit(data: ImageData, budget: str, candidates: int | None, share: float) -> None:
    words = DataSpec("made up")
    spec = policy.plan_fit("fit", words, Budget.parse(budget), Options(device="cpu"), data, None)
    assert (spec.space, spec.method, spec.recipe) == ("resnet", "halving", "progressive")
    assert spec.search_share == pytest.approx(share, abs=0.01)
    told = spec.settings["method"]
    assert told.get("candidates") == (None if candidates is None else len(told["first"]))
    assert candidates is None or len(told["first"]) <= candidates
    if candidates == 1:
        assert "no time for a race" in spec.notes[0]
    assert tuple(one["notation"] for one in spec.considered if one["taken"]) == tuple(told.get("first", ()))
    written = json.loads(json.dumps(spec.to_json()))
    assert RunSpec.from_json(written).considered == tuple(written["considered"])
    del written["considered"]  # a run of an earlier version
    assert read_spec(written, Path("spec.json")).considered == ()
    with pytest.raises(RunError, match="considered"):
        read_spec({**written, "considered": "x"}, Path("spec.json"))
