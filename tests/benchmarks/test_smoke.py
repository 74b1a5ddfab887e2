"""Every measurement runs through at tiny sizes, and what they share keeps its word."""

from __future__ import annotations

import importlib
import json
import math
import socket
import sys
import time
import xml.etree.ElementTree as ET
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPTS = ("step_cost", "loading", "punctual", "interrupted", "figure5", "search_worth", "rival", "gpu", "scoring",
           "prior")  # fmt: skip


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The scripts' folder on the path, and torch's threads put back afterwards."""
    monkeypatch.syspath_prepend(str(FOLDER))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def script(name: str) -> Any:
    return importlib.import_module(name)


def run(name: str, out: Path, *more: str) -> dict[str, Any]:
    assert script(name).main(["--small", "--threads", "1", "--out", str(out), *more]) == 0
    content: dict[str, Any] = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("name", SCRIPTS)
def test_small_mode_writes_a_whole_result(name: str, tmp_path: Path) -> None:
    content = run(name, tmp_path)
    assert content["format"] == 1
    assert content["finished"]
    assert content["pieces"]
    assert all(piece["when"] and piece["machine"] == 0 for piece in content["pieces"].values())
    assert content["commands"][0].startswith(f".venv/bin/python benchmarks/{name}.py --small --threads 1")
    table = (tmp_path / f"{name}.md").read_text(encoding="utf-8")
    assert "|---" in table
    assert content["machines"][0]["processor"] in table
    if name == "figure5":
        drawn = ET.fromstring((tmp_path / "figure5.svg").read_text(encoding="utf-8"))
        # Two budgets, each with a line of training loss and one of exploration at least.
        assert sum(part.tag.endswith("path") for part in drawn.iter()) >= 4
    if name == "step_cost":
        times = content["pieces"]["time width=4"]["seconds"]
        assert {which: len(values) for which, values in times.items()} == dict.fromkeys(times, 2 * 3)


def test_machine_is_described_without_its_name() -> None:
    words = script("common").in_words(script("common").machine())
    assert "cores" in words
    assert torch.__version__ in words
    assert socket.gethostname() not in words


def test_a_call_without_time_is_gone_on_with(tmp_path: Path) -> None:
    stopped = run("search_worth", tmp_path, "--limit-minutes", "0")
    assert not stopped["finished"]
    assert not stopped["pieces"]
    whole = run("search_worth", tmp_path)
    assert whole["finished"]
    again = run("search_worth", tmp_path)
    assert again["pieces"] == whole["pieces"]
    lines = [json.loads(line) for line in (tmp_path / "trainings.jsonl").read_text().splitlines()]
    trained = [(line["what"]["notation"], line["what"]["seed"]) for line in lines]
    assert len(trained) == len(set(trained)) >= 3


def test_an_interrupted_run_is_resumed(tmp_path: Path) -> None:
    common = script("common")
    api = importlib.import_module("chronas.api")
    record = opened(tmp_path)
    settings = {"space": {"layers": 2, "width": 4, "m": 3}}
    folder = record.folder("a")

    def start() -> Any:
        return api.search(
            "digits", budget="30 epochs", out=folder, options=api.Options(method="rsps", settings=settings)
        )

    record.deadline = time.monotonic() + 1.0
    with pytest.raises(common.OutOfTime):
        common.conduct(start, folder, record)
    assert (folder / "spec.json").exists()
    spec = json.loads((folder / "spec.json").read_text())
    # A shorter budget, so that the second half of the test is short too.
    (folder / "spec.json").write_text(json.dumps({**spec, "budget": {"amount": 1e-3, "unit": "epochs"}}))
    record.deadline = math.inf
    assert common.conduct(lambda: pytest.fail("started anew"), folder, record)["status"] == "finished"


def opened(out: Path, name: str = "x", **setting: int) -> Any:
    words = Namespace(out=out, name=name, script=name, threads=None, small=True, limit_minutes=None)
    return script("common").Record.open(words, setting, [])


def test_finished_pieces_are_not_measured_again(tmp_path: Path) -> None:
    calls: list[int] = []

    def measure() -> dict[str, Any]:
        calls.append(1)
        return {"value": 7}

    opened(tmp_path, a=1).piece("p", measure, seed=3)
    found = opened(tmp_path, a=1)
    assert found.piece("p", measure, seed=3)["value"] == 7
    assert found.content["seeds"] == [3]
    assert len(calls) == 1


def test_a_result_of_another_setting_is_refused(tmp_path: Path) -> None:
    opened(tmp_path, a=1).piece("p", dict)
    with pytest.raises(SystemExit, match="Give another --name"):
        opened(tmp_path, a=2)


def test_a_piece_that_cannot_be_cut_is_not_begun_too_late(tmp_path: Path) -> None:
    record = opened(tmp_path)
    record.deadline = time.monotonic() + 60
    with pytest.raises(script("common").OutOfTime):
        record.piece("p", lambda: pytest.fail("begun"), takes=61)
    assert record.piece("q", lambda: {"value": 1}, takes=1)["value"] == 1


def test_a_process_is_stopped_in_time(tmp_path: Path) -> None:
    common = script("common")
    call = [sys.executable, "-c", "import time; time.sleep(30)"]
    with pytest.raises(common.OutOfTime) as stop:
        common.run_process(call, opened(tmp_path), time.monotonic() + 0.3)
    assert 0.3 <= stop.value.args[0] < 10


def test_a_failing_process_is_told(tmp_path: Path) -> None:
    call = [sys.executable, "-c", "raise SystemExit('no such luck')"]
    with pytest.raises(RuntimeError, match="no such luck"):
        script("common").run_process(call, opened(tmp_path))


@pytest.mark.parametrize(
    ("given", "used", "step", "expected"),
    [(60, 59.5, 0.1, "on time"), (60, 60.1, 0.1, "late"), (60, 57.5, 0.1, "early"), (60, 57.5, 0.6, "on time"),
     (1000, 991, 0.1, "on time")],
)  # fmt: skip
def test_verdict_on_a_budget(given: float, used: float, step: float, expected: str) -> None:
    assert script("punctual").verdict(given, used, step) == expected


def test_the_runs_on_time_are_of_five_data_sets_and_20_to_300_seconds() -> None:
    punctual = script("punctual")
    cases = [punctual.Case.read(text) for text in punctual.CASES]
    assert len(cases) == 20
    assert len({case.data for case in cases}) == 5
    assert (min(case.seconds for case in cases), max(case.seconds for case in cases)) == (20, 300)


def test_variants_are_read() -> None:
    found = script("contenders").chosen("rsps", "a=lam:0.5,supernet.lr:0.1; b=preset:paper")
    assert [one.name for one in found] == ["rsps", "a", "b"]
    assert found[1].settings == {"method": {"lam": "0.5"}, "supernet": {"lr": "0.1"}}
    assert found[2].preset == "paper"


@pytest.mark.parametrize(("methods", "variants"), [("nosuch", ""), ("", "x"), ("", "x=lam"), ("", "nasib=lam:1")])
def test_bad_contenders_are_refused(methods: str, variants: str) -> None:
    from chronas.errors import UsageError

    with pytest.raises(UsageError):
        script("contenders").chosen(methods, variants)


def test_difference_in_standard_errors() -> None:
    entries = [{"mean": 70.0, "std": 1.0, "runs": 4}, {"mean": 72.0, "std": 1.0, "runs": 4}]
    gap, errors = script("search_worth").difference(entries, [66.0, 68.0])
    # Each of the two means has the standard error sqrt(2)/sqrt(2) = 1.
    assert gap == pytest.approx(4.0)
    assert errors == pytest.approx(4 / math.sqrt(2))
    gap, errors = script("search_worth").difference(entries[:1], [66.0, 68.0])
    assert errors == pytest.approx(3 / math.sqrt(0.25 + 1))
