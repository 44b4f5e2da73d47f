"""The Markdown report: read by a strict parser with GitHub's tables, bounded, and nothing foreign in it is obeyed."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from dedupaudit.display import escape, visible
from dedupaudit.model import Changes, Explanation, Moment, Report
from dedupaudit.reports import FORMATS, Style
from dedupaudit.reports.markdown_text import Writer
from tests.cli.reading import dangerous
from tests.reports import samples
from tests.reports.golden import assert_golden, golden_report

ALL = (*samples.ALL, golden_report)
BLOCKS = {"heading", "paragraph", "bullet_list", "list_item", "table", "thead", "tbody", "tr", "th", "td", "hr"}
INLINE = {"text", "code_inline", "strong_open", "strong_close", "softbreak"}
# What GitHub, GitLab or a chat would make a link, a mention, a reference or an emoji of.
OBEYED = re.compile(r"[@#<>\[\]~^$\\_*`|]|:[a-zA-Z]|://|www\.|\w\.\w*[a-zA-Z]|!\d|&\w")
# What hostile text may hold beside what samples.HOSTILE has.
SLY = (
    "@everyone",
    "#123",
    "owner/repo#1",
    "https://evil.example/",
    "www.evil.example",
    "me@evil.example",
    "![x](http://evil.example/x.png)",
    "[x](javascript:alert(1))",
    "**bold** _em_ ~~gone~~",
    "`code` ``two`` " + "`" * 90,
    "a|b|c",
    "|---|---|",
    r"a\|b\\",
    "&lt;b&gt;",
    "<!channel>",
    "<at id=all></at>",
    "- item\n1. item\n# head\n> quote",
    "```\nfence",
    "deadbeefdeadbeef",
    "$x$",
)


def rendered(report: Report, style: Style | None = None) -> str:
    out = io.StringIO()
    FORMATS["markdown"](report, out, style or Style())
    return out.getvalue()


def parse(text: str) -> list[Token]:
    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)


def inline(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield from token.children or ()


def codes(text: str) -> list[str]:
    return [token.content for token in inline(parse(text)) if token.type == "code_inline"]


def with_everything_sly(text: str) -> Report:
    """Return a report in which one text stands wherever a foreign text can stand."""
    document = golden_report().model_dump(mode="json", by_alias=True)
    keep = {"severity", "verdict", "class", "news", "status", "strategy", "confidence", "kind", "schema", "name"}

    def replaced(value: Any, field: str = "") -> Any:
        if isinstance(value, dict):
            made = {name: replaced(part, name) for name, part in value.items()}
            if field in ("key", "tables", "by_check"):
                made = {text if number == 0 else name: part for number, (name, part) in enumerate(made.items())}
            return made
        if isinstance(value, list):
            return [replaced(part, field) for part in value]
        return text if isinstance(value, str) and field not in keep else value

    document = replaced(document)
    document["findings"][0]["cause"]["name"] = text
    return Report.model_validate(document)


def assert_harmless(text: str) -> None:
    assert not dangerous(text)
    assert text.endswith("\n")
    assert len(text) <= 60_000
    tokens = parse(text)
    assert {re.sub("_(open|close)$", "", token.type) for token in tokens} <= BLOCKS | {"inline"}
    assert {token.type for token in inline(tokens)} <= INLINE
    for token in inline(tokens):
        if token.type == "text":
            assert not OBEYED.search(token.content), token.content
    columns = 0
    for line in text.splitlines():
        bars = line.count("|") if line.startswith("| ") else 0
        columns = 0 if not bars else columns or bars
        assert bars == columns, "a row has as many cells as its head"


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_every_report_is_headings_lists_tables_and_code_spans(make: Callable[[], Report], unicode: bool) -> None:
    text = rendered(make(), Style(unicode=unicode))
    assert_harmless(text)
    assert unicode or text.isascii()


@pytest.mark.parametrize("sly", [*samples.HOSTILE, *SLY], ids=lambda text: ascii(text)[:20])
def test_no_foreign_text_is_obeyed_wherever_it_stands(sly: str) -> None:
    text = rendered(with_everything_sly(sly))
    assert_harmless(text)
    assert text.count("\n### ") == 8
    whole = golden_report()
    assert text.count("\n") == rendered(whole).count("\n"), "a line more or less than the same report without it"


@given(st.text(max_size=60))
def test_a_code_span_holds_what_is_visible_of_any_text(text: str) -> None:
    shown = visible(text, 80)
    before, code = inline(parse("x " + Writer(unicode=True).code(text)))
    assert (before.type, code.type) == ("text", "code_inline")
    assert code.content == (shown.replace("`", r"\x60") if "`" * 8 in shown else shown)


@given(st.text(max_size=60))
def test_a_cell_stays_one_cell_whatever_is_in_it(text: str) -> None:
    tokens = parse(f"| a | b |\n|---|---|\n| {Writer(unicode=True).cell(text)} | end |\n")
    cells = [token.children for token in tokens if token.type == "inline"]
    assert [part[0].content for part in cells if part][-1] == "end"
    assert len(cells) == 4


@given(st.text(max_size=80) | st.lists(st.sampled_from([*SLY, "the", "table", "(x_y),", "1.5"])).map(" ".join))
def test_prose_keeps_every_word_and_only_plain_ones_are_plain(text: str) -> None:
    found = list(inline(parse("x: " + Writer(unicode=True).prose(text))))
    assert {token.type for token in found} <= {"text", "code_inline"}
    said = "".join(token.content for token in found)
    if "`" * 8 not in text:
        assert "".join(said.split()) == "".join(("x:" + escape(text.strip())).split())
    for token in found:
        if token.type == "text":
            assert not OBEYED.search(token.content)


def test_prose_reads_like_prose() -> None:
    said = Writer(unicode=True).prose("2 IDs are stored (db.activities 2, db.x 1); make (a, b_c) the key, since 5.8 %.")
    assert said == "2 IDs are stored (`db.activities` 2, `db.x` 1); make (a, `b_c`) the key, since 5.8 %."


def test_the_golden_report_is_written_as_it_was_reviewed() -> None:
    assert_golden("markdown.md", rendered(golden_report()))


def test_the_verdict_comes_first_and_what_is_new_before_what_was_known() -> None:
    lines = rendered(golden_report()).splitlines()
    assert lines[0] == "## dedupaudit `audit`: INCOMPLETE"
    assert lines[2].startswith("**1 check failed, 1 check was stopped; ")
    rows = [line for line in lines if line.startswith(("| **NEW** ", "| high", "| medium", "| low"))]
    assert rows[0].startswith("| **NEW** high | `duplicate_ids` | `db.activities` | `activity_1766557428498` | 3 |")
    assert sum("**NEW**" in row for row in rows) == 1
    assert rows[-1].startswith("| high (in grace) |")


def test_what_was_not_checked_is_told_with_its_reason() -> None:
    text = rendered(samples.incomplete())
    assert "- **failed**: `shard2`: cannot connect: connection refused; is the server up?" in text
    assert "- **stopped**: `near_equal_ids` on `shard1.activities`:" in text
    assert "nothing found" in rendered(samples.clean()).splitlines()[2]


def test_a_large_report_shows_twenty_and_says_how_many_more_and_where() -> None:
    text = rendered(samples.large())
    assert sum(line.startswith("| high") for line in text.splitlines()) == 20
    assert "And 1,234,547 more: `--findings FILE` writes every one." in text
    made = samples.report([samples.duplicate(number) for number in range(23)])
    assert "And 3 more: `-f json` and `-f html` show them." in rendered(made)


def test_findings_are_read_once() -> None:
    """A saved report of a gigabyte is read as it is rendered."""
    made = samples.large()
    given = list(made.findings)
    read: list[int] = []

    class Once(tuple[Any, ...]):
        def __iter__(self) -> Iterator[Any]:
            read.append(1)
            return iter(given)

    assert rendered(made.model_copy(update={"findings": Once()})) == rendered(made)
    assert read == [1]


def test_the_longest_report_has_room_in_an_issue() -> None:
    worst = "`a`|" * 500
    made = with_everything_sly(worst)
    document = made.model_dump(mode="json", by_alias=True)
    for field in ("findings", "coverage", "repairs"):
        document[field] = [one for one in document[field] for _ in range(40)]
    for number, row in enumerate(document["coverage"]):
        row |= {"reason": f"{number} {worst}", "status": "failed", "check": f"{number}{worst}"}
    summary = document["summary"]
    summary["thresholds"] *= 40
    summary["changes"]["gone_findings"] *= 40
    for field in ("tables", "by_check", "objects"):
        (one, *_) = summary[field].values()
        summary[field] = {f"{number}{worst}": one for number in range(60)}
    for finding in document["findings"]:
        finding["key"] = {f"{number}{worst}": worst for number in range(6)}
    text = rendered(Report.model_validate(document))
    assert len(text) > 30_000
    assert_harmless(text)


def test_a_share_too_small_to_tell_is_told_without_an_angle() -> None:
    text = rendered(samples.report(tables={"db.activities": samples.table(duplicates=1, inflation=1e-9)}))
    assert "| under 0.000001 % |" in text
    assert_harmless(text)


def test_a_baseline_that_had_no_run_says_so() -> None:
    made = samples.damaged()
    changes = Changes(
        baseline="history",
        baseline_run=None,
        baseline_at=None,
        new=17,
        known=0,
        gone=0,
        not_looked_at=0,
        new_by_severity={"high": 12, "medium": 4, "low": 1},
    )
    summary = made.summary.model_copy(update={"changes": changes})
    text = rendered(made.model_copy(update={"summary": summary}))
    assert "Held against `history` (no earlier run: everything is new): **17 new** (12 high, 4 medium, 1 low)," in text


@pytest.mark.parametrize(("holds", "word"), [(True, "proved"), (False, "BROKEN"), (None, "not proved")])
def test_repairs_alone_are_a_report_of_their_proof(holds: bool | None, word: str) -> None:
    (repair,) = golden_report().repairs
    made = samples.report(coverage=[], tables={}, repairs=[repair.model_dump() | {"holds": holds}])
    text = rendered(made)
    assert text.splitlines()[0] == f"## dedupaudit `scan`: {word}"
    assert "nothing was checked" not in text
    assert "2 deleted" in text


def test_an_explained_id_is_told_as_its_story() -> None:
    moments = [
        Moment(at=None, offset_seconds=None, source=sly, kind="log", where=sly, text=sly)
        for sly in (*SLY, *samples.HOSTILE)
    ]
    told = Explanation(id="a|b", timeline=tuple(moments), verdict="stored 3 times by db.activities", advice="keep one")
    text = rendered(samples.incomplete().model_copy(update={"explanation": told}))
    assert_harmless(text)
    assert "- **Verdict:** stored 3 times by `db.activities`" in text
    assert "### Not checked" in text
