"""--config FILE.yaml: the long options of a verb, and `settings`, from a file. The command line wins."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chronas.cli.words import Namespace, Parser
from chronas.errors import UnknownNameError, UsageError
from chronas.settings import parse_assignments

if TYPE_CHECKING:
    import yaml

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
    tree, written = _load(path)
    settings = _settings(path, tree.pop("settings", None))
    argv: list[str] = []
    found: dict[str, Any] = {}
    known = sorted({name.removeprefix("--") for name in parser.long} - set(NOT_IN_FILES))
    for key, value in tree.items():
        name = str(key).replace("_", "-")
        if name in positional and isinstance(text := _as_written(value, written.get(key), False), str):
            found[name] = text
        elif name in known:
            action = parser.long[f"--{name}"]
            given = value if action.nargs == 0 else _as_written(value, written.get(key), repeats(action))
            argv += _argv(path, name, given, action)
        else:
            raise UnknownNameError(f"word in {path}", str(key), [*known, *positional, "settings"])
    return {**vars(parser.read(argv)), **found}, settings


def _load(path: Path) -> tuple[dict[str, Any], dict[str, yaml.Node]]:
    """The words with their values, and how the values are written."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        tree, written = yaml.safe_load(text), yaml.compose(text, yaml.SafeLoader)
    except OSError as error:
        raise UsageError(f"--config {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path} is not YAML: {' '.join(str(error).split())}") from error
    if tree is None:
        return {}, {}
    if not isinstance(tree, dict):
        raise UsageError(f"--config {path} must hold words and values, for example 'budget: 20m', one per line.")
    assert isinstance(written, yaml.MappingNode)
    return tree, {name.value: value for name, value in written.value}


def _as_written(value: Any, node: yaml.Node | None, repeated: bool) -> Any:
    """`value` letter by letter, for YAML takes `no` for false, -1:1 for -61 and 0:20:00 for 1200.

    Of a list the entries, where the option may be `repeated`; None stays None.
    """
    if value is None or node is None or isinstance(value, dict):
        return value
    if isinstance(value, list):
        words = [_as_written(one, inner, False) for one, inner in zip(value, node.value, strict=True)]
        return words if repeated else value
    return node.value if isinstance(node.value, str) else value


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
