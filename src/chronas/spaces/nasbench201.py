"""NAS-Bench-201, the topology space of NATS-Bench: a cell of 4 nodes, each of whose 6 edges has one of 5 operations.

Dong & Yang, "NAS-Bench-201: Extending the scope of reproducible neural architecture search", 2020.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

from chronas.errors import UsageError
from chronas.spaces.base import Decision, Space
from chronas.spaces.edgecell import EDGES, Key, cell_string, exact_key, parse_cell, unique_string
from chronas.work import Choices

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
RESIDUAL = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
"""The cell that is a residual block of two 3x3 convolutions: what a person would build."""


@dataclass(frozen=True)
class NasBench201Settings:
    """channels: width of the first stage (published: 16). cells: searched cells in each of 3 stages (published: 5)."""

    channels: int = 16
    cells: int = 5

    def __post_init__(self) -> None:
        for name, high in (("channels", 4096), ("cells", 100)):
            if not 1 <= getattr(self, name) <= high:
                raise UsageError(f"space.{name} must lie between 1 and {high}, but got {getattr(self, name)}.")


class NasBench201Space(Space):
    """Six decisions "source>target"; node 3 is the output; a node is the sum of its edges."""

    name = "nasbench201"
    plain_title = "the cell that is a residual block"
    Settings = NasBench201Settings

    def __init__(self, settings: NasBench201Settings | None = None) -> None:
        decisions = tuple(Decision(f"{source}>{target}", OPERATIONS) for source, target in EDGES)
        super().__init__(settings or NasBench201Settings(), decisions)

    def operations(self, choices: Choices) -> tuple[str, ...]:
        """The operation of each edge, in the order of `EDGES`."""
        return tuple(OPERATIONS[choice] for choice in choices)

    def canonical(self, choices: Choices) -> Choices:
        """The first of all cells with the benchmark's isomorphism string: 6,466 classes over all 15,625 cells.

        Members of a class compute the same function where weights allow it, but need not be one network: a convolution
        whose output is used twice and two convolutions of the same input have the same string (see `exact`).
        """
        return _representatives()[unique_string(self.operations(choices))]

    def exact(self, choices: Choices) -> Choices:
        """The first of all cells that are exactly this network, trained or not: 5,653 over all 15,625.

        Members have equal scores under any proxy of what runs, given equal initial weights; `params` counts what does
        not run, too. Neither finer nor coarser than `canonical`, whose string keeps some zeros apart and merges some
        cells with different numbers of operations.
        """
        return _exact_representatives()[exact_key(self.operations(choices))]

    def notation(self, choices: Choices) -> str:
        """The published string, e.g. "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|"."""
        return cell_string(self.operations(choices))

    def parse(self, text: str) -> Choices:
        choices = tuple(map(OPERATIONS.index, parse_cell(text, OPERATIONS)))
        self.check(choices)
        return choices

    def plain(self) -> Choices | None:
        """The cell that is a residual block."""
        return self.parse(RESIDUAL)


@functools.cache
def _representatives() -> dict[str, Choices]:
    """The first cell, in the order of enumeration, of each isomorphism string."""
    found: dict[str, Choices] = {}
    for choices in itertools.product(range(len(OPERATIONS)), repeat=len(EDGES)):
        found.setdefault(unique_string([OPERATIONS[choice] for choice in choices]), choices)
    return found


@functools.cache
def _exact_representatives() -> dict[Key, Choices]:
    """The first cell, in the order of enumeration, of each exact network."""
    found: dict[Key, Choices] = {}
    for choices in itertools.product(range(len(OPERATIONS)), repeat=len(EDGES)):
        found.setdefault(exact_key([OPERATIONS[choice] for choice in choices]), choices)
    return found
