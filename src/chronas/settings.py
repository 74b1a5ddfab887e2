"""Typed settings: `--set key=value`, `--config file.yaml` and Python arguments all meet in `resolve`.

Settings classes are frozen dataclasses; their `__post_init__` checks ranges and raises UsageError. Types are
checked by jsonargparse, so "0.2" from a command line, 0.2 from YAML and 0.2 from Python mean the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from chronas.errors import UnknownNameError, UsageError

S = TypeVar("S")


def resolve(cls: type[S], overrides: Mapping[str, Any], *, prefix: str) -> S:
    """An instance of the frozen dataclass `cls` with `overrides` applied; raises UsageError.

    `prefix` is the word in front of the names in messages, e.g. "method" for `method.k`.
    """
    known = [field.name for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
    for name in overrides:
        if name not in known:
            raise UnknownNameError(f"{prefix} setting", str(name), known)
    hints = {field.name: field.type for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    return cls(**{n: _typed(cls, n, str(hints[n]), value, prefix) for n, value in overrides.items()})


def _typed(cls: type[Any], name: str, hint: str, value: Any, prefix: str) -> Any:
    from jsonargparse import ArgumentError, ArgumentParser

    default = next(f.default for f in dataclasses.fields(cls) if f.name == name)
    if not isinstance(value, str) and type(value) is type(default) and not isinstance(value, tuple | list | dict):
        return value
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, str) and hint.startswith("tuple") and not value.lstrip().startswith("["):
        value = [part.strip() for part in value.split(",") if part.strip()]
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(cls, "settings", skip={f.name for f in dataclasses.fields(cls) if f.name != name})
    try:
        parsed = parser.parse_object({"settings": {name: value}})
    except (ArgumentError, ValueError, TypeError) as error:
        raise UsageError(f"{prefix}.{name} must be {hint}, but got {value!r}.") from error
    typed = parsed["settings"][name]
    if typed is None and "None" not in hint:
        raise UsageError(f"{prefix}.{name} must be {hint}, but got {value!r}.")
    return tuple(typed) if isinstance(typed, list) else typed


def parse_assignments(words: list[str] | tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Turn ["method.k=0.2", "space.m=5"] into {"method": {"k": "0.2"}, "space": {"m": "5"}}; raises UsageError."""
    tree: dict[str, dict[str, str]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        group, dot, name = key.strip().partition(".")
        if not (equals and dot and group and name):
            raise UsageError(f"--set takes GROUP.NAME=VALUE, for example method.k=0.2, but got {word!r}.")
        tree.setdefault(group, {})[name] = value.strip()
    return tree
