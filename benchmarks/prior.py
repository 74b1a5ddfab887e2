"""Does a prior from untrained networks help NASIB? The same search in a few minutes, with and without it.

Everything found is trained alike, from scratch, with the same seeds. Searches are paired by seed: with and without the
prior they see the same images and begin with the same weights. Equal architectures are trained once, and trainings
are kept beside the results (trainings.jsonl), shared with search_worth.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common import Record, add_setting_words, mean, parser, plus_minus, spread, table, until_out_of_time

NONE = "none"


def main(argv: Sequence[str] | None = None) -> int:
    words = _words(argv)
    from chronas.architecture import Architecture, make_space
    from chronas.data.load import load
    from contenders import Contender, Setting, Trainings

    space_settings = {"layers": words.layers, "width": words.width, "m": words.m}
    names = ("recipe", "epochs", "limit", "layers", "width", "m", "data_seed", "samples", "strength")
    record = Record.open(words, {name: getattr(words, name) for name in names}, argv)
    space = make_space("superkernel", space_settings)
    data = load(words.data, limit=words.limit, seed=words.data_seed)
    # The budget of a setting is that of its searches; trainings do not depend on it.
    setting = Setting(data, space_settings, words.budgets[0], words.recipe, words.epochs, words.limit)
    trainings = Trainings(record.path.with_name("trainings.jsonl"), setting)
    seeds = words.seeds or ((0,) if words.small else (0, 1, 2))

    with until_out_of_time() as finished:
        for seed in seeds:
            for budget in words.budgets:
                searching = dataclasses.replace(setting, budget=budget)
                for proxy in (NONE, *words.proxies):
                    name = f"prior {proxy} {budget}".replace(" ", "-")
                    contender = Contender(name, "nasib", settings=_settings(words, proxy))
                    search = partial(_search, searching, record, contender, seed)
                    found = record.piece(f"search {budget} {proxy} {seed}", search, seed)
                    architecture = Architecture(space, space.parse(found["notation"]))
                    for again in seeds:
                        train = partial(trainings.train, record, architecture, again)
                        record.piece(f"search {budget} {proxy} {seed} training {again}", train, again)
    blocks, aims = tables(record, words.budgets, (NONE, *words.proxies))
    blocks.insert(0, _setting_line(words, data))
    record.close("Does a prior from untrained networks help NASIB?", blocks, finished[0], aims)
    return 0


def _words(argv: Sequence[str] | None) -> argparse.Namespace:
    made = parser("prior", "Test accuracy of what nasib finds with and without a prior from untrained networks.")
    add_setting_words(made)
    made.add_argument("--budgets", type=_list, default=("1m", "5m", "20m"), help="of each search, e.g. 1m,5m,20m")
    made.add_argument("--proxies", type=_list, default=("naswot", "synflow"), help="each of them as the prior")
    made.add_argument("--samples", type=int, default=100, help="networks to score")
    made.add_argument("--strength", type=float, default=1.0, help="of the prior, in standard deviations")
    words = made.parse_args(argv)
    if words.small:
        words.data, words.limit, words.layers, words.width, words.m = "digits", 400, 2, 4, 3
        words.budgets, words.epochs, words.proxies, words.samples = ("0.5 epochs",), 0.2, ("naswot",), 6
    return words


def _list(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _settings(words: argparse.Namespace, proxy: str) -> dict[str, dict[str, str]]:
    if proxy == NONE:
        return {}
    return {
        "method": {"prior_proxy": proxy, "prior_samples": str(words.samples), "prior_strength": str(words.strength)}
    }


def _search(setting: Any, record: Record, contender: Any, seed: int) -> dict[str, Any]:
    """Search once: what `Setting.search` tells, and what became of the prior."""
    folder = record.folder("search", contender.name, str(seed))
    return {**setting.search(record, contender, seed), **prior_of(folder)}


def prior_of(folder: Path) -> dict[str, Any]:
    """From a run's journal: networks scored, the seconds that took, and how well left-out scores are predicted."""
    lines = (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    outcomes = {r["ticket"]: r for r in map(json.loads, lines) if r["kind"] == "outcome"}.values()
    scored = [r for r in outcomes if r["work"].get("fidelity", {}).get("kind") == "proxy"]
    agreed = [r["metrics"]["prior_agreement"] for r in outcomes if "prior_agreement" in r["metrics"]]
    return {
        "scored": sum(r["error"] is None for r in scored),
        "scoring_seconds": sum(r["price"]["seconds"] for r in scored),
        "prior_agreement": agreed[-1] if agreed else None,
    }


def tables(record: Record, budgets: Sequence[str], proxies: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Every prior at every budget beside the search without one, and every search by itself."""
    groups = {(b, p): _searches(record, b, p) for b in budgets for p in proxies}
    rows, aims = [], {}
    for (budget, proxy), found in groups.items():
        if not found:
            continue
        means = [one["mean"] for one in found.values()]
        plain = groups[budget, NONE]
        gaps = [one["mean"] - plain[seed]["mean"] for seed, one in found.items() if seed in plain]
        error = spread(gaps) / math.sqrt(len(gaps)) if len(gaps) > 1 else math.nan
        scored, seconds = (mean([one[name] for one in found.values()]) for name in ("scored", "scoring_seconds"))
        agreed = [one["prior_agreement"] for one in found.values() if one["prior_agreement"] is not None]
        with_prior = proxy != NONE
        compared = with_prior and bool(gaps)
        if compared:
            aims[f"{budget} {proxy}"] = {
                "difference": round(mean(gaps), 3),
                "standard_error": None if math.isnan(error) else round(error, 3),
                "searches": len(gaps),
            }
        rows.append(
            [
                budget,
                proxy,
                len(found),
                plus_minus(means),
                f"{mean(gaps):+.2f}" if compared else "-",
                "-" if not compared or math.isnan(error) else f"{error:.2f}",
                f"{scored:.0f}" if with_prior else "-",
                f"{seconds:.1f}" if with_prior else "-",
                f"{mean(agreed):.2f}" if agreed else "-",
            ]
        )
    head = ("budget", "prior", "searches", "test accuracy, %", "against none, points", "standard error",
            "networks scored", "scoring, s", "left-out correlation")  # fmt: skip
    note = (
        "Test accuracy: mean ± std over searches, each the mean of its trainings. The difference is the mean over "
        "pairs of searches with the same seed, its standard error that of this mean. Left-out correlation: how "
        "well the linear model of options predicts scores that it has not seen; the prior is scaled by it."
    )
    single = [
        [budget, proxy, seed, one["notation"], f"{one['params']:,}", one["shown"]]
        for (budget, proxy), found in groups.items()
        for seed, one in found.items()
    ]
    return [
        table(head, rows),
        note,
        table(("budget", "prior", "seed", "found", "parameters", "test accuracy, %"), single),
    ], aims


def _searches(record: Record, budget: str, proxy: str) -> dict[int, dict[str, Any]]:
    """Judged searches by seed."""
    found = {}
    for key, piece in record.pieces(f"search {budget} {proxy} ").items():
        tested = [run["test_accuracy"] for run in record.pieces(f"{key} training ").values()]
        if "notation" in piece and tested:
            found[int(piece["seed"])] = {**piece, "mean": mean(tested), "shown": plus_minus(tested)}
    return found


def _setting_line(words: argparse.Namespace, data: Any) -> str:
    return (
        f"{len(data.train):,} training images, {len(data.val):,} held out, {len(data.test):,} for the test; "
        f"superkernel space with {words.layers} layers, width {words.width}, m = {words.m}; at most {words.samples} "
        f"networks scored, prior strength {words.strength:g}; "
        f"each training {words.epochs:g} epochs of recipe `{words.recipe}`."
    )


if __name__ == "__main__":
    raise SystemExit(main())
