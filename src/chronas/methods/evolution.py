"""The population of a regularised evolution: the oldest dies, not the worst (Real et al. 2019)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from chronas.methods.ranking import Score
from chronas.work import Choices


class Population:
    """At most `size` members, oldest first."""

    def __init__(self, size: int) -> None:
        self._members: deque[tuple[Choices, Score]] = deque(maxlen=size)

    def add(self, choices: Choices, score: Score) -> None:
        """The newest member; where there is no room, the oldest is removed, however good it is."""
        self._members.append((choices, score))

    def parent(self, rng: np.random.Generator, tournament: int) -> Choices:
        """The best of `tournament` members, drawn with replacement."""
        drawn = [self._members[int(i)] for i in rng.integers(len(self._members), size=tournament)]
        return max(drawn, key=lambda member: member[1])[0]

    @property
    def members(self) -> list[Choices]:
        """Oldest first."""
        return [choices for choices, _ in self._members]

    def __len__(self) -> int:
        return len(self._members)

    def state(self) -> list[Any]:
        return [[list(choices), list(score)] for choices, score in self._members]

    def load(self, state: Sequence[Any]) -> None:
        self._members.clear()
        self._members.extend((tuple(choices), (score[0], score[1])) for choices, score in state)
