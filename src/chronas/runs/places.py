"""Places that cannot be: a path below something that is a file."""

from __future__ import annotations

import os
from pathlib import Path

from chronas.errors import RunError, UsageError


def file_above(path: Path) -> Path | None:
    """The file that `path` would have to lie in, where one of its parents is no folder."""
    return next((above for above in path.parents if os.path.exists(above) and not os.path.isdir(above)), None)


def refuse_making(path: Path) -> None:
    """Raise UsageError where nothing can be made at `path`, because a file stands in the way.

    Args:
        path: where a file or a folder is to be made, with the folders above it.

    Raises:
        UsageError: one of the folders above is a file.
    """
    file = file_above(path)
    if file is not None:
        raise UsageError(f"{file} is a file, so no folder can be made in it. Choose another place than {path}.")


def refuse_reading(path: Path) -> None:
    """Raise RunError where nothing can be at `path`, because one of the folders above it is a file."""
    file = file_above(path)
    if file is not None:
        raise RunError(f"There is no {path}: {file} is a file, not a folder.")
