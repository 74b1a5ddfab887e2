"""A run while it works: one panel on a terminal, plain lines elsewhere. Both listen to the journal's records.

Nothing here may stop a run: when the terminal goes away, the view goes silent.
"""

from __future__ import annotations

import shlex
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from chronas.errors import ChronasError
from chronas.reports.progress import RunState, clock_words, stage_line
from chronas.runs.journal import Journal

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.table import Table

    from chronas.reports.terminal import Terminal

FAULTS = (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError)
"""What a vanished terminal or a strange record can cause; it silences the view and nothing else."""


class View(ABC):
    """Shows the run in the folder `out`. `title` is what it is called; use as a context manager.

    A run that is resumed is caught up with from its journal.
    """

    def __init__(self, out: Path, title: str) -> None:
        self.out, self.title = Path(out), title
        self.state = RunState()
        self.silent = False
        if (self.out / "journal.jsonl").exists():
            self._catch_up()

    def _catch_up(self) -> None:
        try:
            for record in Journal(self.out / "journal.jsonl", write=False).records():
                self.state.hear(record)
        except ChronasError:
            self.state = RunState()  # the library reports the damage
        self.state.running = False

    def listener(self, record: Mapping[str, Any]) -> None:
        """Take one journal record in; never raises."""
        if self.silent:
            return
        try:
            if record["kind"] == "start":
                self.state.read_spec(self.out)
            ended = self.state.ends_stage(record)
            if ended:
                self.say(ended)
            self.state.hear(record)
            self.heard(record)
        except FAULTS:
            self.silent = True

    @abstractmethod
    def heard(self, record: Mapping[str, Any]) -> None:
        """Show what `record` changed; `self.state` has it already."""

    @abstractmethod
    def say(self, line: str) -> None:
        """Show one line that stays."""

    def note(self, record: Mapping[str, Any]) -> None:
        """Show a note of the run."""
        word = "warning: " if record.get("level") == "warning" else ""
        self.say(f"{clock_words(record['t'])}  {word}{record['message']}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        return None


class PlainLines(View):
    """Lines without control codes: at most one per two seconds and 5 % of a stage, at least one a minute."""

    def __init__(self, out: Path, title: str) -> None:
        super().__init__(out, title)
        self._shown = (-1.0, 0.0, "")

    def __enter__(self) -> Self:
        self.say(f"{self.title}, folder {shlex.quote(str(self.out))}")
        return self

    def heard(self, record: Mapping[str, Any]) -> None:
        kind = record["kind"]
        if kind == "start":
            self.say(f"{clock_words(record['t'])}  {self.state.start_words}")
        elif kind == "note":
            self.note(record)
        elif kind == "stage" and record["event"] == "begin":
            self._shown = (0.0, record["t"], record["stage"])
            self.say(f"{clock_words(record['t'])}  {self.state.stage_title} begins")
        elif kind in ("outcome", "epoch") and self._due(record):
            self._shown = (record["progress"], record["t"], record["stage"])
            self.say(stage_line(self.state))

    def _due(self, record: Mapping[str, Any]) -> bool:
        progress, when, stage = self._shown
        passed: float = record["t"] - when
        return stage != record["stage"] or passed >= 60 or (passed >= 2 and record["progress"] - progress > 0.0499)

    def say(self, line: str) -> None:
        print(line, flush=True)


class Quiet(PlainLines):
    """Only warnings."""

    def __enter__(self) -> Self:
        return self

    def heard(self, record: Mapping[str, Any]) -> None:
        if record["kind"] == "note":
            self.note(record)

    def say(self, line: str) -> None:
        if "warning: " in line:
            super().say(line)


class LivePanel(View):
    """One panel, drawn `rate` times a second by a thread of its own; finished stages and notes stay above it.

    stopping  asked at every drawing: whether the run has been asked to stop
    console   where to draw; stdout by default
    """

    def __init__(
        self, out: Path, title: str, *, stopping: Callable[[], bool] = lambda: False,
        console: Terminal | None = None, rate: float = 2.0,
    ) -> None:  # fmt: skip
        super().__init__(out, title)
        from rich.live import Live

        from chronas.reports.terminal import Terminal

        self.stopping = stopping
        self.console = console or Terminal()
        self.live: Live = Live(console=self.console, refresh_per_second=rate, transient=True, get_renderable=self.draw)

    def __enter__(self) -> Self:
        self.live.start(refresh=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        try:
            self.live.stop()
        except FAULTS:
            self.silent = True

    def heard(self, record: Mapping[str, Any]) -> None:
        if record["kind"] == "note":
            self.note(record)

    def say(self, line: str) -> None:
        self.console.print(line)

    def draw(self) -> RenderableType:
        """The panel as it stands now."""
        from rich.console import Group
        from rich.panel import Panel
        from rich.text import Text

        parts: list[RenderableType] = [self._bars(), self._facts()]
        hint = "Ctrl-C stops, resumable" if self.state.running or not self.state.stage else ""
        if self.stopping():
            hint = "finishing the step, then stopping; Ctrl-C again stops at once"
        return Panel(
            Group(*parts), title=Text(self.title, style="bold"), title_align="left",
            subtitle=Text(hint, style="dim"), subtitle_align="right", border_style="cyan", padding=(0, 1),
        )  # fmt: skip

    def _bars(self) -> Table:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(width=12, no_wrap=True, style="dim")
        grid.add_column(ratio=1, min_width=4)
        grid.add_column(justify="right", no_wrap=True)
        state = self.state
        used, given = state.used(time.monotonic()), state.given
        if given:
            grid.add_row("budget", ProgressBar(given, min(used, given)), Text(state.budget_words(used)))
        percent = Text(f"{100 * state.progress:.0f} %")
        grid.add_row(state.stage_title or "starting", ProgressBar(1.0, state.progress), percent)
        return grid

    def _facts(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(width=12, no_wrap=True, style="dim")
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        for name, words in self.state.facts():
            grid.add_row(name, Text(words, overflow="ellipsis", no_wrap=True))
        return grid
