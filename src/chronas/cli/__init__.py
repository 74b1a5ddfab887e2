"""The command line. One module per verb: parse, spec words, one library call. Imports no torch by itself."""

from __future__ import annotations

import time

IMPORTED = time.monotonic()
"""Read before anything else is imported, so that imports count as the user's time."""

from chronas.cli.main import main  # noqa: E402

__all__ = ["IMPORTED", "main"]
