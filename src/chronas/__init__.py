"""Neural architecture search within the time you have."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "search": "chronas.api",
    "fit": "chronas.api",
    "train": "chronas.api",
    "resume": "chronas.api",
    "score": "chronas.scoring",
    "Options": "chronas.api",
    "RunResult": "chronas.api",
    "Architecture": "chronas.architecture",
    "make_space": "chronas.architecture",
    "Budget": "chronas.budget",
    "Task": "chronas.task",
    "SPACES": "chronas.spaces",
    "METHODS": "chronas.methods",
    "PROXIES": "chronas.proxies",
    "BENCHMARKS": "chronas.benchmarks",
    "ChronasError": "chronas.errors",
    "UsageError": "chronas.errors",
    "DataError": "chronas.errors",
    "load": "chronas.data.load",
    "load_bundle": "chronas.deploy.bundle",
    "predict": "chronas.deploy.predict",
    "export": "chronas.deploy.export",
    "write_report": "chronas.reports.html",
}

__all__ = ["__version__", *_LAZY]


def __getattr__(name: str) -> Any:
    """Public names are imported when they are used, so `import chronas` stays fast and free of torch."""
    if name not in _LAZY:
        raise AttributeError(f"module 'chronas' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
