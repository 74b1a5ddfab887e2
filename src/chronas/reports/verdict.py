"""The report's first sentence: what was found and whether it is worth anything, without flattery."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chronas.reports.units import amount, percent
from chronas.reports.view import BudgetView, DataView, NetworkView, SearchView

WORDS = {
    "random": "a random network of the same space, trained alike,",
    "rival": "a hand-made ResNet given the same time again",
}
SHORT = {"random": "the random network", "plain": "the plain network", "rival": "the hand-made ResNet"}


def headline(
    status: str,
    search: SearchView | None,
    networks: tuple[NetworkView, ...],
    budget: BudgetView | None,
    progress: float | None,
) -> str:
    """One sentence on the outcome so far."""
    found = next((n for n in networks if n.name == "found"), None)
    if found and _score(found) is not None:
        return _found(found, networks, budget)
    best = f" The best so far is {search.notation}." if search and search.notation else ""
    if search and search.notation and not search.judged:
        best = f" The first network is {search.notation}; none was judged yet."
    if search and search.notation and search.done:
        return f"The search chose {search.notation}; the network has not been trained from scratch yet."
    share = "" if progress is None else f" {100 * progress:.0f} % of its budget is used."
    words = {
        "running": f"The search is running.{share}",
        "interrupted": f"The search was interrupted and can be resumed.{share}",
        "failed": "The run failed before a network was trained.",
    }
    return words.get(status, "Nothing has been found yet.") + best


def _score(network: NetworkView) -> tuple[float, str] | None:
    if network.test_accuracy is not None:
        return network.test_accuracy, "test"
    if network.val_accuracy is not None:
        return network.val_accuracy, "validation"
    return None


def rivals(found: NetworkView, networks: tuple[NetworkView, ...]) -> list[tuple[NetworkView, float]]:
    """The other networks that have the found one's kind of accuracy (test, or else validation), with it."""
    own = _score(found)
    scores = ((n, _score(n)) for n in networks if n is not found)
    return [(n, score[0]) for n, score in scores if score and own and score[1] == own[1]]


def _found(found: NetworkView, networks: tuple[NetworkView, ...], budget: BudgetView | None) -> str:
    accuracy, kind = _score(found) or (0.0, "test")
    sentence = f"Found a network with {percent(accuracy)} {kind} accuracy"
    if budget and budget.spent is not None and budget.amount is not None:
        given = amount(budget.amount, budget.unit)
        sentence += f" in {amount(budget.spent, budget.unit)} of the {given} given"
    others = rivals(found, networks)
    if others:
        parts = [f"{_words(n, found)} {'has ' if not i else ''}{percent(a)}" for i, (n, a) in enumerate(others)]
        sentence += "; " + ", ".join(parts)
    sentence += "."
    ahead = [SHORT.get(n.name, n.title) for n, a in others if round(a, 1) >= round(accuracy, 1)]
    if ahead:
        sentence += f" It is not better than {' or '.join(ahead)}."
    return sentence


def _words(network: NetworkView, found: NetworkView) -> str:
    words = f"the plain one ({network.title})" if network.name == "plain" else WORDS.get(network.name, network.title)
    return f"{words} (recipe {network.recipe})" if network.recipe and network.recipe != found.recipe else words


def remarks(networks: tuple[NetworkView, ...], data: DataView | None) -> tuple[str, ...]:
    """What a reader must know to weigh the numbers: missing test data, chance of a small test split."""
    found = next((n for n in networks if n.name == "found"), None)
    own = _score(found) if found else None
    if not found or not own:
        return ()
    if own[1] == "validation":
        return ("The data has no test split: accuracies are of the validation images, which chose the network.",)
    others = rivals(found, networks)
    if not others or not data or not data.test:
        return ()
    # An accuracy of a part of the images is coarser: each comparison is as coarse as its coarser side.
    counts = {n.name: min(found.test_images or data.test, n.test_images or data.test) for n, _ in others}
    groups = sorted(set(counts.values()), reverse=True)
    return tuple(
        _chance(own[0], images, [(n, a) for n, a in others if counts[n.name] == images], len(groups) > 1)
        for images in groups
    )


def _chance(accuracy: float, images: int, others: Sequence[tuple[NetworkView, float]], named: bool) -> str:
    """How coarse a comparison on `images` is, and which of `others` it cannot tell apart; `named`: of whom it is."""
    margin = _margin(accuracy, images)
    words = {n.name: SHORT.get(n.name, n.title) for n, _ in others}
    close = [words[n.name] for n, a in others if abs(a - accuracy) < margin]
    whose = f" in the comparison with {' and '.join(words.values())}" if named else ""
    sentence = (
        f"With {images:,} test images{whose} a difference below about {margin:.1f} percentage points can be chance."
    )
    if close:
        few, are = ("difference", "is") if len(close) == 1 else ("differences", "are")
        sentence += f" The {few} from {' and '.join(close)} {are} smaller than that."
    return sentence


def _margin(accuracy: float, images: int) -> float:
    """Two standard errors of the difference of two accuracies in percent, each on `images` images."""
    p = min(max(accuracy / 100, 0.5 / images), 1 - 0.5 / images)
    return 200 * math.sqrt(2 * p * (1 - p) / images)
