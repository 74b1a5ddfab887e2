"""Networks that a verb is given: a run, a file, or SPACE:NOTATION."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from chronas.named import EXAMPLE, NAMES, is_written, left_open

SOURCE_HELP = (
    f"a run folder, an architecture file, SPACE:NOTATION (for example {EXAMPLE}), or a name: {', '.join(NAMES)}"
)


def tell_open(source: str, settings: Mapping[str, Any] | None) -> None:
    """Say on stderr which settings of the space a notation left open, and so are the usual ones."""
    taken = left_open(source, settings) if is_written(source) else {}
    if taken:
        words = ", ".join(f"{name}={value}" for name, value in taken.items())
        print(f"chronas: the notation leaves settings of the space at their usual values: {words}. Change one: "
              f"--set space.{next(iter(taken))}=VALUE", file=sys.stderr)  # fmt: skip
