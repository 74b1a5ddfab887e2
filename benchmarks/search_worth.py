"""Is the search worth its time? Architectures found by each method against random ones and 3x3 everywhere.

All are trained alike, from scratch, with the same seeds. Equal architectures are trained once, and trainings
are kept beside the results (trainings.jsonl), also for later calls with other methods or variants.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from common import Record, add_setting_words, mean, parser, plus_minus, spread, table, until_out_of_time

RANDOM, PLAIN = "mean of random ones", "3x3 everywhere"


def main(argv: Sequence[str] | None = None) -> int:
    words = _words(argv)
    from chronas.architecture import Architecture, make_space
    from chronas.data.load import load
    from contenders import Setting, Trainings, budget_of, chosen

    contenders = chosen(words.methods, words.variants)
    space_settings = {"layers": words.layers, "width": words.width, "m": words.m}
    names = ("budget", "recipe", "epochs", "limit", "layers", "width", "m", "randoms", "data_seed")
    record = Record.open(words, {name: getattr(words, name) for name in names}, argv)
    space = make_space("superkernel", space_settings)
    data = load(words.data, limit=words.limit, seed=words.data_seed)
    setting = Setting(data, space_settings, budget_of(words.budget, data), words.recipe, words.epochs, words.limit)
    trainings = Trainings(record.path.with_name("trainings.jsonl"), setting)
    seeds = words.seeds or ((0,) if words.small else (0, 1, 2))

    def judge(kind: str, name: str, notation: str) -> None:
        architecture = Architecture(space, space.parse(notation))
        for seed in seeds:
            trained = partial(trainings.train, record, architecture, seed)
            record.piece(f"{kind} {name} training {seed}", trained, seed)

    with until_out_of_time() as finished:
        for name, group, notation in fixed(space, words.randoms):
            record.piece(name, partial(dict, kind="fixed", group=group, notation=notation))
            judge("fixed", name, notation)
        for seed in seeds[: words.search_seeds]:
            for contender in contenders:
                name = f"{contender.name} {seed}"
                found = record.piece(f"search {name}", partial(setting.search, record, contender, seed), seed)
                _require_same(record, name, found["contender"], contender)
                judge("search", name, found["notation"])
    blocks, aims = tables(record)
    blocks.insert(0, _setting_line(words, data, setting.budget))
    record.close("Is the search worth its time?", blocks, finished[0], aims)
    return 0


def _words(argv: Sequence[str] | None) -> argparse.Namespace:
    made = parser("search_worth", "Test accuracy of searched architectures against random ones, trained alike.")
    add_setting_words(made)
    made.add_argument("--methods", default="nasib,paper,rsps,halving,random", help="'' for none")
    made.add_argument("--variants", default="", help="nasib with settings: 'name=key:value,key:value;name2=...'")
    made.add_argument("--budget", default="2000 steps", help="of each search: steps of 64 images, epochs, or a time")
    made.add_argument("--search-seeds", type=int, default=None, help="searches per method (default: one per seed)")
    made.add_argument("--randoms", type=int, default=8, help="random architectures")
    words = made.parse_args(argv)
    if words.small:
        words.data, words.limit, words.layers, words.width, words.m = "digits", 400, 2, 4, 3
        words.budget, words.epochs, words.randoms = "4 steps", 0.2, 2
        words.methods = "nasib,random" if words.methods else ""
    return words


def _require_same(record: Record, name: str, known: Mapping[str, Any], contender: Any) -> None:
    """A variant whose settings have changed needs a name of its own."""
    if known != json.loads(json.dumps(dataclasses.asdict(contender))):
        raise SystemExit(f"{record.path} holds {name!r} with other settings: {known}. Give the variant a new name.")


def fixed(space: Any, randoms: int) -> list[tuple[str, str, str]]:
    """(name, group, notation) of the architectures that nobody searched."""
    from chronas.seeding import stream
    from chronas.spaces.moves import sample

    drawn = [sample(space, stream(0, "search_worth", index)) for index in range(randoms)]
    found = [(f"random architecture {i}", RANDOM, space.notation(choices)) for i, choices in enumerate(drawn)]
    return [("3x3 architecture", PLAIN, space.notation(space.plain())), *found]


def tables(record: Record) -> tuple[list[str], dict[str, Any]]:
    """The comparison, and every architecture by itself."""
    groups = _groups(record)
    reference = [entry["mean"] for entry in groups.get(RANDOM, [])]
    rows, aims = [], {}
    order = sorted(groups, key=lambda name: -mean([entry["mean"] for entry in groups[name]]))
    for name in order:
        entries = groups[name]
        means = [entry["mean"] for entry in entries]
        gap, errors = difference(entries, reference)
        params = mean([entry["params"] for entry in entries])
        seconds = [entry["seconds"] for entry in entries if entry["seconds"] is not None]
        aims[name] = {
            "test_accuracy": _rounded(mean(means)),
            "difference": _rounded(gap),
            "errors": _rounded(errors),
        }
        within = mean([entry["std"] for entry in entries])
        runs = sum(entry["runs"] for entry in entries)
        rows.append(
            [
                name,
                len(entries),
                runs,
                f"{params:,.0f}",
                plus_minus(means),
                "-" if math.isnan(within) else f"{within:.2f}",
                f"{gap:+.2f}".replace("+nan", "-"),
                "-" if name == RANDOM or math.isnan(errors) else f"{errors:+.1f}",
                f"{mean(seconds):.0f}" if seconds else "-",
            ]
        )
    single = [
        [entry["notation"], name, f"{entry['params']:,}", f"{entry['madds']:,}", entry["shown"]]
        for name in order
        for entry in groups[name]
    ]
    head = (
        "method",
        "architectures",
        "trainings",
        "parameters",
        "test accuracy, %",
        "std over training seeds",
        "against random, points",
        "in standard errors",
        "search, s",
    )
    note = (
        "Test accuracy: mean ± std over architectures, each the mean of its trainings. The standard error "
        "of a difference is that of two independent means over architectures; where there is one, its "
        "error is the std over its trainings / √trainings."
    )
    return [
        table(head, rows),
        note,
        table(("architecture", "found by", "parameters", "multiply-adds", "test accuracy, %"), single),
    ], aims


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)


def _groups(record: Record) -> dict[str, list[dict[str, Any]]]:
    """Judged architectures by contender: mean test accuracy over the trainings that are done."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for key, piece in record.content["pieces"].items():
        if "notation" not in piece:
            continue
        searched = key.startswith("search ")
        name = piece["contender"]["name"] if searched else piece["group"]
        prefix = f"{key} training " if searched else f"fixed {key} training "
        runs = list(record.pieces(prefix).values())
        if not runs:
            continue
        tested = [run["test_accuracy"] for run in runs]
        groups.setdefault(name, []).append(
            {
                "notation": piece["notation"],
                "mean": mean(tested),
                "std": spread(tested),
                "runs": len(tested),
                "shown": plus_minus(tested),
                "params": runs[0]["params"],
                "madds": runs[0]["madds"],
                "seconds": piece.get("seconds"),
            }
        )
    return groups


def difference(entries: Sequence[Mapping[str, Any]], reference: Sequence[float]) -> tuple[float, float]:
    """Mean of `entries` less that of the random ones: points, and standard errors (NaN where unknown)."""
    if not reference:
        return math.nan, math.nan
    means = [entry["mean"] for entry in entries]
    gap = mean(means) - mean(reference)
    single = entries[0]["std"] / math.sqrt(entries[0]["runs"])
    own = single if len(means) == 1 else spread(means) / math.sqrt(len(means))
    error = math.hypot(own, spread(reference) / math.sqrt(len(reference)))
    return gap, gap / error if error else math.nan


def _setting_line(words: argparse.Namespace, data: Any, budget: str) -> str:
    return (
        f"{len(data.train):,} training images, {len(data.val):,} held out, {len(data.test):,} for the test; "
        f"superkernel space with {words.layers} layers, width {words.width}, m = {words.m}; "
        f"each search {words.budget} ({budget}); "
        f"each training {words.epochs:g} epochs of recipe `{words.recipe}`."
    )


if __name__ == "__main__":
    raise SystemExit(main())
