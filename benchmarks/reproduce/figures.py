"""Figures of NASWOT (Mellor et al. 2021) from what is measured here: figures.py figure1, figure3, ..., figure7.

Each writes NAME.svg, NAME.json (numbers, command, machine in words, seeds) and NAME.md, piece by piece: the same
command goes on where it was.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import ablation_figure
import kernel_figure
import score_figures
import time_figure
import training_figure
import untrained  # puts the folder of the shared parts on the path
from untrained import Figure, Scorer, Tables

from common import Record, parser, until_out_of_time

FIGURES: dict[str, Figure] = {
    "figure1": kernel_figure.FIGURE,
    "figure3": score_figures.SCORES,
    "figure4": score_figures.PROXIES,
    "figure5": ablation_figure.FIGURE,
    "figure6": training_figure.FIGURE,
    "figure7": time_figure.FIGURE,
}
SHARED_SETTING = ("networks", "batch_size", "in_flight", "device")


def main(argv: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if argv is None else list(argv)
    if not given or given[0] not in FIGURES:
        lines = [f"  {name}  {figure.summary}" for name, figure in FIGURES.items()]
        print("\n".join(["Choose one:", *lines]), file=sys.stderr)
        return 2
    return _make(given[0], FIGURES[given[0]], given)


def _make(name: str, figure: Figure, given: Sequence[str]) -> int:
    made = parser("reproduce/figures", figure.summary)
    made.add_argument("figure", choices=[name])
    untrained.add_words(made, networks=figure.networks, tables=figure.tables)
    figure.words(made)
    made.set_defaults(name=f"naswot_{name}")
    words = made.parse_args(given)
    if words.small:
        vars(words).update(figure.small)
    setting = {key: getattr(words, key) for key in (*SHARED_SETTING, *figure.setting) if hasattr(words, key)}
    record = Record.open(words, setting, given)
    with until_out_of_time() as finished, Tables(words.shared) as tables:
        figure.measure(Scorer(words, record, tables))
    picture = record.path.with_suffix(".svg")
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(figure.draw(record), encoding="utf-8")
    record.close(f"NASWOT, {figure.title[0].lower()}{figure.title[1:]}",
                 [f"![{figure.title}]({picture.name})", *figure.blocks(record)], finished[0])  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
