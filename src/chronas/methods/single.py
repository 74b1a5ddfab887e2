"""Not a search: the method that asks for one network to be trained, so that the driver can drive that too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chronas.architecture import Architecture
from chronas.methods.base import Method
from chronas.work import Advance, Choices, Outcome, Work


class TrainOne(Method):
    """Asks for slices of training until the budget is spent."""

    name = "train"

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture.space, None, 0)
        self._choices = architecture.choices

    def ask(self, count: int, progress: float) -> Sequence[Work]:
        return [Advance()]

    def tell(self, outcome: Outcome, progress: float) -> None:
        pass

    def best(self) -> Choices:
        return self._choices

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: Mapping[str, Any]) -> None:
        pass
