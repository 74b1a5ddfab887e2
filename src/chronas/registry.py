"""Names to implementations, with the words that listings, help and documentation show.

Importing a registry imports no implementation (and so no torch): an entry names its target as
"package.module:attribute" and the target is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from chronas.errors import InternalError, UnknownNameError

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One registered thing.

    `needs` names what it requires of its surroundings, for example "supernet", "builder", "gradient", "table".
    """

    name: str
    target: str
    summary: str
    paper: str = ""
    needs: frozenset[str] = frozenset()

    def load(self) -> Any:
        """Import and return the target."""
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)


class Registry(Generic[T]):
    """An ordered set of entries of one kind. A duplicate name raises; an unknown name lists the known ones."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def add(
        self, name: str, target: str, summary: str, *, paper: str = "", needs: frozenset[str] | set[str] = frozenset()
    ) -> None:
        """Register `name`; `target` is "package.module:attribute"."""
        if name in self._entries:
            raise InternalError(f"The {self.kind} {name!r} is registered twice.")
        self._entries[name] = Entry(name, target, summary, paper, frozenset(needs))

    def entry(self, name: str) -> Entry:
        """The entry of that name; UnknownNameError otherwise."""
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        return self._entries[name]

    def load(self, name: str) -> T:
        """Import and return the implementation registered under `name`."""
        loaded: T = self.entry(name).load()
        return loaded

    def names(self) -> tuple[str, ...]:
        return tuple(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)
