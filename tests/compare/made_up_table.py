"""A made-up table in a real space, with what a published one may lack."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chronas.architecture import make_space
from chronas.benchmarks import Table
from chronas.benchmarks.container import write
from chronas.benchmarks.contents import Contents, Facts, measured
from chronas.seeding import stream
from chronas.spaces.moves import enumerate_all

SETTINGS = {"layers": 3, "m": 2}
FACTS = Facts("made up", "none", "none", "none", "one")


def made_up(folder: Path, *, prices: bool = True, holes: tuple[int, ...] = (), rows: int = 64) -> Table:
    """64 networks on two data sets; `one` at 3, 12 and 48 epochs, `two` at 48. Accuracy grows with the choices.

    Prices are 1 second per epoch and unit of the first choice plus one. Rows in `holes` have no 12-epoch accuracy.
    """
    choices = np.asarray(list(enumerate_all(make_space("superkernel", SETTINGS))), dtype=np.uint8)[:rows]
    good = choices.sum(axis=1) + 0.1 * stream(0, "made up").standard_normal(len(choices))
    short = 60 + 2 * good
    short[list(holes)] = np.nan
    columns = [
        measured("validation", "one", 3, 40 + good), measured("validation", "one", 12, short),
        measured("validation", "one", 48, 70 + 2 * good), measured("test", "one", 48, 71 + 2 * good),
        measured("validation", "two", 48, 30 + good), measured("test", "two", 48, 31 - good),
    ]  # fmt: skip
    if prices:
        columns += [measured("seconds", "one", e, e * (1.0 + choices[:, 0])) for e in (3, 12, 48)]
    path = folder / "made_up.table"
    write(path, Contents("made_up", "superkernel", SETTINGS, ("one", "two"), FACTS, choices, tuple(columns)))
    return Table(path)
