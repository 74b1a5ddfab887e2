"""--prior PROXY: a word of the command line, or of --config, that becomes a setting of the method."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from chronas.cli import fit, search
from chronas.cli.main import main
from chronas.cli.options import run_words
from chronas.cli.prior import take_prior
from chronas.errors import UnknownNameError, UsageError

RUN = ("digits", "--budget", "1 epochs")


def options(verb: Any, *words: str) -> dict[str, Any]:
    parser = verb.parser()
    given: argparse.Namespace = parser.read([*RUN, *words])
    taken = run_words(parser, given)
    take_prior(taken)
    return taken.options


@pytest.mark.parametrize("verb", [search, fit])
def test_it_becomes_a_setting(verb: Any) -> None:
    taken = options(verb, "--prior", "synflow", "--set", "method.k=0.2", "--method", "nasib")
    assert taken["settings"]["method"] == {"k": "0.2", "prior_proxy": "synflow"}


def test_alone_it_means_nasib() -> None:
    """fit would take another method by itself."""
    assert options(fit, "--prior", "naswot")["method"] == "nasib"
    assert "method" not in options(fit)


def test_it_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "words.yaml"
    file.write_text("prior: naswot\n", encoding="utf-8")
    assert options(search, "--config", str(file))["settings"]["method"] == {"prior_proxy": "naswot"}


def test_wrong_words() -> None:
    with pytest.raises(UsageError, match="'rea' has no prior"):
        options(search, "--prior", "naswot", "--method", "rea")
    with pytest.raises(UnknownNameError, match="naswot"):
        options(search, "--prior", "naswt")


def test_a_search_scores_first_and_then_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    words = ["search", "digits", "--prior", "params", "--budget", "0.3 epochs", "--limit", "300", "--out", str(out)]
    small = ["space.layers=2", "space.m=3", "space.width=4", "method.prior_samples=8", "method.shortlist=2"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--plain", *(word for one in small for word in ("--set", one))])
    assert ended.value.code == 0
    assert "Prior from 8 untrained networks scored by params" in capsys.readouterr().out
    records = [json.loads(line) for line in (out / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    works = [r["work"] for r in records if r["kind"] == "outcome"]
    kinds = [w["fidelity"]["kind"] if w["work"] == "evaluate" else "advance" for w in works]
    assert kinds[:9] == ["proxy"] * 8 + ["advance"]
    assert "proxy" not in kinds[9:]
    seen = json.loads((out / "inspect.json").read_text(encoding="utf-8"))
    assert "prior from 8 untrained networks scored by params" in seen["message"]
    assert len(seen["tables"]["prior"]) == 2
