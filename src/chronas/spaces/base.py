"""What a space is: named decisions with named options. Plain data that knows no method and no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from chronas.errors import ArchitectureError
from chronas.work import Choices

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Decision:
    """One decision of a space, with the names of its options."""

    name: str
    options: tuple[str, ...]


class Space(ABC):
    """A set of architectures: one option per decision.

    Subclasses are built from one frozen dataclass of settings (`Settings`) and fill `decisions`.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[Any]]
    rules: ClassVar[str] = ""
    """What `legal` asks of a combination, in words for people."""
    plain_title: ClassVar[str] = "the customary network of the space"
    """What `plain` is, in words for people."""

    def __init__(self, settings: Any, decisions: tuple[Decision, ...]) -> None:
        self.settings = settings
        self.decisions = decisions

    def check(self, choices: Choices) -> None:
        """Raise ArchitectureError unless `choices` is legal here."""
        if len(choices) != len(self.decisions):
            raise ArchitectureError(
                f"An architecture of {self.name!r} has {len(self.decisions)} choices, but got {len(choices)}."
            )
        for decision, choice in zip(self.decisions, choices, strict=True):
            if not 0 <= choice < len(decision.options):
                raise ArchitectureError(
                    f"{decision.name!r} has options 0 to {len(decision.options) - 1}, but got {choice}."
                )
        if not self.legal(choices):
            raise ArchitectureError(f"{self.name!r} does not allow {self.notation(choices)}: {self.rules}")

    def legal(self, choices: Choices) -> bool:
        """Whether this combination of options is allowed; every choice is known to be within its options.

        A space with forbidden combinations overrides this and says in `rules` what it allows. It must be cheap:
        moves call it once per candidate.
        """
        return True

    def canonical(self, choices: Choices) -> Choices:
        """The representative of all choices that count as one architecture; idempotent.

        Those that compute the same function, or what the space's benchmark takes for the same.
        """
        return choices

    def exact(self, choices: Choices) -> Choices:
        """The representative of all choices that are one network, weight by weight; idempotent.

        With equal initial weights they have equal outputs and equal scores. It differs from `canonical` only where a
        benchmark's classes are not these.
        """
        return self.canonical(choices)

    @abstractmethod
    def notation(self, choices: Choices) -> str:
        """The published or customary short text form."""

    @abstractmethod
    def parse(self, text: str) -> Choices:
        """The choices that `notation` writes as `text`; raises ArchitectureError."""

    @classmethod
    def told(cls, text: str) -> dict[str, Any]:
        """Settings of the space that a notation tells by itself, for example how many layers there are.

        `text` may be anything: what it does not tell is left out, and `parse` judges it.
        """
        return {}

    def features(self, decision: int) -> npt.NDArray[np.float64]:
        """What the options of a decision have in common with others: an array (options, features).

        Methods may learn from one option about similar ones; a space without such knowledge has no columns.
        """
        import numpy as np  # not at the top: listings import this module and nothing heavy

        return np.zeros((len(self.decisions[decision].options), 0))

    def plain(self) -> Choices | None:
        """What a person would choose without a search, where the space has such a point: the plain baseline."""
        return None

    def names(self, choices: Choices) -> dict[str, str]:
        """Decision name to option name."""
        return {d.name: d.options[c] for d, c in zip(self.decisions, choices, strict=True)}

    def from_names(self, names: dict[str, str]) -> Choices:
        """The inverse of `names`; raises ArchitectureError with the nearest legal words."""
        known = [decision.name for decision in self.decisions]
        if sorted(names) != sorted(known):
            raise ArchitectureError(f"{self.name!r} decides {', '.join(known)}, but the file has {', '.join(names)}.")
        choices = []
        for decision in self.decisions:
            option = names[decision.name]
            if option not in decision.options:
                raise ArchitectureError(
                    f"{decision.name!r} cannot be {option!r}; its options are {', '.join(decision.options)}."
                )
            choices.append(decision.options.index(option))
        self.check(tuple(choices))
        return tuple(choices)


def join_options(space: Space, choices: Choices) -> str:
    """Option names joined by dashes: the notation of spaces whose option names hold no dash."""
    return "-".join(d.options[c] for d, c in zip(space.decisions, choices, strict=True))


def split_options(space: Space, text: str) -> Choices:
    """The inverse of `join_options`; raises ArchitectureError."""
    words = text.strip().split("-")
    if len(words) != len(space.decisions):
        raise ArchitectureError(
            f"An architecture of {space.name!r} is {len(space.decisions)} options joined by '-', "
            f"but {text!r} has {len(words)}."
        )
    return space.from_names({d.name: word for d, word in zip(space.decisions, words, strict=True)})
