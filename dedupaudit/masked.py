"""The mask: hides the values of some columns wherever a report can say them, by a keyed hash that keeps equality.

What a report says of a table's columns is hidden where the column is masked. What has no column of its own (an object's
key, the IDs and devices of log lines, an error's text) may hold any column's value, and is hidden under every mask.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hmac import digest
from typing import Any, TypeVar, overload

from pydantic import BaseModel

from dedupaudit.display import visible
from dedupaudit.errors import AuditError, UsageError
from dedupaudit.model import (
    Coverage,
    Evidence,
    Explanation,
    Finding,
    GoneFinding,
    KeyValue,
    LogsSummary,
    Moment,
    Report,
    Summary,
    TableSummary,
)
from dedupaudit.nearest import did_you_mean
from dedupaudit.retelling import (
    HIDDEN_REASON,
    NAMES_ONLY,
    OF_KEYS,
    is_told,
    log_event,
    log_text,
    message_of,
    object_text,
    row_text,
    text_of,
)
from dedupaudit.sources.tables.table import Table
from dedupaudit.told import five_lines

PREFIX = "masked:"
_MASKED = re.compile(rf"{PREFIX}[0-9a-f]{{16}}")
_LOCATED = re.compile(r"(.*?) (pk|rowid|ctid)=(.*)", re.DOTALL)
_ROW_NUMBER = re.compile(r"\d+|\(\d+,\d+\)")
_VARIANT = re.compile(r"(.*)(: \d+ rows?)", re.DOTALL)
_SKEWED = re.compile(r"(.*?) \((.*)\)", re.DOTALL)
_WITHOUT_COLUMNS = ("objects", "logs")
"""Sources whose keys are no columns of a table."""

_Part = TypeVar("_Part")


class Mask:
    """What hides the values of some columns, named `COLUMN` or `TABLE.COLUMN`; letter case makes no difference.

    Until `learn` told it of a table, it hides all of it that might be of a masked column.
    """

    def __init__(self, names: Sequence[str], key: bytes, sources: Sequence[str] = ()) -> None:
        self._names = {name.casefold(): name for name in names}
        self._key = key
        self._waiting = set(sources)
        self._tables: dict[str, Table] = {}
        self._columns: dict[str, str] = {}
        self._decided: dict[tuple[str, str, str], bool] = {}

    # ---- values

    def value(self, value: KeyValue) -> str | None:
        """Return the hash of a value's text; NULL, and what is hidden already, stay."""
        if value is None or (isinstance(value, str) and _MASKED.fullmatch(value)):
            return value
        return PREFIX + digest(self._key, text_of(value).encode("utf-8", "surrogatepass"), "sha256").hex()[:16]

    def hides(self, source: str, table: str, column: str) -> bool:
        """Say whether the values of a table's column are hidden."""
        place = source, table, column
        known = self._decided.get(place)
        if known is None:
            known = self._decided[place] = any(form.casefold() in self._names for form in _forms(*place))
        return known

    # ---- what the catalogs say

    def learn(self, source: str, tables: Sequence[Table]) -> None:
        """Take in the audited tables of a database.

        Raises UsageError for a column that a report counts with; and, when all databases are known, for a name that is
        no column.
        """
        for table in tables:
            self._tables[table.label] = table
            for column in table.catalog.columns:
                for form in _forms(table.source, table.name, column.name):
                    self._columns.setdefault(form.casefold(), form)
            self._refuse_counted(table)
        self._waiting.discard(source)
        if not self._waiting:
            self.refuse_unknown()

    def refuse_unknown(self) -> None:
        """Raise UsageError for a name that is a column of no audited table: what it was meant for would be shown."""
        unknown = [name for folded, name in self._names.items() if folded not in self._columns]
        if unknown and self._tables:
            hint = did_you_mean(unknown[0], self._columns.values()) or "COLUMN or TABLE.COLUMN, of tables in this run"
            raise UsageError(f"--mask {visible(unknown[0])}: no audited table has such a column", hint)

    def unmet(self) -> tuple[str, ...]:
        """Return the names that no key of the findings looked at so far has; a saved report knows no other columns."""
        met = {
            form.casefold()
            for (source, table, column), is_hidden in self._decided.items()
            if is_hidden
            for form in _forms(source, table, column)
        }
        return tuple(name for folded, name in self._names.items() if folded not in met) if self._decided else ()

    def _refuse_counted(self, table: Table) -> None:
        parts = [part for part in (table.upload, table.objects) if part]
        times = [table.time, *(part.updated for part in parts)]
        sizes = [part.size for part in parts]
        for what, columns in (("times", times), ("sizes", sizes)):
            for column in columns:
                if column and self.hides(table.source, table.name, column.name):
                    raise UsageError(
                        f"--mask {visible(column.name)}: the {what} of {visible(table.label)} stand in it, "
                        "and a report counts with them",
                        "leave it out; to keep times out of a report, configure `time = false` for the table",
                    )

    # ---- findings

    def finding(self, finding: Finding) -> Finding:
        """Return the finding with its values hidden wherever they stand, its fingerprint keyed."""
        if finding.model_extra:
            finding = _bare(finding)
        if finding.check in NAMES_ONLY and finding.key.keys() <= {"index"}:
            return finding
        key, fingerprint, is_hidden = self._keyed(finding)
        is_plain = not is_hidden and finding.check in OF_KEYS
        changes: dict[str, Any] = {} if is_plain else {"message": message_of(finding, key)}
        if is_hidden:
            changes |= {"key": key, "fingerprint": fingerprint, "key_raw": None}
        if finding.evidence:
            own = _Own(finding.key, key)
            changes["evidence"] = tuple(self._evidence(one, finding.check, own, is_plain) for one in finding.evidence)
        if finding.cause and finding.cause.model_extra:
            changes["cause"] = _bare(finding.cause)
        if not is_told(finding.check):
            changes |= {"suggestion": "", "cause": None}
        return finding.model_copy(update=changes) if changes else finding

    def _keyed(self, finding: Finding | GoneFinding) -> tuple[dict[str, KeyValue], str, bool]:
        """Return key and fingerprint, hidden where they must be, and whether any of it is."""
        raw = getattr(finding, "key_raw", None) or {}
        key: dict[str, KeyValue] = {}
        is_hidden = is_new = False
        for name, value in finding.key.items():
            if finding.source in _WITHOUT_COLUMNS or self.hides(finding.source, finding.target, name):
                key[name] = self.value(raw.get(name, value))
                is_hidden = True
                is_new = is_new or key[name] != value
            else:
                key[name] = value
        fingerprint = finding.fingerprint
        if is_new:
            # Without a key a short ID can be found by trying them all.
            fingerprint = digest(self._key, fingerprint.encode("utf-8", "surrogatepass"), "sha256").hex()
        return key, fingerprint, is_hidden

    def _evidence(self, one: Evidence, check: str, own: _Own, is_plain: bool) -> Evidence:
        where, text = one.where, one.text
        if one.kind == "row":
            where = self._row_place(where)
            if not is_plain:
                variant = _VARIANT.fullmatch(text) if check == "near_equal_ids" else None
                text = f"{self._shown(variant[1], own)}{variant[2]}" if variant else row_text(text)
        elif one.kind == "log":
            text = log_text(text)
        elif one.kind == "object":
            store, _, key = where.partition(" ")
            where, text = f"{store} {self._shown(key, own)}", object_text(text)
        if where == one.where and text == one.text and not one.model_extra:
            return one
        return Evidence.model_construct(kind=one.kind, at=one.at, where=where, text=text)

    def _shown(self, shown: str, own: _Own) -> str:
        """Return the hash of a value as people were shown it; the finding's own is that of the value itself."""
        return own.hidden(shown) or str(self.value(shown))

    def _row_place(self, where: str) -> str:
        label, found, key = where.partition(" pk=")
        if found and self._is_open(label, _primary_key):
            return where
        if found and "=" not in label:
            return f"{label} pk={self.value(key)}"
        located = _LOCATED.fullmatch(where)
        if located is None or (located[2] != "pk" and _ROW_NUMBER.fullmatch(located[3])):
            return where
        return f"{located[1]} {located[2]}={self.value(located[3])}"

    def _is_open(self, label: str, columns: Callable[[Table], Sequence[str]]) -> bool:
        """Say whether some columns of a table are known, and none of them is hidden."""
        table = self._tables.get(label)
        return table is not None and not any(self.hides(table.source, table.name, name) for name in columns(table))

    # ---- the report

    def report(self, report: Report) -> Report:
        """Return the report with the values hidden; what is masked already stays as it is."""
        findings: Sequence[Finding] = report.findings
        masked = (
            tuple(map(self.finding, findings)) if isinstance(findings, tuple) else _Findings(findings, self.finding)
        )
        changes: dict[str, Any] = {name: _bare(getattr(report, name)) for name in ("tool", "run", "repairs")}
        changes["coverage"] = tuple(map(_coverage, report.coverage))
        changes["summary"] = self._summary(report.summary)
        changes["findings"] = masked
        changes["explanation"] = self._explanation(report.explanation, masked) if report.explanation else None
        done = Report.model_construct(**{name: getattr(report, name) for name in Report.model_fields} | changes)
        lines = done.summary.five_lines
        if lines is None:
            return done
        # Kinds are named in the second line alone. Nobody can ask for an ID by its hash.
        told = five_lines(done.model_copy(update={"findings": ()}))
        next_ = tuple(one for one in lines.next if not one.startswith("dedupaudit explain"))
        lines = lines.model_copy(update={"how_much": told.how_much, "next": next_})
        return done.model_copy(update={"summary": done.summary.model_copy(update={"five_lines": lines})})

    def _summary(self, summary: Summary) -> Summary:
        summary = _bare(summary)
        changes = summary.changes
        if changes:
            gone = tuple(self._gone(one) for one in changes.gone_findings)
            changes = changes.model_copy(update={"gone_findings": gone})
        return summary.model_copy(
            update={
                "tables": {label: self._table(label, table) for label, table in summary.tables.items()},
                "logs": self._logs(summary.logs) if summary.logs else None,
                "changes": changes,
            }
        )

    def _table(self, label: str, table: TableSummary) -> TableSummary:
        if not table.by_group or self._is_open(label, lambda known: [known.group.name] if known.group else []):
            return table
        groups = tuple(one.model_copy(update={"group": self.value(one.group)}) for one in table.by_group)
        return table.model_copy(update={"by_group": groups})

    def _logs(self, logs: LogsSummary) -> LogsSummary:
        skew = {}
        for stream, seconds in logs.clock_skew.items():
            of_device = _SKEWED.fullmatch(stream)
            skew[f"{of_device[1]} ({self.value(of_device[2])})" if of_device else stream] = seconds
        devices = {str(self.value(device)): number for device, number in logs.requeues_by_device.items()}
        return logs.model_copy(update={"requeues_by_device": devices, "clock_skew": skew})

    def _gone(self, one: GoneFinding) -> GoneFinding:
        if one.check in NAMES_ONLY and one.key.keys() <= {"index"}:
            return one
        key, fingerprint, _is_hidden = self._keyed(one)
        return one.model_copy(update={"key": key, "fingerprint": fingerprint})

    def _explanation(self, told: Explanation, findings: Sequence[Finding]) -> Explanation:
        verdict, cause = told.verdict, told.cause
        if cause:
            # Its sentences name IDs and objects; without a cause they name only tables.
            said = [f"{finding.message}." for finding in findings]
            if cause.name == "row_before_object" or "whoever opens it gets a 404" in verdict:
                said.append("Its object is gone: whoever opens it gets a 404.")
            said.append(f"Cause: {cause.name}: {cause.why}.")
            verdict = " ".join(said)
        return Explanation(
            id=str(self.value(told.id)),
            timeline=tuple(map(self._moment, told.timeline)),
            verdict=verdict,
            advice=told.advice,
            cause=_bare(cause),
        )

    def _moment(self, moment: Moment) -> Moment:
        where, text = moment.where, moment.text
        if moment.kind == "row":
            where, text = self._row_place(where), row_text(text)
        elif moment.kind == "log":
            text, device = log_event(text)
            text += f" ({self.value(device)})" if device else ""
        elif moment.kind == "object":
            where, text = str(self.value(where)), object_text(text)
        changes = {"where": where, "text": text}
        return Moment.model_construct(**{name: getattr(moment, name) for name in Moment.model_fields} | changes)

    # ---- errors

    @contextmanager
    def errors(self, *values: str) -> Iterator[None]:
        """Let no failure inside the block say what it met: these values are hidden, and a crash's text is dropped."""
        try:
            yield
        except AuditError as error:
            for value in values:
                error.message = error.message.replace(visible(value), str(self.value(value)))
            error.args = (error.message,)
            # What a driver said stands in the cause, and -v would show it.
            raise error from None
        except OSError:
            raise
        except Exception as error:  # a crash may name any value
            raise RuntimeError(f"{type(error).__name__}, {HIDDEN_REASON}") from None


class _Own:
    """A finding's own key as people are shown it, and what hides it; worked out when it is asked for."""

    def __init__(self, key: dict[str, KeyValue], hidden: dict[str, KeyValue]) -> None:
        self._key, self._hidden = key, hidden
        self._known: dict[str, str] | None = None

    def hidden(self, shown: str) -> str | None:
        """Return the hash of the part of the key that is shown so."""
        if self._known is None:
            pairs = zip(self._key.values(), self._hidden.values(), strict=True)
            self._known = {visible(value): str(hash_) for value, hash_ in pairs if isinstance(value, str)}
        return self._known.get(shown)


class _Findings(Sequence[Finding]):
    """Findings that are masked when they are looked at: those of a big saved report do not fit into memory."""

    def __init__(self, findings: Sequence[Finding], mask: Callable[[Finding], Finding]) -> None:
        self._findings, self._mask = findings, mask

    def __len__(self) -> int:
        return len(self._findings)

    def __iter__(self) -> Iterator[Finding]:
        return map(self._mask, self._findings)

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Finding]: ...
    def __getitem__(self, index: int | slice) -> Finding | Sequence[Finding]:
        if isinstance(index, slice):
            return _Findings(self._findings[index], self._mask)
        return self._mask(self._findings[index])


def _forms(source: str, table: str, column: str) -> tuple[str, ...]:
    """Return the names that a column can be masked by."""
    return column, f"{table}.{column}", f"{source}.{table}.{column}"


def _primary_key(table: Table) -> Sequence[str]:
    return table.catalog.primary_key


def _coverage(row: Coverage) -> Coverage:
    """Return what became of a check; of a source that could not be opened no value was read that a reason could say."""
    row = _bare(row)
    is_own = row.status != "failed" or row.target == "*" or row.source == "logs" or row.reason is None
    return row if is_own else row.model_copy(update={"reason": HIDDEN_REASON})


def _bare(part: _Part) -> _Part:
    """Return a part of the report without fields that this version does not know: nobody can say what they hold."""
    if isinstance(part, BaseModel):
        fields = {name: _bare(getattr(part, name)) for name in type(part).model_fields}
        return part.model_construct(**fields)
    if isinstance(part, tuple):
        return tuple(map(_bare, part))  # type: ignore[return-value]
    if isinstance(part, dict):
        return {name: _bare(value) for name, value in part.items()}  # type: ignore[return-value]
    return part
