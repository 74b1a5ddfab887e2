"""--config FILE.yaml: the long options of a verb, and `settings`, from a file. The command line wins."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chronas.cli.words import Namespace, Parser
from chronas.errors import UnknownNameError, UsageError
from chronas.settings import parse_assignments

NOT_IN_FILES = ("help", "config", "set")


def merged(parser: Parser, given: Namespace, positional: tuple[str, ...] = ("data",)) -> Namespace:
    """The words of the command line over those of the file that --config names.

    `settings` of the result holds {"method": {"k": ...}}: the file's with those of --set over them.
    Raises UsageError.
    """
    words = vars(given)
    path = words.get("config")
    filed, settings = _read(parser, Path(path), positional) if path else ({}, {})
    for group, values in parse_assignments(words.get("set", [])).items():
        settings[group] = {**settings.get(group, {}), **values}
    return Namespace(**{**filed, **words, "settings": settings})


def _read(parser: Parser, path: Path, positional: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    tree = _load(path)
    settings = _settings(path, tree.pop("settings", None))
    argv: list[str] = []
    found: dict[str, Any] = {}
    known = sorted({name.removeprefix("--") for name in parser.long} - set(NOT_IN_FILES))
    for key, value in tree.items():
        name = str(key).replace("_", "-")
        if name in positional and isinstance(value, str):
            found[name] = value
        elif name in known:
            argv += _argv(path, name, value, parser.long[f"--{name}"])
        else:
            raise UnknownNameError(f"word in {path}", str(key), [*known, *positional, "settings"])
    return {**vars(parser.read(argv)), **found}, settings


def _load(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        tree = yaml.safe_load(text)
    except OSError as error:
        raise UsageError(f"--config {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path} is not YAML: {' '.join(str(error).split())}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UsageError(f"--config {path} must hold words and values, for example 'budget: 20m', one per line.")
    written = yaml.compose(text)
    for name, value in written.value if isinstance(written, yaml.MappingNode) else ():
        if name.value == "budget" and isinstance(value, yaml.ScalarNode) and ":" in value.value:
            tree["budget"] = value.value  # YAML takes 0:20:00 for the number 1200
    return tree


def _settings(path: Path, tree: Any) -> dict[str, dict[str, Any]]:
    if tree is None:
        return {}
    if not isinstance(tree, Mapping) or not all(isinstance(values, Mapping) for values in tree.values()):
        raise UsageError(f"`settings` in {path} must be groups of values, for example {{method: {{k: 0.2}}}}.")
    return {str(group): {str(k): v for k, v in values.items()} for group, values in tree.items()}


def _argv(path: Path, name: str, value: Any, action: argparse.Action) -> list[str]:
    """`value` as the words that one would type for the option `name`."""
    if value is None:
        return []
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise UsageError(f"`{name}` in {path} is true or false, but got {value!r}.")
        return [f"--{name}"] if value else []
    values = value if isinstance(value, list) else [value]
    if any(isinstance(one, dict | list | bool) for one in values) or (len(values) != 1 and not repeats(action)):
        raise UsageError(f"`{name}` in {path} takes one word or number, but got {value!r}.")
    return [f"--{name}={one}" for one in values]


def repeats(action: argparse.Action) -> bool:
    """Whether the option may be given several times."""
    return isinstance(action, argparse._AppendAction)
