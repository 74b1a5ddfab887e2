"""The verbs: their names, modules, and the words of `chronas --help`."""

from __future__ import annotations

from dataclasses import dataclass

import chronas


@dataclass(frozen=True)
class Verb:
    """One verb. `usage`: its most common words; `summary`: what it does."""

    module: str
    usage: str
    summary: str


VERBS = {
    "demo": Verb("chronas.cli.demo", "", "the whole job on bundled real data, a few minutes on a laptop"),
    "fit": Verb("chronas.cli.fit", "DATA --budget 2h", "search, train, test and report, in that time altogether"),
    "search": Verb("chronas.cli.search", "DATA --budget 30m", "only search an architecture"),
    "train": Verb("chronas.cli.train", "RUN DATA --budget 1h", "train a found architecture from scratch"),
    "resume": Verb("chronas.cli.resume", "RUN", "go on with a run that was stopped or killed"),
    "report": Verb("chronas.cli.report", "RUN", "write the HTML report of a run, finished or not"),
    "show": Verb("chronas.cli.show", "RUN|ARCHITECTURE", "an architecture, its layers and its cost"),
    "predict": Verb("chronas.cli.predict", "RUN IMAGE...", "class and probability of images"),
    "export": Verb(
        "chronas.cli.export", "RUN --format onnx", "the trained network as onnx, torch, safetensors or python"
    ),
    "score": Verb("chronas.cli.score", "DATA --space S", "score untrained networks by proxies"),
    "compare": Verb("chronas.cli.compare", "TABLE --methods A,B", "methods side by side on a published table"),
    "import-table": Verb("chronas.cli.import_table", "KIND SOURCE", "published benchmark files into one table"),
    "list": Verb("chronas.cli.listing", "[KIND [NAME]]", "spaces, methods, proxies, benchmarks, recipes, data"),
}


def overview() -> str:
    """The text of `chronas --help`."""
    wide = max(len(f"{name} {verb.usage}") for name, verb in VERBS.items())
    lines = [f"  chronas {f'{name} {verb.usage}'.ljust(wide)}  {verb.summary}" for name, verb in VERBS.items()]
    return "\n".join([
        f"Chronas {chronas.__version__}: neural architecture search within the time you have.", "",
        *(line.rstrip() for line in lines), "",
        "Every command explains its words: chronas fit --help. Start with: chronas demo",
    ])  # fmt: skip
