"""The HTML page in a real browser: it asks for nothing, runs nothing foreign, and is sorted, filtered and printed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.reports import samples
from tests.reports.golden import golden_report
from tests.reports.test_html import sly_report

pytestmark = pytest.mark.xdist_group("browser")

FINDINGS = "#findings-table > tbody"


def ids(page: Page) -> list[str]:
    """Return the IDs of the findings that are seen, in the order in which they are."""
    return page.locator(f"{FINDINGS}:visible td.id").all_inner_texts()


def test_page_loads_without_a_complaint_or_a_request(open_page: Open) -> None:
    for report in (golden_report(), samples.damaged(), samples.clean(), samples.hostile()):
        opened = open_page(report)
        expect(opened.page.locator("html")).to_have_attribute("data-ready", "true") if report.findings else None
        assert opened.complaints == []
        # The page itself, and its empty icon.
        assert [url for url in opened.requests[1:] if url != "data:,"] == []
        assert opened.requests[0].startswith("file:")


def test_nothing_foreign_runs(open_page: Open) -> None:
    opened = open_page(sly_report())
    page = opened.page
    page.locator("#open-all").click()
    for number in range(page.locator("th button").count()):
        page.locator("th button").nth(number).click()
    page.locator("#filter-where").select_option(index=3)
    page.locator(".findings tbody:visible td").first.hover()
    assert page.evaluate("window.hacked") is None
    assert opened.complaints == []
    assert page.locator("script, style").count() == 2


def test_the_policy_stops_a_script_and_a_picture_that_got_in_all_the_same(open_page: Open) -> None:
    opened = open_page(golden_report())
    opened.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.hacked = 1";
            const picture = document.createElement("img");
            picture.src = "http://127.0.0.1:9/x.png";
            document.body.append(script, picture);
        }"""
    )
    opened.page.wait_for_timeout(100)
    assert opened.page.evaluate("window.hacked") is None
    assert len([one for one in opened.complaints if "Content Security Policy" in one]) == 2


def test_findings_are_sorted_by_the_mouse(open_page: Open) -> None:
    page = open_page(samples.damaged()).page
    before = ids(page)
    head = page.locator("#findings-table th", has_text="Count")
    head.locator("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    counts = [int(text) for text in page.locator(f"{FINDINGS} td:nth-child(5)").all_inner_texts()]
    assert counts == sorted(counts) and len(set(counts)) > 5
    head.locator("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    counts = [int(text) for text in page.locator(f"{FINDINGS} td:nth-child(5)").all_inner_texts()]
    assert counts == sorted(counts, reverse=True)
    expect(page.locator("#status")).to_contain_text("sorted by Count, descending")
    assert sorted(ids(page)) == sorted(before)


def test_gaps_and_severities_are_sorted_by_what_they_mean(open_page: Open) -> None:
    page = open_page(samples.damaged()).page
    page.get_by_role("button", name="Severity").click()
    severities = [
        text.split()[0] for text in page.locator(f"{FINDINGS} tr:first-child td:nth-child(1)").all_inner_texts()
    ]
    assert severities == sorted(severities, key=["high", "medium", "low"].index) and len(set(severities)) == 3
    page.get_by_role("button", name="Gap").click()
    page.get_by_role("button", name="Gap").click()
    # 25 hours are more than 120 seconds, though 2 is more than 1.
    assert page.locator(f"{FINDINGS} td:nth-child(7)").first.inner_text() == "1 d"


def test_findings_are_filtered_by_the_keyboard_alone(open_page: Open) -> None:
    page = open_page(samples.damaged()).page
    everything = len(ids(page))
    page.locator("#filter-text").focus()
    page.keyboard.type("SCREENSHOT_2 HAS")
    expect(page.locator("#status")).to_have_text(f"1 of {everything} findings, the worst first.")
    assert ids(page) == ["screenshot_2"]
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.press("Tab")
    page.keyboard.type("low")
    expect(page.locator("#filter-severity")).to_have_value("low")
    expect(page.locator("#status")).to_contain_text("1 of")
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Show all")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text(f"{everything} findings")
    page.get_by_role("button", name="Check", exact=True).focus()
    page.keyboard.press("Space")
    expect(page.locator("#findings-table th", has_text="Check")).to_have_attribute("aria-sort", "ascending")


def test_filters_of_check_table_and_news_hold_together(open_page: Open) -> None:
    page = open_page(golden_report()).page
    page.locator("#filter-news").select_option("NEW")
    assert ids(page) == ["activity_1766557428498"]
    page.locator("#filter-check").select_option("null_ids")
    assert ids(page) == []
    expect(page.locator("#status")).to_have_text("0 of 5 findings, the worst first.")
    page.locator("#filter-news").select_option("known")
    page.locator("#filter-where").select_option("db.activities")
    assert ids(page) == ["the whole table"]


def test_link_to_a_finding_opens_it_whatever_is_filtered(open_page: Open) -> None:
    fingerprint = golden_report().findings[1].fingerprint
    page = open_page(golden_report(), link=f"#{fingerprint}").page
    details = page.locator(f"[id='{fingerprint}'] details")
    expect(details).to_have_attribute("open", "")
    expect(details.locator("summary")).to_be_focused()
    page.locator("#filter-check").select_option("null_ids")
    expect(details).to_be_hidden()
    page.evaluate("(hash) => { location.hash = ''; location.hash = hash; }", fingerprint)
    expect(details).to_be_visible()


def test_page_is_whole_without_javascript(open_page: Open) -> None:
    page = open_page(golden_report(), java_script_enabled=False).page
    assert page.locator("#filters").is_hidden()
    assert page.locator(f"{FINDINGS}:visible").count() == 5
    assert page.locator("svg.chart:visible").count() == 6
    details = page.locator(f"{FINDINGS} details").first
    details.locator("summary").click()
    expect(details.get_by_text("timeout (30 s), back into the queue")).to_be_visible()
    expect(page.get_by_text("access denied").first).to_be_visible()


@pytest.mark.parametrize("width", [375, 1280])
def test_page_never_scrolls_sideways(open_page: Open, width: int) -> None:
    for report in (golden_report(), samples.hostile(), samples.damaged()):
        page = open_page(report, width=width).page
        page.locator("#open-all").click()
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_print_is_light_and_has_the_coverage_open(open_page: Open) -> None:
    page = open_page(golden_report(), width=794, color_scheme="dark").page
    on_screen = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)" != on_screen
    assert page.locator("#filters").is_hidden()
    assert page.locator("#coverage table").first.bounding_box() is not None
    assert page.evaluate("document.documentElement.scrollWidth") == 794
    printed = page.pdf(format="A4")
    assert printed.startswith(b"%PDF-") and 1 < printed.count(b"/Type /Page\n") < 12
