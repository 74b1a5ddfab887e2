"""What a method asks for and what it is told: the frozen words between method, driver and executor."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Choices: TypeAlias = tuple[int, ...]
"""One option index per decision of a space: the internal form of an architecture."""

Kind = Literal["train", "shared", "proxy", "table"]


@dataclass(frozen=True)
class Fidelity:
    """How an architecture is to be judged.

    kind    train: short training from scratch; shared: held-out data with the supernet's weights;
            proxy: a score of the untrained network; table: a published table.
    share   for `train`: the part of the whole budget that one evaluation may use, in (0, 1].
    level   for `train`: the part of a full evaluation that is meant, in (0, 1]; a table takes its nearest row.
            `share` holds it already.
    proxy   for `proxy`: its registered name.
    """

    kind: Kind
    share: float = 0.0
    level: float = 1.0
    proxy: str = ""


@dataclass(frozen=True)
class Evaluate:
    """Judge one architecture. Stateless: may run anywhere, in any order."""

    choices: Choices
    fidelity: Fidelity


@dataclass(frozen=True)
class Advance:
    """Train the supernet for one slice. Stateful: runs next to the supernet, one at a time.

    The driver decides how long a slice is; a method never knows.
    """


Work: TypeAlias = Evaluate | Advance


@dataclass(frozen=True)
class Outcome:
    """What came of one piece of work.

    metrics  numbers by name; `val_accuracy` in percent, higher is better, decides between architectures.
    price    what it cost: seconds, steps, epochs, evaluations.
    error    None, or why there are no metrics. A failed evaluation is an outcome, not a number.
    """

    work: Work
    metrics: Mapping[str, float] = field(default_factory=dict)
    price: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None


def work_to_json(work: Work) -> dict[str, Any]:
    """`work` as JSON-able data."""
    if isinstance(work, Advance):
        return {"work": "advance"}
    return {"work": "evaluate", "choices": list(work.choices),
            "fidelity": dataclasses.asdict(work.fidelity)}  # fmt: skip


def work_from_json(data: Mapping[str, Any]) -> Work:
    """The work that `work_to_json` made `data` of."""
    if data["work"] == "advance":
        return Advance()
    return Evaluate(tuple(data["choices"]), Fidelity(**data["fidelity"]))
