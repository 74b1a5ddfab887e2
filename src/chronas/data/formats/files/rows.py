"""Which image a row of a table means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from chronas.data.formats.files.layout import part_of
from chronas.data.formats.files.tree import is_image, printable
from chronas.errors import DataError

_DRIVE = re.compile(r"^[A-Za-z]:")
End = tuple[str, str | None]
"""The last folders of a path, and its part; None where the part does not matter."""


class ImageNames:
    """The images of a data set, found by what tables write: with folders or without, with the ending or without."""

    def __init__(self, images: Iterable[str], part: Callable[[str], str | None]) -> None:
        """`images` are paths with "/" between names; `part` tells the part of the data that a path lies in."""
        self.images = list(images)
        self._part = part
        self._by_name: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        self._ends: dict[str, dict[End, list[str]]] = {}
        for path in self.images:
            name = printable(path.rpartition("/")[2]).casefold()
            self._by_name.setdefault(name, []).append(path)
            self._by_stem.setdefault(name.rpartition(".")[0], []).append(path)
        self._folders = {name for path in self.images for name in path.split("/")[:-1]}

    def known(self, cell: str) -> bool:
        """Whether a cell can be the name of an image."""
        names = _names(cell)
        return bool(names) and bool(self._named(names[-1]))

    def find(self, cell: str, folder: str = "", part: str | None = None) -> str | None:
        """The image that `cell` names, None where there is none.

        Args:
            cell: a name or a path, of this system or another.
            folder: where the table lies; paths may count from there.
            part: the part of the data that the row belongs to, where that is known.

        Raises:
            DataError: where several images are meant equally well.
        """
        names = _names(cell)
        if not names:
            return None
        whole = [*_names(folder), *names]
        named = self._named(names[-1])
        found = self._nearest(named, whole, part) or [path for path in named if self._agrees(path, names)]
        if len(found) > 1:
            rank = {path: (part is not None and self._part(path) == part, _common(path, whole)) for path in found}
            best = max(rank.values())
            found = [path for path in found if rank[path] == best]
        if len(found) > 1:
            raise DataError(
                f"{cell!r} may mean {' or '.join(map(printable, found[:3]))}. Write the folder into the table too."
            )
        return found[0] if found else None

    def _named(self, name: str) -> list[str]:
        key = name.casefold()
        return self._by_name.get(key) or ([] if is_image(name) else self._by_stem.get(key, []))

    def _nearest(self, named: list[str], whole: list[str], part: str | None) -> list[str]:
        """Of the images `named` alike those that agree with most folders of `whole`, and lie in `part` if any do.

        They are looked up, for there may be as many as there are folders. Empty where none agrees with a folder, or
        those in `part` do not.
        """
        if len(named) < 2:
            return []
        ends = self._ends_of(whole[-1].casefold(), named)
        end, agreed = "", []
        for folder in reversed(whole[:-1]):
            end = f"{folder}/{end}"
            if (end, None) not in ends:
                break
            agreed.append(end)
        if not agreed:
            return []
        if part is None or ("", part) not in ends:
            return ends[agreed[-1], None]
        return next((ends[end, part] for end in reversed(agreed) if (end, part) in ends), [])

    def _ends_of(self, name: str, named: list[str]) -> dict[End, list[str]]:
        """The images of one name by the last folders of their paths, one, two and more of them, and by their parts."""
        if name not in self._ends:
            ends = self._ends[name] = {}
            for path in named:
                part, end = self._part(path), ""
                for folder in ("", *reversed(printable(path).split("/")[:-1])):
                    end = f"{folder}/{end}" if folder else end
                    for key in {(end, None), (end, part)}:
                        ends.setdefault(key, []).append(path)
        return self._ends[name]

    def _agrees(self, path: str, names: list[str]) -> bool:
        """Whether the folders that the row names do not speak against the image: other folders of these images do."""
        folders = path.split("/")[:-1]
        if not folders or len(names) == 1:
            return True
        above = names[-2]
        if above == printable(folders[-1]):
            return True
        parts = {part for name in names[:-1] if (part := part_of(name))}
        return above not in self._folders and not (parts and self._part(path) not in (None, *parts))


def _names(cell: str) -> list[str]:
    """The names in a path of any system: "C:\\\\images\\\\1.png", "./images/1.png"."""
    plain = _DRIVE.sub("", printable(cell.strip())).replace("\\", "/").removeprefix("file://")
    return [name for name in plain.split("/") if name not in ("", ".", "..")]


def _common(path: str, names: list[str]) -> int:
    """How many names agree, counted from the end."""
    count = 0
    for one, other in zip(reversed(printable(path).split("/")[:-1]), reversed(names[:-1]), strict=False):
        if one != other:
            break
        count += 1
    return count
