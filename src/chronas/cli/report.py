"""chronas report: write the HTML report of a run."""

from __future__ import annotations

from pathlib import Path

from chronas.cli.words import Namespace, Parser
from chronas.reports.html import write_report
from chronas.runs.folder import RunFolder


def parser() -> Parser:
    """RUN."""
    made = Parser("report", "Write the HTML report of a run, finished or not. It is one file and opens offline.")
    made.add_argument("run", metavar="RUN", help="the run's folder")
    return made


def run(words: Namespace, started: float) -> int:
    """One call of `chronas.reports.html.write_report`."""
    folder = RunFolder.open(Path(words.run).expanduser())
    print(write_report(folder.path))
    return 0
