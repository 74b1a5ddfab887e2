"""Writes report.html: one self-contained file without scripts, fonts or pictures from elsewhere."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from chronas.reports import units
from chronas.reports.bars import colour, dot_plot, stacked_bar
from chronas.reports.charts import charts
from chronas.reports.collect import collect
from chronas.reports.drawing import SEARCHED, tile
from chronas.reports.heat import Shades, cell_size, confusion, grids, legend, shades
from chronas.reports.scatter import NAMES, scatter
from chronas.reports.summary import data_word
from chronas.reports.svg import both
from chronas.reports.tables import OptionBar, confused_pairs, key_figures, option_bars, per_class
from chronas.reports.view import ReportView
from chronas.runs.files import write_bytes

LARGEST_MATRIX = 20
"""Confusion matrices of more classes are listed as the most confused pairs instead."""
CAPTIONS = {"alpha": "preference α", "frequency": "times drawn"}


@dataclass(frozen=True)
class LayerCard:
    """One decision's card: its pictures, or bars where the options form no grid."""

    name: str
    chosen: str
    entropy: str
    picture: Markup | None
    bars: tuple[OptionBar, ...]


def write_report(run: Path) -> Path:
    """Write `run`/report.html from what the run folder holds by now, atomically; returns its path.

    Raises EnvironmentFault where the disk is full.
    """
    target = Path(run) / "report.html"
    write_bytes(target, render(collect(Path(run))).encode("utf-8", "replace"))
    return target


def render(view: ReportView) -> str:
    """The page as text."""
    page: str = _environment().get_template("report.html.j2").render(view=view, **_figures(view))
    return page


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("chronas.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (
        units.percent,
        units.count,
        units.short,
        units.decimal,
        units.tenth,
        units.seconds,
        units.amount,
    ):
        environment.filters[function.__name__] = function
    return environment


def _figures(view: ReportView) -> dict[str, object]:
    """Everything that the templates need beside the view."""
    measured = [n for n in view.networks if n.test_accuracy is not None or n.val_accuracy is not None]
    tests = [n.test_accuracy for n in view.networks if n.test_accuracy is not None]
    scales = _scales(view)
    budget, matrix, cost = view.budget, view.confusion, view.cost
    side = max((d.side for d in view.decisions), default=0)
    drawn, cards = charts(view), _cards(view)
    bars = [bar for card in cards for bar in card.bars]
    counted = any(b.params is not None for stage in view.stages for b in stage.blocks)
    return {
        "stats": key_figures(view),
        "best_test": max(tests, default=None),
        "dot_plot": both(lambda w: dot_plot(measured, w), 350, 330) if measured else None,
        "charts": drawn,
        "inner": [chart for chart in (drawn.policies, drawn.entropy, drawn.rate) if chart],
        "searching": drawn.dots or any(name == "search" for name, _ in drawn.legend),
        "barred": [name for name in ("alpha", "frequency") if any(getattr(bar, name) is not None for bar in bars)],
        "scatter": both(lambda w: scatter(cost, w), 538, 330) if cost else None,
        "cost_words": NAMES,
        "data_word": data_word({"source": view.data.source} if view.data else {}),
        "cards": cards,
        "scales": [(CAPTIONS[name], scale, legend(scale)) for name, _, scale in scales],
        "card": 2 * (side * cell_size(side) + 14) + 18 + 33 if side else 300,
        "colour": colour,
        "tile": lambda block: tile(block, view.kernel_side, counted),
        "chained": any(b.kind in SEARCHED for stage in view.stages for b in stage.blocks),
        "where_bar": both(lambda w: stacked_bar(budget.where, _given(view), w), 1104, 330)
        if budget and budget.where
        else None,
        "matrix": both(lambda w: confusion(matrix, w), 560, 330)
        if matrix and 0 < len(matrix.counts) <= LARGEST_MATRIX
        else None,
        "pairs": confused_pairs(matrix, 20) if matrix and not 0 < len(matrix.counts) <= LARGEST_MATRIX else (),
        "per_class": per_class(matrix),
    }


def _given(view: ReportView) -> float | None:
    return view.budget.amount if view.budget and view.budget.unit == "seconds" else None


def _scales(view: ReportView) -> list[tuple[str, str, Shades]]:
    """(table, caption, colours) of the tables that there are; one scale for all decisions."""
    gridded = [d for d in view.decisions if d.side]
    found = [(name, CAPTIONS[name], shades(gridded, name, name[0])) for name in CAPTIONS]
    return [(name, caption, scale) for name, caption, scale in found if scale]


def _cards(view: ReportView) -> list[LayerCard]:
    scales = _scales(view)
    cards = []
    for decision in view.decisions:
        bars = option_bars(decision)
        if not any(bar.alpha is not None or bar.frequency is not None for bar in bars):
            continue  # the choice alone stands with the network
        chosen = "" if decision.choice is None else decision.options[decision.choice]
        entropy = "" if decision.entropy is None else f"entropy {decision.entropy:.2f} nats"
        if decision.side and decision.tables:
            chosen = chosen.replace("x", "×")
            cards.append(LayerCard(decision.name, chosen, entropy, grids(decision, scales), ()))
        else:
            cards.append(LayerCard(decision.name, chosen, entropy, None, bars))
    return cards
