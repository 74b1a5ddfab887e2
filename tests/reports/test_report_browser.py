"""The report in a real browser: no sideways scrolling, no cut text, no requests, light and dark."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sample_run import BIG, Sample, make_run

from chronas.reports.html import write_report

WIDTHS = (390, 1280)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MEASURE = """
<script>
function measure(frame) {
  const page = frame.contentDocument, root = page.documentElement, wide = frame.clientWidth;
  const contained = e => e.closest('.scroll, pre, svg');
  const outside = [...page.querySelectorAll('body *')].filter(e => !contained(e) || e.tagName === 'svg')
    .filter(e => e.tagName !== 'svg' || !e.closest('.scroll'))
    .filter(e => e.getBoundingClientRect().right > wide + 1)
    .map(e => e.tagName + '.' + e.getAttribute('class'));
  const cut = [...page.querySelectorAll('svg text')].filter(t => t.getClientRects().length).filter(t => {
    const a = t.getBoundingClientRect(), b = t.closest('svg').getBoundingClientRect();
    return a.left < b.left - 2 || a.right > b.right + 2 || a.top < b.top - 2 || a.bottom > b.bottom + 3;
  }).map(t => t.textContent);
  const style = frame.contentWindow.getComputedStyle(page.body);
  return {inner: frame.contentWindow.innerWidth, scroll: root.scrollWidth, outside, cut,
    background: style.backgroundColor, ink: style.color, sections: page.querySelectorAll('section').length,
    title: page.title, scatter: [...page.querySelectorAll('#cost figure > div')].filter(
      e => e.getClientRects().length && e.querySelector('path.s-found') && e.querySelector('circle.f-other'))
      .map(e => e.className).join(),
    dark: frame.contentWindow.matchMedia('(prefers-color-scheme: dark)').matches,
    requests: frame.contentWindow.performance.getEntriesByType('resource').map(e => e.name)};
}
addEventListener('load', () => {
  const seen = [...document.querySelectorAll('iframe')].map(measure);
  document.body.dataset.seen = JSON.stringify(seen);
});
</script>
"""


@pytest.fixture(scope="module")
def browser() -> str:
    """The browser's path, from CHRONAS_BROWSER or the usual names."""
    named = os.environ.get("CHRONAS_BROWSER")
    found = named or next((path for name in NAMES if (path := shutil.which(name))), None)
    if not found:
        pytest.skip("no Chromium here: install chromium or set CHRONAS_BROWSER to check the report in a browser")
    return found


def look(browser: str, reports: list[Path], folder: Path, *, dark: bool) -> list[dict[str, Any]]:
    """Load the reports at all widths in one window; what each page measured, widths first."""
    frames = ""
    for report in reports:
        source = html.escape(report.read_text(encoding="utf-8"), quote=True)
        for width in WIDTHS:
            frames += f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{source}"></iframe>'
    wrapper = folder / f"wrapper-{dark}.html"
    head = f"<!doctype html><html><head>{MEASURE}</head>"
    wrapper.write_text(f"{head}<body>{frames}</body></html>", encoding="utf-8")
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}",
        "--window-size=1400,1000", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--dump-dom", wrapper.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    match = re.search(r'data-seen="([^"]*)"', done.stdout)
    assert match, f"the page was not measured: {done.stderr[-500:]}"
    seen: list[dict[str, Any]] = json.loads(html.unescape(match[1]))
    return seen


LONG = replace(
    Sample(),
    classes=[f"a_rather_long_class_name_{i}" for i in range(10)],
    source="/data/" + "very_long_path/" * 12,
)
HUNDRED = replace(Sample(), classes=[f"kind number {i}" for i in range(100)], m=3, layers=2, test=1000)
SAMPLES = {"big": BIG, "long": LONG, "half": Sample(until="search"), "hundred": HUNDRED,
           "judged": replace(BIG, judged=60, until="end")}  # fmt: skip


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_fit_are_whole_and_load_nothing(browser: str, tmp_path: Path, dark: bool) -> None:
    reports = [write_report(make_run(tmp_path / name, sample)) for name, sample in SAMPLES.items()]
    seen = look(browser, reports, tmp_path, dark=dark)
    assert len(seen) == len(reports) * len(WIDTHS)
    for page, width in zip(seen, WIDTHS * len(reports), strict=True):
        assert page["inner"] == width
        assert page["scroll"] <= width
        assert page["outside"] == []
        assert page["cut"] == []
        assert page["requests"] == []
        assert page["sections"] >= 9
        assert page["scatter"] == (["wide", "narrow"][width < 600] if "judged" in page["title"] else "")
        assert page["dark"] is dark
        paper, ink = (sum(map(int, re.findall(r"\d+", page[name])[:3])) for name in ("background", "ink"))
        assert (paper < ink) is dark
