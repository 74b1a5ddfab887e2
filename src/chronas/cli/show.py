"""chronas show: an architecture, its layers and its cost; for a run also how far it is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence

from chronas.architecture import Architecture
from chronas.cli.files import SOURCE_HELP, tell_open
from chronas.cli.words import Namespace, Parser, whole
from chronas.errors import UsageError
from chronas.named import find_source
from chronas.reports.summary import summary_lines
from chronas.runs.best import best_architecture
from chronas.runs.folder import RunFolder
from chronas.settings import parse_assignments
from chronas.task import Task


def parser() -> Parser:
    """RUN|FILE.json|SPACE:NOTATION [--input 3x32x32] [--classes 10]."""
    made = Parser("show", "An architecture, its layers and its cost; for a run also how far it is.")
    made.add_argument("source", metavar="NETWORK", help=SOURCE_HELP)
    made.option("--input", metavar="CxHxW", help="shape of the images (default: the run's, or 3x32x32)")
    made.option("--classes", metavar="N", type=whole, help="number of classes (default: the run's, or 10)")
    made.option("--set", metavar="space.K=V", action="append", help="a setting of the space, beside SPACE:NOTATION")
    return made


def run(words: Namespace, started: float) -> int:
    """`chronas.deploy.show` of the architecture that the words name."""
    settings = parse_assignments(getattr(words, "set", []))
    if set(settings) - {"space"}:
        raise UsageError(f"chronas show knows settings of the space only, but got {', '.join(sorted(settings))}.")
    found = find_source(words.source, settings.get("space"))
    shape = _shape(getattr(words, "input", "3x32x32"))
    classes = _classes(getattr(words, "classes", 10))
    if isinstance(found, Architecture):
        architecture = found
        tell_open(words.source, settings.get("space"))
    else:
        folder = found
        result = folder.read_result()
        if result is not None:
            _tell(folder)
            if (folder.train_folder / "spec.json").exists():
                _tell(RunFolder.open(folder.train_folder))
            shape = shape if hasattr(words, "input") else tuple(result["data"]["shape"])
            classes = classes if hasattr(words, "classes") else len(result["data"]["classes"])
        architecture = best_architecture(folder)
    _print(architecture, _task(shape, classes))
    return 0


def _tell(run: RunFolder) -> None:
    """How far a run is, and its numbers."""
    result = run.read_result()
    lines = [f"{run.path}: {result['status']}", "", *summary_lines(result)] if result else [f"{run.path}: begun"]
    print("\n".join([*lines, ""]))


def _print(architecture: Architecture, task: Task) -> None:
    from chronas.deploy.show import HEADER, describe, draw_text

    width = max(30, shutil.get_terminal_size().columns)
    print(f"{architecture.notation}   in space {architecture.space.name}\n")
    print(draw_text(architecture, width), end="\n\n")
    print(table([HEADER, *describe(architecture, task)]))
    print(f"\nfor images of {task.channels}x{task.height}x{task.width} and {task.classes} classes")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in columns; the last two are numbers."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            c.rjust(w) if i >= len(row) - 2 else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _shape(text: str) -> tuple[int, ...]:
    match = re.fullmatch(r"(\d+)x(\d+)x(\d+)", text.strip().lower())
    if not match:
        raise UsageError(f"--input takes CHANNELSxHEIGHTxWIDTH, for example 3x32x32, but got {text!r}.")
    return tuple(int(part) for part in match.groups())


def _classes(number: int) -> int:
    if number < 2:
        raise UsageError(f"--classes takes a number from 2 on, but got {number}.")
    return number


def _task(shape: tuple[int, ...], classes: int) -> Task:
    channels, height, width = shape
    try:
        return Task(channels, height, width, classes)
    except ValueError as error:
        raise UsageError(f"--input takes numbers from 1 on, but got {channels}x{height}x{width}.") from error
