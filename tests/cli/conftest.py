"""A `chronas` that runs in this process, and a tiny finished run."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_support import TINY, Chronas, Ended

from chronas.cli import main


@pytest.fixture
def chronas(capsys: pytest.CaptureFixture[str]) -> Chronas:
    """Runs `chronas WORDS`; no ending may show a traceback."""

    def run(*words: object) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        shown = capsys.readouterr()
        assert "Traceback" not in shown.out + shown.err
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, shown.out, shown.err)

    return run


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished `chronas fit` on digits."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    with pytest.raises(SystemExit) as ended:
        main(["fit", "digits", "--budget", "2 epochs", "--out", str(out), *TINY, "--quiet"])
    assert ended.value.code == 0
    return out
