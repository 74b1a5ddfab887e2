"""Search, train and test on scikit-learn's digits within half a minute, from Python."""

from __future__ import annotations

import sys
from pathlib import Path

import chronas


def main(out: Path, budget: str = "30s") -> None:
    """Write the run to `out` and print what came of it."""
    options = chronas.Options(
        space="superkernel",
        method="nasib",
        settings={"space": {"layers": 4, "width": 8, "m": 3}},
        baselines=("random",),
    )
    result = chronas.fit("digits", budget=budget, out=out, options=options)
    for name in ("found", "random"):
        row = result.network(name)
        assert row is not None
        print(
            f"{name:8} {row['notation']:24} {row['test_accuracy']:.1f} % of the test images, {row['params']} parameters"
        )
    print("report:", result.report)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
