"""Published tables: metrics at a fidelity with a simulated price. Imports no torch, and NumPy only when one is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from chronas.errors import TableError, UnknownNameError
from chronas.registry import Registry

if TYPE_CHECKING:
    from chronas.benchmarks.contents import Contents
    from chronas.benchmarks.table import Table, TableRow

Importer: TypeAlias = "Callable[[Path, bool], Contents]"
"""Reads a source as it is distributed; the flag admits one of which only a part is there."""

SHIPPED = Path(__file__).parent / "data"
SUFFIX = ".table"

BENCHMARKS: Registry[Importer] = Registry("benchmark")
"""Tables by name; an entry that needs "file" does not ship and is made with `import_table`."""

_HERE = "chronas.benchmarks.importers"
BENCHMARKS.add(
    "nasbench201",
    f"{_HERE}.nasbench201:read",
    "all 15,625 NAS-Bench-201 cells on CIFAR-10, CIFAR-100 and ImageNet16-120; comes with the package",
    paper="Dong and Yang 2020",
)
BENCHMARKS.add(
    "natsbench_tss",
    f"{_HERE}.natsbench:read_topology",
    "NATS-Bench, topology: the folder NATS-tss-v1_0-...-simple",
    paper="Dong et al. 2021",
    needs={"file"},
)
BENCHMARKS.add(
    "natsbench_sss",
    f"{_HERE}.natsbench:read_size",
    "NATS-Bench, size: the folder NATS-sss-v1_0-...-simple",
    paper="Dong et al. 2021",
    needs={"file"},
)
BENCHMARKS.add(
    "nasbench101",
    f"{_HERE}.nasbench101:read",
    "NAS-Bench-101: nasbench_only108.tfrecord or nasbench_full.tfrecord",
    paper="Ying et al. 2019",
    needs={"file"},
)
BENCHMARKS.add(
    "nasbench101_sample",
    f"{_HERE}.sample101:read",
    "500 graphs of NAS-Bench-101: nasbench101_500.parquet",
    paper="Ying et al. 2019",
    needs={"file", "parquet"},
)
BENCHMARKS.add(
    "ecnas_4v",
    f"{_HERE}.ecnas:read_4v",
    "EC-NAS, the 91 cells of at most 4 nodes at four budgets: ecnas_4v.parquet",
    paper="Bakhtiarifard et al. 2022",
    needs={"file", "parquet"},
)
BENCHMARKS.add(
    "ecnas_5v",
    f"{_HERE}.ecnas:read_5v",
    "EC-NAS, 2,532 cells of at most 5 nodes at 4 epochs: ecnas_5v_4epochs.parquet",
    paper="Bakhtiarifard et al. 2022",
    needs={"file", "parquet"},
)
BENCHMARKS.add(
    "nasbench_macro",
    f"{_HERE}.macro:read",
    "NAS-Bench-Macro, 6,561 chains of eight layers, test only: nasbench_macro.parquet",
    paper="Su et al. 2021",
    needs={"file", "parquet"},
)
for _part, _count in (("micro", "4,096 cells"), ("macro", "3,256 networks")):
    BENCHMARKS.add(
        f"transnas_{_part}",
        f"{_HERE}.transnas:read_{_part}",
        f"TransNAS-Bench-101, {_count} on seven tasks: {_part}.parquet",
        paper="Duan et al. 2021",
        needs={"file", "parquet"},
    )
for _space, _file in (
    ("nasnet", "NASNet"),
    ("amoebanet", "Amoeba"),
    ("pnas", "PNAS"),
    ("enas", "ENAS"),
    ("darts", "DARTS"),
):
    BENCHMARKS.add(
        f"nds_{_space}",
        f"{_HERE}.nds:read_{_space}",
        f"NDS, random networks of {_file} cells, test only: {_file}.json",
        paper="Radosavovic et al. 2019",
        needs={"file"},
    )

__all__ = ["BENCHMARKS", "Table", "TableRow", "import_table", "load"]


def __getattr__(name: str) -> Any:
    """`Table` and `TableRow` are imported when they are used, so listings stay fast."""
    if name not in ("Table", "TableRow"):
        raise AttributeError(f"module 'chronas.benchmarks' has no attribute {name!r}")
    from chronas.benchmarks import table

    return getattr(table, name)


def load(name: str | Path) -> Table:
    """The table that ships under `name`, or the one in the file `name`.

    Raises UnknownNameError for a name that is neither, TableError for a damaged file or a table that does not ship.
    """
    from chronas.benchmarks.table import Table

    shipped = SHIPPED / f"{name}{SUFFIX}"
    if str(name) in BENCHMARKS and shipped.is_file():
        return Table(shipped)
    path = Path(name).expanduser()
    if path.is_file():
        return Table(path)
    if str(name) in BENCHMARKS:
        raise TableError(
            f"The table {str(name)!r} does not come with the package ({BENCHMARKS.entry(str(name)).summary})."
            f" Make it once: chronas import-table {name} SOURCE --out {name}{SUFFIX}, then give that file."
        )
    if path.suffix or len(path.parts) > 1:
        raise TableError(f"There is no table file {path}.")
    raise UnknownNameError("benchmark", str(name), BENCHMARKS.names())


def import_table(kind: str, source: str | Path, out: str | Path, *, partial: bool = False) -> Table:
    """Convert the published files `source` into the one memory-mapped file `out`, once, and open it.

    `kind` is a name in BENCHMARKS; `partial` admits a source of which only some rows are there. Raises
    UnknownNameError, TableError naming the file and what to do, or EnvironmentFault (pyarrow missing, disk full).
    """
    importer = BENCHMARKS.load(BENCHMARKS.entry(kind).name)
    start, end = Path(source).expanduser(), Path(out).expanduser()
    if not start.exists():
        raise TableError(f"There is no {start}. Give the file or folder as it was downloaded and unpacked.")
    if end.is_dir() or not end.parent.is_dir():
        raise TableError(f"Cannot write the table to {end}: give a file in a folder that exists, with --out.")
    from chronas.benchmarks.container import write
    from chronas.benchmarks.table import Table

    write(end, importer(start, partial))
    return Table(end)
