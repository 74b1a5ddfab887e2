"""The contenders of search_worth.py, and the trainings that judge them, each done once and kept."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from chronas import api
from chronas.architecture import Architecture
from chronas.budget import Budget
from chronas.data.images import ImageData
from chronas.errors import UsageError
from chronas.training.recipes import recipe
from chronas.training.supernet import SupernetSettings
from common import Record, conduct, say


@dataclass(frozen=True)
class Contender:
    """A way to search: a method with a preset and settings per group."""

    name: str
    method: str
    preset: str | None = None
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


KNOWN = {
    "nasib": Contender("nasib", "nasib"),
    "paper": Contender("paper", "nasib", "paper"),
    "rsps": Contender("rsps", "rsps"),
    "halving": Contender("halving", "halving"),
    "random": Contender("random", "random"),
}


def chosen(names: str, variants: str) -> list[Contender]:
    """The contenders of --methods and --variants. Raises UsageError for an unknown name."""
    found = []
    for name in (word.strip() for word in names.split(",") if word.strip()):
        if name not in KNOWN:
            raise UsageError(f"--methods knows {', '.join(KNOWN)}, but got {name!r}.")
        found.append(KNOWN[name])
    return found + [_variant(text.strip()) for text in variants.split(";") if text.strip()]


def _variant(text: str) -> Contender:
    """Read "name=key:value,key:value": settings of nasib; "preset:paper" starts from a preset.

    A key with a dot names another group, as in supernet.lr:0.1.
    """
    name, equals, rest = text.partition("=")
    if not equals or name in KNOWN:
        raise UsageError(f"A variant is name=key:value,key:value with a name of its own, but got {text!r}.")
    preset, settings = None, dict[str, dict[str, str]]()
    for word in (word for word in rest.split(",") if word.strip()):
        key, colon, value = word.strip().partition(":")
        if not colon:
            raise UsageError(f"A variant's setting is key:value, but got {word!r}.")
        if key == "preset":
            preset = value
            continue
        group, dot, inner = key.partition(".")
        settings.setdefault(group if dot else "method", {})[inner if dot else key] = value
    return Contender(name, "nasib", preset, settings)


def budget_of(text: str, data: ImageData) -> str:
    """ "2000 steps" in epochs of the supernet's batches; anything else as it is."""
    amount, _, unit = text.strip().partition(" ")
    if unit not in ("step", "steps"):
        return str(Budget.parse(text)) if Budget.parse(text).unit != "seconds" else text
    size = max(2, min(SupernetSettings().batch_size, len(data.train) // 8))
    return f"{float(amount) / (len(data.train) // size):.6g} epochs"


@dataclass(frozen=True)
class Setting:
    """What contenders share: the images, the space, the budget of a search, how networks are trained."""

    data: ImageData
    space: Mapping[str, int]
    budget: str
    recipe: str
    epochs: float
    limit: int | None

    def search(self, record: Record, contender: Contender, seed: int) -> dict[str, Any]:
        """Search once: the architecture, its cost and the time."""
        settings = {**contender.settings, "space": dict(self.space)}
        options = api.Options(
            method=contender.method, preset=contender.preset, settings=settings, seed=seed, recipe=self.recipe
        )
        folder = record.folder("search", contender.name, str(seed))
        start = partial(api.search, self.data, budget=self.budget, out=folder, options=options)
        result = conduct(start, folder, record, self.data)
        found, spent = result["search"], result["budget"]
        return {
            "contender": dataclasses.asdict(contender),
            "seed": seed,
            "notation": found["notation"],
            "params": found["params"],
            "madds": found["madds"],
            "method_settings": found["method_settings"],
            "seconds": spent["seconds"],
            "epochs": spent["epochs"],
            "evaluations": spent["evaluations"],
        }

    def train(self, record: Record, architecture: Architecture, seed: int) -> dict[str, Any]:
        """Train from scratch once: test and validation accuracy in percent."""
        options = api.Options(recipe=self.recipe, seed=seed)
        folder = record.folder("train", architecture.notation, str(seed))
        start = partial(
            api.train, architecture, self.data, budget=f"{self.epochs:g} epochs", out=folder, options=options
        )
        network = conduct(start, folder, record, self.data)["networks"][0]
        shutil.rmtree(folder)
        names = ("test_accuracy", "val_accuracy", "params", "madds", "seconds")
        return {name: network[name] for name in names}

    def words(self) -> dict[str, Any]:
        """What a training's accuracy depends on besides architecture and seed."""
        return {
            "data": self.data.fingerprint,
            "space": dict(self.space),
            "epochs": self.epochs,
            "recipe": dataclasses.asdict(recipe(self.recipe)),
        }


class Trainings:
    """Trainings by (architecture, recipe, seed), one JSON object per line: equal ones are done once, ever."""

    def __init__(self, path: Path, setting: Setting) -> None:
        self.path, self.setting = path, setting
        self._known: dict[str, dict[str, Any]] = {}
        if path.exists():
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
            self._known = {_key(line["what"]): line["result"] for line in lines}

    def get(self, architecture: Architecture, seed: int) -> dict[str, Any] | None:
        """The kept result, or None."""
        return self._known.get(_key(self._what(architecture, seed)))

    def train(self, record: Record, architecture: Architecture, seed: int) -> dict[str, Any]:
        """The kept result, or a new one. Raises OutOfTime."""
        found = self.get(architecture, seed)
        if found is not None:
            return found
        record.check_time()
        say(f"train {architecture.notation} seed {seed}")
        result = self.setting.train(record, architecture, seed)
        what = self._what(architecture, seed)
        self._known[_key(what)] = result
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what, "result": result}) + "\n")
        return result

    def _what(self, architecture: Architecture, seed: int) -> dict[str, Any]:
        return {"notation": architecture.notation, "seed": seed, **self.setting.words()}


def _key(what: Mapping[str, Any]) -> str:
    return json.dumps(what, sort_keys=True)
