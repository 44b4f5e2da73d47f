"""The terminal report: right at every width, plain in a pipe, honest about what was not looked at."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len

from dedupaudit.model import Report
from dedupaudit.reports import FORMATS, Style
from tests.reports import samples

ALL = (
    samples.clean,
    samples.looked_up,
    samples.damaged,
    samples.incomplete,
    samples.hostile,
    samples.large,
    samples.several_databases,
    samples.crosschecked,
    samples.distrusted,
)
STYLES = [Style(width=width, unicode=unicode) for width in (80, 160) for unicode in (True, False)]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def shown(report: Report, style: Style | None = None) -> str:
    out = io.StringIO()
    FORMATS["terminal"](report, out, style or Style())
    return out.getvalue()


def words(report: Report, style: Style | None = None) -> str:
    """Return the text without regard to where its lines end."""
    return " ".join(shown(report, style).split())


@pytest.mark.parametrize("style", STYLES, ids=str)
@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_every_line_fits_is_plain_and_ends_without_a_space(make: Callable[[], Report], style: Style) -> None:
    text = shown(make(), style)
    for line in text.split("\n"):
        assert line.isprintable()
        assert cell_len(line) <= style.width
        assert line == line.rstrip()
    assert style.unicode or text.isascii()
    assert "\n\n\n" not in text
    assert text.endswith("\n")


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_colour_adds_colour_and_nothing_else(make: Callable[[], Report]) -> None:
    coloured = shown(make(), Style(color=True))
    assert COLOUR.search(coloured)
    assert [line.rstrip() for line in COLOUR.sub("", coloured).split("\n")] == shown(make()).split("\n")


def test_a_clean_run_says_what_it_checked() -> None:
    text = shown(samples.clean())
    assert text.endswith("\nclean: 11 checks on 3 tables, nothing found\n")
    assert "db.activities, db.screenshots: duplicate_ids, null_ids, blank_ids" in text
    assert "NOT CHECKED" not in text


def test_a_catalog_look_up_counts_nothing_and_says_so() -> None:
    lines = shown(samples.looked_up()).splitlines()
    row = next(line for line in lines if line.startswith("db.screenshots"))
    assert row.split() == ["db.screenshots", "-", "-", "0", "0", "-", "-", "0", "%"]
    assert "- not counted (catalog look-up): db.screenshots" in lines


def test_totals_are_told_in_words_and_by_kind() -> None:
    text = words(samples.damaged())
    assert "db.activities: reports count 4.2 % too many (2,100 surplus rows of 1,050 duplicate IDs)" in text
    assert "click 3,000 rows 1,000 events +200 %" in text
    assert "NULL 2 rows 1 event +100 %" in text


def test_days_say_when_it_began_and_whether_it_goes_on() -> None:
    text = words(samples.damaged())
    assert "since 2025-12-01, and it goes on: last on 2025-12-24, the day of this run" in text
    assert "… and 9 earlier days 294" in text
    assert "(1 day without) 2025-12-21 54 █" in text
    assert "only on 2025-12-11, 13 days before this run" in text
    assert "no time known 1" in text


def test_duplicates_show_the_worst_keys_first_with_what_differs() -> None:
    text = words(samples.damaged())
    assert "db.activities: 10 identical, 1 conflicting" in text
    assert text.index("12 x activity_1766557428498 identical") < text.index("11 x activity_1766557428499")
    assert "2025-12-24 08:01:14 → 08:03:14 (2 min)" in text
    assert "conflicting 2025-12-24 08:01:14, same moment · differs in data, type" in text
    assert "… and 4 more" in text


def test_a_wide_terminal_has_a_line_for_each_key() -> None:
    lines = shown(samples.damaged(), Style(width=160)).splitlines()
    line = next(line for line in lines if "screenshot_1766557428498" in line)
    assert line.split() == [
        *("3", "x", "screenshot_1766557428498", "mergeable", "2025-12-24", "08:01:14", "→", "2025-12-25", "09:00:00"),
        *("(1", "d)", "differs", "in", "status,", "oss_url", "db.screenshots"),
    ]


def test_a_suggestion_is_said_once() -> None:
    text = words(samples.damaged())
    assert text.count("keep the earliest row; then add the unique constraint") == 1
    assert text.count("put it back to pending") == 1
    assert "→ conflicting: compare the rows before anything is deleted" in text


def test_one_message_about_two_tables_is_said_once() -> None:
    assert "db.activities, db.screenshots: no constraint keeps id unique" in words(samples.damaged())


def test_a_verdict_that_is_not_sure_is_said() -> None:
    report = samples.report([samples.finding("stuck_upload", verdict="unknown")], complete=False)
    text = words(report)
    assert "stuck_upload: something is wrong (not confirmed)" in text
    assert "INCOMPLETE: 1 finding could not be confirmed" in text


def test_findings_and_completeness_are_the_last_line() -> None:
    assert words(samples.damaged()).endswith(
        "FOUND: 20 findings (12 high, 7 medium, 1 low), 1 of them in grace; 11 checks on 3 tables, complete"
    )


def test_what_failed_stands_before_what_was_skipped() -> None:
    report = samples.incomplete()
    skipped = samples.report(coverage=samples.covered("activities", samples.CHECKS[8:], status="skipped", reason="no"))
    text = words(report.model_copy(update={"coverage": (*skipped.coverage, *report.coverage)}))
    failed = text.index("FAILED shard2: cannot connect: connection refused; is the server up?")
    stopped = text.index("STOPPED near_equal_ids on shard1.activities: the statement took longer than 30 min")
    folded = text.index("skipped illegal_state, stuck_upload, incomplete_row on db.activities: no")
    assert failed < stopped < folded
    assert text.endswith(
        "INCOMPLETE: 1 source could not be read, 1 check was stopped; 1 finding (1 high) so far (3 checks on 1 table)"
    )


def test_an_interrupted_run_is_not_clean() -> None:
    assert "INCOMPLETE: the run was interrupted; nothing found in what was read" in words(
        samples.report(complete=False)
    )


def test_a_run_that_only_skipped_is_not_clean() -> None:
    rows = samples.covered("activities", status="skipped", reason="none of activities, screenshots exists here")
    assert words(samples.report(coverage=rows, tables={})).endswith("nothing was checked")


def test_a_table_that_failed_is_not_counted() -> None:
    rows = samples.covered("activities", status="failed", reason="the disk is damaged")
    text = words(samples.report(coverage=rows, tables={"db.activities": {}}, complete=False))
    assert "db.activities - - - - - - -" in text
    assert "not counted (could not be read: see NOT CHECKED): db.activities" in text


def test_a_cut_report_says_how_to_get_the_rest() -> None:
    text = words(samples.large())
    assert "HIGH duplicate_ids 1,234,567 findings, 1,000 of them in this report" in text
    assert "null_ids 1 finding, none of them in this report" in text
    assert "This report holds 1,000 of 1,234,567 findings; --findings FILE writes every one" in text


def test_a_long_report_stays_short() -> None:
    assert len(shown(samples.large()).splitlines()) < 50


def test_a_cause_is_counted_with_how_sure_it_is() -> None:
    cause = {"name": "timeout_retry", "confidence": "proved", "why": "log lines"}
    text = words(samples.report([samples.duplicate(number, cause=cause) for number in range(3)]))
    assert "db.activities: 3 identical; causes: 3 timeout_retry (proved)" in text


def test_bytes_and_parts_of_a_composite_key_are_shown() -> None:
    keys = [{"id": {"base64": "AP8="}}, {"device id": "d\n1", "id": 7}, {"id": {"base64": "?"}}]
    text = words(samples.report([samples.duplicate(number, key=key) for number, key in enumerate(keys)]))
    assert "3 x 0x00ff identical" in text
    assert r"3 x device id=d\n1, id=7 identical" in text
    assert "3 x ? identical" in text


def test_markup_in_data_is_text() -> None:
    text = words(samples.report([samples.duplicate(key={"id": "[red]x[/red] :smile: [/]"})]))
    assert "[red]x[/red] :smile: [/]" in text


def test_a_store_says_what_is_missing_and_left_over_and_what_that_costs() -> None:
    text = words(samples.crosschecked())
    assert "oss://pictures/screenshots/ rows objects bytes 5,000,002 4,812,345 1.2 TB" in text
    assert "missing_object 5 - orphan_object 2 1.2 GB multipart_leftover 1 52.4 MB" in text
    assert "requests: 4,813 LIST, 7 HEAD, 1 other" in text
    assert "size_mismatch 0" not in text


def test_what_was_not_looked_at_in_a_store_is_no_zero() -> None:
    lines = shown(samples.distrusted(), Style(width=160)).splitlines()
    begin = lines.index("oss://pictures/screenshots/")
    assert lines[begin + 2].split() == ["5,000,002", "17", "0", "B"]
    assert lines[begin + 3].startswith("- not looked at: missing_object, orphan_object, size_mismatch")
    text = words(samples.distrusted())
    assert "FAILED missing_object, size_mismatch" in text
    assert "on db.screenshots, oss://pictures/screenshots/: 4,998,000 of 5,000,002 rows miss their object" in text
    assert "INCOMPLETE: 8 checks failed; nothing found in what was read" in text


def test_a_store_is_named_by_its_url_and_counted_as_no_table() -> None:
    text = words(samples.crosschecked())
    assert "objects.oss://" not in text
    assert "oss://pictures/screenshots/: orphan_object, shared_object, multipart_leftover" in text
    assert "listing: rows, then a listing of oss://pictures/screenshots/" in text
    assert text.endswith(
        "INCOMPLETE: 1 finding could not be confirmed; 8 findings (5 high, 2 medium, 1 low), 2 of them in grace so far "
        "(8 checks on 1 table and 1 object store)"
    )


def test_objects_of_one_store_are_not_preceded_by_its_url_and_those_of_two_are() -> None:
    report = samples.crosschecked()
    assert "MEDIUM orphan_object 2 findings no row names screenshots/desk-1/" in words(report)
    other = report.findings[-2].model_copy(update={"target": "file:///srv/objects"})
    text = words(report.model_copy(update={"findings": (*report.findings, other)}))
    assert "oss://pictures/screenshots/: no row names" in text
    assert "file:///srv/objects: no row names" in text


def test_what_is_not_certain_is_counted_where_not_every_finding_is_shown() -> None:
    text = words(samples.crosschecked())
    assert "HIGH missing_object 5 findings db.screenshots: 1 not confirmed, 1 in grace" in text
    assert "it is young (in grace)" in text
