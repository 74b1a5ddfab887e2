"""What is registered, small enough to be tested in seconds. A new registration needs no change here."""

from __future__ import annotations

import dataclasses
from typing import Any

from chronas.architecture import make_space
from chronas.methods import METHODS, Method
from chronas.spaces import SPACES, Space

SMALLER: dict[str, Any] = {
    "layers": 3,
    "width": 4,
    "m": 3,
    "reductions": 1,
    "widths": [4, 8, 12],
    "depths": [1, 3],
    "cells": 1,
    "nodes": 3,
    "channels": 4,
    "vertices": 5,
    "stacks": 2,
    "modules": 1,
}
"""Settings that make a network small, used where a space has a setting of that name."""


def small_space(name: str) -> Space:
    """The registered space with as small settings as possible."""
    known = {field.name for field in dataclasses.fields(SPACES.load(name).Settings)}
    return make_space(name, {key: value for key, value in SMALLER.items() if key in known})


def usual_space(name: str) -> Space:
    """The registered space with default settings, but none of its deepest networks: those take seconds to build."""
    known = {field.name for field in dataclasses.fields(SPACES.load(name).Settings)}
    return make_space(name, {"depths": [4, 5]} if "depths" in known else {})


def make_method(name: str, preset: str, space: Space, seed: int) -> Method:
    """The registered method with the settings of `preset`, or default ones."""
    kind = METHODS.load(name)
    return kind(space, kind.Settings(**kind.presets.get(preset, {})), seed)
