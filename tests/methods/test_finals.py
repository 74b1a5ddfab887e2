"""NASIB's final round: which architectures it trains."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from chronas.architecture import make_space
from chronas.methods.finals import FIRST, LONGER, FinalRound, Proposals, thompson
from chronas.seeding import stream
from chronas.spaces import Space
from chronas.spaces.moves import sample
from chronas.work import Choices, Evaluate, Outcome

COUNT = 10


@pytest.fixture
def space() -> Space:
    return make_space("superkernel", {"layers": 6, "m": 5})


def made(space: Space, seed: int, proposals: Proposals = "spread") -> FinalRound:
    rng = stream(seed, "test", "finals")
    alphas = [rng.normal(size=len(decision.options)) for decision in space.decisions]
    shares = [np.exp(row) / np.exp(row).sum() for row in alphas]
    return FinalRound(space, alphas, shares, COUNT, seed, None, proposals)


def features(space: Space, choices: Choices) -> npt.NDArray[np.float64]:
    return np.asarray(np.mean([space.features(place)[choice] for place, choice in enumerate(choices)], axis=0))


def accuracy(space: Space, choices: Choices) -> float:
    """Dense kernels are good, the larger the better; separable ones are not."""
    dense, separable = features(space, choices)[3:5]
    return float(40 + 4 * dense - 2 * separable)


def played(round_: FinalRound, space: Space, seed: int, noise: float = 1.0) -> list[Choices]:
    rng = stream(seed, "test", "noise")
    asked = []
    while work := round_.ask(0.5):
        piece = work[0]
        assert isinstance(piece, Evaluate)
        asked.append(piece.choices)
        value = accuracy(space, piece.choices) + noise * rng.normal()
        round_.tell(Outcome(piece, {"val_accuracy": value, "val_loss": 1.0}))
    return asked


@pytest.mark.parametrize("over", [0.0, 0.003], ids=["on time", "each a little late"])
def test_each_is_another_and_the_shares_fill_what_is_left(space: Space, over: float) -> None:
    round_ = made(space, 0)
    progress, shares = 0.3, []
    while work := round_.ask(progress):
        assert isinstance(work[0], Evaluate)
        shares.append(work[0].fidelity.share)
        progress += shares[-1] + over
        round_.tell(Outcome(work[0], {"val_accuracy": 50.0, "val_loss": 1.0}))
    assert progress == pytest.approx(1 + over)
    assert shares[-1] == pytest.approx(LONGER * shares[0], rel=0.15)
    assert len(set(round_.pool)) == len(round_.pool) == COUNT


def test_the_first_is_the_argmax_of_alpha_and_the_next_are_far_from_the_middle(space: Space) -> None:
    """In units of how random architectures differ from each other."""
    drawn = np.array([features(space, sample(space, stream(0, "test", i))) for i in range(200)])
    middle, spread = drawn.mean(axis=0), np.where(drawn.std(axis=0) > 0, drawn.std(axis=0), 1)
    for seed in range(5):
        round_ = made(space, seed)
        asked = played(round_, space, seed)
        assert asked[0] == tuple(int(np.argmax(row)) for row in round_.alphas)
        far = [np.abs((features(space, choices) - middle) / spread).max() for choices in asked[1:FIRST]]
        assert min(far) > 2


def test_spread_proposals_find_more_than_those_of_a_pool(space: Space) -> None:
    found = {}
    for kind in ("spread", "pool"):
        best = []
        for seed in range(20):
            round_ = made(space, seed, kind)
            played(round_, space, seed)
            best.append(accuracy(space, round_.best()))
        found[kind] = np.mean(best)
    plain = space.plain()
    assert plain is not None
    top = accuracy(space, plain)
    assert found["pool"] < found["spread"] <= top
    assert found["spread"] > top - 1.5


def test_the_pool_is_what_it_was_before(space: Space) -> None:
    """Draws by alpha at odd places, at random at even ones: both from the stream of the place."""
    round_ = made(space, 3, "pool")
    asked = played(round_, space, 3)
    rng = stream(3, "finals", 2)
    assert asked[2] == sample(space, rng)
    rng = stream(3, "finals", 1)
    assert asked[1] == tuple(int(rng.choice(len(p), p=p)) for p in round_.shares)


@pytest.mark.parametrize("proposals", ["spread", "pool"])
def test_a_space_without_features_has_a_final_round_too(proposals: Proposals) -> None:
    space = make_space("resnet")
    asked = played_by_chance(made(space, 0, proposals))
    assert len(asked) == COUNT + 2


def played_by_chance(round_: FinalRound) -> list[Choices]:
    asked = []
    while work := round_.ask(0.5):
        assert isinstance(work[0], Evaluate)
        asked.append(work[0].choices)
        round_.tell(Outcome(work[0], {"val_accuracy": float(len(asked)), "val_loss": 1.0}))
    return asked


def test_a_round_that_is_restored_goes_on_as_it_would_have(space: Space) -> None:
    whole, cut = made(space, 1), made(space, 1)
    asked = played(whole, space, 1, noise=0.0)
    for _ in range(6):
        work = cut.ask(0.5)
        assert isinstance(work[0], Evaluate)
        cut.tell(Outcome(work[0], {"val_accuracy": accuracy(space, work[0].choices), "val_loss": 1.0}))
    again = FinalRound.restored(space, cut.state(), COUNT, 1)
    assert asked[6:] == played(again, space, 1, noise=0.0)


def test_thompson_draws_scatter_around_the_true_weights() -> None:
    rng = stream(0, "test", "thompson")
    rows = rng.normal(size=(60, 3))
    targets = rows @ np.array([2.0, -1.0, 0.0]) + 5 + 0.1 * rng.normal(size=60)
    draws = np.array([thompson(rows, targets, stream(i, "test", "draw")) for i in range(200)])
    np.testing.assert_allclose(draws.mean(axis=0), [2.0, -1.0, 0.0], atol=0.1)
    assert draws.std(axis=0).max() < 0.1
