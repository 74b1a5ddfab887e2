"""Every error that Chronas raises on purpose, sorted by who must react."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class ChronasError(Exception):
    """Base of all errors raised on purpose. `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(ChronasError):
    """The user's words are wrong: an option, a setting, a name, a budget."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that no registry or settings class knows; the message lists the known ones and the nearest."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self._given = (kind, name, tuple(known))
        names = sorted(self._given[2])
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"There is no {kind} named {name!r}.{hint} Known: {', '.join(names) or 'none'}.")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._given


class DataError(ChronasError):
    """The user's data cannot be used as it is; the message says which files and what to do."""


class ArchitectureError(ChronasError):
    """An architecture is not legal in its space, or its file is damaged."""


class RunError(ChronasError):
    """A run folder cannot be used: damaged, of another format, or held by another process."""


class EnvironmentFault(ChronasError):
    """The machine stands in the way: a full disk, no such device, a missing optional package."""


class TrainingError(ChronasError):
    """Training cannot go on: the loss is not finite and recovery failed, or nothing fits in memory."""


class ProxyError(ChronasError):
    """A proxy has no finite score for a network."""


class TableError(ChronasError):
    """A published table cannot be read, or lacks what was asked of it."""


class NothingEvaluatedError(ChronasError):
    """A method was asked for its best architecture before it had heard of any."""


class InternalError(ChronasError):
    """A bug in Chronas: an invariant of its own does not hold."""


def missing_extra(package: str, extra: str, purpose: str) -> EnvironmentFault:
    """The error for an optional package that is not installed; names the command that installs it."""
    return EnvironmentFault(
        f"{purpose} needs the package {package!r}, which is not installed. "
        f"In the folder of Chronas run: pip install -e '.[{extra}]'"
    )
