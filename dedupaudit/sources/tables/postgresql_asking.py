"""How the PostgreSQL source asks: fills a file of `sql/scan/postgresql/` for a table, and runs it in its session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from dedupaudit.display import visible
from dedupaudit.progress import Progress
from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.postgresql_catalog import Description
from dedupaudit.sources.tables.postgresql_session import Session
from dedupaudit.sources.tables.postgresql_sql import Writer, literal, qualified
from dedupaudit.sources.tables.postgresql_strategy import Way, choose_way
from dedupaudit.sources.tables.postgresql_types import shown
from dedupaudit.sources.tables.protocol import Reading, Value
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import fill, sql_text

WITHOUT_INDEXES = {"enable_indexscan": "off", "enable_indexonlyscan": "off", "enable_bitmapscan": "off"}


class Asking:
    """The session, what it is written with, and what is known of the tables: shared by all who ask."""

    def __init__(self, session: Session, writer: Writer, reading: Reading, progress: Progress) -> None:
        self.session = session
        self.reading = reading
        self.progress = progress
        self.described: dict[str, Description] = {}
        self.writer = writer

    def known(self, table: Table) -> Description:
        """Return what the catalog said of a table."""
        return self.described[table.catalog.quoted]

    def way(self, table: Table) -> Way:
        """Return how the table's duplicates are found."""
        return choose_way(table, self.known(table), self.reading.engine, self.session.version)

    def locator(self, table: Table) -> tuple[str, ...]:
        """Return the columns that name a row, as `TableSource.locator` does."""
        described = self.known(table)
        if described.catalog.primary_key:
            return described.catalog.primary_key
        if described.relation.kind not in ("r", "p", "m"):
            return ()
        return ("tableoid", "ctid") if described.relation.branches or described.relation.kind == "p" else ("ctid",)

    def fragments(self, table: Table) -> dict[str, str]:
        """Return the text of every placeholder that does not depend on one query."""
        return self.writer.fragments(table, self.known(table).types, self.locator(table))

    def is_part_of_key(self, table: Table, ident: str) -> str:
        """Return the condition that the key, or a part of it, is this text: along an index where the column is text."""
        try:
            ident.encode(self.writer.python_encoding)
        except UnicodeEncodeError:
            return "FALSE"
        if "\0" in ident:
            return "FALSE"
        types = self.known(table).types
        names = [(qualified(table, column.name), types[column.name].family) for column in table.key]
        text = literal(ident)
        return " OR ".join(
            f"{name}{'' if family == 'text' else '::pg_catalog.text'} = {text}" for name, family in names
        )

    def ends(self, table: Table, column: Column) -> dict[str, str]:
        """Return SQL for the first and the last value of a time column, as `parse_time` takes them."""
        kind = self.known(table).types[column.name]
        name = qualified(table, column.name)
        return {
            place: shown(f"pg_catalog.{function}({name})", kind)
            for place, function in (("first", "min"), ("last", "max"))
        }

    def filled(self, name: str, parts: Mapping[str, str]) -> str:
        """Return one file's statement with its placeholders filled."""
        return fill(sql_text(f"scan/postgresql/{name}.sql"), dict(parts))

    def question(self, table: Table, planner: Mapping[str, str] | None = None) -> AbstractContextManager[None]:
        """Ask about a table within a savepoint. No index is read where none is trusted."""
        settings = {**(planner or {}), **(WITHOUT_INDEXES if table.distrust_indexes else {})}
        return self.session.question(visible(table.label), settings)

    @contextmanager
    def running(self, query: str, table: Table, planner: Mapping[str, str] | None = None) -> Iterator[None]:
        """Ask a question that takes its time, and show that it does."""
        self.progress.start(f"{visible(table.label)}: {query}", table.catalog.row_estimate)
        try:
            with self.question(table, planner):
                yield
        finally:
            self.progress.finish()


def as_number(value: Value) -> int:
    """Return a count as the driver gives it."""
    return value if isinstance(value, int) else int(str(value))
