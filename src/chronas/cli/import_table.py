"""chronas import-table: published benchmark files, once, into one memory-mapped table."""

from __future__ import annotations

from pathlib import Path

from chronas.benchmarks import BENCHMARKS, import_table
from chronas.cli.words import Namespace, Parser, one_of
from chronas.runs.places import refuse_making


def parser() -> Parser:
    """KIND SOURCE --out FILE [--partial]."""
    wide = max(len(name) for name in BENCHMARKS.names())
    notes = "KIND is one of\n" + "\n".join(f"  {entry.name.ljust(wide)}  {entry.summary}" for entry in BENCHMARKS)
    made = Parser("import-table", "Convert published benchmark files into one table file, once.", notes=notes)
    made.add_argument("kind", metavar="KIND", type=one_of("benchmark", BENCHMARKS.names()), help="which table it is")
    made.add_argument("source", metavar="SOURCE", help="the official file or folder, as downloaded and unpacked")
    made.option("--out", metavar="FILE", required=True, help="the table to write, for example nats-size.table")
    made.option("--partial", action="store_true", help="take a source of which only some rows are there")
    return made


def run(words: Namespace, started: float) -> int:
    """One call of `chronas.benchmarks.import_table`; prints what the table holds."""
    out = Path(words.out).expanduser()
    refuse_making(out)
    table = import_table(words.kind, words.source, out, partial=getattr(words, "partial", False))
    print(table.describe())
    print(f"written to {out} ({out.stat().st_size / 1e6:.1f} MB). Use it as: chronas compare {out}")
    return 0
