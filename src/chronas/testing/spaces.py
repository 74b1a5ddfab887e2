"""The contract of a space. Imports no torch."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from chronas.architecture import Architecture
from chronas.errors import ArchitectureError
from chronas.seeding import stream
from chronas.spaces import SPACES, Space
from chronas.spaces.moves import crossover, enumerate_all, mutate, neighbours, sample, size, unrank
from chronas.testing.asserts import require, require_error
from chronas.work import Choices

SAMPLES = 20
FEW = 500


def check_space(space: Space, *, seed: int = 0) -> None:
    """Raise AssertionError where `space` breaks a rule that all spaces keep (docs: what a space is)."""
    _check_decisions(space)
    for choices in samples(space, seed):
        _check_legal(space, choices)
        _check_forms(space, choices)
        _check_moves(space, choices, seed)
        _check_refusals(space, choices)
    for choices in raw_samples(space, seed):
        _check_illegal(space, choices)
    _check_sampling(space, seed)
    _check_enumeration(space)
    usual = space.plain()
    if usual is not None:
        _check_legal(space, usual)
    if space.name in SPACES:
        drawn = list(samples(space, seed, count=1))
        for choices in drawn:
            _check_file(space, choices)
        _check_strange_files(Architecture(space, drawn[-1]).to_json())


def samples(space: Space, seed: int, count: int = SAMPLES) -> Iterator[Choices]:
    """`count` random legal choices, and the first and the last of the space where they are legal."""
    for corner in (unrank(space, 0), unrank(space, size(space) - 1)):
        if space.legal(corner):
            yield corner
    for index in range(count):
        yield sample(space, stream(seed, "testing", space.name, index))


def raw_samples(space: Space, seed: int, count: int = SAMPLES) -> Iterator[Choices]:
    """The first and the last combination and `count` random ones, legal or not."""
    yield from (unrank(space, 0), unrank(space, size(space) - 1))
    rng = stream(seed, "testing", space.name, "raw")
    for _ in range(count):
        yield tuple(int(rng.integers(len(decision.options))) for decision in space.decisions)


def _check_decisions(space: Space) -> None:
    require(len(space.decisions) > 0, f"{space.name!r} has no decisions.")
    names = [decision.name for decision in space.decisions]
    require(len(set(names)) == len(names), f"{space.name!r} has two decisions of the same name: {names}.")
    for decision in space.decisions:
        options = decision.options
        require(len(options) > 0, f"{decision.name!r} has no options.")
        require(len(set(options)) == len(options), f"{decision.name!r} names an option twice: {options}.")
    require(
        dataclasses.is_dataclass(space.settings) and isinstance(space.settings, space.Settings),
        f"The settings of {space.name!r} must be an instance of its dataclass `Settings`.",
    )
    require_error(
        dataclasses.FrozenInstanceError,
        lambda: setattr(space.settings, dataclasses.fields(space.settings)[0].name, None),
        f"Changing the settings of {space.name!r}, which must be frozen",
    )


def _check_legal(space: Space, choices: Choices) -> None:
    space.check(choices)
    require(
        isinstance(choices, tuple) and all(type(c) is int for c in choices),
        f"Choices must be a tuple of plain ints, but {space.name!r} made {choices!r}.",
    )


def _check_forms(space: Space, choices: Choices) -> None:
    for name, form in (("canonical", space.canonical), ("exact", space.exact)):
        once = form(choices)
        _check_legal(space, once)
        require(form(once) == once, f"The {name} form of {choices} has another {name} form: {once}.")
    text = space.notation(choices)
    back = space.parse(text)
    require(back == choices, f"The notation {text!r} of {choices} reads back as {back}.")
    named = space.from_names(space.names(choices))
    require(named == choices, f"The names of {choices} read back as {named}.")


def _check_moves(space: Space, choices: Choices, seed: int) -> None:
    around = list(neighbours(space, choices)) if size_of_neighbourhood(space) <= FEW else []
    if around:
        require(len(set(around)) == len(around), f"The neighbours of {choices} hold one twice.")
        expected = [other for other in _one_changed(space, choices) if space.legal(other)]
        require(sorted(around) == sorted(expected), f"{choices} has {len(around)} neighbours, not {len(expected)}.")
        for other in around:
            _check_legal(space, other)
    if size(space) > 1:
        changed = mutate(space, choices, stream(seed, "testing", "mutate", *choices))
        _check_legal(space, changed)
        alone = not any(space.legal(other) for other in _one_changed(space, choices))
        require(_differences(choices, changed) == 1 or alone, f"Mutating {choices} gave {changed}.")
        require(changed != choices, f"Mutating {choices} changed nothing.")
    other = sample(space, stream(seed, "testing", "other", *choices))
    child = crossover(space, choices, other, stream(seed, "testing", "cross", *choices))
    _check_legal(space, child)
    mixed = all(c in pair for c, pair in zip(child, zip(choices, other, strict=True), strict=True))
    require(mixed, f"{child} has a choice of neither parent, {choices} and {other}.")


def _one_changed(space: Space, choices: Choices) -> Iterator[Choices]:
    for place, decision in enumerate(space.decisions):
        for other in range(len(decision.options)):
            if other != choices[place]:
                yield (*choices[:place], other, *choices[place + 1 :])


def size_of_neighbourhood(space: Space) -> int:
    """How many combinations, legal or not, differ in exactly one decision."""
    return sum(len(decision.options) - 1 for decision in space.decisions)


def _differences(first: Choices, second: Choices) -> int:
    return sum(a != b for a, b in zip(first, second, strict=True))


def _check_refusals(space: Space, choices: Choices) -> None:
    where = f"in {space.name!r}"
    illegal: list[Any] = [(), choices[:-1], (*choices, 0)]
    for place, decision in enumerate(space.decisions):
        for wrong in (-1, len(decision.options)):
            illegal.append((*choices[:place], wrong, *choices[place + 1 :]))
    for wrong in illegal:
        require_error(ArchitectureError, partial(space.check, wrong), f"Choices {wrong} {where}")
    names = space.names(choices)
    first = space.decisions[0].name
    foreign = {**names, "no such decision": "x"}
    for strange in ({}, foreign, {**names, first: "no such option"}, {**names, first: ""}):
        require_error(ArchitectureError, partial(space.from_names, strange), f"The names {strange} {where}")
    for text in ("", "-", "no such notation", space.notation(choices) + "-x", "\x00"):
        require_error(ArchitectureError, partial(space.parse, text), f"The notation {text!r} {where}")


def _check_illegal(space: Space, choices: Choices) -> None:
    """A combination is legal everywhere or refused everywhere."""
    if space.legal(choices):
        space.check(choices)
        return
    where = f"in {space.name!r}, where it is not legal"
    require(bool(space.rules), f"{space.name!r} forbids {choices}, but does not say in `rules` what it allows.")
    require_error(ArchitectureError, partial(space.check, choices), f"Choices {choices} {where}")
    require_error(ArchitectureError, partial(space.from_names, space.names(choices)), f"The names of {choices} {where}")
    require_error(
        ArchitectureError, partial(space.parse, space.notation(choices)), f"The notation of {choices} {where}"
    )


def _check_sampling(space: Space, seed: int) -> None:
    seeds = (seed, seed, seed + 1)
    draws = [[sample(space, stream(s, "testing", "sample", i)) for i in range(SAMPLES)] for s in seeds]
    require(draws[0] == draws[1], f"Sampling {space.name!r} twice with one seed gave two results.")
    if size(space) > FEW:
        require(draws[0] != draws[2], f"Sampling {space.name!r} with another seed gave the same.")


def _check_enumeration(space: Space) -> None:
    total = size(space)
    if total <= FEW:
        everything = list(enumerate_all(space))
        legal = [choices for choices in map(partial(unrank, space), range(total)) if space.legal(choices)]
        require(everything == legal, f"{space.name!r} does not enumerate its {len(legal)} legal choices.")
        require(len(set(everything)) == len(everything), f"{space.name!r} enumerates a choice twice.")
        for choices in everything:
            _check_legal(space, choices)
    last = unrank(space, total - 1)
    require(
        last == tuple(len(d.options) - 1 for d in space.decisions),
        f"The last choices of {space.name!r} are {last}.",
    )


def _check_file(space: Space, choices: Choices) -> None:
    text = json.dumps(Architecture(space, choices).to_json())
    back = Architecture.from_json(json.loads(text))
    require(back.choices == choices, f"The file of {choices} reads back as {back.choices}.")
    require(back.space.settings == space.settings, f"The file of {choices} reads back with {back.space.settings}.")


def _check_strange_files(good: dict[str, Any]) -> None:
    for what, damaged in _strange_files(good):

        def read(damaged: Any = damaged) -> Architecture:
            return Architecture.from_json(damaged)

        require_error(ArchitectureError, read, f"An architecture file with {what}")


def _strange_files(good: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in good:
        yield f"no {key!r}", {k: v for k, v in good.items() if k != key}
        nonsense: tuple[Any, ...] = (None, [], "x", -1)
        for wrong in nonsense:
            yield f"{key} = {wrong!r}", {**good, key: wrong}
    yield "an unknown setting", {**good, "settings": {**good["settings"], "no_such_setting": 1}}
    for name in good["settings"]:
        for odd in ({"a": 1}, None):
            yield f"the setting {name} = {odd}", {**good, "settings": {**good["settings"], name: odd}}
    choices = good["choices"]
    for name in list(choices)[-2:]:
        yield f"no choice for {name!r}", {**good, "choices": {k: v for k, v in choices.items() if k != name}}
        illegal: tuple[Any, ...] = (None, 0.5, [], {"__import__": "os"})
        for strange in illegal:
            yield f"{name} = {strange!r}", {**good, "choices": {**choices, name: strange}}
    for whole in (None, 5, [], "text", [good]):
        yield f"{whole!r} as a whole", whole
