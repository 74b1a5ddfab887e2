"""chronas score, and searches without training, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_support import Chronas

from chronas.cli.words import count

SPACE = ("--space", "nasbench201", "--set", "space.cells=1", "--set", "space.channels=4")


def test_score_shows_the_best_and_how_well_proxies_rank(chronas: Chronas, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    ended = chronas("score", "digits", *SPACE, "--proxy", "naswot,params", "--samples", 12, "--batch", 16, "--out", out)
    assert ended.code == 0, ended.err
    for word in ("Best by each proxy", "Kendall's tau", "cifar100", "naswot", "params", "12 networks", str(out.name)):
        assert word in ended.out
    assert len(out.read_text().splitlines()) == 13


@pytest.mark.parametrize(("words", "said"), [
    (("score",), "needs DATA"),
    (("score", "digits"), "needs --space"),
    (("score", "digits", *SPACE, "--proxy", "naswto"), "Did you mean 'naswot'?"),
    (("score", "digits", "--space", "nasbench2001"), "Did you mean 'nasbench201'?"),
    (("score", "digits", *SPACE, "--out", "scores.xls"), ".parquet or .csv"),
    (("score", "digits", *SPACE, "--set", "method.k=1"), "settings of the space only"),
    (("score", "digits", *SPACE, "--samples", "many"), "whole number"),
    (("search", "digits", "--method", "nasib", "--samples", "5"), "samples"),
    (("search", "digits", *SPACE, "--method", "rea", "--budget", "9 evaluations", "--max-params", "lots"), "1.5M"),
    (("search", "digits", *SPACE, "--method", "rea", "--budget", "9 evaluations", "--max-params", "5"), "None of 10,"),
    (("search", "digits", "--method", "nasib", "--budget", "1 epochs", "--max-flops", "1M"), "cannot keep a limit"),
])  # fmt: skip
def test_wrong_words_end_with_code_2_and_say_what_to_do(
    chronas: Chronas, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    extra = ("--out", tmp_path / "run") if words[0] == "search" else ()
    ended = chronas(*words, *extra)
    assert ended.code == 2
    assert said in ended.err
    assert not (tmp_path / "run").exists()


def test_a_search_without_training_needs_no_budget(chronas: Chronas, tmp_path: Path) -> None:
    ended = chronas(
        "search", "digits", *SPACE, "--method", "naswot", "--samples", 6, "--out", tmp_path / "w", "--quiet"
    )
    assert ended.code == 0, ended.err
    result = json.loads((tmp_path / "w" / "result.json").read_text())
    assert result["search"]["method"] == "naswot"
    assert result["budget"]["epochs"] == 0
    journal = [json.loads(line) for line in (tmp_path / "w" / "journal.jsonl").read_text().splitlines()]
    outcomes = [record for record in journal if record["kind"] == "outcome"]
    assert 1 <= len(outcomes) <= 6
    assert all("score" in record["metrics"] for record in outcomes)
    best = max(outcomes, key=lambda record: record["metrics"]["score"])
    assert best["work"]["choices"] == result["search"]["choices"]


def test_a_limit_is_kept_by_every_network_that_is_judged(chronas: Chronas, tmp_path: Path) -> None:
    ended = chronas(
        "search", "digits", *SPACE, "--method", "area", "--budget", "26 evaluations", "--max-params", "5.5k",
        "--set", "method.evaluations=400", "--out", tmp_path / "a", "--quiet",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    journal = [json.loads(line) for line in (tmp_path / "a" / "journal.jsonl").read_text().splitlines()]
    outcomes = [record["metrics"] for record in journal if record["kind"] == "outcome"]
    assert any("score" in metrics for metrics in outcomes)
    assert any("val_accuracy" in metrics for metrics in outcomes)
    assert all(metrics["params"] <= 5500 for metrics in outcomes if metrics)


def test_counts_for_people() -> None:
    assert [count(word) for word in ("900", "900k", "1.5M", "2G", ".5m")] == [
        900,
        900_000,
        1_500_000,
        2_000_000_000,
        500_000,
    ]


def test_samples_in_a_configuration_file_count_like_those_on_the_line(chronas: Chronas, tmp_path: Path) -> None:
    config = tmp_path / "search.yaml"
    config.write_text("method: naswot\nsamples: 5\n", encoding="utf-8")
    ended = chronas("search", "digits", *SPACE, "--config", config, "--out", tmp_path / "c", "--quiet")
    assert ended.code == 0, ended.err
    result = json.loads((tmp_path / "c" / "result.json").read_text())
    assert result["search"]["method_settings"]["samples"] == 5
    assert (result["budget"]["amount"], result["budget"]["unit"]) == (5, "evaluations")
