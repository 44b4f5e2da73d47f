"""The HTML page as text: read by a strict parser, nothing foreign is obeyed, and what was not looked at is seen."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import pytest

from dedupaudit.display import escape
from dedupaudit.model import Finding, Report
from tests.conftest import Run
from tests.reports import samples
from tests.reports.golden import assert_golden, golden_report
from tests.reports.parsing import in_ascii, rendered

MANY = (
    samples.clean,
    samples.looked_up,
    samples.damaged,
    samples.incomplete,
    samples.hostile,
    samples.several_databases,
    samples.crosschecked,
    samples.distrusted,
    golden_report,
)
SLY = (
    "<script>window.hacked = 1</script>",
    '"onmouseover="window.hacked = 1',
    "'onfocus='window.hacked = 1' autofocus='",
    "</style><script>window.hacked = 1</script>",
    "</script><img src=x onerror='window.hacked = 1'>",
    "</title></textarea></select></option><svg onload='window.hacked = 1'>",
    "javascript:window.hacked = 1",
    "--><script>window.hacked = 1</script><!--",
    "]]><script>window.hacked = 1</script>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;",
)


def page_of(report: Report) -> str:
    return rendered(report, "html")


def parsed(text: str) -> Element:
    """Return the document, having seen that a parser which forgives nothing has nothing to forgive."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    root: Element = parser.parse(text)
    return root


def local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def text_of(element: Element) -> str:
    return re.sub(r"\s+", " ", "".join(element.itertext())).strip()


def sly_report() -> Report:
    """Return a report in which every text that may be foreign tries to become a part of the page."""
    whole = golden_report().model_dump(mode="json", by_alias=True)
    findings = [
        samples.duplicate(
            number,
            key={text: text},
            source=text,
            target=text,
            check=text,
            fingerprint=text,
            message=text,
            suggestion=text,
            first_at=text,
            news="new",
            known_since=text,
            differs=[text],
            evidence=[
                {"kind": "log", "at": f"2025-12-24T08:00:0{second}Z", "where": text, "text": text} for second in (1, 2)
            ],
            cause={"name": text, "confidence": "likely", "why": text, "enabled_by": [text]},
            **{"class": "conflicting"},
        )
        for number, text in enumerate(SLY)
    ]
    whole["findings"] = findings
    kinds = [{"group": text, "rows": 3, "distinct_ids": 1, "inflation": 2.0} for text in SLY]
    causes = {text: {"likely": 1} for text in SLY}
    days = [{"day": "2025-12-24", "surplus_rows": 2}, {"day": SLY[0], "surplus_rows": 1}]
    whole["summary"]["tables"] = {
        text: samples.table(30, 2, by_group=kinds, by_day=days, causes=causes) for text in SLY
    }
    whole["summary"]["by_check"] = dict.fromkeys(SLY, 1)
    whole["summary"]["five_lines"] = dict.fromkeys(("what", "how_much", "since", "why"), "".join(SLY)) | {"next": SLY}
    whole["summary"]["changes"] |= {"baseline": SLY[1], "baseline_run": SLY[3], "baseline_at": SLY[5]}
    whole["run"] |= {"command": SLY[5], "id": SLY[4], "started_at": SLY[2], "databases": {SLY[1]: SLY[0]}}
    whole["coverage"] = [
        row for text in SLY for row in samples.covered(text, (text,), source=text, status="failed", reason=text)
    ]
    return Report.model_validate(whole)


@pytest.mark.parametrize("made", [*MANY, sly_report])
def test_page_is_html_to_a_strict_parser_and_asks_for_nothing(made: Any) -> None:
    text = page_of(made())
    root = parsed(text)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(set(ids)) == len(ids)
    for element in root.iter():
        if not isinstance(element.tag, str):
            pytest.fail("a comment, which nothing in the page should be")
        for name, value in element.attrib.items():
            assert not name.startswith("on") and name not in ("style", "src", "srcdoc", "action", "formaction"), name
            assert name != "href" or value.startswith("#") or value == "data:,"
            assert name != "href" or value in ("#", "data:,") or value[1:] in ids, f"{value} leads nowhere"
        assert local(element) not in ("img", "iframe", "object", "embed", "base", "image", "use", "a:href")
    assert [text_of(one)[:12] for one in root.iter("script")] == ['"use strict"']
    assert len(list(root.iter("style"))) == 1
    assert len(list(root.iter("h1"))) == 1
    assert all(char.isprintable() or char == "\n" for char in text)


def test_policy_lets_this_script_and_this_style_through_and_nothing_else() -> None:
    text = page_of(sly_report())
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.keys() == {"default-src", "style-src", "script-src", "img-src", "base-uri", "form-action"}
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert rules[rule].replace("&#39;", "'") == f"'sha256-{digest}'"


@pytest.mark.parametrize("text", [*SLY, *samples.HOSTILE])
def test_a_hostile_id_is_shown_whole_and_does_nothing(text: str) -> None:
    finding = samples.duplicate(key={"id": text}, message=f"about {text}", target=text)
    root = parsed(page_of(samples.report([finding])))
    (table,) = (one for one in root.iter("table") if one.get("id") == "findings-table")
    (summary,) = table.iter("summary")
    shown = re.sub(r"\s+", " ", escape(f"about {text}".strip()))
    assert text_of(summary) == shown or "characters)" in text_of(summary)
    assert not [one for one in table.iter() if local(one) in ("script", "img", "svg", "b")]


def test_structure_is_the_golden_one() -> None:
    assert_golden("html.txt", "\n".join(_structure(parsed(page_of(golden_report())))) + "\n")


def _structure(root: Element) -> Iterator[str]:
    """Yield what a reader meets: headings, sentences, list items and rows; and the texts in the drawings."""
    body = root.find("body")
    assert body is not None
    for element in body.iter():
        name = local(element)
        if name in ("h1", "h2", "h3"):
            yield f"\n{'#' * int(name[1])} {text_of(element)}"
        elif name == "tr" and element.find(".//details") is None:
            yield " | ".join(text_of(cell) for cell in element)
        elif name in ("p", "summary", "dt", "dd"):
            yield f"{name}: {text_of(element)}"
        elif name == "li":
            below = element.find("ul")
            yield f"li: {text_of(element).removesuffix(text_of(below) if below is not None else '').strip()}"
        elif name == "svg":
            texts = (text_of(one) for one in element.iter() if local(one) in ("title", "text"))
            yield f"svg: {', '.join(text for text in texts if text)}"


def test_same_report_gives_the_same_bytes() -> None:
    assert page_of(golden_report()) == page_of(golden_report())


def test_stream_of_ascii_alone_takes_the_same_page() -> None:
    report = samples.hostile()
    written = in_ascii(report, "html")
    assert text_of(parsed(written)) == text_of(parsed(page_of(report)))


class Once(tuple[Finding, ...]):
    """Findings that can be gone through a single time, as those of a saved report that is read lazily."""

    gone_through = 0

    def __iter__(self) -> Iterator[Finding]:
        Once.gone_through += 1
        assert Once.gone_through == 1
        return super().__iter__()


def test_worst_thousand_are_shown_and_the_rest_is_counted() -> None:
    made = samples.report([samples.duplicate(number) for number in range(1_234)])
    report = made.model_copy(update={"findings": Once(made.findings)})
    root = parsed(page_of(report))
    (table,) = (one for one in root.iter("table") if one.get("id") == "findings-table")
    assert len(list(table.iter("tbody"))) == 1_000
    assert "the worst 1,000 of 1,234 findings; the other 234 are in the JSON report" in text_of(root)


def test_report_that_was_cut_says_so() -> None:
    assert "The report itself holds 7 of 1,234,567 findings" in text_of(parsed(page_of(samples.large(7))))


def test_page_of_a_thousand_findings_is_below_two_megabytes(run: Run, tmp_path: Any) -> None:
    evidence = [
        {
            "kind": "row",
            "at": "2025-12-24T08:01:14.487Z",
            "where": f"db.activities pk={number}",
            "text": "row 1 of 3, the earliest",
        }
        for number in range(30)
    ]
    why = "the client gave up after 30.0 s and re-queued it between one row and the next, and the rows are 35.5 s apart"
    cause = {"name": "timeout_retry", "confidence": "proved", "why": why, "enabled_by": ["missing_unique"]}
    report = samples.report([samples.duplicate(number, evidence=evidence, cause=cause) for number in range(1_000)])
    (tmp_path / "report.json").write_text(report.model_dump_json(by_alias=True))
    done = run("report", tmp_path / "report.json", "-f", "html", "-o", tmp_path / "page.html")
    assert done.code == 0, done.err
    assert (tmp_path / "page.html").stat().st_size < 2_000_000


def test_what_was_not_checked_is_said_before_anything_else_and_once_more_with_all_reasons() -> None:
    root = parsed(page_of(golden_report()))
    header = next(root.iter("header"))
    assert "Incomplete" in text_of(header)
    assert "failed: etag_mismatch on db.screenshots: access denied" in text_of(header)
    assert "stopped: near_equal_ids on db.screenshots: the statement took longer" in text_of(header)
    (coverage,) = (one for one in root.iter("section") if one.get("id") == "coverage")
    for told in ("failed access denied", "skipped not an upload table", "stuck_upload on db.activities"):
        assert told in text_of(coverage)


def test_clean_page_says_so_and_has_no_findings() -> None:
    root = parsed(page_of(samples.clean()))
    assert text_of(next(root.iter("h1"))) == "✓ Clean"
    assert not [one for one in root.iter("section") if one.get("id") == "findings"]
    assert "Nothing: all that was asked for was looked at" in text_of(root)


def test_the_page_of_a_repair_alone_does_not_say_that_nothing_was_found() -> None:
    (repair,) = golden_report().repairs
    page = page_of(samples.report(coverage=[], tables={}, repairs=[repair.model_dump()]))
    assert "findings" not in text_of(next(parsed(page).iter("main")))


def test_a_long_name_in_a_narrow_column_breaks_between_its_words() -> None:
    page = page_of(golden_report())
    assert "<td>timeout_<wbr>retry <small>" in page
    assert "<td>duplicate_<wbr>ids</td>" in page


def test_log_line_that_proves_a_cause_is_not_left_out_for_rows() -> None:
    rows = [{"kind": "row", "at": None, "where": f"pk={number}", "text": "a row"} for number in range(50)]
    proof = {"kind": "log", "at": None, "where": "app.log:88", "text": "timeout, back into the queue"}
    report = samples.report([samples.duplicate(number, evidence=[*rows, proof]) for number in range(101)])
    assert page_of(report).count("app.log:88") >= 101


def test_repair_whose_figures_disagree_is_loud() -> None:
    broken = golden_report().repairs[0].model_copy(update={"holds": False, "rows_in_quarantine": 1})
    report = golden_report().model_copy(update={"repairs": (broken,)})
    (repairs,) = (one for one in parsed(page_of(report)).iter("section") if one.get("id") == "repairs")
    assert "the figures disagree repair of db.activities" in text_of(repairs)


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), -1e300, 1e300, 0.0])
def test_figures_that_cannot_be_drawn_do_no_harm(figure: float) -> None:
    whole = golden_report().model_dump(by_alias=True)
    for finding in whole["findings"]:
        finding["gap_seconds"] = figure
    table = whole["summary"]["tables"]["db.activities"]
    table |= {"surplus_rows": 2**70, "inflation": figure, "by_day": [{"day": "0001-01-01", "surplus_rows": 2**70}]}
    table["by_group"] = [{"group": 2**70, "rows": -(2**70), "distinct_ids": 0, "inflation": figure}]
    gap = {"from": figure, "to": figure, "count": 2**70}
    whole["summary"]["logs"] |= {"gaps": {"send_to_requeue": [gap]}, "clock_skew": {"app": figure}}
    text = page_of(Report.model_validate(whole))
    drawn = "".join(re.findall("<svg.*?</svg>", text))
    assert drawn and not re.search(r'="[^"]*(nan|inf|\de\+)', drawn)
    parsed(text)


def test_the_charts_leave_nothing_behind_that_warns_at_later_imports() -> None:
    page_of(golden_report())
    assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("pygal")]
    assert importlib.util.find_spec("no_such_module_of_anybody") is None
