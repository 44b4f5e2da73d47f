"""The conductor of `crosscheck`: rows first, then objects, one merge; then each suspect is looked at once more.

The order makes the verdicts: a row is read before its object is looked for, so that an object that is missing was
missing while its row was there; rows are read again after the objects were seen twice, so that an orphan had no row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from dedupaudit.building import INTERRUPTED, Building, FindingSink, Outcome, reason_of, status_of
from dedupaudit.causes.explainer import Explainer
from dedupaudit.checks import OBJECT_CHECKS
from dedupaudit.checks.base import TableScan
from dedupaudit.checks.crossing import CrossScan, ObjectCheck
from dedupaudit.choosing import choose
from dedupaudit.config import ObjectsSettings, Settings
from dedupaudit.crosscheck.naming import Namer, Template
from dedupaudit.crosscheck.rows import RowReader, by_source, read_referenced
from dedupaudit.crosscheck.second import look_again
from dedupaudit.crosscheck.stores import Store, open_store
from dedupaudit.crosscheck.trust import distrust, left_out, wrong_templates
from dedupaudit.display import visible
from dedupaudit.errors import Cancelled, NothingToCheck, SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import ObjectsSummary, Status
from dedupaudit.opening import Opening, opened, tables_of
from dedupaudit.progress import Progress
from dedupaudit.scan import ScanRequest
from dedupaudit.snapshot.crossing import Crossing
from dedupaudit.sources.tables.protocol import TableSource
from dedupaudit.sources.tables.resolve import DEFAULT_TABLES

Announce = Callable[[str], None]


def crosscheck(
    settings: Settings,
    request: ScanRequest,
    *,
    interrupt: Interrupt,
    progress: Progress,
    sink: FindingSink | None = None,
    announce: Announce = lambda _text: None,
) -> Outcome:
    """Hold the rows of all configured databases against the objects of one store.

    Raises UsageError for wrong names and settings, NothingToCheck where no table speaks of objects. What fails is in
    `coverage`, and nothing is judged by what was not seen.
    """
    building = request.building(sink)
    try:
        crosscheck_into(building, settings, request, interrupt=interrupt, progress=progress, announce=announce)
        return building.outcome()
    except Cancelled as cancelled:
        return building.outcome(cancelled.signum)


def crosscheck_into(
    building: Building,
    settings: Settings,
    request: ScanRequest,
    *,
    interrupt: Interrupt,
    progress: Progress,
    announce: Announce = lambda _text: None,
    opening: Opening = opened,
    explainer: Explainer | None = None,
) -> None:
    """Crosscheck as `crosscheck` does, into a report that is being made; raises Cancelled when it has what was seen.

    `opening` opens the databases; `explainer` knows the logs.
    """
    checks = choose(OBJECT_CHECKS, request.checks, request.skipped_checks, "crosscheck")
    with ExitStack() as stack:
        run = _Run(building, settings, request, checks, interrupt, progress, opening, explainer)
        run.store = open_store(settings, interrupt)
        stack.callback(run.store.close)
        try:
            run.open_tables(stack)
            run.go(announce, stack)
        except Cancelled:
            run.cover_rest("stopped", INTERRUPTED)
            raise
        except SourceError as error:
            # A disk that is full at the second look, for one: what was judged stays, the rest is told as failed.
            run.cover_rest(status_of(error), reason_of(error))
        finally:
            run.summarise()


@dataclass
class _Run:
    building: Building
    settings: Settings
    request: ScanRequest
    checks: Sequence[ObjectCheck]
    interrupt: Interrupt
    progress: Progress
    opening: Opening
    explainer: Explainer | None
    store: Store = field(init=False)
    readers: list[RowReader] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Why rows are missing: no object can be called an orphan then."""
    rows: dict[int, int] = field(default_factory=dict)
    totals: tuple[int, int, int] | None = None
    scan: CrossScan | None = None
    _covered: set[tuple[int | None, str]] = field(default_factory=set)
    _began: float = field(default_factory=time.monotonic)

    @property
    def objects(self) -> ObjectsSettings:
        return self.settings.objects or ObjectsSettings()

    # ---- before anything is read

    def open_tables(self, stack: ExitStack) -> None:
        """Resolve the tables of all databases; those that were not named are read for what they refer to alone."""
        for database in self.settings.require_databases():
            before = len(self.building.coverage)
            context = self.opening(database, self.request.reading, self.building, self.interrupt, self.progress)
            source = stack.enter_context(context)
            if source is not None:
                self._resolve(source)
            elif len(self.building.coverage) == before:
                self.unread.append(f"{visible(database.name)}: it could not be opened")
            self.unread += [
                f"{visible(row.source)}.{visible(row.target)}: {row.reason}"
                for row in self.building.coverage[before:]
                if row.status in ("failed", "stopped")
            ]
        if not self.readers and not self.unread:
            raise NothingToCheck(
                f"nothing to check: none of the tables {', '.join(self.settings.tables or DEFAULT_TABLES)} has a "
                "column for object keys or URLs",
                'name the column: [tables.NAME] object_key = "COLUMN" in dedupaudit.toml',
            )

    def _resolve(self, source: TableSource) -> None:
        tables = tables_of(source, self.settings, self.request.tables, self.building)
        named = {table.name for table in tables}
        if self.request.tables:
            others = [name for name in self.settings.tables or DEFAULT_TABLES if name not in named]
            unheard = self.request.building()
            for name in others:
                if name in self.settings.tables or source.catalog((name,)):
                    tables += tables_of(source, self.settings, (name,), unheard)
            self.unread += [f"{row.source}.{row.target}: {row.reason}" for row in unheard.coverage]
        for table in tables:
            judged = table.name in named
            if table.objects is None:
                if self.request.tables and judged:
                    raise UsageError(
                        f"table {visible(table.name)} has no column for object keys or URLs",
                        f'name it: [tables.{visible(table.name)}] object_key = "COLUMN"; with a template, status = '
                        '"COLUMN" will do',
                    )
                continue
            text = self.objects.template
            if text is None and table.objects.object_key is None and table.objects.object_url is None:
                if self.request.tables and judged:
                    raise UsageError(
                        f"table {visible(table.name)} has no column for object keys or URLs, and there is no template",
                        'give the key by its columns: [objects] template = "screenshots/{device_id}/{id}.jpg"',
                    )
                continue
            template = Template(text, table, self.settings) if text else None
            number = len(self.readers)
            scan = TableScan(source, table, (), self.building.now, 0.0)
            namer = Namer(number, table, template, self.store.bucket)
            self.readers.append(RowReader(number, scan, namer, template, judged))
        for number, select in enumerate(self.objects.also_referenced):
            source.check_select(select, self.settings.where("objects", "also_referenced") + f"[{number}]")

    # ---- the looks

    def go(self, announce: Announce, stack: ExitStack) -> None:
        """Look twice, and judge."""
        try:
            self.store.preflight()
        except SourceError as error:
            self.cover_rest(status_of(error), reason_of(error))
            return
        known = [reader.scan.table.catalog.row_estimate for reader in self.readers]
        announcement = self.store.announcement(None if None in known else sum(rows or 0 for rows in known))
        if announcement:
            announce(announcement)
        with Crossing(self.request.memory_limit, self.objects.protect) as crossing:
            try:
                self._first_look(crossing)
            except SourceError as error:
                self.cover_rest(status_of(error), reason_of(error))
                return
            if not any(reader.judged for reader in self.readers):
                self.cover_rest("failed", "no row could be read")
                return
            self.scan = self._cross_scan(crossing)
            reason = distrust(crossing, self.scan, self.store, self.objects.max_missing)
            if reason is not None:
                self.cover_rest("failed", reason)
                return
            if all(check.name != "missing_object" for check in self.checks):
                crossing.forget("missing_object")
            self._second_look(crossing, self.scan)
            self._judge(self.scan)

    def _first_look(self, crossing: Crossing) -> None:
        for source, readers in by_source(self.readers):
            for reader in readers:
                self._read(crossing, reader)
            try:
                read_referenced(source, self.objects.also_referenced, crossing, "first")
            except SourceError as error:
                self.unread.append(f"{visible(source.name)}: also_referenced: {reason_of(error)}")
            # No lock and no old snapshot is held while objects are listed. What fails here fails at the second look.
            with suppress(SourceError):
                source.renew()
        self.store.load(crossing, self.progress)
        self.totals = crossing.totals()
        names = [check.name for check in self._with_sql()]
        for reader, reason in wrong_templates(crossing, self.readers):
            for check in self.checks:
                if check.name == "misplaced_object":
                    self._cover(reader, check, "failed", reason=reason)
        # Whether the look can be believed is told by what is missing, asked for or not.
        crossing.find("first", dict.fromkeys([*names, "missing_object"]))

    def _read(self, crossing: Crossing, reader: RowReader) -> None:
        try:
            self.rows[reader.number] = reader.read(crossing, "first", self.progress)
        except SourceError as error:
            table = reader.scan.table
            self.unread.append(f"{visible(table.label)}: {error.message}")
            if reader.judged:
                for check in self._about_rows():
                    self._cover(reader, check, status_of(error), reason=reason_of(error))

    def _with_sql(self) -> list[ObjectCheck]:
        return [check for check in self.checks if check.name != "multipart_leftover"]

    def _about_rows(self) -> list[ObjectCheck]:
        return [check for check in self.checks if check.about == "rows"]

    def _cross_scan(self, crossing: Crossing) -> CrossScan:
        grace = round(self.objects.grace * 1_000_000)
        since = min(self.building.now, self.store.as_of or self.building.now)
        unsure = "; ".join(dict.fromkeys(self.unread)) or None
        if unsure is None and not crossing.naming():
            unsure = "no row of any table names an object, which is also what the wrong database looks like"
        return CrossScan(
            crossing,
            [reader.scan for reader in self.readers],
            self.store.shown,
            since - grace,
            since,
            blind=None if self.store.live else "there is only an inventory; add --objects oss://BUCKET/PREFIX/",
            unsure=unsure,
            explainer=self.explainer,
        )

    def _second_look(self, crossing: Crossing, scan: CrossScan) -> None:
        for source, _readers in by_source(self.readers):
            lag = source.lag()
            if lag is None or lag > self.objects.grace:
                behind = "by how much nobody knows" if lag is None else f"{lag:,.0f} s behind"
                scan.unsure = scan.unsure or (
                    f"{visible(source.name)} is a replica, {behind}: rows may be on their way; audit the primary"
                )
        look_again(crossing, scan, self.store, self.readers, self.objects, self.interrupt, self.progress)
        crossing.find("again", [check.name for check in self._with_sql()])
        if any(check.name in ("missing_object", "orphan_object") for check in self.checks):
            from dedupaudit.checks.near_key import fold

            crossing.bring_together(fold)

    # ---- the verdicts

    def _judge(self, scan: CrossScan) -> None:
        for check in self.checks:
            began = time.monotonic()
            try:
                if check.name == "multipart_leftover":
                    scan.uploads = self._leftovers()
                self.building.ran(check.name)
                for finding in check.findings(scan):
                    self.building.add(check.name, check.severity, finding)
            except SourceError as error:
                self._cover_all(check, status_of(error), reason_of(error), began)
                continue
            self._cover_all(check, "checked", None, began)

    def _leftovers(self) -> list[object]:
        if self.store.live is None:
            raise SourceError("an inventory does not list uploads in parts", "add --objects oss://BUCKET/PREFIX/")
        hidden = (*self.objects.protect, "_dedupaudit/")
        return [one for one in self.store.live.leftovers() if not one.key.startswith(hidden)]

    # ---- what became of it

    def _cover_all(self, check: ObjectCheck, status: Status, reason: str | None, began: float) -> None:
        seconds = round(time.monotonic() - began, 3)
        if check.about == "objects":
            self._cover(None, check, status, reason=reason, seconds=seconds)
            return
        for reader in self.readers:
            if reader.judged:
                self._cover(reader, check, status, reason=reason, seconds=seconds)

    def cover_rest(self, status: Status, reason: str) -> None:
        """Write down the same of every check that nothing was written down of yet."""
        for check in self.checks:
            self._cover_all(check, status, reason, time.monotonic())

    def _cover(
        self, reader: RowReader | None, check: ObjectCheck, status: Status, *, reason: str | None, seconds: float = 0.0
    ) -> None:
        place = (reader.number if reader else None, check.name)
        if place in self._covered:
            return
        self._covered.add(place)
        looked = status == "checked"
        if reader is None and looked and check.name == "orphan_object" and self.unread:
            status, reason = "failed", "not all rows could be read: " + "; ".join(dict.fromkeys(self.unread))
        elif looked and self.scan and self.scan.left_out and self.store.bucket and check.name in _BY_LISTING:
            status, reason = "failed", left_out(self.scan, self.store)
        self.building.cover(
            reader.scan.table.source if reader else "objects",
            reader.scan.table.name if reader else self.store.shown,
            check.name,
            status,
            reason=reason,
            strategy=self.store.strategy,
            why=self._why(check),
            rows=(self.rows.get(reader.number) if reader else (self.totals or (0, 0, 0))[1]) if looked else None,
            seconds=seconds,
        )

    def _why(self, check: ObjectCheck) -> str:
        if self.store.strategy == "inventory":
            return "an inventory in place of a listing"
        again = "each suspect was looked at again" if check.looks_at else "its rows were read again"
        return f"rows, then a listing of {self.store.shown}; {again}"

    def summarise(self) -> None:
        """Write down the totals of the store."""
        if not hasattr(self, "store"):
            return
        totals: dict[str, int | None] = {}
        if self.totals is not None:
            totals = dict(zip(("rows", "objects", "bytes"), self.totals, strict=True))
            if self.unread and not totals["rows"]:
                totals["rows"] = None  # none could be read: that is not 0
        done = {row.check for row in self.building.coverage if row.status == "checked"}
        counts = {check.name: self.building.by_check.get(check.name) for check in self.checks if check.name in done}
        weights = self.scan.weights if self.scan else {}
        for check, name in _WEIGHED.items():
            if check in counts:
                totals[name] = weights.get(check, 0)
        self.building.objects[self.store.shown] = ObjectsSummary(requests=self.store.requests, **totals, **counts)


_BY_LISTING = ("orphan_object", "size_mismatch", "etag_mismatch", "shared_object", "unexpected_object")
"""What an object that the listing left out is not held against; a missing object is looked at by itself."""
_WEIGHED = {
    "orphan_object": "orphan_bytes", "missing_object": "missing_bytes", "multipart_leftover": "multipart_bytes"
}  # fmt: skip
