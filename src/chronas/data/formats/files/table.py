"""Reading a table of labels: CSV or TSV in the forms that spreadsheets and programs write."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import dataclass

from chronas.data.formats.files.tree import is_image
from chronas.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl")
DELIMITERS = ("\t", ";", ",", "|")


@dataclass(frozen=True)
class Table:
    """Columns and rows of text.

    name     of its file, for messages
    header   the names of the columns; "1", "2" ... where the first row is data already
    rows     the cells of each row, as many as columns
    lines    the line of each row in the file
    """

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def column(self, name: str, option: str) -> int:
        """The place of the column `name`, in any case of letters. Raises DataError naming `option`."""
        wanted = name.strip()
        for header in (self.header, tuple(one.lower() for one in self.header)):
            if header.count(wanted) == 1:
                return header.index(wanted)
            wanted = wanted.lower()
        raise DataError(f"{self.name} has no column {name!r} ({option}). Its columns: {', '.join(self.header)}.")


def parse_table(content: bytes, name: str) -> Table:
    """The table in a file: UTF-8, UTF-16 or Windows-1252; separated by tab, semicolon, comma or bar.

    Args:
        content: the bytes of the file.
        name: how messages name it.

    Raises:
        DataError: for a file that is no table, or a row of another length than the header.
    """
    text = _text(content, name)
    if name.lower().endswith(".jsonl"):
        return _json_lines(text, name)
    first = next((line for line in text.splitlines() if line.strip()), "")
    rows, lines = _cells(text, _delimiter(first, name), name)
    if not rows:
        raise DataError(f"{name} is empty: a table of labels has a row for each image, below a header.")
    header = rows[0]
    if any(is_image(cell.strip()) for cell in header):
        header = tuple(str(place + 1) for place in range(len(header)))
    else:
        rows, lines = rows[1:], lines[1:]
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise DataError(
                f"{name}, line {line}: {len(row)} cell(s) where the header has {len(header)} columns "
                f"({', '.join(header)}). Put names that hold the separator into quotes."
            )
    return Table(name, tuple(one.strip() for one in header), tuple(rows), tuple(lines))


def _text(content: bytes, name: str) -> str:
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    if "\0" in text:
        raise DataError(f"{name} is no table of text: it holds zero bytes. Save it as CSV.")
    return text


def _delimiter(line: str, name: str) -> str | None:
    """The separator of the first line; None: white space, as in lists of files."""
    if name.lower().endswith(".tsv"):
        return "\t"
    plain = "".join(part for place, part in enumerate(line.split('"')) if place % 2 == 0)
    counts = {one: plain.count(one) for one in DELIMITERS}
    best = max(DELIMITERS, key=counts.__getitem__)
    return best if counts[best] or os.path.splitext(name)[1].lower() in SUFFIXES else None


def _cells(text: str, delimiter: str | None, name: str) -> tuple[list[tuple[str, ...]], list[int]]:
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    if delimiter is None:
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                rows.append(tuple(line.rsplit(None, 1)))
                lines.append(number)
        return rows, lines
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(tuple(row))
                lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(f"{name}, line {reader.line_num}: this is no table: {error}.") from None
    return rows, lines


def _json_lines(text: str, name: str) -> Table:
    """Hugging Face's metadata.jsonl: an object on each line."""
    found: list[dict[str, object]] = []
    lines = [number for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, line in zip(lines, (line for line in text.split("\n") if line.strip()), strict=True):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{name}, line {number}: this is no JSON: {error}.") from None
        if not isinstance(row, dict):
            raise DataError(f"{name}, line {number}: an object is needed, not {type(row).__name__}.")
        found.append(row)
    header = tuple(dict.fromkeys(key for row in found for key in row))
    rows = tuple(tuple("" if row.get(key) is None else str(row[key]) for key in header) for row in found)
    return Table(name, header, rows, tuple(lines))
