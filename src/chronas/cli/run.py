"""Carries out a run for the user: shows it while it works, closes with its table, says how to go on."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chronas.cli.words import Namespace
from chronas.execution.interrupt import StopFlag
from chronas.reports.live import LivePanel, PlainLines, Quiet
from chronas.reports.reading import section
from chronas.reports.summary import data_word, summary_lines
from chronas.reports.units import short
from chronas.runs.folder import RunFolder

if TYPE_CHECKING:
    from chronas.api import RunResult
    from chronas.driver import Listener

Call = Callable[["list[Listener]", StopFlag], "RunResult"]


def conduct(call: Call, out: Path, shown: Namespace, title: str) -> int:
    """Do `call` with listeners that show it and a flag that stops it, print the closing table.

    Returns the exit code.
    """
    stop = StopFlag()
    listeners: list[Listener] = []
    events = _events(out, shown)
    if events is not None:
        listeners.append(events.listener)
    with _view(out, shown, title, stop) as view:
        try:
            result = call([view.listener, *listeners], stop)
        finally:
            if events is not None:
                events.close()
    with contextlib.suppress(OSError):  # the run is done, whether or not someone reads this
        print("\n".join(closing(result, out)), flush=True)
    return result.exit_code


def closing(result: RunResult, out: Path) -> list[str]:
    """What is said at the end of a run."""
    name = shlex.quote(str(out))
    lines = ["", *summary_lines(result.result, out)]
    search = result.result.get("search")
    if result.interrupted:
        best = RunFolder.open(out).read_best()
        if best is not None and search is None:
            lines.append(_best_line(best, given=RunFolder.open(out).spec.get("verb") == "train"))
        lines += ["", f"Stopped on request; nothing is lost. Go on with: chronas resume {name}"]
        return [*lines, use_now(result, name)]
    networks = [entry["name"] for entry in result.result["networks"]]
    if isinstance(search, Mapping) and "found" not in networks:
        cost = f"{short(search['params'])} parameters, {short(search['madds'])} multiply-adds per image"
        data = data_word(section(result.result.get("data")))
        lines += [f"{'Cost':12}  {cost}", f"{'Next':12}  chronas train {name} {data} --budget 10m"]
    elif "found" in networks:
        lines.append(f"{'Next':12}  chronas predict {name} IMAGE...   or   chronas export {name} --format onnx")
    return lines


def _best_line(best: Mapping[str, Any], given: bool) -> str:
    """The network of best.json: the best of those that were judged, the first where none was, or the one `given`."""
    if best.get("metrics"):
        return f"{'Best so far':12}  {best['notation']}"
    return f"{'Network':12}  {best['notation']}" if given else f"{'First':12}  {best['notation']}, not judged"


def use_now(result: RunResult, name: str) -> str:
    """What can be done with a run that was stopped, besides going on with it."""
    if result.result.get("unfinished") or result.network() is not None:
        return (
            f"Use what was trained so far: chronas predict {name} IMAGE...   or   chronas export {name} --format onnx"
        )
    data = data_word(section(result.result.get("data")))
    return f"No network was trained, so there is no model. Train the best: chronas train {name} {data} --budget 10m"


def _events(out: Path, shown: Namespace) -> Any:
    if not getattr(shown, "tensorboard", False):
        return None
    from chronas.reports.events import EventsListener

    return EventsListener(out / "events")


def _view(out: Path, shown: Namespace, title: str, stop: StopFlag) -> LivePanel | PlainLines:
    if getattr(shown, "quiet", False):
        return Quiet(out, title)
    if getattr(shown, "plain", False) or not draws_panels():
        return PlainLines(out, title)
    return LivePanel(out, title, stopping=lambda: stop.requested)


def draws_panels() -> bool:
    """Whether stdout is a terminal that wants more than plain lines."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
