"""The console that everything rich is drawn on."""

from __future__ import annotations

from typing import IO, NoReturn

from rich.console import Console


class Terminal(Console):
    """stdout (or `file`) without markup and highlighting; a reader that left is a BrokenPipeError.

    Rich itself would end the process then, and with it a run that works on.
    """

    def __init__(self, file: IO[str] | None = None, width: int | None = None) -> None:
        super().__init__(file=file, width=width, highlight=False, markup=False)

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError
