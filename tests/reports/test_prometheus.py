"""The Prometheus textfile: read back by Prometheus's own parser; a scraper never sees half of it."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Thread

import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from dedupaudit.model import Coverage, Report
from dedupaudit.reports import FORMATS, Style
from tests.cli.launching import PROGRAM, with_checkout
from tests.cli.reading import dangerous, said
from tests.conftest import Run
from tests.reports import samples
from tests.reports.golden import assert_golden, golden_report

ALL = (*samples.ALL, golden_report)
# A quotation ends at the first `"` that no backslash stands before, and Prometheus knows three escapes and no other.
SERIES = re.compile(r'(dedupaudit_[a-z_]+)\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+)\} (-?[0-9.e+-]+)')


def rendered(report: Report) -> str:
    out = io.StringIO()
    FORMATS["prometheus"](report, out, Style())
    return out.getvalue()


def families(text: str) -> dict[str, Metric]:
    """Return what the parser reads, having held the text against the rules of promtool and of the collector."""
    read = list(text_string_to_metric_families(text))
    assert len({family.name for family in read}) == len(read), "a family is told in two places"
    assert text.endswith("\n")
    seen = set()
    for family in read:
        assert re.fullmatch(r"dedupaudit_[a-z]+(_[a-z]+)*", family.name)
        assert family.type == "gauge"
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket"))
        assert family.documentation.endswith(".")
        assert family.samples
        for sample in family.samples:
            assert sample.name == family.name
            series = (sample.name, tuple(sorted(sample.labels.items())))
            assert series not in seen
            seen.add(series)
    lines = text.splitlines()
    assert sum(not line.startswith("#") for line in lines) == len(seen)
    assert sum(line.startswith("# HELP ") for line in lines) == sum(line.startswith("# TYPE ") for line in lines)
    for line in lines:
        assert line.startswith("#") or SERIES.fullmatch(line), line
    return {family.name.removeprefix("dedupaudit_"): family for family in read}


def value(read: Mapping[str, Metric], family: str, **labels: str) -> float:
    (found,) = [one for one in read[family].samples if labels.items() <= one.labels.items()]
    return float(found.value)


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_the_parser_reads_every_report(make: Callable[[], Report]) -> None:
    text = rendered(make())
    assert not dangerous(text)
    assert text.encode().decode() == text
    read = families(text)
    assert {sample.labels["command"] for family in read.values() for sample in family.samples} == {make().run.command}


def test_the_golden_report_is_written_as_it_was_reviewed() -> None:
    assert_golden("prometheus.prom", rendered(golden_report()))


def test_what_nobody_looked_at_is_absent_and_what_looked_and_found_nothing_is_zero() -> None:
    read = families(rendered(samples.looked_up()))
    assert "rows" not in read
    assert "null_ids" not in read
    assert value(read, "duplicate_ids", source="db", table="screenshots") == 0
    assert [one.labels["check"] for one in read["findings"].samples] == ["duplicate_ids"]
    assert value(read, "findings", check="duplicate_ids", severity="high") == 0


def test_a_run_that_is_not_complete_keeps_the_time_of_the_one_that_was() -> None:
    read = families(rendered(golden_report()))
    assert value(read, "complete") == 0
    assert value(read, "last_run_timestamp_seconds") == 1766628009.5
    assert value(read, "last_complete_timestamp_seconds") == 1766541609.4
    assert value(read, "run_duration_seconds") == 9.5
    assert "last_complete_timestamp_seconds" not in families(rendered(samples.incomplete()))
    complete = families(rendered(samples.clean()))
    assert value(complete, "last_complete_timestamp_seconds") == value(complete, "last_run_timestamp_seconds")


def test_what_failed_is_told_by_its_status() -> None:
    read = families(rendered(samples.incomplete()))
    assert value(read, "coverage", source="shard2", target="*", status="failed") == 1
    assert value(read, "coverage", source="shard1", check="near_equal_ids", status="stopped") == 1


def test_news_thresholds_and_repairs_are_told_where_there_are_any() -> None:
    read = families(rendered(golden_report()))
    assert value(read, "new_findings", severity="high") == 1
    assert value(read, "new_findings", severity="low") == 0
    assert (value(read, "known_findings"), value(read, "gone_findings")) == (3, 1)
    assert value(read, "threshold_exceeded", target="activities", check="duplicate_ids") == 1
    assert value(read, "threshold_exceeded", target="activities", check="null_ids") == 0
    assert value(read, "repair_runs", table="activities", kind="repair", state="done") == 1
    assert value(read, "repair_runs_broken", table="activities") == 0
    assert not {"new_findings", "threshold_exceeded", "repair_runs"} & set(families(rendered(samples.clean())))


def test_a_repair_whose_figures_disagree_is_counted() -> None:
    made = golden_report()
    (repair,) = made.repairs
    broken = repair.model_copy(update={"holds": False})
    read = families(rendered(made.model_copy(update={"repairs": (repair, broken)})))
    assert value(read, "repair_runs", state="done") == 2
    assert value(read, "repair_runs_broken", table="activities") == 1


def test_a_check_of_another_version_has_the_severity_of_its_findings() -> None:
    made = samples.report([samples.finding("next_check", severity="high")], samples.covered("t", ("next_check",)))
    assert value(families(rendered(made)), "findings", check="next_check", severity="high") == 1


def test_no_id_is_a_label() -> None:
    text = rendered(samples.large())
    assert "activity_1766557428498" not in text
    assert text.count("\n") < 100


def test_names_that_look_alike_stay_two_series_and_none_is_obeyed() -> None:
    names = ["a\nb", r"a\nb", "a\x00b", r"a\x00b", 'a"b', "a\\", "\ud800", r"\ud800", "", "中"]
    made = samples.clean()
    rows = tuple(Coverage(source="db", target=name, check="null_ids", status="checked") for name in names)
    read = families(rendered(made.model_copy(update={"coverage": rows})))
    assert len(read["coverage"].samples) == len(names)
    assert {one.labels["target"] for one in read["coverage"].samples} >= {r"a\nb", r"a\\nb", 'a"b', "", "中"}


def test_numbers_that_prometheus_cannot_read_are_left_out() -> None:
    made = samples.damaged()
    odd = samples.table() | {"rows": 10**400, "distinct_ids": -(2**70), "inflation": float("nan")}
    summary = type(made.summary).model_validate(made.summary.model_dump() | {"tables": {"db.activities": odd}})
    read = families(rendered(made.model_copy(update={"summary": summary})))
    assert "rows" not in read
    assert "inflation_ratio" not in read
    assert value(read, "distinct_ids") == -(2.0**70)


def test_a_stream_of_ascii_gets_escapes_that_prometheus_knows() -> None:
    made = samples.clean()
    rows = (Coverage(source="db", target="中\n", check="null_ids", status="checked"),)
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    FORMATS["prometheus"](made.model_copy(update={"coverage": rows}), out, Style())
    out.seek(0)
    (sample,) = families(out.read())["coverage"].samples
    assert sample.labels["target"] == r"\u4e2d\n"


# ---- the file that node_exporter reads


def saved(report: Report, path: Path) -> Path:
    path.write_text(report.model_dump_json(by_alias=True), encoding="utf-8")
    return path


def test_a_scraper_never_sees_half_a_file(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "textfile" / "dedupaudit.prom"
    target.parent.mkdir()
    large, small = saved(samples.damaged(), tmp_path / "large.json"), saved(samples.clean(), tmp_path / "small.json")
    ended, read, names = Event(), set[str](), set[str]()

    def scrape() -> None:
        while not ended.is_set():
            names.update(path.name for path in target.parent.glob("*.prom"))
            if target.exists():
                read.add(target.read_text(encoding="utf-8"))

    scraper = Thread(target=scrape)
    scraper.start()
    for report in (large, small, large):
        done = run("report", report, "-f", "prometheus", "-o", target)
        assert (done.code, said(done)) == (0, "")
    ended.set()
    scraper.join()
    assert read == {rendered(samples.damaged()), rendered(samples.clean())}
    assert names == {"dedupaudit.prom"}
    assert [path.name for path in target.parent.iterdir()] == ["dedupaudit.prom"]


def test_the_old_file_stays_where_the_new_one_does_not_fit(tmp_path: Path, clean_env: dict[str, str]) -> None:
    target = tmp_path / "dedupaudit.prom"
    target.write_text("dedupaudit_complete 1\n")
    report = saved(samples.hostile(), tmp_path / "report.json")
    # A file of at most 4 kB: writing more fails as on a full disk.
    script = 'ulimit -f 8; exec "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *PROGRAM, "report", str(report), "-f", "prometheus", "-o", str(target)],
        env=with_checkout(clean_env),
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert b"could not be written in full" in done.stderr
    assert target.read_text() == "dedupaudit_complete 1\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dedupaudit.prom", "home", "report.json"]
