"""NASIB started from scores of untrained networks: what is asked, what becomes of it, and an exact resume."""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import pytest

from chronas.errors import UnknownNameError, UsageError
from chronas.methods.nasib import Nasib, NasibSettings
from chronas.methods.nasib_prior import normal_scores, option_effects, prior_alphas
from chronas.runs.packing import pack, unpack
from chronas.seeding import stream
from chronas.spaces import Space
from chronas.spaces.moves import sample
from chronas.spaces.superkernel import SuperkernelSettings, SuperkernelSpace
from chronas.testing.methods import FakeRun, check_method
from chronas.work import Advance, Choices, Evaluate, Outcome

LAYERS, OPTIONS = 3, 9
RNG = functools.partial(stream, 0, "test_nasib_prior")


def space() -> SuperkernelSpace:
    return SuperkernelSpace(SuperkernelSettings(layers=LAYERS, m=3))


def made(where: Space, seed: int, **settings: Any) -> Nasib:
    return Nasib(where, NasibSettings(**{"prior_proxy": "naswot", **settings}), seed)


def scored(method: Nasib, truth: np.ndarray[Any, Any], seed: int = 0) -> Nasib:
    """Go through the scoring with scores that add up from `truth` (layers, options)."""
    while isinstance(work := method.ask(1, 0.0)[0], Evaluate):
        score = float(sum(truth[i, c] for i, c in enumerate(work.choices)))
        method.tell(Outcome(work, {"score": score}), 0.0)
    return method


def truth() -> np.ndarray[Any, Any]:
    return RNG("truth").normal(size=(LAYERS, OPTIONS))


@pytest.mark.parametrize(
    "settings",
    [{"prior_samples": 10, "prior_share": 0.25}, {"prior_samples": 4, "rule": "paper", "shortlist": 0},
     {"prior": ("3x3=-1",)}],
    ids=["fair", "paper", "budget"],
)  # fmt: skip
def test_it_keeps_the_contract_of_methods(settings: dict[str, Any]) -> None:
    check_method(functools.partial(made, **settings), space())


def kinds(run: FakeRun) -> list[str]:
    works = [entry[0] for entry in run.trace if isinstance(entry[0], dict)]
    return [w["fidelity"]["kind"] if w["work"] == "evaluate" else "advance" for w in works]


def test_scores_come_first_each_network_once() -> None:
    run = FakeRun(made(space(), 0, prior_samples=7, prior_share=0.29)).until(40)
    seen = kinds(run)
    assert seen[:7] == ["proxy"] * 7
    assert "proxy" not in seen[7:]
    assert seen[7] == "advance"
    assert seen[-1] == "train"
    works = [entry[0] for entry in run.trace if isinstance(entry[0], dict)]
    assert len({tuple(work["choices"]) for work in works[:7]}) == 7


def test_scoring_ends_with_its_share_of_the_budget() -> None:
    """It begins when the search is asked first: what loading took is not its time."""
    method = made(space(), 0, prior_share=0.1)
    asked = 0
    for step in range(50):
        progress = 0.05 + 0.02 * step
        work = method.ask(1, progress)[0]
        if isinstance(work, Advance):
            break
        asked += 1
        method.tell(Outcome(work, {"score": float(step)}), progress + 0.02)
    assert asked == 5
    assert method._training(progress) == 0.0
    assert method._training(method.train_until) == 1.0


def test_it_waits_for_scores_under_way() -> None:
    method = made(space(), 0, prior_samples=2)
    first, second = method.ask(5, 0.0)
    assert method.ask(5, 0.0) == []
    method.tell(Outcome(second, {"score": 1.0}), 0.0)
    assert method.ask(5, 0.2) == []
    method.tell(Outcome(first, {"score": 2.0}), 0.2)
    assert method.ask(5, 0.2) == [Advance()]


def test_outcomes_may_come_in_any_order() -> None:
    rows = []
    for turn in (1, -1):
        method = made(space(), 0, prior_samples=12)
        for work in list(method.ask(12, 0.0))[::turn]:
            assert isinstance(work, Evaluate)
            method.tell(Outcome(work, {"score": float(work.choices[0])}), 0.0)
        method.ask(1, 0.0)
        rows.append(method.inspect().tables["prior"])
    assert rows[0] == rows[1]


def test_a_proxy_that_always_fails_does_not_end_the_search() -> None:
    """The driver gives up after five failures in a row; the prior does so earlier."""
    run = FakeRun(made(space(), 0, prior_share=0.29), faults="all").until(8)
    assert kinds(run)[:4] == ["proxy"] * 3 + ["advance"]
    assert "no prior" in run.method.inspect().message
    # As if there had been no prior at all.
    plain = Nasib(space(), NasibSettings(), 0)
    assert [p[:2] for p in run.method.rule.play] == [p[:2] for p in plain.rule.play]  # type: ignore[attr-defined, union-attr]


def test_while_nothing_is_trained_the_best_score_is_the_best() -> None:
    method = made(space(), 0)
    told: dict[Choices, float] = {}
    for score in (1.0, 3.0, 2.0):
        work = method.ask(1, 0.0)[0]
        assert isinstance(work, Evaluate)
        told[work.choices] = score
        method.tell(Outcome(work, {"score": score}), 0.0)
    assert method.best() == max(told, key=told.__getitem__)


# -- effects --------------------------------------------------------------------------------------------


def test_effects_of_scores_that_add_up_are_found() -> None:
    where, wanted = space(), truth()
    drawn = [sample(where, RNG("draw", i)) for i in range(100)]
    effects, agreement = option_effects(
        where, drawn, [float(sum(wanted[i, c] for i, c in enumerate(d))) for d in drawn]
    )
    found = np.concatenate(effects)
    centred = (wanted - wanted.mean(axis=1, keepdims=True)).ravel()
    assert np.corrcoef(found, centred)[0, 1] > 0.97
    assert agreement > 0.9
    assert all(abs(row.mean()) < 1e-9 for row in effects)


def test_options_share_strength_through_their_features() -> None:
    """Scores by kernel area: an option that no sample has is judged by others of its kind."""
    where = space()
    area = np.array([kernel.height * kernel.width for kernel in where.kernels], dtype=float)
    largest = int(np.argmax(area))
    drawn = [d for i in range(120) if largest not in (d := sample(where, RNG("area", i)))]
    effects, _ = option_effects(where, drawn, [float(sum(np.log(area[c]) for c in d)) for d in drawn])
    assert all(int(np.argmax(row)) == largest for row in effects)


def test_scores_without_meaning_give_no_prior() -> None:
    where = space()
    drawn = [sample(where, RNG("draw", i)) for i in range(60)]
    found = [option_effects(where, drawn, list(RNG("noise", i).normal(size=60)))[1] for i in range(20)]
    assert np.mean(found) < 0.15
    assert all(not row.any() for row in option_effects(where, drawn, [1.0] * 60)[0])
    assert all(not row.any() for row in option_effects(where, drawn[:3], [1.0, 2.0, 3.0])[0])


def test_only_the_order_of_scores_counts() -> None:
    values = RNG("values").normal(size=20)
    assert normal_scores(values) == pytest.approx(normal_scores(np.exp(20 * values)))
    assert normal_scores(np.array([1.0, 2.0, 2.0, 3.0]))[1] == pytest.approx(0.0)


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_the_strength_is_a_number_of_standard_deviations(strength: float) -> None:
    rows = scored(made(space(), 0, prior_strength=strength), truth()).scored.rows  # type: ignore[union-attr]
    assert rows is not None
    agreement = scored(made(space(), 0), truth()).scored.reliability  # type: ignore[union-attr]
    assert float(np.std(np.concatenate(rows))) == pytest.approx(strength * agreement)


# -- what the rules make of it --------------------------------------------------------------------------


def test_the_best_by_the_prior_comes_into_play_first() -> None:
    for seed in range(5):
        method = scored(made(space(), seed, visits=1e6), truth())
        rows = method.scored.rows  # type: ignore[union-attr]
        assert rows is not None
        wanted = [int(np.argmax(row)) for row in rows]
        for progress in (0.0, 0.01):
            mix = method.weight_mix(progress)
        # The field is settled now, at its least size.
        assert {len(play) for play in method.rule.play} == {2}  # type: ignore[union-attr]
        assert [play[0] for play in method.rule.play] == wanted  # type: ignore[union-attr]
        assert len(mix) == LAYERS
        assert method.best() == tuple(wanted)


def test_the_prior_makes_the_field_better_but_does_not_choose_it_alone() -> None:
    means, seconds = [], set()
    for seed in range(30):
        method = scored(made(space(), seed), truth())
        rows = method.scored.rows  # type: ignore[union-attr]
        assert rows is not None
        plays = method.rule.play  # type: ignore[union-attr]
        means.append(np.mean([row[play[1:4]].mean() for row, play in zip(rows, plays, strict=True)]))
        seconds.add(plays[0][1])
    assert np.mean(means) > 0.1
    assert len(seconds) > 3


def test_the_paper_rule_starts_there() -> None:
    """In units of lam, so that a standard deviation is a nat of P2."""
    method = scored(made(space(), 0, rule="paper", shortlist=0, lam=0.2), truth())
    rows = method.scored.rows  # type: ignore[union-attr]
    assert rows is not None
    for alpha, row in zip(method.rule.alphas(), rows, strict=True):
        assert alpha == pytest.approx(0.2 * row)
    assert method.best() == tuple(int(np.argmax(row)) for row in rows)


def test_the_final_round_begins_with_the_prior() -> None:
    method = scored(made(space(), 0), truth())
    rows = method.scored.rows  # type: ignore[union-attr]
    assert rows is not None
    favourite = tuple(int(np.argmax(row)) for row in rows)
    listed: list[Choices] = []
    for _ in range(3):
        work = method.ask(1, 0.5)[0]
        assert isinstance(work, Evaluate)
        listed.append(work.choices)
        method.tell(Outcome(work, {"val_accuracy": 50.0 + len(listed)}), 0.5)
    assert favourite in listed
    assert len(set(listed)) == 3
    tables = method._finals._tables()  # type: ignore[union-attr]
    assert tables[0].shape[1] == space().features(0).shape[1] + 2


def test_no_scores_no_change() -> None:
    """Without a proxy nothing is asked, drawn or kept that was not before."""
    method = Nasib(space(), NasibSettings(), 0)
    assert method.ask(1, 0.0) == [Advance()]
    assert set(method.state()) == {"rng", "rule", "finals", "length"}
    assert "prior_agreement" not in method.scalars()


# -- resuming -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 3, 9, 10, 11, 20, 33])
def test_it_goes_on_from_its_state(cut: int) -> None:
    make = functools.partial(made, space(), 0, prior_samples=10, prior_share=0.29)
    whole = FakeRun(make()).until(40)
    first = FakeRun(make()).until(cut)
    packed, tensors = pack(first.method.state())
    second = FakeRun(make(), done=first.done, index=first.index)
    second.method.load(unpack(json.loads(json.dumps(packed)), tensors))
    assert second.method.inspect() == first.method.inspect()
    second.until(40)
    assert first.trace + second.trace == whole.trace
    assert second.method.inspect().tables == whole.method.inspect().tables


# -- words ----------------------------------------------------------------------------------------------


def test_wrong_settings_are_told() -> None:
    with pytest.raises(UnknownNameError, match="naswt"):
        made(space(), 0, prior_proxy="naswt")
    with pytest.raises(UsageError, match="prior_share"):
        made(space(), 0, prior_share=0.4)
    with pytest.raises(UsageError, match="prior_samples"):
        made(space(), 0, prior_samples=0)


def test_counts_are_logarithms_and_named_weights_are_added() -> None:
    where = space()
    notation = where.notation((0, 1, 2))
    settings = NasibSettings(prior_from=(notation, notation), prior=(f"{where.decisions[0].options[0]}=-0.5", "3x3"))
    rows = prior_alphas(where, settings)
    counts = np.log1p(2.0)
    assert rows[0][:2] == pytest.approx([counts - 0.5, 0.0])
    assert rows[1][:2] == pytest.approx([-0.5, counts])
    assert rows[2][where.decisions[2].options.index("3x3")] == pytest.approx(1.0)


def test_what_became_of_the_prior_is_told_once() -> None:
    method = made(space(), 0)
    assert method.notes() == []
    scored(method, truth())
    assert "100 untrained networks scored by naswot" in method.notes()[0]
    second = made(space(), 0)
    second.load(method.state())
    assert method.notes() == second.notes() == []
