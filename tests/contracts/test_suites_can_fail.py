"""The contract suites notice what they are there to notice."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from registered import make_method, small_space
from torch import Tensor, nn

from chronas import nets
from chronas.methods import Method
from chronas.methods.oneshot import OneShotMethod
from chronas.methods.random import RandomSearch, RandomSettings
from chronas.methods.rsps import RandomSinglePath, RspsSettings
from chronas.nets.mix import Mix, SlotMix
from chronas.nets.ops import Cost
from chronas.nets.superkernel import SuperkernelSupernet
from chronas.spaces import Space
from chronas.spaces.superkernel import SuperkernelSettings, SuperkernelSpace
from chronas.task import Task
from chronas.testing.methods import check_method
from chronas.testing.nets import check_builder, check_supernet
from chronas.testing.spaces import check_space
from chronas.work import Choices, Evaluate, Fidelity, Outcome, Work

SETTINGS = SuperkernelSettings(layers=3, m=3, width=4)
TASK = Task(1, 8, 8, 2)


class Forgetful(SuperkernelSpace):
    def notation(self, choices: Choices) -> str:
        return super().notation((0, *choices[1:]))


class Restless(SuperkernelSpace):
    def canonical(self, choices: Choices) -> Choices:
        return (*choices[1:], choices[0])


class Lenient(SuperkernelSpace):
    def check(self, choices: Choices) -> None:
        """Anything goes."""


@pytest.mark.parametrize(
    ("kind", "words"),
    [(Forgetful, "reads back"), (Restless, "has another canonical form"), (Lenient, "nothing was raised")],
)
def test_broken_spaces(kind: type[SuperkernelSpace], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_space(kind(SETTINGS))


def test_a_wrong_count(monkeypatch: pytest.MonkeyPatch) -> None:
    right: Callable[..., Cost] = nets.cost
    for extra, words in ((Cost(1, 0), "parameters"), (Cost(0, 1), "multiply-adds")):
        monkeypatch.setattr(nets, "cost", lambda *args, extra=extra: right(*args) + extra)
        with pytest.raises(AssertionError, match=words):
            check_builder(small_space("superkernel"), TASK, run=False)


class EverythingRuns(SuperkernelSupernet):
    """Options outside the mix run too, at weight 0."""

    def forward(self, x: Tensor, mix: Mix) -> Tensor:
        full = []
        for part in mix:
            weights = torch.zeros(9)
            given = torch.ones(len(part.options)) if part.weights is None else part.weights
            full.append(SlotMix(tuple(range(9)), weights.index_copy(0, torch.tensor(part.options), given)))
        return super().forward(x, tuple(full))


class Weightless(SuperkernelSupernet):
    def forward(self, x: Tensor, mix: Mix) -> Tensor:
        return super().forward(x, tuple(SlotMix(part.options) for part in mix))


class Doubled(SuperkernelSupernet):
    def forward(self, x: Tensor, mix: Mix) -> Tensor:
        return 1.001 * super().forward(x, mix)


class Partial(SuperkernelSupernet):
    def option_modules(self, slot: int, option: int) -> nn.Module:
        return super().option_modules(slot, min(option, 7))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (EverythingRuns, "took no part in the step, but has a gradient"),
        (Weightless, "change nothing"),
        (Doubled, "differ by"),
        (Partial, "do not cover"),
    ],
)
def test_broken_supernets(monkeypatch: pytest.MonkeyPatch, kind: type[SuperkernelSupernet], words: str) -> None:
    monkeypatch.setattr(nets, "build_supernet", lambda space, task: kind(space, task))
    with pytest.raises(AssertionError, match=words):
        check_supernet(SuperkernelSpace(SETTINGS), TASK)


class Search(RandomSearch):
    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(space, RandomSettings(), seed)


class Unseeded(Search):
    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(space, 0)


class Global(Search):
    def tell(self, outcome: Outcome, progress: float) -> None:
        random.random()
        super().tell(outcome, progress)


class Greedy(Search):
    def ask(self, count: int, progress: float) -> Sequence[Work]:
        return super().ask(count + 1, progress)


class Illegal(Search):
    def ask(self, count: int, progress: float) -> Sequence[Work]:
        return [Evaluate((99, 0, 0), Fidelity("train", 0.1))]


class Amnesiac(Search):
    def load(self, state: Mapping[str, Any]) -> None:
        super().load({**state, "asked": 0})


class Trusting(Search):
    """Takes the latest evaluation for the best, NaN or not."""

    latest: Choices | None = None

    def tell(self, outcome: Outcome, progress: float) -> None:
        super().tell(outcome, progress)
        if isinstance(outcome.work, Evaluate):
            self.latest = outcome.work.choices

    def best(self) -> Choices:
        return self.latest or super().best()

    def state(self) -> dict[str, Any]:
        return {**super().state(), "latest": None if self.latest is None else list(self.latest)}

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        self.latest = None if state["latest"] is None else tuple(state["latest"])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Unseeded, "Another seed gave the same"),
        (Global, "global random state"),
        (Greedy, "at most 1 pieces"),
        (Amnesiac, "Resumed after"),
        (Trusting, "no finite accuracy"),
    ],
)
def test_broken_methods(kind: Callable[[Space, int], Method], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_method(kind, SuperkernelSpace(SETTINGS))


def test_an_illegal_architecture() -> None:
    with pytest.raises(Exception, match="options 0 to 8, but got 99"):
        check_method(Illegal, SuperkernelSpace(SETTINGS))


def test_a_one_shot_method_that_forgets_its_random_stream() -> None:
    class Rewinding(RandomSinglePath):
        def load(self, state: Mapping[str, Any]) -> None:
            fresh = self.rng
            super().load(state)
            self.rng = fresh

    with pytest.raises(AssertionError, match="Resumed after"):
        check_method(lambda space, seed: Rewinding(space, RspsSettings(), seed), SuperkernelSpace(SETTINGS))


def test_a_mix_that_names_an_option_twice() -> None:
    class Twice(RandomSinglePath):
        def weight_mix(self, progress: float) -> Mix:
            return tuple(SlotMix((part.options[0],) * 2) for part in super().weight_mix(progress))

    with pytest.raises(AssertionError, match="An option twice"):
        check_method(lambda space, seed: Twice(space, RspsSettings(), seed), SuperkernelSpace(SETTINGS))


def test_the_unbroken_ones_pass() -> None:
    check_space(SuperkernelSpace(SETTINGS))
    check_method(Search, SuperkernelSpace(SETTINGS))
    made = functools.partial(make_method, "rsps", "default")
    assert isinstance(made(SuperkernelSpace(SETTINGS), 0), OneShotMethod)
