"""chronas show: an architecture, its layers and its cost; for a run also how far it is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chronas.cli.files import architecture_file
from chronas.cli.words import Namespace, Parser, whole
from chronas.errors import UsageError
from chronas.reports.summary import summary_lines
from chronas.runs.best import best_architecture
from chronas.runs.folder import RunFolder
from chronas.task import Task

if TYPE_CHECKING:
    from chronas.architecture import Architecture


def parser() -> Parser:
    """RUN|ARCHITECTURE.json [--input 3x32x32] [--classes 10]."""
    made = Parser("show", "An architecture, its layers and its cost; for a run also how far it is.")
    made.add_argument("source", metavar="RUN|FILE.json", help="a run folder, or an architecture file")
    made.option("--input", metavar="CxHxW", help="shape of the images (default: the run's, or 3x32x32)")
    made.option("--classes", metavar="N", type=whole, help="number of classes (default: the run's, or 10)")
    return made


def run(words: Namespace, started: float) -> int:
    """`chronas.deploy.show` of the architecture that the words name."""
    source = Path(words.source).expanduser()
    shape: tuple[int, ...] = (3, 32, 32)
    classes = 10
    if source.is_file():
        architecture = architecture_file(source)
    else:
        folder = RunFolder.open(source)
        result = folder.read_result()
        if result is not None:
            _tell(folder)
            if (folder.train_folder / "spec.json").exists():
                _tell(RunFolder.open(folder.train_folder))
            shape, classes = tuple(result["data"]["shape"]), len(result["data"]["classes"])
        architecture = best_architecture(folder)
    if hasattr(words, "input"):
        shape = _shape(words.input)
    _print(architecture, _task(shape, getattr(words, "classes", classes)))
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


def _task(shape: tuple[int, ...], classes: int) -> Task:
    channels, height, width = shape
    try:
        return Task(channels, height, width, classes)
    except ValueError as error:
        raise UsageError(str(error)) from error
