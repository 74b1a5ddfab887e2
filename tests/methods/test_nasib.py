"""NASIB's preset `paper` through the interface of the one-shot methods: Algorithm 1."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
import torch

from chronas.errors import UsageError
from chronas.methods import METHODS
from chronas.methods.oneshot import OneShotMethod
from chronas.nets.mix import Mix
from chronas.runs.packing import pack, unpack
from chronas.settings import resolve
from chronas.spaces.superkernel import SuperkernelSettings, SuperkernelSpace
from chronas.testing.methods import check_mix
from chronas.work import Advance

LAYERS = 4


def nasib(m: int = 3, seed: int = 0, options: tuple[str, ...] = (), **settings: Any) -> OneShotMethod:
    kind = METHODS.load("nasib")
    space = SuperkernelSpace(SuperkernelSettings(layers=LAYERS, m=m, options=options))
    changes = {**kind.presets["paper"], **settings}
    made = kind(space, resolve(kind.Settings, changes, prefix="method"), seed)
    assert isinstance(made, OneShotMethod)
    return made


def pairs(mix: Mix) -> list[tuple[int, ...]]:
    return [part.options for part in mix]


def learn(method: OneShotMethod, wanted: tuple[int, ...], steps: int, progress: float = 0.0) -> None:
    """Architecture steps whose loss falls with the weight of the wanted option of each layer."""
    for _ in range(steps):
        mix = method.architecture_mix(progress)
        loss = torch.zeros((), requires_grad=True)
        for part, option in zip(mix, wanted, strict=True):
            assert part.weights is not None
            hits = torch.tensor([float(o == option) for o in part.options])
            loss = loss - (hits * part.weights).sum()
        method.architecture_update(loss, mix, progress)


@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
def test_two_different_options_per_layer(progress: float) -> None:
    method = nasib()
    for _ in range(100):
        for mix in (method.weight_mix(progress), method.architecture_mix(progress)):
            check_mix(mix, method.space)
            assert all(len(pair) == 2 for pair in pairs(mix))


def test_weights_learn_from_the_plain_sum_and_alphas_from_the_softmax() -> None:
    method = nasib()
    assert all(part.weights is None for part in method.weight_mix(0.5))
    for part in method.architecture_mix(0.5):
        assert part.weights is not None
        assert float(part.weights.detach().sum()) == pytest.approx(1.0)
        assert part.weights.requires_grad


def test_two_options_leave_no_choice() -> None:
    method = nasib(m=1, options=("3x3", "5x5"))
    assert all(sorted(pair) == [0, 1] for _ in range(20) for pair in pairs(method.weight_mix(0.5)))
    with pytest.raises(UsageError, match="two options"):
        nasib(m=1)


@pytest.mark.parametrize(("k", "progress"), [(0.1, 0.0), (0.1, 0.5), (0.1, 1.0), (0.5, 1.0), (1.0, 1.0)])
def test_the_share_of_exploration_is_k_to_the_progress(k: float, progress: float) -> None:
    method = nasib(k=k)
    method.scalars()
    batches = 500
    for _ in range(batches):
        method.weight_mix(progress)
    assert method.scalars()["exploration"] == pytest.approx(k**progress, abs=0.04)


def test_exploring_draws_the_options_that_were_used_least() -> None:
    """With P1 alone, all options of a layer are used equally often, far closer than chance would have it."""
    method = nasib(k=1.0)
    counts: list[Counter[int]] = [Counter() for _ in range(LAYERS)]
    for _ in range(450):
        for counter, pair in zip(counts, pairs(method.weight_mix(0.5)), strict=True):
            counter.update(pair)
    for counter in counts:
        assert len(counter) == 9
        assert max(counter.values()) - min(counter.values()) <= 8


def test_exploiting_draws_the_options_that_help() -> None:
    method, wanted = nasib(k=1e-9), (4, 0, 8, 2)
    learn(method, wanted, 600)
    assert method.best() == wanted
    hits = sum(o in pair for _ in range(100) for o, pair in zip(wanted, pairs(method.weight_mix(1.0)), strict=True))
    assert hits > 0.9 * 100 * LAYERS


def test_the_architecture_follows_the_alphas() -> None:
    for wanted in ((0, 1, 2, 3), (8, 7, 6, 5)):
        method = nasib(seed=3)
        learn(method, wanted, 400)
        assert method.best() == wanted
        alpha = method.inspect().tables["alpha"]
        assert tuple(max(range(9), key=row.__getitem__) for row in alpha) == wanted


def test_the_tables_for_people() -> None:
    method = nasib()
    method.weight_mix(0.0)
    learn(method, (0, 0, 0, 0), 3)
    tables = method.inspect().tables
    assert {len(row) for table in tables.values() for row in table} == {9}
    assert all(sum(row) == 8 for row in tables["frequency"])
    assert json.dumps({name: [list(row) for row in table] for name, table in tables.items()})


def test_a_step_moves_only_the_two_alphas_of_a_layer() -> None:
    method = nasib()
    before = [list(row) for row in method.inspect().tables["alpha"]]
    mix = method.architecture_mix(0.2)
    slopes = torch.tensor([1.0, -1.0])
    loss = torch.stack([(slopes * part.weights).sum() for part in mix if part.weights is not None]).sum()
    method.architecture_update(loss, mix, 0.2)
    after = method.inspect().tables["alpha"]
    for old, new, pair in zip(before, after, pairs(mix), strict=True):
        moved = {i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b}
        assert moved == set(pair)
        assert new[pair[0]] < new[pair[1]]


def test_prior_knowledge() -> None:
    method = nasib(prior="3x3=2,1x2=1")
    assert method.space.notation(method.best()) == "3x3-3x3-3x3-3x3"
    with pytest.raises(UsageError, match="9x9"):
        nasib(prior="9x9=1")


def test_the_turns_of_algorithm_1() -> None:
    """A pass over the training images, then one over the held-out ones."""
    turns = nasib(interleave="epoch").alternation(3, 2)
    assert [turns.turn(i) for i in range(10)] == 2 * (["weights"] * 3 + ["architecture"] * 2)


def test_it_never_asks_for_an_evaluation() -> None:
    method = nasib()
    assert method.ask(3, 0.0) == method.ask(3, 0.999) == [Advance()]


@pytest.mark.parametrize("cut", [0, 1, 17])
def test_it_goes_on_from_its_state(cut: int) -> None:
    def step(method: OneShotMethod, index: int) -> list[tuple[int, ...]]:
        progress = index / 40
        drawn = pairs(method.weight_mix(progress))
        learn(method, (1, 2, 3, 4), 1, progress)
        return drawn

    first, second = nasib(), nasib()
    for index in range(cut):
        step(first, index)
    packed, tensors = pack(first.state())
    second.load(unpack(json.loads(json.dumps(packed)), {name: value.clone() for name, value in tensors.items()}))
    assert [step(first, i) for i in range(cut, 40)] == [step(second, i) for i in range(cut, 40)]
    assert first.best() == second.best()
    assert first.inspect().tables == second.inspect().tables
