"""Parquet files of images: rows read group by group, and images that stay in the file until they are wanted."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chronas.data.formats.huggingface.shards import Shard
from chronas.data.raw import Held, Member


class ParquetShard(Shard):
    """A Parquet file."""

    kind = "Parquet"

    def __init__(self, file: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        super().__init__(file)
        try:
            with pq.ParquetFile(file) as opened:
                self.schema, self._about = opened.schema_arrow, opened.metadata
        except (pa.ArrowException, OSError) as error:
            raise self.damaged(error) from None
        self.rows = self._about.num_rows
        self.nbytes = sum(self._about.row_group(i).total_byte_size for i in range(self._about.num_row_groups))

    def column(self, name: str, part: str | None = None) -> Any:
        """As of `Shard.column`; of a struct only the part is read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.file) as opened:
                found = opened.read(columns=[name if part is None else f"{name}.{part}"]).column(name)
        except (pa.ArrowException, OSError) as error:
            raise self.damaged(error) from None
        return found if part is None else _field(found, part)

    def contents(self, name: str, hold: bool) -> list[Member | None]:
        """As of `Shard.contents`."""
        import pyarrow as pa

        found: list[Member | None] = []
        about = self.file.stat()
        mark = f"{self.file}\0{about.st_size}\0{about.st_mtime_ns}\0{name}"
        for group in range(self._about.num_row_groups):
            about_group = self._about.row_group(group)
            whole = self._has_all(group, name)
            each = about_group.total_byte_size // max(1, about_group.num_rows)
            if whole is not None and not hold:
                found += [
                    ParquetCell(str(self.file), name, group, row, each, mark) if whole else None
                    for row in range(about_group.num_rows)
                ]
                continue
            try:
                cells = read_cells(str(self.file), group, name).to_pylist()
            except (pa.ArrowException, OSError) as error:
                raise self.damaged(error) from None
            for row, content in enumerate(cells):
                if not content:
                    found.append(None)
                    continue
                cell = ParquetCell(str(self.file), name, group, row, len(content) if whole is None else each, mark)
                found.append(Held(cell, content) if hold else cell)
        return found

    def _has_all(self, group: int, name: str) -> bool | None:
        """Whether all rows of a group have an image, or none has; None where its statistics do not tell."""
        about = self._about.row_group(group)
        for place in range(about.num_columns):
            one = about.column(place)
            if one.path_in_schema in (name, f"{name}.bytes") and one.statistics is not None:
                nulls = one.statistics.null_count if one.statistics.has_null_count else None
                return {0: True, about.num_rows: False}.get(nulls)
        return None


def _field(column: Any, part: str) -> Any:
    import pyarrow.compute as pc

    return pc.struct_field(column, [part])


def read_cells(file: str, group: int, name: str) -> Any:
    """The encoded images of a row group as one Arrow array. Raises OSError and Arrow's errors."""
    import pyarrow.parquet as pq

    # Without threads: a process that was forked may have none of those that Arrow believes in.
    with pq.ParquetFile(file) as opened:
        found = opened.read_row_group(group, columns=[name], use_threads=False).column(name)
    kind = found.type
    if hasattr(kind, "num_fields") and kind.num_fields and "bytes" in [field.name for field in kind]:
        found = _field(found, "bytes")
    return found


@dataclass(frozen=True)
class ParquetCell(Member):
    """An image in a row of a Parquet file.

    group, row   its place
    size         its bytes, or the mean of its group
    mark         tells file, size and time
    """

    file: str
    column: str
    group: int
    row: int
    size: int
    mark: str

    @property
    def nbytes(self) -> int:
        """As of `Member.nbytes`; about."""
        return self.size

    def read(self) -> bytes:
        """As of `Member.read`. The row group is kept, since its other rows are usually wanted next."""
        import pyarrow as pa

        key = (self.mark, self.group)
        if getattr(_latest, "key", None) != key:
            try:
                _latest.cells = read_cells(self.file, self.group, self.column)
            except pa.ArrowException as error:
                raise ValueError(f"{self.file} is damaged: {error}") from None
            _latest.key = key
        content: bytes = _latest.cells[self.row].as_py()
        return content

    def stamp(self) -> str:
        """As of `Member.stamp`."""
        return f"{self.mark}\0{self.group}\0{self.row}"


_latest = threading.local()
"""The row group that each thread read last: a Parquet file is compressed by the group, so rows have no place alone."""
