"""The book of judged architectures, shared by methods that compare them by one number."""

from __future__ import annotations

import math
from typing import Any

from chronas.errors import NothingEvaluatedError
from chronas.work import Choices, Evaluate, Outcome


class ScoreBook:
    """Scores by architecture at one fidelity. The metric is `val_accuracy`; ties go to the lower `val_loss`."""

    def __init__(self) -> None:
        self._scores: dict[Choices, tuple[float, float]] = {}

    def tell(self, outcome: Outcome) -> None:
        """Keep the score of a finished evaluation; others, failures and NaN are passed over."""
        if isinstance(outcome.work, Evaluate) and outcome.error is None:
            accuracy = outcome.metrics.get("val_accuracy", math.nan)
            loss = outcome.metrics.get("val_loss", math.inf)
            if math.isfinite(accuracy):
                self._scores[outcome.work.choices] = (accuracy, -math.inf if math.isnan(loss) else -loss)

    def best(self) -> Choices:
        """The architecture with the best score; raises NothingEvaluatedError."""
        if not self._scores:
            raise NothingEvaluatedError("No architecture has been evaluated yet.")
        return max(self._scores, key=lambda choices: self._scores[choices])

    def ranked(self) -> list[Choices]:
        """All scored architectures, best first."""
        return sorted(self._scores, key=lambda choices: self._scores[choices], reverse=True)

    def __len__(self) -> int:
        return len(self._scores)

    def __contains__(self, choices: object) -> bool:
        return choices in self._scores

    def state(self) -> list[Any]:
        return [[list(choices), list(score)] for choices, score in self._scores.items()]

    def load(self, state: list[Any]) -> None:
        self._scores = {tuple(choices): (score[0], score[1]) for choices, score in state}
