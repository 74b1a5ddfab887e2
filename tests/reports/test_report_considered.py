"""The report of a `fit`: which networks were weighed, and no section that has nothing to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sample_run import Sample, make_run

from chronas.architecture import Architecture, make_space
from chronas.reports.collect import collect
from chronas.reports.html import write_report
from chronas.seeding import stream
from chronas.spaces import SPACES
from chronas.spaces.moves import sample

ROWS: list[dict[str, Any]] = [
    {"notation": "full-32-1-1-2-basic", "seconds": 2.0, "timed": True, "passes": 20.0, "wanted": 18.0, "least": 15.0,
     "params": 603_498, "madds": 10_505_472, "taken": True, "why": "the largest that is fast enough"},
    {"notation": "full-48-1-1-2-basic", "seconds": 4.0, "timed": False, "passes": 10.0, "wanted": 18.0, "least": 15.0,
     "params": 1_355_290, "madds": 23_622_528, "taken": False, "why": "too slow"},
]  # fmt: skip


def change(path: Path, **content: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **content}))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A `fit` that had no time for a race: a look inside without numbers, as the method `halving` leaves it."""
    made = make_run(tmp_path / "run", Sample(accuracies={"found": 98.0}))
    change(made / "spec.json", verb="fit", space="resnet", method="halving", considered=ROWS)
    change(made / "inspect.json", tables={})
    lines = [json.loads(line) for line in (made / "journal.jsonl").read_text().splitlines()]
    kept = [line for line in lines if line["kind"] not in ("outcome", "ask")]
    (made / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))
    result = json.loads((made / "result.json").read_text())
    search = {**result["search"], "space": "resnet", "method": "halving"}
    budget = {**result["budget"], "exploration_share": None, "evaluations": 0}
    change(made / "result.json", search=search, budget=budget)
    return made


def test_what_was_considered_is_shown(run: Path) -> None:
    view = collect(run)
    assert view.considered is not None
    assert [(row.notation, row.taken) for row in view.considered.rows] == [(r["notation"], r["taken"]) for r in ROWS]
    assert (view.considered.wanted, view.considered.least, view.considered.given) == (18.0, 15.0, 40.0)
    assert not view.considered.raced
    assert view.considered.got == view.networks[0].epochs
    page = write_report(run).read_text()
    for words in ("Networks considered", "In the 40.0 s that", "about 18 passes", "at least 15", "full-48-1-1-2-basic",
                  "603 k", "10.5 M", "<b>trained</b>: the largest that is fast enough", "too slow", "timing", "guess",
                  'href="#considered"', "whose size fits the time", "chosen by its size and speed"):  # fmt: skip
        assert words in page


def test_nothing_is_shown_that_has_nothing_to_say(run: Path) -> None:
    page = write_report(run).read_text()
    for words in ("Inside the search", "exploration share", "Layer by layer", 'href="#search"', 'href="#layers"',
                  "The search first", "found by the search", "with the method", "architectures evaluated",
                  "exploration, share of all choices drawn"):  # fmt: skip
        assert words not in page
    assert "considered" not in [name.partition(".")[0] for name, _ in collect(run).settings]


def test_a_race_is_told_as_one(run: Path) -> None:
    change(run / "spec.json", considered=[{**row, "taken": True} for row in ROWS])
    view = collect(run)
    assert view.considered is not None
    assert view.considered.raced
    page = write_report(run).read_text()
    assert "raced in the search" in page
    assert page.count("<b>raced</b>:") == 2
    assert "Searched the space <b>resnet</b> with the method <b>halving</b>" in page


@pytest.mark.parametrize("odd", [None, [], [1], [{}], [{"notation": "x"}], {"notation": "x"}, "x"])
def test_odd_content_is_no_obstacle(run: Path, odd: Any) -> None:
    change(run / "spec.json", considered=odd)
    page = write_report(run).read_text()
    assert ("Networks considered" in page) is (odd == [{"notation": "x"}])


def test_other_searches_keep_their_sections(tmp_path: Path) -> None:
    page = write_report(make_run(tmp_path / "run")).read_text()
    for words in (
        "Inside the search",
        "Layer by layer",
        "The search first",
        "found by the search",
        "exploration, share",
    ):
        assert words in page
    assert "Networks considered" not in page


def test_draws_alone_are_named_as_draws(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    inspect = json.loads((run / "inspect.json").read_text())
    inspect["decisions"] = [{"name": "stem", "options": ["full", "half"]}, {"name": "width", "options": ["16", "32"]}]
    change(run / "inspect.json", **{**inspect, "choices": [1, 0], "tables": {"frequency": [[1, 3], [0, 0]]}})
    page = write_report(run).read_text()
    assert "Each bar is one option: its share of the draws, in percent." in page
    assert "<h3>stem" in page
    assert "<h3>width" not in page
    assert "share of softmax" not in page


@pytest.mark.parametrize("name", SPACES.names())
def test_the_network_of_every_space_is_drawn(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path / "run", Sample(shape=(3, 32, 32)))
    space = make_space(name)
    architecture = Architecture(space, sample(space, stream(0, "drawn")))
    result = json.loads((run / "result.json").read_text())
    change(run / "result.json", networks=[{**result["networks"][0], "architecture": architecture.to_json()}])
    assert collect(run).stages
    assert "The network" in write_report(run).read_text()
