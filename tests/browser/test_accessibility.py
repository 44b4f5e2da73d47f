"""axe-core looks at the page: nothing in it is a serious or critical fault, in light, in dark, or on a telephone."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

from dedupaudit.model import Report
from tests.browser.conftest import Open
from tests.reports import samples
from tests.reports.golden import golden_report

pytestmark = pytest.mark.xdist_group("browser")

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def faults(page: Page, *, colours: bool = True) -> list[str]:
    page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate(
        "(enabled) => axe.run(document, {rules: {'color-contrast': {enabled}}})", colours
    )
    assert len(found["passes"]) > 20
    return [
        f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_no_serious_fault(open_page: Open, scheme: Literal["light", "dark"], width: int) -> None:
    page = open_page(golden_report(), color_scheme=scheme, width=width).page
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert faults(page) == []


@pytest.mark.parametrize("made", [samples.clean, samples.hostile, samples.incomplete])
def test_no_serious_fault_whatever_was_found(open_page: Open, made: Any) -> None:
    report: Report = made()
    # The colours are the same ones, and looking at each of a thousand texts takes half a minute.
    assert faults(open_page(report).page, colours=False) == []


def test_a_fault_would_be_found(open_page: Open) -> None:
    page = open_page(golden_report()).page
    page.evaluate("document.getElementById('filter-text').labels[0].remove()")
    assert [one.split()[0] for one in faults(page)] == ["label"]
