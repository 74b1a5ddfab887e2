"""chronas list: what there is to choose from, out of the registries."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

from chronas.benchmarks import BENCHMARKS
from chronas.cli.words import Namespace, Parser
from chronas.errors import UnknownNameError, UsageError
from chronas.methods import METHODS
from chronas.proxies import PROXIES
from chronas.registry import Registry
from chronas.spaces import SPACES
from chronas.training.recipes import RECIPES, Recipe

DATA_FORMATS = (
    ("digits", "1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn"),
    ("a folder of class folders", "also inside train, val, test; JPEG, PNG and what else Pillow reads"),
    ("a folder with a table", "images and labels.csv (or train.csv, metadata.csv; --labels), or labels in file names"),
    ("an archive", ".zip, .tar, .tar.gz of class folders or with a table; read in place"),
    ("WebDataset shards", ".tar with .jpg and .cls; one, or a folder with train-000000.tar"),
    ("Hugging Face data sets", "Parquet in all layouts of the hub, or a folder of save_to_disk; needs pyarrow"),
    ("CIFAR python batches", "the official folder with data_batch_1 ... or train, test and meta"),
    ("IDX files", "MNIST's: train-images-idx3-ubyte, plain or gzipped"),
    ("a NumPy archive (.npz)", "x_train and y_train, x and y, images and labels, data and target; any case"),
    ("NumPy files (.npy)", "the same names in one folder, or in folders train and test"),
)
KINDS = ("spaces", "methods", "proxies", "benchmarks", "presets", "recipes", "data")


def parser() -> Parser:
    """[KIND [NAME]]."""
    notes = "chronas list methods nasib shows the settings of one method; spaces and recipes alike."
    summary = "What there is to choose from: spaces, methods, proxies, tables, presets, recipes, data formats."
    made = Parser("list", summary, notes=notes)
    made.add_argument("kind", metavar="KIND", nargs="?", help=", ".join(KINDS))
    made.add_argument("name", metavar="NAME", nargs="?", help="one of the spaces, methods or recipes: its settings")
    return made


def run(words: Namespace, started: float) -> int:
    """Print the tables."""
    kind = getattr(words, "kind", None)
    if kind is not None and kind not in KINDS:
        raise UnknownNameError("list", kind, KINDS)
    if hasattr(words, "name"):
        _one(kind or "", words.name)
        return 0
    for name in [kind] if kind else [kind for kind in KINDS if kind != "presets"]:
        _print_table(name.capitalize(), TABLES[name]())
    if kind is None:
        print("Settings of one: chronas list methods nasib.  Named settings: chronas list presets")
    return 0


Rows = Sequence[tuple[str, ...]]


def _registered(registry: Registry[Any], *told: str) -> Rows:
    """Name, summary with those of the needs that are `told`, paper."""
    needs = {entry.name: ", ".join(word for word in told if word in entry.needs) for entry in registry}
    return [(e.name, f"{e.summary} (needs {needs[e.name]})" if needs[e.name] else e.summary, e.paper) for e in registry]


def _recipes() -> Rows:
    return [
        (name, f"SGD, {one.schedule.replace('_', ' ')} from {one.lr:g}, batch {one.batch_size}{_growing(one)}")
        for name, one in RECIPES.items()
    ]


def _growing(one: Recipe) -> str:
    return "" if one.shrink == 1 else f", images grow from {one.shrink:g} of their side"


def _presets() -> Rows:
    """Every method has "default"; the methods are imported to know the others."""
    rows: list[tuple[str, ...]] = []
    for entry in METHODS:
        presets = entry.load().presets
        rows += [(entry.name, name, _assigned(values)) for name, values in {"default": {}, **presets}.items()]
    return rows


def _assigned(values: Any) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items()) or "the defaults"


TABLES: dict[str, Callable[[], Rows]] = {
    "spaces": lambda: _registered(SPACES),
    "methods": lambda: _registered(METHODS, "supernet"),
    "proxies": lambda: _registered(PROXIES, "images", "labels", "weights", "relu"),
    "benchmarks": lambda: _registered(BENCHMARKS, "file"),
    "presets": _presets,
    "recipes": _recipes,
    "data": lambda: list(DATA_FORMATS),
}


def _print_table(title: str, rows: Rows) -> None:
    from rich.table import Table
    from rich.text import Text

    from chronas.reports.terminal import Terminal

    table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False)
    table.add_column(style="cyan", overflow="fold")
    for _ in range(len(rows[0]) - 1):
        table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Terminal()
    console.print(table)
    console.print()


def _one(kind: str, name: str) -> None:
    """The settings of one space, method or recipe."""
    if kind in ("spaces", "methods"):
        registry: Registry[Any] = SPACES if kind == "spaces" else METHODS
        entry = registry.entry(name)
        group, made = kind[:-1], entry.load()
        print(f"{entry.name}: {entry.summary}" + (f"  ({entry.paper})" if entry.paper else "") + "\n")
        _print_settings(group, made.Settings, made.Settings())
        if kind == "methods" and made.presets:
            _print_table("Presets", [(preset, _assigned(values)) for preset, values in made.presets.items()])
    elif kind == "recipes":
        if name not in RECIPES:
            raise UnknownNameError("recipe", name, RECIPES)
        _print_settings("recipe", type(RECIPES[name]), RECIPES[name])
    else:
        raise UsageError(f"`chronas list {kind}` takes no name. See: chronas list --help")


def _print_settings(group: str, kind: type[Any], values: Any) -> None:
    docs = setting_docs(kind)
    fields = [field for field in dataclasses.fields(kind) if field.name != "name"]
    rows = [(f"{group}.{f.name}", _shown(getattr(values, f.name)), docs.get(f.name, "")) for f in fields]
    if rows:
        _print_table("Settings, with --set", rows)
    else:
        print("It has no settings.")


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) or "()" if isinstance(value, tuple) else str(value)


def setting_docs(kind: type[Any]) -> dict[str, str]:
    """What the docstring of a settings class says of each field.

    Read where a line, or a part after ";", begins with names of fields: "lr, lr_end   rates" or "lr: rate".
    """
    known = {field.name for field in dataclasses.fields(kind)}
    docs: dict[str, str] = {}
    names: Sequence[str] = ()
    for line in (inspect.getdoc(kind) or "").splitlines():
        for place, part in enumerate(re.split(r";\s+", line.strip())):
            found = re.match(r"([a-z_]+(?:, [a-z_]+)*)(?:\s{2,}|: )(.*)", part)
            if found and set(named := found.group(1).split(", ")) <= known:
                names = named
                docs |= {name: found.group(2) for name in named}
            else:
                docs |= {name: f"{docs[name]}{'; ' if place else ' '}{part}".strip() for name in names}
    return docs
