"""chronas export: the trained network as a file for use elsewhere."""

from __future__ import annotations

from pathlib import Path

from chronas.cli.unfinished import tell_unfinished
from chronas.cli.words import Namespace, Parser, one_of
from chronas.runs.places import refuse_making, refuse_reading

FORMATS = ("onnx", "torch", "safetensors", "python")
SUFFIXES = {"onnx": ".onnx", "torch": ".pt2", "safetensors": "", "python": ".py"}


def parser() -> Parser:
    """RUN --format F [--out]."""
    made = Parser("export", "Write the trained network of a run for use elsewhere; the file is checked after writing.")
    made.add_argument("run", metavar="RUN", help="a run folder, or a model folder")
    made.option("--format", metavar="F", type=one_of("export format", FORMATS), required=True,
                help="onnx, torch (torch.export), safetensors, or python (a plain torch module)")  # fmt: skip
    made.option("--out", metavar="FILE", help="where to (default: RUN/export/network with the format's ending)")
    return made


def run(words: Namespace, started: float) -> int:
    """One call of `chronas.deploy.export.export`."""
    from chronas.deploy.bundle import load_bundle
    from chronas.deploy.export import export

    source = Path(words.run).expanduser()
    home = source if source.is_dir() else source.parent
    default = home / "export" / f"network{SUFFIXES[words.format]}"
    out = Path(words.out).expanduser() if hasattr(words, "out") else default
    refuse_reading(source)
    refuse_making(out)
    bundle = load_bundle(source)
    tell_unfinished(bundle, source)
    print(export(bundle, words.format, out))
    return 0
