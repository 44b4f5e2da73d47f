"""The mask: equal values stay equal, and nothing else of a value is left, whatever the value looks like."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import stat
import time
from collections import UserList
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.checks import CHECK_NAMES
from dedupaudit.config import Options
from dedupaudit.display import visible
from dedupaudit.errors import NothingToCheck, UsageError
from dedupaudit.masked import Mask
from dedupaudit.masking import mask_of
from dedupaudit.model import Base64, Finding, Report
from dedupaudit.retelling import NAMES_ONLY, OF_KEYS, is_told
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.table import Table, Upload
from tests.reports.golden import golden_report
from tests.reports.samples import HOSTILE, duplicate, finding

KEY = b"0123456789abcdef0123456789abcdef"
STORE = "oss://pictures/screenshots/"
HASH = re.compile(r"masked:[0-9a-f]{16}")


def mask(*names: str, key: bytes = KEY, sources: tuple[str, ...] = ()) -> Mask:
    return Mask(names or ("activity_id", "device_id"), key, sources)


def hashed(text: str) -> str:
    return "masked:" + hmac.new(KEY, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:16]


def made(**changes: Any) -> Finding:
    return Finding.model_validate(duplicate(**changes))


def audited() -> dict[str, Any]:
    return golden_report().model_dump(mode="json", by_alias=True)


def table(*columns: str, name: str = "activities", key: str = "activity_id", time_column: str | None = None) -> Table:
    known = {one: Column(one, "TEXT") for one in columns or ("pk", "activity_id", "device_id", "created_at", "type")}
    catalog = Catalog(name, name, "table", tuple(known.values()), primary_key=(next(iter(known)),))
    return Table("db", name, catalog, (known[key],), (), time=known[time_column] if time_column else None)


# ---- values


def test_a_hash_is_the_hmac_of_the_value_and_openssl_makes_the_same() -> None:
    assert mask().value("activity_1") == hashed("activity_1")


def test_equal_values_have_equal_hashes_whatever_they_are_stored_as() -> None:
    hides = mask()
    assert hides.value(7) == hides.value("7")
    assert hides.value(Base64.of(b"\x01\xff")) == hides.value("0x01ff")
    assert hides.value("a") != hides.value("A") != hides.value("a ")
    assert hides.value(None) is None


def test_another_key_makes_other_hashes_and_fingerprints() -> None:
    one, other = mask().finding(made()), mask(key=b"x" * 32).finding(made())
    assert one.key != other.key
    assert one.fingerprint != other.fingerprint
    assert mask().finding(made()) == one


def test_a_fingerprint_is_keyed_because_a_short_id_is_soon_guessed_from_one_that_is_not() -> None:
    original = made()
    masked = mask().finding(original)
    assert masked.fingerprint == hmac.new(KEY, original.fingerprint.encode(), hashlib.sha256).hexdigest()


def test_a_finding_without_a_hidden_value_keeps_its_fingerprint() -> None:
    bare = made(check="missing_unique", key={}, message="no constraint keeps activity_id unique")
    assert mask().finding(bare) == bare
    assert mask("device_id").finding(made(evidence=[])) == made(evidence=[])


@pytest.mark.parametrize("name", ["activity_id", "Activity_ID", "activities.activity_id", "db.activities.activity_id"])
def test_a_column_is_named_alone_or_with_its_table(name: str) -> None:
    assert mask(name).finding(made()).key == {"activity_id": hashed("activity_1766557428498")}


@pytest.mark.parametrize("name", ["screenshots.activity_id", "id", "activity", "activity_id2"])
def test_another_tables_column_is_not_hidden(name: str) -> None:
    assert mask(name).finding(made()).key == made().key


def test_bytes_that_did_not_decode_are_hidden_by_what_they_are_and_not_by_how_they_look() -> None:
    first = made(key={"activity_id": "a�"}, key_raw={"activity_id": {"base64": "Yf8="}})
    second = made(key={"activity_id": "a�"}, key_raw={"activity_id": {"base64": "Yf4="}})
    assert mask().finding(first).key == {"activity_id": hashed("0x61ff")}
    assert mask().finding(first).key != mask().finding(second).key
    assert mask().finding(first).key_raw is None


def test_of_a_key_of_several_parts_only_the_masked_one_is_hidden() -> None:
    masked = mask("device_id").finding(made(key={"device_id": "desk-1", "activity_id": "activity_1"}))
    assert masked.key == {"device_id": hashed("desk-1"), "activity_id": "activity_1"}
    assert masked.message.startswith(f"({hashed('desk-1')}, activity_1) is stored 3 times")


# ---- no value is left, whatever it is

hostile = st.one_of(
    st.sampled_from([one for one in HOSTILE if one]),
    st.text(min_size=1, max_size=40),
    st.sampled_from(
        ["a", "1", "id", "row", "masked:", "masked:abc", "pk=7", " pk=", "is stored", ".*", "\\1", "(?i)x"]
    ),
    st.integers(-(2**63), 2**63 - 1),
)


def told(check: str, value: str | int, other: str | int) -> Finding:
    """Return a finding as the checks write it, with two values wherever one of them writes any."""
    shown, key = visible(value), f"screenshots/{other}/{value}.jpg"
    of_store = check in ("orphan_object", "shared_object", "multipart_leftover")
    where = {"source": "objects", "target": STORE, "key": {"object_key": key}} if of_store else {}
    if check in ("requeue", "repeated_receive", "overlapping_send"):
        where = {"source": "logs", "target": "logs", "key": {"id": str(value)}}
    return Finding.model_validate(
        finding(
            check,
            **({"key": {"activity_id": value}, "class": "identical"} | where),
            message=f"{shown} has no object {visible(key)}, while {visible(other)} is there: {other}",
            evidence=[
                {"kind": "row", "where": f"db.activities pk={shown}", "text": f"status {shown}, names {visible(key)}"},
                {"kind": "row", "where": f"db.activities pk=({shown}, {other})", "text": "row 1 of 3, the earliest"},
                {"kind": "row", "where": "db.activities", "text": f"{visible(other)}: 2 rows"},
                {"kind": "object", "where": f"{STORE} {visible(key)}", "text": f"upload {shown}, 3 parts"},
                {"kind": "log", "where": "app.log:7", "text": f"the client sent it ({visible(other)})"},
            ],
        )
    )


def shape(masked: Finding) -> str:
    """Return all that is said, but for the hashes."""
    return HASH.sub("#", masked.model_dump_json(exclude={"fingerprint"}))


@pytest.mark.parametrize("check", sorted({*CHECK_NAMES, "a_check_to_come"} - NAMES_ONLY))
@given(value=hostile, other=hostile)
def test_what_is_left_of_a_finding_is_the_same_for_every_value(check: str, value: str | int, other: str | int) -> None:
    masked = mask().finding(told(check, value, other))
    assert shape(masked) == shape(mask().finding(told(check, "reference", "another")))
    assert mask().finding(masked) == masked, "hiding what is hidden changes it"


@given(values=st.lists(hostile, min_size=2, max_size=6, unique_by=str))
def test_different_values_have_different_hashes(values: list[str | int]) -> None:
    hidden = [mask().value(value) for value in values]
    assert len(set(hidden)) == len(values)
    assert all(one and HASH.fullmatch(one) for one in hidden)


def test_every_check_is_told_of_by_name() -> None:
    assert {check for check in CHECK_NAMES if not is_told(check)} == NAMES_ONLY
    assert set(CHECK_NAMES) >= OF_KEYS


def test_one_object_has_one_hash_in_its_key_and_in_its_evidence() -> None:
    key = "screenshots/desk-1/" + "x" * 200
    masked = mask().finding(
        made(
            check="orphan_object",
            source="objects",
            target=STORE,
            key={"object_key": key},
            evidence=[{"kind": "object", "where": f"{STORE} {visible(key)}", "text": "7 bytes"}],
        )
    )
    assert masked.evidence[0].where == f"{STORE} {hashed(key)}"


def test_fields_of_a_newer_version_are_dropped_because_nobody_knows_what_is_in_them() -> None:
    document = audited()
    document["summary"]["later"] = document["later"] = "activity_1"
    document["run"]["later"] = document["coverage"][0]["later"] = "activity_1"
    document["findings"] = [duplicate(later="activity_1", cause=None)]
    document["findings"][0]["evidence"][0]["later"] = "activity_1"
    assert "later" not in mask().report(Report.model_validate(document)).model_dump_json()


# ---- the catalogs


def test_an_unknown_column_is_refused_when_all_databases_are_known_and_not_before() -> None:
    hides = mask("activity_id", "sreen_id", sources=("one", "two"))
    hides.learn("one", [table()])
    with pytest.raises(UsageError, match="--mask sreen_id: no audited table has such a column"):
        hides.learn("two", [table("screen_id", name="screens", key="screen_id")])


def test_at_the_end_an_unknown_column_is_refused_although_a_database_could_not_be_opened() -> None:
    hides = mask("activity_idd", sources=("one", "two"))
    hides.learn("one", [table()])
    with pytest.raises(UsageError, match=r"activity_idd") as refused:
        hides.refuse_unknown()
    assert "activity_id" in refused.value.hint


def test_where_no_table_was_read_there_is_nothing_that_a_slip_could_show() -> None:
    mask("activity_idd", sources=("one",)).refuse_unknown()


def test_times_are_counted_with_and_cannot_be_hidden() -> None:
    with pytest.raises(UsageError, match=r"created_at: the times of db\.activities stand in it"):
        mask("created_at").learn("db", [table(time_column="created_at")])


def test_sizes_are_counted_with_and_cannot_be_hidden() -> None:
    upload = Upload(Column("status", "TEXT"), size=Column("file_size", "INT"))
    known = table("id", "status", "file_size", key="id", name="screenshots")
    with pytest.raises(UsageError, match="file_size: the sizes of db.screenshots stand in it"):
        mask("file_size").learn("db", [Table("db", "screenshots", known.catalog, known.key, (), upload=upload)])


def test_a_primary_key_is_shown_only_where_it_is_known_to_be_another_column() -> None:
    assert mask().finding(made()).evidence[0].where == f"db.activities pk={hashed('7')}"
    knows = mask()
    knows.learn("db", [table()])
    assert knows.finding(made()).evidence[0].where == "db.activities pk=7"
    hides = mask("pk", "activity_id")
    hides.learn("db", [table()])
    assert hides.finding(made()).evidence[0].where == f"db.activities pk={hashed('7')}"


@pytest.mark.parametrize("where", ["db.activities rowid=7", "db.activities ctid=(0,7)", "db.activities"])
def test_where_a_row_lies_is_no_value(where: str) -> None:
    row = {"kind": "row", "where": where, "text": "row 1 of 3"}
    assert mask().finding(made(evidence=[row])).evidence[0].where == where


def test_a_table_cannot_be_named_so_that_its_keys_are_taken_for_row_numbers() -> None:
    row = {"kind": "row", "where": "db.a rowid=b pk=secret", "text": "row 1 of 3"}
    assert "secret" not in mask().finding(made(evidence=[row])).evidence[0].where


# ---- the report


@pytest.fixture(scope="module")
def whole() -> Report:
    document = audited()
    document["summary"]["tables"]["db.activities"]["by_group"] = [
        {"group": "secret-kind", "rows": 3, "distinct_ids": 1, "inflation": 2.0}
    ]
    document["summary"]["logs"]["requeues_by_device"] = {"secret-device": 3}
    document["summary"]["logs"]["clock_skew"] = {"app.log": 3.0, "app.log (secret-device)": 2.0}
    document["coverage"].append(
        {"source": "db", "target": "x", "check": "duplicate_ids", "status": "failed", "reason": "no date: secret-id"}
    )
    document["coverage"].append(
        {"source": "two", "target": "*", "check": "*", "status": "failed", "reason": "cannot connect to two"}
    )
    document["summary"]["changes"] = {
        "baseline": "last", "baseline_run": None, "baseline_at": None, "new": 0, "known": 0, "gone": 2,
        "not_looked_at": 0, "new_by_severity": {},
        "gone_findings": [
            {"fingerprint": "ab" * 32, "check": "duplicate_ids", "severity": "high", "source": "db",
             "target": "activities", "key": {"activity_id": "secret-id"}},
            {"fingerprint": "cd" * 32, "check": "missing_unique", "severity": "high", "source": "db",
             "target": "activities", "key": {}},
        ],
    }  # fmt: skip
    return Report.model_validate(document)


def test_totals_devices_reasons_and_what_is_gone_name_no_value(whole: Report) -> None:
    masked = mask().report(whole)
    text = masked.model_dump_json()
    assert "secret" not in text
    assert "activity_1766557428498" not in text
    assert masked.summary.logs is not None
    assert masked.summary.logs.requeues_by_device == {hashed("secret-device"): 3}
    assert masked.summary.logs.clock_skew == {"app.log": 3.0, f"app.log ({hashed('secret-device')})": 2.0}


def test_what_was_not_checked_stays_visible_with_a_reason(whole: Report) -> None:
    rows = {(row.source, row.target): row for row in mask().report(whole).coverage if row.status == "failed"}
    assert "run without --mask" in str(rows["db", "x"].reason)
    assert rows["two", "*"].reason == "cannot connect to two"


def test_what_was_gone_keeps_its_fingerprint_only_without_a_value(whole: Report) -> None:
    changes = mask().report(whole).summary.changes
    assert changes is not None
    hidden, bare = changes.gone_findings
    assert hidden.key == {"activity_id": hashed("secret-id")}
    assert hidden.fingerprint != "ab" * 32
    assert bare.fingerprint == "cd" * 32


def test_numbers_stay(whole: Report) -> None:
    masked = mask().report(whole)
    assert masked.summary.by_check == whole.summary.by_check
    assert masked.summary.tables["db.activities"].by_day == whole.summary.tables["db.activities"].by_day
    assert [one.count for one in masked.findings] == [one.count for one in whole.findings]
    assert [one.first_at for one in masked.findings] == [one.first_at for one in whole.findings]


def test_hiding_twice_is_hiding_once_also_with_another_key(whole: Report) -> None:
    once = mask().report(whole)
    assert mask().report(once).model_dump_json() == once.model_dump_json()
    assert mask(key=b"y" * 32).report(once).model_dump_json() == once.model_dump_json()


def test_a_masked_report_is_a_report(whole: Report) -> None:
    text = mask().report(whole).model_dump_json(by_alias=True)
    assert Report.model_validate_json(text).model_dump_json(by_alias=True) == text


def test_a_big_reports_findings_are_hidden_as_they_are_looked_at(whole: Report) -> None:
    lazy = UserList(whole.findings)
    masked = mask().report(whole.model_copy(update={"findings": lazy})).findings
    assert len(masked) == len(whole.findings)
    assert list(masked) == list(mask().report(whole).findings)
    assert masked[0] == mask().report(whole).findings[0]
    assert list(masked[:1]) == [masked[0]]
    assert "activity_17" not in str(masked[0].key)


def test_names_that_no_finding_has_are_known_afterwards() -> None:
    hides = mask("activity_id", "activity_idd")
    assert hides.unmet() == ()
    hides.finding(made())
    assert hides.unmet() == ("activity_idd",)


# ---- failures


def test_a_crash_names_its_kind_and_no_value() -> None:
    with pytest.raises(RuntimeError) as crash, mask().errors():
        raise KeyError("secret")
    assert "KeyError" in str(crash.value)
    assert "secret" not in str(crash.value)
    assert crash.value.__suppress_context__


def test_an_error_says_the_hash_of_the_id_that_was_asked_for() -> None:
    with pytest.raises(NothingToCheck) as error, mask().errors("activity_1"):
        raise NothingToCheck("no source knows the ID activity_1")
    assert str(error.value) == error.value.message == f"no source knows the ID {hashed('activity_1')}"


# ---- the key


def key_file(folder: Path, text: bytes, mode: int = 0o600) -> Path:
    path = folder / "mask.key"
    path.write_bytes(text)
    path.chmod(mode)
    return path


def options(path: Path | None = None, **more: Any) -> Options:
    return Options(mask=("id",), mask_key_file=str(path) if path else None, **more)


def test_without_a_masked_column_no_key_is_asked_for() -> None:
    assert mask_of(Options(), {}) is None


def test_the_environments_key_goes_before_the_files(tmp_path: Path) -> None:
    path = key_file(tmp_path, KEY + b"\n")
    of_file = mask_of(options(path), {})
    of_environment = mask_of(options(path), {"DEDUPAUDIT_MASK_KEY": "e" * 32})
    assert of_file is not None
    assert of_environment is not None
    assert of_file.value("a") == mask().value("a")
    assert of_environment.value("a") == mask(key=b"e" * 32).value("a")


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_a_line_break_at_the_end_is_no_part_of_the_key(tmp_path: Path, ending: bytes) -> None:
    made_of = mask_of(options(key_file(tmp_path, KEY + ending)), {})
    assert made_of is not None
    assert made_of.value("a") == mask().value("a")


@pytest.mark.parametrize(
    ("text", "why"),
    [(b"", "empty"), (b"\n", "empty"), (b" " * 40, "empty"), (b"short", "too short"), (b"x" * 70_000, "too large")],
)
def test_a_key_that_can_be_guessed_is_refused(tmp_path: Path, text: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=why) as refused:
        mask_of(options(key_file(tmp_path, text)), {})
    assert "openssl rand -hex 32" in refused.value.hint


@pytest.mark.parametrize("text", ["", "short"])
def test_so_is_one_of_the_environment(text: str) -> None:
    with pytest.raises(UsageError, match="DEDUPAUDIT_MASK_KEY"):
        mask_of(options(), {"DEDUPAUDIT_MASK_KEY": text})


@pytest.mark.parametrize("name", ["missing.key", ".", "nul\0"])
def test_a_key_that_cannot_be_read_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        mask_of(options(tmp_path / name), {})


def test_a_mask_without_a_key_is_refused() -> None:
    with pytest.raises(UsageError, match="--mask needs a key"):
        mask_of(options(), {})


def test_a_blank_name_is_refused() -> None:
    with pytest.raises(UsageError, match="without a name"):
        mask_of(Options(mask=("id", " ")), {"DEDUPAUDIT_MASK_KEY": "e" * 32})


@pytest.mark.parametrize(("mode", "is_said"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_key_that_everybody_can_read_is_remarked_upon(
    tmp_path: Path, mode: int, is_said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = key_file(tmp_path, KEY, mode)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    mask_of(options(path), {})
    assert ("can be read by every user" in capsys.readouterr().err) == is_said
    mask_of(options(path, quiet=True), {})
    assert capsys.readouterr().err == ""


# ---- how long it takes


def test_a_finding_is_hidden_in_microseconds() -> None:
    """Guard against an expression that backtracks: a long hostile text costs no more than a short one, nearly."""

    def took(check: str, text: str) -> float:
        hides: Callable[[Finding], Finding] = mask().finding
        one = told(check, text, text)
        began = time.perf_counter()
        for _ in range(20):
            hides(one)
        return (time.perf_counter() - began) / 20

    for text in ("row 1 of " * 5000, " pk=" * 5000, ": 2 rows" * 5000, "the client sent it, +" * 5000):
        assert took("near_equal_ids", text) < 0.01, json.dumps(text[:30])
