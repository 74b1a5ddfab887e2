"""Architectures as readable JSON: space, its settings, option names. Holds no weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chronas.errors import ArchitectureError, UsageError
from chronas.settings import resolve
from chronas.spaces import SPACES, Space
from chronas.work import Choices

FORMAT = 1


@dataclass(frozen=True)
class Architecture:
    """One architecture of one space."""

    space: Space
    choices: Choices

    def __post_init__(self) -> None:
        self.space.check(self.choices)

    @property
    def notation(self) -> str:
        return self.space.notation(self.choices)

    def to_json(self) -> dict[str, Any]:
        """The file form: {"format", "space", "settings", "choices": {decision: option}}."""
        return {
            "format": FORMAT,
            "space": self.space.name,
            "settings": dataclasses.asdict(self.space.settings),
            "choices": self.space.names(self.choices),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Architecture:
        """Validate and read the file form; raises ArchitectureError. Nothing in it is executed."""
        if not isinstance(data, Mapping):
            raise ArchitectureError(f"An architecture must be a JSON object, but is {type(data).__name__}.")
        missing = [key for key in ("format", "space", "settings", "choices") if key not in data]
        if missing:
            raise ArchitectureError(f"An architecture file needs {', '.join(missing)}.")
        if data["format"] != FORMAT:
            raise ArchitectureError(f"The architecture has format {data['format']!r}; this version reads {FORMAT}.")
        if not isinstance(data["settings"], Mapping) or not isinstance(data["choices"], Mapping):
            raise ArchitectureError("`settings` and `choices` of an architecture must be objects.")
        try:
            space = make_space(str(data["space"]), data["settings"])
        except UsageError as error:
            raise ArchitectureError(f"The architecture file is not usable: {error}") from error
        return cls(space, space.from_names({str(k): str(v) for k, v in data["choices"].items()}))


def make_space(name: str, settings: Mapping[str, Any] | None = None) -> Space:
    """The registered space `name` with `settings` checked; raises UsageError."""
    kind = SPACES.load(name)
    made: Space = kind(resolve(kind.Settings, settings or {}, prefix="space"))  # type: ignore[call-arg]
    return made
