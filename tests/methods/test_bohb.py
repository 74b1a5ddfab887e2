"""Brackets and the density model."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from typing import Any

import numpy as np
import pytest
from blackbox_runs import check_workers, drive, evaluations_to_optimum, make, matches, outcome

from chronas.errors import UsageError
from chronas.methods.brackets import Bracket, bracket_sizes
from chronas.methods.density import Density, propose, split
from chronas.seeding import stream
from chronas.testing.methods import made_up_accuracy
from chronas.work import Choices


@pytest.mark.parametrize(
    ("rungs", "eta", "sizes"),
    [
        (1, 3, [(1,)]),
        (3, 3, [(9, 3, 1), (3, 1), (3,)]),
        (4, 2, [(8, 4, 2, 1), (4, 2, 1), (4, 2), (4,)]),
        (5, 3, [(81, 27, 9, 3, 1), (27, 9, 3, 1), (9, 3, 1), (6, 2), (5,)]),
    ],
)
def test_bracket_sizes(rungs: int, eta: int, sizes: list[tuple[int, ...]]) -> None:
    """n0 = floor(S / (s + 1)) eta^s and from rung to rung one of eta; S = 5, eta = 3 is Hyperband's R = 81."""
    assert [bracket_sizes(rungs, eta, s) for s in reversed(range(rungs))] == sizes


def test_brackets_follow_each_other_at_their_levels() -> None:
    asked = drive(make("bohb"), 17 + 13)
    levels = [work.fidelity.level for work in asked]
    ninth, third = 3.0**-2, 3.0**-1
    once = [ninth] * 9 + [third] * 3 + [1.0] + [third] * 3 + [1.0] + [1.0] * 3
    assert levels == [*once, *once][:30]
    assert [work.fidelity.share for work in asked] == pytest.approx([level / 24 for level in levels])


def test_the_best_of_a_rung_go_on() -> None:
    asked = [work.choices for work in drive(make("bohb"), 13)]
    ranked = sorted(asked[:9], key=made_up_accuracy, reverse=True)
    assert asked[9:12] == ranked[:3]
    assert asked[12] == ranked[0]


def test_failures_are_out_and_an_empty_rung_ends_the_bracket() -> None:
    bracket = Bracket(3, 3, 2)
    drawn = [bracket.next(lambda index=index: (index,)) for index in range(9)]  # type: ignore[misc]
    assert bracket.next(lambda: (99,)) is None
    for choices in drawn:
        assert choices is not None
        bracket.tell(choices, None if choices[0] > 1 else (float(choices[0]), 0.0))
    assert bracket.rung == 1
    assert [bracket.next(lambda: (99,)) for _ in range(3)] == [(1,), (0,), None]
    for choices in ((0,), (1,)):
        bracket.tell(choices, None)
    assert bracket.finished


def test_nobody_waits_for_a_rung() -> None:
    method = make("bohb")
    asked = method.ask(12, 0.0)
    # Nine of the first bracket, then the second begins although nothing is told.
    assert [getattr(work, "fidelity").level for work in asked] == pytest.approx([1 / 9] * 9 + [1 / 3] * 3)  # noqa: B009
    for piece in reversed(asked[3:]):
        method.tell(outcome(piece), 0.0)
    assert [getattr(work, "fidelity").level for work in method.ask(1, 0.0)] == [1.0]  # noqa: B009


def test_the_best_is_of_the_highest_level() -> None:
    method = make("bohb")
    asked = drive(method, 12, lambda choices: 90.0)
    assert method.best() in [work.choices for work in asked[9:12]]
    last = method.ask(1, 0.0)[0]
    method.tell(outcome(last, lambda _: 5.0), 0.0)
    assert method.best() == getattr(last, "choices")  # noqa: B009


ROWS = np.array([[0, 1, 2], [0, 0, 2], [3, 1, 2], [0, 1, 1], [2, 1, 2], [0, 0, 0], [0, 1, 2]])
OPTIONS = np.array([4, 2, 3])


def by_hand(rows: np.ndarray[tuple[int, int], np.dtype[np.int64]], bandwidth: list[float], point: Choices) -> float:
    """Aitchison & Aitken's kernel, written out."""
    total = 0.0
    for row in rows.tolist():
        product = 1.0
        for value, seen, h, k in zip(point, row, bandwidth, OPTIONS.tolist(), strict=True):
            product *= 1 - h if value == seen else h / (k - 1)
        total += product
    return total / len(rows)


@pytest.mark.parametrize("spread", ["codes", "options"])
def test_the_density_against_a_sum_by_hand(spread: str) -> None:
    density = Density(ROWS, OPTIONS, 0.05, spread)  # type: ignore[arg-type]
    points = list(itertools.product(*(range(int(k)) for k in OPTIONS)))
    found = density.pdf(np.array(points))
    assert found.tolist() == pytest.approx([by_hand(ROWS, density.bandwidth.tolist(), p) for p in points])
    assert found.sum() == pytest.approx(1.0), "a density of all there is"


def test_bandwidths_by_hand() -> None:
    rule = 1.06 * 7 ** (-1 / 7)
    codes = Density(ROWS, OPTIONS, 0.05, "codes").bandwidth
    assert codes.tolist() == pytest.approx([0.75, *(rule * statistics.pstdev(ROWS[:, j].tolist()) for j in (1, 2))])
    shares = [(5, 1, 1), (5, 2), (5, 1, 1)]
    spreads = [math.sqrt(1 - sum((n / 7) ** 2 for n in counts)) for counts in shares]
    options = Density(ROWS, OPTIONS, 0.05, "options").bandwidth
    assert options.tolist() == pytest.approx(
        [min(rule * s, t) for s, t in zip(spreads, (0.75, 0.5, 2 / 3), strict=True)]
    )
    shuffled = Density((ROWS + 1) % OPTIONS, OPTIONS, 0.05, "options").bandwidth
    assert shuffled.tolist() == pytest.approx(options.tolist()), "names of options mean nothing"
    alike = Density(np.zeros((7, 3), dtype=np.int64), OPTIONS, 0.05)
    assert alike.bandwidth.tolist() == [0.05] * 3


def test_draws_keep_an_option_or_take_any() -> None:
    rows = np.zeros((7, 3), dtype=np.int64)
    drawn = Density(rows, OPTIONS, 0.4).draw(stream(0, "draw"), 8000)
    for place, k in enumerate(OPTIONS.tolist()):
        assert (drawn[:, place] == 0).mean() == pytest.approx(0.6 + 0.4 / k, abs=0.03)
        assert Counter(drawn[:, place].tolist()).keys() == set(range(k))


def test_the_best_proposal_has_the_best_ratio() -> None:
    good, bad = Density(ROWS, OPTIONS, 0.1), Density((ROWS + 1) % OPTIONS, OPTIONS, 0.1)
    found = list(propose(good, bad, 30, stream(0, "p")))
    ratios = (good.pdf(np.array(found)) / bad.pdf(np.array(found))).tolist()
    assert len(found) == 30
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] > ratios[-1]


def test_good_and_bad() -> None:
    """d = 2: a model exists from six results on, three good and three bad; of forty, 15 % are good."""
    scored = [((i % 3, i % 2), (float(i), 0.0)) for i in range(40)]
    assert split([], 15) is None
    assert split(scored[:5], 15) is None
    parts = split(scored[:6], 15)
    assert parts is not None
    assert [part.tolist() for part in parts] == [[[2, 1], [1, 0], [0, 1]], [[2, 0], [1, 1], [0, 0]]]
    parts = split(scored, 15)
    assert parts is not None
    assert [len(part) for part in parts] == [6, 34]
    failed = [((7, 7), (-math.inf, -math.inf)), *scored[:6]]
    parts = split(failed, 15)
    assert parts is not None
    assert parts[1].tolist()[-1] == [7, 7], "what failed counts as bad"


def test_finds_the_optimum_sooner_than_chance() -> None:
    needed = [evaluations_to_optimum("bohb", seed, 400) for seed in range(5)]
    assert statistics.median(needed) < 250, "4,096 architectures: chance needs 2,000"


def test_known_networks_begin_again_only_where_asked() -> None:
    for again in (False, True):
        begun = [work.choices for work in drive(make("bohb", rungs=1, again=again), 150, matches)]
        assert (len(set(begun)) == 150) is not again


def test_flat_brackets_train_fully() -> None:
    asked = drive(make("bohb", flat=True), 18)
    assert {(work.fidelity.level, work.fidelity.share) for work in asked} == {(1.0, 1 / 24)}
    assert asked[9].choices == max((work.choices for work in asked[:9]), key=made_up_accuracy)


def test_several_workers() -> None:
    check_workers("bohb")
    check_workers("bohb", flat=True, rungs=2, random_fraction=0.0, spread="codes")


@pytest.mark.parametrize(
    "wrong", [{"eta": 1}, {"rungs": 0}, {"top_percent": 100}, {"random_fraction": 1.5}, {"spread": "no"}]
)
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"method.{next(iter(wrong))} must"):
        make("bohb", **wrong)
