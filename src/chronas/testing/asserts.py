"""Assertions that stay on under `python -O` and say what broke."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def require(condition: bool, message: str) -> None:
    """Raise AssertionError with `message` unless `condition` holds."""
    if not condition:
        raise AssertionError(message)


def require_error(kind: type[Exception], action: Callable[[], Any], what: str) -> None:
    """Raise AssertionError unless `action()` raises `kind` with a message; `what` names the action."""
    try:
        action()
    except kind as error:
        require(bool(str(error)), f"{what}: {kind.__name__} without a message.")
        return
    # Any other exception passes through: its traceback shows where the rule broke.
    raise AssertionError(f"{what}: expected {kind.__name__}, but nothing was raised.")
