"""The one line that says of a network that its training was stopped before its end."""

from __future__ import annotations

import contextlib
import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chronas.deploy.bundle import Bundle


def tell_unfinished(bundle: Bundle, source: Path) -> None:
    """Say on stderr where `bundle`, read from `source`, is what an interrupted run had so far."""
    if bundle.finished:
        return
    accuracy = bundle.metrics.get("val_accuracy", math.nan)
    judged = "it was not judged" if math.isnan(accuracy) else f"{accuracy:.1f} % on validation images"
    from chronas.deploy.bundle import model_file
    from chronas.runs.files import run_of

    run = run_of(model_file(source))
    known = (run / "spec.json").exists()
    after = f" For the finished one: chronas resume {shlex.quote(str(run))}" if known else ""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"chronas: This network is unfinished ({judged}): its training was stopped.{after}\n")
        sys.stderr.flush()
