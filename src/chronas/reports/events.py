"""TensorBoard events of a run: the numbers of every slice, as scalars."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chronas.errors import missing_extra


class EventsListener:
    """Writes the metrics of outcomes and epochs as STAGE/METRIC into `folder`.

    The step is 1000 * progress of the stage, so runs of different budgets lie over each other.
    Raises EnvironmentFault where tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise missing_extra("tensorboard", "tensorboard", "Writing TensorBoard events")
        from torch.utils.tensorboard import SummaryWriter

        self._make = SummaryWriter
        self.folder = Path(folder)
        self._writer: Any = None
        self._failed = False

    def listener(self, record: Mapping[str, Any]) -> None:
        """Take one journal record in; a disk that fails ends the events and nothing else."""
        if record["kind"] not in ("outcome", "epoch") or self._failed:
            return
        try:
            # Made late: the run folder must be empty when the run begins.
            self._writer = self._writer or self._make(str(self.folder))
            step, now = round(1000 * record["progress"]), time.time()
            for name, value in record["metrics"].items():
                if isinstance(value, int | float) and math.isfinite(value):
                    self._writer.add_scalar(f"{record['stage']}/{name}", value, step, walltime=now)
        except OSError:
            self._failed = True

    def close(self) -> None:
        """Write out what is buffered."""
        if self._writer is not None and not self._failed:
            self._writer.close()
