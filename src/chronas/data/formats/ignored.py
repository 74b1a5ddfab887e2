"""What is never data: hidden files, what systems and programs leave behind, Chronas' own runs."""

from __future__ import annotations

from pathlib import Path

HIDDEN_FOLDERS, SYSTEM_FOLDERS = "in hidden folders", "in folders of the system"
HIDDEN_FILES, SYSTEM_FILES = "hidden files", "of the system"
RUNS, CACHES = "Chronas runs", "caches"

_SYSTEM_FOLDERS = frozenset((
    "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin", "recycler", "lost+found",
    "system volume information", "found.000",
))  # fmt: skip
_SYSTEM_FILES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "ds_store"))
CACHE_TAG = "CACHEDIR.TAG"
"""The usual mark of a folder that a program can make anew (https://bford.info/cachedir/)."""


def ignored_folder(name: str) -> str | None:
    """Why a folder of this name is never data, None where it may be."""
    if name.startswith("."):
        return HIDDEN_FOLDERS
    # __MACOSX in archives, __pycache__.
    return SYSTEM_FOLDERS if name.startswith("__") or name.lower() in _SYSTEM_FOLDERS else None


def ignored_file(name: str) -> str | None:
    """Why a file of this name is never data, None where it may be."""
    if name.startswith("."):
        return HIDDEN_FILES
    return SYSTEM_FILES if name.lower() in _SYSTEM_FILES else None


def is_run(files: list[str]) -> bool:
    """Whether a folder with these files is a run of Chronas, or one that was being made."""
    return "journal.jsonl" in files and ("spec.json" in files or "lock" in files)


def inside_note(out: str | Path, data: object) -> str | None:
    """What to say where the run is written inside the images, None where it is not.

    Args:
        out: the folder of the run.
        data: what was given as data; anything but the path of a folder has no inside.

    Returns:
        A sentence for the user.
    """
    if not isinstance(data, str | Path):
        return None
    try:
        folder, run = Path(data).expanduser().resolve(), Path(out).expanduser().resolve()
        if not folder.is_dir() or not run.is_relative_to(folder):
            return None
    except (OSError, RuntimeError):  # a loop of links, no home folder: reading or writing will tell
        return None
    return (
        f"The run is written inside the folder of images ({run.relative_to(folder)}). Runs are never taken for images,"
        " but other programs may do so: --out FOLDER puts them elsewhere."
    )
