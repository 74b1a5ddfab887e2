"""Moves keep to what is legal, and draw the same numbers as ever where everything is."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from chronas.errors import ArchitectureError
from chronas.spaces import moves
from chronas.spaces.base import Decision, Space, join_options, split_options
from chronas.spaces.moves import crossover, enumerate_all, mutate, neighbours, sample, size, unrank
from chronas.spaces.resnet import ResNetSpace
from chronas.testing.spaces import check_space
from chronas.work import Choices


@dataclass(frozen=True)
class ToySettings:
    length: int = 4


class Toy(Space):
    """Digits 0 to 2 whose sum is at most 3."""

    name = "toy"
    Settings = ToySettings
    rules = "The digits may add up to 3 at most."

    def __init__(self) -> None:
        settings = ToySettings()
        super().__init__(settings, tuple(Decision(f"d{i}", ("0", "1", "2")) for i in range(settings.length)))

    def legal(self, choices: Choices) -> bool:
        return sum(choices) <= 3

    def notation(self, choices: Choices) -> str:
        return join_options(self, choices)

    def parse(self, text: str) -> Choices:
        return split_options(self, text)


class Even(Toy):
    """Ones come in pairs: no legal architecture has a legal neighbour, but by a two."""

    rules = "Digits 0 and 1 with an even sum."

    def legal(self, choices: Choices) -> bool:
        return max(choices) < 2 and sum(choices) % 2 == 0


class Nothing(Toy):
    def legal(self, choices: Choices) -> bool:
        return False


class Deaf(Toy):
    def check(self, choices: Choices) -> None:
        """Forgets what is forbidden."""


class Silent(Toy):
    rules = ""


def generator() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(5))


@pytest.mark.parametrize("kind", [Toy, Even])
def test_spaces_with_forbidden_combinations_keep_the_contract(kind: type[Toy]) -> None:
    check_space(kind())


@pytest.mark.parametrize(("kind", "words"), [(Deaf, "expected ArchitectureError"), (Silent, "does not say in `rules`")])
def test_the_suite_notices(kind: type[Toy], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_space(kind())


def test_the_raw_size_counts_everything() -> None:
    space = Toy()
    legal = list(enumerate_all(space))
    assert size(space) == 81
    assert len(legal) == sum(sum(unrank(space, i)) <= 3 for i in range(81)) == 31
    assert list(neighbours(space, (1, 2, 0, 0))) == [(0, 2, 0, 0), (1, 0, 0, 0), (1, 1, 0, 0)]


def test_moves_are_uniform_over_what_is_legal() -> None:
    space, rng = Toy(), generator()
    drawn = [sample(space, rng) for _ in range(1550)]
    assert {drawn.count(choices) for choices in enumerate_all(space)} <= set(range(25, 80))
    moved = [mutate(space, (1, 2, 0, 0), rng) for _ in range(300)]
    assert all(70 < moved.count(other) < 130 for other in neighbours(space, (1, 2, 0, 0)))


def test_a_mutation_without_a_legal_neighbour_changes_as_little_as_it_finds() -> None:
    space, rng = Even(), generator()
    moved = {mutate(space, (0, 0, 0, 0), rng) for _ in range(40)}
    assert {(1, 1, 0, 0), (0, 0, 1, 1)} <= moved
    assert all(space.legal(choices) and any(choices) for choices in moved)


def test_children_are_legal() -> None:
    space, rng = Toy(), generator()
    children = {crossover(space, (1, 2, 0, 0), (0, 0, 2, 1), rng) for _ in range(300)}
    assert (1, 2, 0, 0) in children
    assert (0, 0, 2, 1) in children
    assert max(map(sum, children)) == 3


def test_a_space_in_which_nothing_is_legal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "SAMPLE_TRIES", 200)
    with pytest.raises(ArchitectureError, match="None of 200 random architectures"):
        sample(Nothing(), generator())


def test_a_forbidden_combination_is_refused_with_the_rule() -> None:
    with pytest.raises(ArchitectureError, match="does not allow 2-2-0-0: The digits may add up to 3 at most"):
        Toy().check((2, 2, 0, 0))


def test_where_everything_is_legal_the_same_numbers_are_drawn() -> None:
    """Committed results depend on it: one draw per decision, two per mutation, one mask per crossover."""
    space, rng, raw = ResNetSpace(), generator(), generator()
    first, second = sample(space, rng), sample(space, rng)
    for choices in (first, second):
        assert choices == tuple(int(raw.integers(len(decision.options))) for decision in space.decisions)
    moved = mutate(space, first, rng)
    where = int(raw.integers(len(space.decisions)))
    other = int(raw.integers(len(space.decisions[where].options) - 1))
    assert moved == (*first[:where], other + (other >= first[where]), *first[where + 1 :])
    mask = raw.integers(2, size=len(space.decisions))
    assert crossover(space, first, second, rng) == tuple(np.where(mask, second, first).tolist())
    assert json.dumps(rng.bit_generator.state, default=int) == json.dumps(raw.bit_generator.state, default=int)
