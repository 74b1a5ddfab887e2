"""Which images make up which step: a pure function of (seed, purpose, step)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from chronas.seeding import stream


@dataclass
class Order:
    """The order in which `count` images are shown, epoch after epoch.

    Epoch e is shuffled by stream(seed, purpose, "order", e). A batch larger than the split is all of it.
    """

    count: int
    batch_size: int
    seed: int
    purpose: str
    shuffle: bool = True
    drop_last: bool = True
    _epoch: int = field(default=-1, repr=False)
    _current: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64), repr=False)

    def __post_init__(self) -> None:
        self.batch_size = min(self.batch_size, self.count)

    def __len__(self) -> int:
        """Steps in an epoch, at least 1."""
        full, rest = divmod(self.count, self.batch_size)
        return full if self.drop_last or not rest else full + 1

    def epoch(self, epoch: int) -> npt.NDArray[np.int64]:
        """All indices in the order of `epoch`; the latest epoch is remembered."""
        if epoch != self._epoch:
            self._current = (
                stream(self.seed, self.purpose, "order", epoch).permutation(self.count)
                if self.shuffle
                else np.arange(self.count)
            )
            self._epoch = epoch
        return self._current

    def indices(self, step: int) -> npt.NDArray[np.int64]:
        """The images of batch `step`."""
        epoch, place = divmod(step, len(self))
        return self.epoch(epoch)[place * self.batch_size : (place + 1) * self.batch_size]
