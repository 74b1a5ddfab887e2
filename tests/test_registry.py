"""Registries: names, duplicates, spelling."""

from __future__ import annotations

from typing import Any

import pytest

from chronas.errors import ChronasError, InternalError, UnknownNameError, UsageError, missing_extra
from chronas.methods import METHODS
from chronas.nets import BUILDERS, COSTS, SUPERNETS
from chronas.registry import Registry
from chronas.spaces import SPACES

ALL: list[Registry[Any]] = [SPACES, METHODS, BUILDERS, COSTS, SUPERNETS]


def made() -> Registry[Any]:
    registry: Registry[Any] = Registry("colour")
    registry.add("red", "math:pi", "warm", paper="Newton 1704", needs={"light"})
    registry.add("blue", "math:e", "cold")
    return registry


def test_entries() -> None:
    registry = made()
    assert registry.names() == ("red", "blue")
    assert len(registry) == 2
    assert "red" in registry
    assert "green" not in registry
    assert [entry.name for entry in registry] == ["red", "blue"]
    assert registry.load("red") == pytest.approx(3.14159, abs=1e-4)
    entry = registry.entry("red")
    assert (entry.summary, entry.paper, entry.needs) == ("warm", "Newton 1704", frozenset({"light"}))


def test_a_duplicate_raises() -> None:
    registry = made()
    with pytest.raises(InternalError, match=r"colour 'red' is registered twice"):
        registry.add("red", "math:tau", "again")
    assert registry.entry("red").target == "math:pi"


def test_an_unknown_name_lists_the_known_and_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no colour named 'bleu'\. Did you mean 'blue'\? Known: blue, red\."):
        made().load("bleu")
    with pytest.raises(UnknownNameError) as caught:
        made().entry("xyz")
    assert "Did you mean" not in str(caught.value)
    with pytest.raises(UnknownNameError, match="Known: none"):
        Registry[Any]("thing").entry("x")


def test_exit_codes() -> None:
    assert UnknownNameError("colour", "x", []).exit_code == UsageError("x").exit_code == 2
    assert ChronasError("x").exit_code == InternalError("x").exit_code == 1
    assert "pip install -e '.[parquet]'" in str(missing_extra("pyarrow", "parquet", "Reading Parquet"))


@pytest.mark.parametrize("registry", ALL, ids=lambda registry: registry.kind)
def test_every_entry_can_be_imported_and_listed(registry: Registry[Any]) -> None:
    assert len(registry) > 0
    for entry in registry:
        assert callable(entry.load())
        assert entry.summary
        assert "\n" not in entry.summary


def test_needs_use_known_words() -> None:
    for entry in METHODS:
        assert entry.needs <= {"supernet", "builder", "gradient", "table", "proxy"}
        assert entry.paper
