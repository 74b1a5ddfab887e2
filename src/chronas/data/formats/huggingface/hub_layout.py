"""Which files of a Hugging Face data set belong to which configuration and part, told by their names."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chronas.data.formats.files.source import is_folder
from chronas.data.formats.ignored import ignored_folder
from chronas.data.options import DataOptions
from chronas.data.raw import PART_OF_NAME
from chronas.errors import DataError, UnknownNameError

PARQUET, ARROW = ".parquet", ".arrow"
SAVED, SAVED_PART, INFO = "dataset_dict.json", "state.json", "dataset_info.json"
DEEPEST = 3
LOOK = 24
"""Of a folder inside so many names are looked at: one with other files first is none of Parquet files."""

_PARTS = "|".join(sorted(PART_OF_NAME, key=len, reverse=True))
IN_NAME = re.compile(rf"(?<![a-z])({_PARTS})(?:set)?(?![a-z])", re.IGNORECASE)
FOLDER = re.compile(rf"(?:partial-)?({_PARTS})", re.IGNORECASE)
SHARD = re.compile(r"(?P<stem>.*?)-?(?P<number>\d+)-of-(?P<total>\d+)")
ONLY_NUMBERS = re.compile(r"(data|part|shard|file)?[-_]?\d+(-of-\d+)?", re.IGNORECASE)
DEFAULT = "default"


@dataclass
class Files:
    """The files of each part (train always there), names of files that are not used by reason, and notes."""

    parts: Mapping[str, Sequence[Path]]
    left_out: dict[str, list[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def holds_files(path: Path) -> bool:
    """Whether this is a file of such a data set, or a folder of one."""
    if path.is_file():
        return path.suffix in (PARQUET, ARROW)
    if _saved(path) or _listed(path, PARQUET, 0) or _listed(path / "data", PARQUET, 0):
        return True
    return any(_named(file, path)[1] for file in _listed(path, (PARQUET, ARROW), DEEPEST))


def find_files(path: Path, options: DataOptions) -> Files:
    """The files of the parts.

    Args:
        path: a file (all of it training images) or a folder.
        options: `config_name` chooses the configuration.

    Returns:
        The files of train, and of val and test where they are there.

    Raises:
        UnknownNameError: for a configuration that does not exist.
        DataError: for several configurations, none of which is the usual one; for no training files.
    """
    if path.is_file():
        return Files({"train": [path]})
    suffix = ARROW if _saved(path) or not _listed(path, PARQUET, DEEPEST) else PARQUET
    configs: dict[str, dict[str | None, list[Path]]] = {}
    for file in _listed(path, suffix, DEEPEST):
        config, part = _named(file, path)
        configs.setdefault(config, {}).setdefault(part, []).append(file)
    chosen = _configuration(path, sorted(configs), options.config_name)
    notes = _others(configs, chosen)
    parts = configs[chosen]
    unnamed = parts.pop(None, [])
    if not parts and (len(unnamed) == 1 or all(ONLY_NUMBERS.fullmatch(file.stem) for file in unnamed)):
        parts, unnamed = {"train": unnamed}, []
    if "train" not in parts:
        names = [file.name for files in (*parts.values(), unnamed) for file in files]
        raise DataError(
            f"{path} has {suffix} files but none of training images: no name starts with 'train' and no folder is "
            f"called train (found: {', '.join(names[:5])}). Rename them, or give one file."
        )
    kept: dict[str, Sequence[Path]] = {part: parts[part] for part in ("train", "val", "test") if part in parts}
    if suffix == ARROW:
        kept = {part: _told(files) for part, files in kept.items()}
    for part, files in kept.items():
        notes += _incomplete(part, files)
    left = {"of no known part": [file.name for file in unnamed]} if unnamed else {}
    return Files(kept, left, tuple(notes))


def _saved(path: Path) -> bool:
    return (path / SAVED).is_file() or ((path / SAVED_PART).is_file() and (path / INFO).is_file())


def _listed(folder: Path, suffix: str | tuple[str, ...], deeper: int, inner: bool = False) -> list[Path]:
    """The files with an ending in a folder and in those inside, sorted."""
    files, folders = [], []
    try:
        with os.scandir(folder) as entries:
            for seen, entry in enumerate(entries):
                if entry.name.endswith(suffix) and not entry.name.startswith((".", "cache-")):
                    files += [Path(entry.path)] if os.path.isfile(entry.path) else []
                elif deeper and is_folder(entry) and not ignored_folder(entry.name):
                    folders.append(Path(entry.path))
                if inner and seen >= LOOK and not files and not folders:
                    break
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    found = [file for one in folders for file in _listed(one, suffix, deeper - 1, True)]
    return sorted([*files, *found])


def _named(file: Path, root: Path) -> tuple[str, str | None]:
    """Configuration ("" for that of the root) and part of a file, told by its name and those of its folders."""
    folders = [name for name in file.relative_to(root).parts[:-1] if name != "data"]
    in_name = IN_NAME.search(file.stem)
    part = PART_OF_NAME[in_name[1].lower()] if in_name else None
    if folders:
        match = FOLDER.fullmatch(folders[-1])
        if match and part in (None, PART_OF_NAME[match[1].lower()]):
            part = PART_OF_NAME[match[1].lower()]
            folders.pop()
    return "/".join(folders), part


def _configuration(path: Path, names: Sequence[str], asked: str | None) -> str:
    if asked is not None:
        wanted = asked if asked in names else "" if asked == DEFAULT else asked
        if wanted not in names:
            raise UnknownNameError(f"configuration in {path}", asked, [name or DEFAULT for name in names])
        return wanted
    usual = [name for name in names if len(names) == 1 or name in ("", DEFAULT)]
    if not usual:
        raise DataError(f"{path} has {len(names)} configurations: {', '.join(names)}. --config-name NAME chooses one.")
    return usual[0]


def _others(configs: Iterable[str], chosen: str) -> list[str]:
    others = [name or DEFAULT for name in sorted(configs) if name != chosen]
    if not others:
        return []
    return [
        f"Of several configurations {chosen or DEFAULT!r} is read; --config-name NAME chooses: {', '.join(others)}."
    ]


def _incomplete(part: str, files: Sequence[Path]) -> list[str]:
    """A note where a file of a numbered row is lacking."""
    notes = []
    rows: dict[tuple[str, int], set[int]] = {}
    for file in files:
        match = SHARD.fullmatch(file.stem)
        if match:
            rows.setdefault((match["stem"], int(match["total"])), set()).add(int(match["number"]))
    for (stem, total), there in rows.items():
        lacking = sorted(set(range(total)) - there)
        if lacking:
            some = ", ".join(map(str, lacking[:5])) + (", ..." if len(lacking) > 5 else "")
            notes.append(f"Only {total - len(lacking)} of {total} files {stem or part}-*-of-{total:05} are there "
                         f"(lacking: number {some}).")  # fmt: skip
    return notes


def _told(files: Sequence[Path]) -> list[Path]:
    """Those of the files that `save_to_disk` says are the data, where it says so.

    Raises DataError where one of them is not there.
    """
    folder = files[0].parent
    try:
        listed = json.loads((folder / SAVED_PART).read_text(encoding="utf-8"))["_data_files"]
        told = [folder / str(one["filename"]) for one in listed]
    except (OSError, ValueError, KeyError, TypeError):
        return list(files)
    lacking = [file.name for file in told if not file.is_file()]
    if lacking:
        raise DataError(f"{folder} lacks {', '.join(lacking[:5])}, which {SAVED_PART} says is part of the data.")
    return told or list(files)
