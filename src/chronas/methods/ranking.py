"""The book of judged architectures, shared by methods that compare them by one number."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from chronas.errors import NothingEvaluatedError
from chronas.work import Choices, Evaluate, Outcome

Score: TypeAlias = tuple[float, float]
"""A metric and, to decide between equal ones, the negative validation loss. Higher is better."""


def score_of(outcome: Outcome, metric: str = "val_accuracy") -> Score | None:
    """The score of a finished evaluation; None for a failure, for NaN and for any other work."""
    if not isinstance(outcome.work, Evaluate) or outcome.error is not None:
        return None
    value = float(outcome.metrics.get(metric, math.nan))
    loss = float(outcome.metrics.get("val_loss", math.inf))
    return (value, -math.inf if math.isnan(loss) else -loss) if math.isfinite(value) else None


class ScoreBook:
    """Scores by architecture at one fidelity, by `metric`; ties go to the lower `val_loss`, then to the first told."""

    def __init__(self, metric: str = "val_accuracy") -> None:
        self.metric = metric
        self._scores: dict[Choices, Score] = {}
        self._best: Choices | None = None

    def tell(self, outcome: Outcome) -> Score | None:
        """Keep and return the score of a finished evaluation; others, failures and NaN are passed over."""
        score = score_of(outcome, self.metric)
        if score is not None and isinstance(outcome.work, Evaluate):
            choices = outcome.work.choices
            # The best is kept up to date, for it is asked after every tell; a second score of one may lower it.
            if choices in self._scores:
                self._best = None
            elif self._best is not None and score > self._scores[self._best]:
                self._best = choices
            self._scores[choices] = score
        return score

    def best(self) -> Choices:
        """The architecture with the best score; raises NothingEvaluatedError."""
        if not self._scores:
            raise NothingEvaluatedError("No architecture has been evaluated yet.")
        if self._best is None:
            self._best = max(self._scores, key=lambda choices: self._scores[choices])
        return self._best

    def best_score(self) -> Score:
        """The score of `best`; raises NothingEvaluatedError."""
        return self._scores[self.best()]

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
        self._best = None
