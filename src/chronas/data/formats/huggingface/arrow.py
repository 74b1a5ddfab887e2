"""Arrow files of images, as `save_to_disk` and the cache of Hugging Face write them; mapped into memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from chronas.data.formats.huggingface.features import is_binary
from chronas.data.formats.huggingface.shards import Shard
from chronas.data.raw import Member

FILE_FORMAT = b"ARROW1"
MOST_OPEN = 1024


class ArrowShard(Shard):
    """An Arrow file, of the streaming or the random access kind."""

    def __init__(self, file: Path) -> None:
        import pyarrow as pa

        super().__init__(file)
        about = file.stat()
        self._mark = f"{about.st_size}\0{about.st_mtime_ns}"
        try:
            self._table = mapped(str(file), self._mark)
        except (pa.ArrowException, OSError) as error:
            raise self.damaged(error) from None
        self.schema, self.rows = self._table.schema, self._table.num_rows
        self.nbytes = about.st_size

    def column(self, name: str, part: str | None = None) -> Any:
        """As of `Shard.column`."""
        found = self._table.column(name)
        return found if part is None else _field(found, part)

    def contents(self, name: str, hold: bool) -> list[Member | None]:
        """As of `Shard.contents`; never held, for the system keeps what was read as long as it can."""
        import pyarrow.compute as pc

        sizes = pc.binary_length(_bytes(self._table, name)).to_pylist()
        return [
            None if size is None else ArrowCell(str(self.file), self._mark, name, row, size)
            for row, size in enumerate(sizes)
        ]


@lru_cache(maxsize=MOST_OPEN)
def mapped(file: str, mark: str) -> Any:
    """The table in a file, its contents left on the disk; `mark` changes with the file. Raises Arrow's errors."""
    import pyarrow as pa

    source = pa.memory_map(file)
    if source.size() and source.read(len(FILE_FORMAT)) == FILE_FORMAT:
        return pa.ipc.open_file(source).read_all()
    source.seek(0)
    return pa.ipc.open_stream(source).read_all()


def _field(column: Any, part: str) -> Any:
    import pyarrow.compute as pc

    return pc.struct_field(column, [part])


def _bytes(table: Any, name: str) -> Any:
    column = table.column(name)
    return column if is_binary(column.type) else _field(column, "bytes")


@dataclass(frozen=True)
class ArrowCell(Member):
    """An image in a row of an Arrow file."""

    file: str
    mark: str
    column: str
    row: int
    size: int

    @property
    def nbytes(self) -> int:
        """As of `Member.nbytes`."""
        return self.size

    def read(self) -> bytes:
        """As of `Member.read`."""
        import pyarrow as pa

        try:
            cell = mapped(self.file, self.mark).column(self.column)[self.row].as_py()
        except pa.ArrowException as error:
            raise ValueError(f"{self.file} is damaged: {error}") from None
        content: bytes = cell if isinstance(cell, bytes) else cell["bytes"]
        return content

    def stamp(self) -> str:
        """As of `Member.stamp`."""
        return f"{self.file}\0{self.mark}\0{self.column}\0{self.row}"
