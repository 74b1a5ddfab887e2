"""What a search method is: it decides. No input or output, no clock, no loop, no torch.

The driver calls `ask` for work, runs it and calls `tell` with what came of it. A method sees `progress`
(spent / budget in [0, 1]) and never the unit behind it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from chronas.spaces import Space
from chronas.work import Choices, Outcome, Work


@dataclass(frozen=True)
class Inspection:
    """A look inside for people: tables by name (one row of option values per decision) and one line of words."""

    message: str = ""
    tables: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)


class FrontPoint(NamedTuple):
    """One architecture of a front: validation accuracy in percent, and cost by the method's own measure."""

    choices: Choices
    accuracy: float
    cost: float


class Method(ABC):
    """Base of all methods.

    Settings  the frozen dataclass of the method's settings.
    presets   named overrides of them; "paper" holds the values of the paper, named in the docstring.
    counted   overrides in a budget of evaluations, unless a preset or the user says otherwise.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[Any]]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    counted: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, space: Space, settings: Any, seed: int) -> None:
        self.space = space
        self.settings = settings
        self.seed = seed

    @abstractmethod
    def ask(self, count: int, progress: float) -> Sequence[Work]:
        """At most `count` pieces of work; empty when it waits for a tell or has finished."""

    def upcoming(self, count: int) -> Sequence[Work]:
        """At most `count` pieces of work that the next `ask`s will give, whatever is told before; changes nothing.

        Somebody may begin with them early. Empty where what comes next depends on what is told.
        """
        return ()

    @abstractmethod
    def tell(self, outcome: Outcome, progress: float) -> None:
        """Hear what came of a piece of work, failures included."""

    @abstractmethod
    def best(self) -> Choices:
        """The best architecture so far; raises NothingEvaluatedError before the first outcome."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything that `load` needs to go on exactly here: JSON-able data and tensors."""

    @abstractmethod
    def load(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""

    def inspect(self) -> Inspection:
        """What people may want to see now."""
        return Inspection()

    def notes(self) -> list[str]:
        """Messages for people, each handed out once."""
        return []

    def front(self) -> Sequence[FrontPoint]:
        """For a method with two objectives: what it judged that nothing cheaper equals, cheapest first; else empty."""
        return ()
