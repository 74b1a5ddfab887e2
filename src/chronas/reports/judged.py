"""What a search judged, as accuracy against cost, and the front of it: from the journal and the method's own front."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chronas.architecture import make_space
from chronas.errors import ChronasError
from chronas.reports.curves import MOST
from chronas.reports.reading import Json, RunFiles, items, number, section, text
from chronas.reports.view import CostView, FrontView
from chronas.spaces import Space
from chronas.work import Choices

BLOCK = 500
"""Points that are compared with each other at once: the memory for it grows with the square."""


@dataclass(frozen=True)
class Judged:
    """One network that was trained for `share` of the budget: accuracy in percent, parameters, multiply-adds."""

    choices: Choices
    accuracy: float
    params: float | None
    madds: float
    share: float

    def cost(self, name: str) -> float:
        """Its "params" or "madds"."""
        return self.madds if name == "madds" else self.params or 0.0


def cost_view(files: RunFiles) -> CostView | None:
    """Everything that was judged with its cost; None where no evaluation tells accuracy and multiply-adds."""
    cost = _cost_name(files)
    judged = sorted((one for one in _judged(files) if one.cost(cost) > 0), key=lambda one: one.cost(cost))
    if not judged:
        return None
    points = [(one.cost(cost), one.accuracy) for one in judged]
    recorded = items(section(files.result.get("search")).get("front")) or items(files.inspect.get("front"))
    places = places_of_front(points)
    shown = {*range(0, len(points), max(1, math.ceil(len(points) / (2 * MOST)))), *places}
    return CostView(
        cost,
        len(points),
        tuple(points[place] for place in sorted(shown)),
        _recorded(files, recorded) or _computed(files, [judged[place] for place in places]),
        len({one.share for one in judged}) > 1,
    )


def _cost_name(files: RunFiles) -> str:
    """The cost that the method weighs against accuracy; multiply-adds where it weighs none."""
    after = section(section(files.result.get("search")).get("method_settings"))
    before = section(section(files.spec.get("settings")).get("method"))
    return "params" if after.get("cost", before.get("cost")) == "params" else "madds"


def _judged(files: RunFiles) -> list[Judged]:
    """Each network once, as its longest training found it."""
    found: dict[Choices, Judged] = {}
    for record in files.records:
        work, metrics = section(record.get("work")), section(record.get("metrics"))
        if record.get("kind") != "outcome" or work.get("work") != "evaluate":
            continue
        accuracy, madds = number(metrics.get("val_accuracy")), number(metrics.get("madds"))
        choices = _choices(work)
        if accuracy is None or madds is None or not choices:
            continue
        share = number(section(work.get("fidelity")).get("share")) or 0.0
        if choices not in found or share >= found[choices].share:
            found[choices] = Judged(choices, accuracy, number(metrics.get("params")), madds, share)
    return list(found.values())


def _choices(data: Json) -> Choices:
    return tuple(choice for choice in items(data.get("choices")) if isinstance(choice, int))


def places_of_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Places of the (cost, accuracy) pairs that no other is better than, cheapest first."""
    import numpy as np  # not at the top: `chronas report --help` imports this module and nothing heavy

    from chronas.pareto import front

    array = np.array([(cost, -accuracy) for cost, accuracy in points])
    kept: list[int] = []
    for start in range(0, len(points), BLOCK):
        places = [*kept, *range(start, min(start + BLOCK, len(points)))]
        kept = [places[i] for i in front(array[places])]
    return sorted(kept, key=lambda place: points[place])


def _recorded(files: RunFiles, rows: Sequence[object]) -> tuple[FrontView, ...]:
    """The front as the method gave it; each row has a file in the run folder."""
    views = []
    for index, row in enumerate(map(section, rows), 1):
        accuracy = number(row.get("val_accuracy"))
        if accuracy is not None:
            file, found = f"front/{index:02d}.json", _choices(row) == _chosen(files)
            cost = (number(row.get("params")), number(row.get("madds")))
            views.append(FrontView(text(row.get("notation")), accuracy, *cost, file, found))
    return tuple(views)


def _computed(files: RunFiles, members: Sequence[Judged]) -> tuple[FrontView, ...]:
    space, chosen = _space(files), _chosen(files)
    return tuple(FrontView(_notation(files, space, one.choices), one.accuracy, one.params, one.madds, "",
                           one.choices == chosen) for one in members)  # fmt: skip


def _chosen(files: RunFiles) -> Choices:
    return _choices(section(files.result.get("search"))) or _choices(files.best)


def _space(files: RunFiles) -> Space | None:
    search, inspect = section(files.result.get("search")), files.inspect
    settings = section(search.get("space_settings")) or section(inspect.get("settings"))
    try:
        return make_space(text(search.get("space")) or text(inspect.get("space")), settings)
    except ChronasError:
        return None


def _notation(files: RunFiles, space: Space | None, choices: Choices) -> str:
    """The space's notation; where the space is not known here, the options' names or numbers."""
    if space is not None:
        try:
            return space.notation(choices)
        except ChronasError:
            pass
    options = [items(section(decision).get("options")) for decision in items(files.inspect.get("decisions"))]
    if len(options) == len(choices) and all(0 <= c < len(o) for c, o in zip(choices, options, strict=True)):
        return ", ".join(text(o[c]) for c, o in zip(choices, options, strict=True))
    return ", ".join(map(str, choices))
