"""The rules on who may know whom, read from the source of every module."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import chronas

ROOT = Path(chronas.__file__).parent
MOST_LINES, MOST_FUNCTION_LINES = 400, 60

TORCH_FREE = (
    "chronas", "architecture", "budget", "errors", "memory", "registry", "seeding", "settings", "spec", "task",
    "unpickle", "work", "__main__", "cli", "data", "deploy", "execution", "methods", "nets", "runs", "testing",
    "training", "spaces*", "benchmarks*", "reports*", "methods.base", "methods.random", "methods.halving",
    "methods.ranking", "testing.spaces",
)  # fmt: skip
"""Modules that bring no torch with them, however many imports away."""

OUTER = (
    "driver", "session", "context", "parts", "account", "windows", "search_stage", "train_stage", "check", "api",
    "policy", "sizing", "compare", "comparison", "baselines", "scoring", "front", "runs", "reports", "cli", "execution",
    "deploy",
)  # fmt: skip
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "spaces*": ("nets*", "methods*", "training*", "data*", *(f"{name}*" for name in OUTER)),
    "benchmarks*": ("nets*", "methods*", "training*", "data*", "proxies*", *(f"{name}*" for name in OUTER)),
    "nets*": ("methods*", "training*", "data*", *(f"{name}*" for name in OUTER)),
    "data*": ("spaces*", "nets*", "methods*", "training*", *(f"{name}*" for name in OUTER)),
    "methods*": ("data*", *(f"{name}*" for name in OUTER)),
    "training*": tuple(f"{name}*" for name in OUTER),
    "execution*": (
        "methods*",
        "spaces*",
        "nets*",
        "data*",
        "training*",
        "cli*",
        "reports*",
        "session*",
        "api*",
    ),
    "runs*": ("methods*", "spaces*", "nets*", "data*", "training*", "cli*", "reports*", "session*", "api*"),
    "driver": ("spaces*", "nets*", "data*", "training*", "reports*", "cli*", "session*", "api*"),
    "reports*": ("training*", "methods*", "data*", "driver*", "session*", "api*", "cli*", "execution*"),
    "budget": ("spaces*", "nets*", "methods*", "data*", "training*", *(f"{name}*" for name in OUTER)),
}
"""Module patterns and what they must not import, both inside chronas."""

LAST_DEFENCE = "chronas.cli.main"
"""Turns whatever nobody foresaw into a message and a written traceback."""

ALLOWED = {("driver", "methods.base"), ("training*", "methods.base"), ("training*", "methods.oneshot")}


def name_of(path: Path) -> str:
    parts = ("chronas", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


@functools.cache
def tree(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text(encoding="utf-8"))


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """What runs when a module is imported, but for blocks under TYPE_CHECKING."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        for inner in ("body", "orelse", "finalbody"):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from statements(getattr(node, inner, []))


@functools.cache
def imports(name: str) -> frozenset[str]:
    """Modules that `name` imports when it is imported."""
    found: set[str] = set()
    for node in statements(tree(name).body):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & set(FILES)
            found |= inside or {node.module}
    return frozenset(found)


def closure(name: str) -> set[str]:
    """All modules that an import of `name` brings, the packages around them included."""
    seen, waiting = set(), [name]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        parents = [module.rsplit(".", depth)[0] for depth in range(1, module.count(".") + 1)]
        waiting += parents + (sorted(imports(module)) if module in FILES else [])
    return seen


def matches(name: str, pattern: str) -> bool:
    full = name.removeprefix("chronas.")
    stem = pattern.removeprefix("chronas.").removesuffix("*")
    return full == stem or (pattern.endswith("*") and full.startswith(f"{stem}."))


def test_the_source_was_found() -> None:
    assert len(FILES) > 60
    assert "torch" in closure("chronas.nets.ops")
    assert "chronas.errors" in imports("chronas.budget")


@pytest.mark.parametrize("name", [n for n in FILES if any(matches(n, p) for p in TORCH_FREE)])
def test_free_of_torch(name: str) -> None:
    heavy = {module for module in closure(name) if module.split(".")[0] in ("torch", "safetensors", "sklearn")}
    assert not heavy


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_imports_go_one_way(pattern: str) -> None:
    modules = [name for name in FILES if matches(name, pattern)]
    assert modules
    broken = [
        f"{name} imports {other}"
        for name in modules
        for other in imports(name)
        if other.startswith("chronas.")
        and any(matches(other, forbidden) for forbidden in FORBIDDEN[pattern])
        and not any(pattern == room and matches(other, allowed) for room, allowed in ALLOWED)
    ]
    assert not broken


def test_driver_knows_no_method_by_name() -> None:
    names = {module for module in imports("chronas.driver") if module.startswith("chronas.methods")}
    assert names == {"chronas.methods.base"}


def test_nobody_imports_the_command_line() -> None:
    users = {n for n in FILES if any(matches(m, "cli*") for m in imports(n)) and not matches(n, "cli*")}
    assert users <= {"chronas.__main__"}


def test_nobody_imports_the_contract_suites() -> None:
    users = {n for n in FILES if any(matches(m, "testing*") for m in imports(n)) and not matches(n, "testing*")}
    assert not users


def everywhere(name: str) -> set[str]:
    """Modules that `name` imports, those inside of its functions included."""
    found: set[str] = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_only_reports_and_comparisons_see_test_metrics() -> None:
    door = "chronas.benchmarks.testing_door"
    assert door in FILES
    users = {name for name in FILES if door in everywhere(name)}
    assert users <= {name for name in FILES if matches(name, "reports*") or matches(name, "compare*")}
    hidden = {
        name
        for name in FILES
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Attribute) and node.attr in ("_hidden", "_container")
    }
    assert hidden == {"chronas.benchmarks.table", door}
    files = {name for name in FILES if "chronas.benchmarks.container" in everywhere(name)}
    assert files == {"chronas.benchmarks", "chronas.benchmarks.table"}


def test_methods_know_no_table() -> None:
    users = {name for name in FILES if any(module.startswith("chronas.benchmarks") for module in everywhere(name))}
    assert not [name for name in users if any(matches(name, f"{room}*") for room in ("methods", "proxies", "spaces"))]


def test_importing_chronas_brings_no_torch() -> None:
    code = (
        "import sys, chronas, chronas.cli, chronas.methods, chronas.nets, chronas.spaces;"
        "chronas.Budget.parse('5s'); chronas.SPACES; chronas.METHODS;"
        "assert 'torch' not in sys.modules and 'sklearn' not in sys.modules"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


def test_public_names_exist() -> None:
    for name in chronas.__all__:
        assert getattr(chronas, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = chronas.nothing


def dotted(node: ast.AST) -> str:
    return ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""


GLOBAL_RANDOM = {"torch.manual_seed", "torch.seed", "torch.cuda.manual_seed", "torch.cuda.manual_seed_all",
                 "torch.set_rng_state"}  # fmt: skip
PERMITTED_NUMPY = {"np.random.Generator", "np.random.PCG64", "np.random.get_state"}


@pytest.mark.parametrize("name", FILES)
def test_no_global_randomness(name: str) -> None:
    used = {dotted(node) for node in ast.walk(tree(name))}
    if name != "chronas.seeding":
        assert not used & GLOBAL_RANDOM
    drawn = {word for word in used if word.startswith("np.random.")}
    assert drawn <= PERMITTED_NUMPY
    assert not {word for word in used if word.startswith("random.")} - {"random.getstate"}


UNPICKLERS = ("chronas.unpickle",)
"""Reads official files that come as pickles; admits only what their readers name."""


@pytest.mark.parametrize("name", FILES)
def test_nothing_unsafe_is_loaded(name: str) -> None:
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            words = {alias.name for alias in node.names} | {getattr(node, "module", "")}
            unsafe = words & {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
            assert not unsafe or name in UNPICKLERS
        if isinstance(node, ast.Call):
            assert dotted(node.func) not in {"eval", "exec", "torch.load", "yaml.load", "os.system"}
            allowed = [k.value for k in node.keywords if k.arg == "allow_pickle"]
            assert all(isinstance(value, ast.Constant) and value.value is False for value in allowed)


@pytest.mark.parametrize("name", FILES)
def test_no_error_is_swallowed(name: str) -> None:
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ExceptHandler):
            kinds = {dotted(part) for part in ast.walk(node.type)} if node.type else {"BaseException"}
            if kinds & {"Exception", "BaseException"} and name != LAST_DEFENCE:
                assert isinstance(node.body[-1], ast.Raise), f"line {node.lineno}: a broad except that swallows"


@pytest.mark.parametrize("name", FILES)
def test_sizes_and_docstrings(name: str) -> None:
    text = FILES[name].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    doc = ast.get_docstring(tree(name))
    assert doc, "a module needs a docstring"
    assert doc != "TODO"
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= MOST_FUNCTION_LINES, f"{node.name} has {lines} lines"
