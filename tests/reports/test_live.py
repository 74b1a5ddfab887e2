"""The live views: what they show of the journal's records, and that they never disturb a run."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chronas.reports.live import LivePanel, PlainLines, Quiet
from chronas.reports.progress import RunState
from chronas.reports.terminal import Terminal
from chronas.runs.journal import Journal

NOTATION = "3x3-5x1-9x9"
METRICS = {"train_loss": 1.0, "train_accuracy": 61.2, "val_accuracy": 58.7, "exploration": 0.25,
           "entropy": 1.5, "in_play": 4.0,
           "entropy_1": 7.25, "images_per_second": 8900.0, "step_seconds": 0.01, "lr": 0.02}  # fmt: skip
ADVANCE = {"work": {"work": "advance"}, "price": {}, "error": None}


def records(unit: str = "seconds") -> Iterator[dict[str, Any]]:
    """A `fit` with a search of 40 s and a training of 20 s."""
    versions = {"torch": "2.13.0"}
    yield {"kind": "start", "stage": "run", "t": 1.0, "device": "cpu", "threads": 2, "versions": versions}
    begin = {"kind": "stage", "event": "begin"}
    yield {**begin, "stage": "search", "name": "search", "started": 0.0, "what": "search", "t": 1.1}
    for step in range(1, 41):
        common = {"stage": "search", "t": 1.0 + step}
        yield {"kind": "ask", "ticket": step, "work": {"work": "advance"}, **common}
        spent = 1.0 + step if unit == "seconds" else step / 4
        place = {"ticket": step, "progress": step / 40, "spent": spent}
        yield {"kind": "outcome", "metrics": METRICS, **place, **ADVANCE, **common}
        if step == 1:
            yield {"kind": "best", "choices": [1, 2, 3], "notation": NOTATION, "metrics": METRICS, **common}
    note = {"kind": "note", "level": "warning", "message": "memory is scarce"}
    yield {**note, "stage": "search", "t": 41.5}
    yield {**begin, "stage": "found", "name": "found", "started": 42.0, "what": "train", "t": 42.0}
    for step in range(1, 21):
        metrics = {
            "train_accuracy": 80.0 + step / 2,
            "lr": 0.1,
            "epoch": step / 2,
            "images_per_second": 1.2e4,
        }
        if step == 10:
            metrics["val_accuracy"] = 88.8
        place = {"ticket": step, "progress": step / 20, "spent": step if unit == "seconds" else step / 2}
        yield {"kind": "epoch", "stage": "found", "metrics": metrics, **place, **ADVANCE, "t": 42.0 + step}
    end = {"kind": "stage", "event": "end", "name": "found", "what": "train"}
    yield {**end, "stage": "found", "spent": 20.0, "t": 62.5}
    yield {"kind": "end", "stage": "run", "reason": "finished", "message": "done", "t": 63.0}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder as far as the views read it."""
    spec = {
        "budget": {"amount": 64.0, "unit": "seconds"},
        "verb": "fit",
        "method": "nasib",
        "space": "superkernel",
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    return tmp_path


def plain(capsys: pytest.CaptureFixture[str], view: PlainLines) -> str:
    with view:
        for record in records():
            view.listener(record)
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "\x1b" not in shown.out
    return shown.out


def test_plain_lines_tell_the_course_of_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = plain(capsys, PlainLines(run, "chronas fit")).splitlines()
    assert lines[0] == f"chronas fit, folder {run}"
    assert lines[1] == "   1.0 s  nasib in superkernel, on cpu with 2 threads, torch 2.13.0"
    text = "\n".join(lines)
    words_shown = ("search begins", "search  52 %", "train 61.2 %", "val 58.7 %", "exploring 25 %",
                   "entropy 1.50", "8,900 images/s", NOTATION, "warning: memory is scarce",
                   "train found begins")  # fmt: skip
    for words in words_shown:
        assert words in text
    assert "in play 4 " in text
    assert "7.25" not in text
    assert re.search(r"search done in 42.0 s: .*3x3-5x1-9x9", text)
    assert re.search(r"train found done in 20.5 s: train 90.0 %  val 88.8 %", text)


def test_plain_lines_are_few(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """40 slices of a second: a line is due after 5 % and two seconds."""
    lines = plain(capsys, PlainLines(run, "x")).splitlines()
    assert len([line for line in lines if re.search(r"search +\d+ %", line)]) == 19, "the first at 8 %"


def test_quiet_shows_warnings_only(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plain(capsys, Quiet(run, "x")).split(maxsplit=2)[2] == "warning: memory is scarce\n"


@pytest.mark.parametrize(("unit", "used"), [("seconds", 21.0), ("epochs", 5.0)])
def test_what_is_used_of_the_budget(run: Path, unit: str, used: float) -> None:
    spec = json.loads((run / "spec.json").read_text())
    spec["budget"]["unit"] = unit
    (run / "spec.json").write_text(json.dumps(spec))
    state = RunState()
    state.read_spec(run)
    for record in records(unit):
        state.hear(record)
        if record.get("ticket") == 20 and record["kind"] == "outcome":
            break
    assert state.used(time.monotonic()) == pytest.approx(used, abs=0.5)
    assert state.progress == 0.5


def test_the_rival_is_not_charged_to_the_budget(run: Path) -> None:
    state = RunState()
    state.read_spec(run)
    for record in records():
        state.hear(record)
        if record["kind"] == "stage" and record["event"] == "end":
            break
    state.hear({"kind": "stage", "event": "begin", "stage": "rival", "started": 63.0, "what": "train", "t": 63.0})
    state.hear({"kind": "epoch", "stage": "rival", "metrics": {}, "progress": 0.5, "spent": 30.0, "t": 93.0})
    assert state.used(time.monotonic()) == pytest.approx(63.0)


def test_a_resumed_run_is_caught_up_with(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(run / "journal.jsonl")
    for number, record in enumerate(records()):
        if number > 30:
            break
        journal.append(record)
    journal.release()
    view = PlainLines(run, "chronas resume")
    assert (view.state.best, view.state.stage) == (NOTATION, "search")
    view.listener({"kind": "start", "stage": "run", "t": 20.0, "device": "cpu", "threads": 1, "versions": {}})
    assert "done" not in capsys.readouterr().out


def test_a_view_never_raises(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = PlainLines(run, "x")
    view.listener({"kind": "outcome"})
    assert view.silent
    broken = PlainLines(run, "x")

    def gone(*words: object, **more: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", gone)
    for record in records():
        broken.listener(record)
    assert broken.silent


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_panel_fits_its_terminal(run: Path, width: int) -> None:
    file = io.StringIO()
    panel = LivePanel(run, "chronas fit digits, 64.0 s", console=Terminal(file=file, width=width))
    for record in records():
        panel.listener(record)
        panel.console.print(panel.draw())
    lines = file.getvalue().splitlines()
    boxed = [line for line in lines if line.startswith(("╭", "│", "╰"))]
    assert boxed
    assert {len(line) for line in boxed} == {width}


def test_the_panel_shows_budget_stage_and_best(run: Path) -> None:
    file = io.StringIO()
    panel = LivePanel(run, "chronas fit", console=Terminal(file=file, width=90), stopping=lambda: True)
    for record in records():
        panel.listener(record)
        if record.get("ticket") == 20 and record["kind"] == "outcome":
            break
    panel.console.print(panel.draw())
    for words in (" of 64.0 s", "search", "50 %", NOTATION, "exploring 25 %", "Ctrl-C again stops at once"):
        assert words in file.getvalue()


DRIVE = """
import sys
from pathlib import Path
from test_live import records
from chronas.reports.live import LivePanel
run = Path(sys.argv[1])
with LivePanel(run, "chronas fit") as panel:
    for number, record in enumerate(records()):
        panel.listener(record)
        if number == 30:
            panel.live.refresh()
print("the end")
"""


@pytest.mark.parametrize("columns", [40, 80])
def test_the_panel_on_a_terminal(run: Path, columns: int) -> None:
    """It draws, leaves its lasting lines behind, and takes itself away."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "LINES": "24", "TERM": "xterm-256color"}
    environment["PYTHONPATH"] = str(Path(__file__).parent)
    with os.fdopen(leader, "rb", buffering=0) as terminal:
        words = [sys.executable, "-c", DRIVE, str(run)]
        process = subprocess.Popen(words, stdout=follower, stderr=subprocess.PIPE, env=environment)
        os.close(follower)
        shown = b"".join(iter(lambda: _read(terminal), b"")).decode()
        errors = process.communicate()[1]
    assert (process.returncode, errors) == (0, b"")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert "╭" in text
    assert "search done in 42.0 s" in text
    assert text.rstrip().endswith("the end")
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h"), "the cursor must come back"


def _read(terminal: io.RawIOBase) -> bytes:
    try:
        return terminal.read(65536) or b""
    except OSError:  # the other side has closed
        return b""


def test_candidates_are_told_apart_from_the_best(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainLines(run, "x")
    common = {"stage": "search", "t": 3.0}
    view.listener({"kind": "stage", "event": "begin", "what": "search", **common})
    work = {"work": "evaluate", "choices": [0], "fidelity": {"kind": "train", "share": 0.1}}
    place = {"work": work, "error": None, "progress": 0.1, "spent": 3.0, **common}
    view.listener({"kind": "outcome", "metrics": {"val_accuracy": 70.0}, "ticket": 0, **place})
    view.listener({"kind": "outcome", "metrics": {"val_accuracy": 70.0}, "ticket": 0, **place})  # again, after a resume
    view.listener({"kind": "best", "notation": NOTATION, "metrics": {"val_accuracy": 70.0}, **common})
    view.listener(
        {"kind": "outcome", "metrics": {"val_accuracy": 60.0}, **place, "ticket": 1, "progress": 0.5, "t": 9.0}
    )
    view.listener({"kind": "outcome", "metrics": {}, **place, "ticket": 2, "error": "nan", "progress": 0.9, "t": 15.0})
    view.listener({"kind": "end", "stage": "run", "reason": "finished", "message": "", "t": 16.0})
    lines = capsys.readouterr().out.splitlines()
    assert f"candidate val 60.0 %  best {NOTATION} (val 70.0 %)  2 evaluated" in lines[-3]
    assert "3 evaluated, 1 failed" in lines[-2]
    assert lines[-1].endswith(f"search done in 13.0 s: {NOTATION} (val 70.0 %)")
