"""The workman of a PostgreSQL migration: looks, and does one step, on the connection that also repairs."""

from __future__ import annotations

from collections.abc import Sequence

from dedupaudit.display import visible
from dedupaudit.errors import AuditError, SourceError, StatementStopped
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases import postgresql_probe
from dedupaudit.migrate.databases.postgresql_names import beside, names_of
from dedupaudit.migrate.databases.postgresql_script import (
    BEGIN,
    COMMIT,
    Piece,
    Tree,
    brief,
    patient,
    pieces,
    text,
    unguard,
)
from dedupaudit.migrate.databases.postgresql_standing import (
    IndexState,
    is_made,
    look,
    oid_of,
    own_index,
    read_guard,
    read_indexes,
    read_tree,
    standing,
)
from dedupaudit.migrate.databases.postgresql_waiting import Waiting
from dedupaudit.migrate.databases.protocol import Patience, Standing, Target
from dedupaudit.migrate.databases.shared import cancelled_by, taken_back
from dedupaudit.migrate.plan import Step, StepName
from dedupaudit.repair.databases.postgresql import PostgresqlRepair
from dedupaudit.repair.databases.postgresql_names import split
from dedupaudit.repair.databases.protocol import RepairDatabase
from dedupaudit.repair.errors import Busy
from dedupaudit.sources.tables.postgresql_sql import literal, quote


class PostgresqlMigration:
    """A `Migration` of one table."""

    repair: RepairDatabase
    patience: Patience | None = None

    def __init__(self, repair: PostgresqlRepair, target: Target, interrupt: Interrupt) -> None:
        self.repair = repair
        self._connection = repair.connection
        self._target = target
        self._interrupt = interrupt
        self._names = names_of(target.table)
        self._older: set[tuple[int, str]] | None = None

    # ---- looking

    def standing(self) -> Standing:
        """Look how far it is."""
        return standing(self._connection.rows, self._target)

    def guard_triggers(self) -> tuple[str, ...]:
        """Return the names of the guard's triggers."""
        return self._names.triggers

    def older(self) -> list[str]:
        """Return the transactions that were open when the guard was complete, and are still.

        The virtual transactions are listed once. A role sees that of every session; whether a session has a snapshot at
        all it sees only as a member of pg_read_all_stats, and else it waits for those too that have none.
        """
        found = {}
        for pid, transaction, application, role, state, since in self._connection.rows(look("older")):
            known = [f"application {visible(application)}"] if application else []
            known += [f"role {visible(role)}"] if role else []
            known += [f"{visible(state)}, in a transaction since {visible(since)}"] if state else []
            one = int(str(pid)), str(transaction)
            found[one] = f"pid {one[0]}" + (f" ({', '.join(known)})" if known else "")
        if self._older is None:
            self._older = set(found)
        else:
            self._older &= set(found)
        return [told for one, told in found.items() if one in self._older]

    def probe(self) -> str:
        """Insert a duplicate of a stored row, and take it back; return how it was refused."""
        with taken_back(self._connection.transaction()):
            return postgresql_probe.probe(self._connection, self._target)

    # ---- doing

    def do(self, step: Step) -> None:
        """Do one step: what of it is there already is left out."""
        self._do(step.name)

    def _do(self, step: StepName) -> None:
        oid = self._oid()
        tree = read_tree(self._connection.rows, oid) if self._target.strategy == "partitioned" else Tree()
        if step == "guard":
            self._guard(oid, tree)
        elif step == "not_null":
            self._not_null(oid, tree)
        elif step == "unguard":
            self.remove_guard()
        else:
            for piece in pieces(self._target, step, tree):
                self._make(piece, read_indexes(self._connection.rows, oid))

    def _oid(self) -> int:
        oid = oid_of(self._connection.rows, self._names.table)
        if oid is None:
            raise SourceError(f"table {visible(self._target.table.name)} is gone", "plan again")
        return oid

    def _make(self, piece: Piece, indexes: dict[str, IndexState]) -> None:
        if is_made(piece, indexes, self._names.key):
            return
        # What is left of an earlier build; an index of others by that name makes the build fail.
        if piece.makes in ("index", "unique index") and own_index(piece, indexes, self._names.key):
            self._run(patient(text("84_unguard_lookup", name=piece.name)))
        self._run(piece.statements)

    def _guard(self, oid: int, tree: Tree) -> None:
        state = read_guard(self._connection.rows, oid, self._target, tree).state
        if state == "complete":
            return
        if state == "partial":
            self._run(unguard(self._target, self._names))
        (made,) = pieces(self._target, "guard", tree)
        schema = text("20_guard_schema")
        has_schema = bool(self._columns(oid)[2])
        self._run([one for one in made.statements if not (has_schema and one == schema)])

    def _not_null(self, oid: int, tree: Tree) -> None:
        current = self.standing()
        if current.nulls_forbidden:
            return
        (made,) = pieces(self._target, "not_null", tree)
        statements = list(made.statements)
        if self._columns(oid)[0]:
            # A killed run's: whether it is validated does not matter, for validating it again costs a look.
            statements = statements[statements.index(COMMIT) + 1 :]
        self._run(statements)

    def _columns(self, oid: int) -> tuple[object, ...]:
        return self._connection.rows(look("columns", oid=oid, check=literal(self._names.check)))[0]

    def remove_guard(self) -> None:
        """Remove the guard and the lookup index; what is not there is no error."""
        oid = oid_of(self._connection.rows, self._names.table)
        if oid is None:
            # The table is gone, and its triggers with it.
            self._run(brief(*unguard(self._target, self._names)[-5:-1]))
            return
        tree = read_tree(self._connection.rows, oid)
        if read_guard(self._connection.rows, oid, self._target, tree).state != "none":
            self._run(unguard(self._target, self._names))
        indexes = read_indexes(self._connection.rows, oid)
        top = beside(self._names.table, self._names.lookup(self._names.table))
        if top in indexes and (tree.leaves or tree.levels):
            self._run(brief(text("85_unguard_lookup_parent", name=top)))
        for table in (self._names.table, *(one for one, _above in (*tree.leaves, *reversed(tree.levels)))):
            name = beside(table, self._names.lookup(table))
            self._drop_index(name)

    def _drop_index(self, name: str) -> None:
        """Drop an index, where it is there: concurrently, unless it is a partitioned table's, which holds nothing."""
        schema, plain = split(name)
        found = self._connection.rows(look("relation", schema=literal(schema), name=literal(plain)))
        if not found:
            return
        if found[0][0] == "I":
            self._run(brief(text("85_unguard_lookup_parent", name=name)))
        else:
            self._run(patient(text("84_unguard_lookup", name=name)))

    def remove_constraint(self, *, not_null: Sequence[str] = ()) -> None:
        """Remove the wanted constraint or index, valid or not; let these columns have NULL again."""
        oid = self._oid()
        tree = read_tree(self._connection.rows, oid)
        levels = [(self._names.table, self._target.constraint)]
        if tree.leaves or tree.levels:
            levels += [
                (table, self._names.part(table, self._target.constraint)) for table, _ in (*tree.levels, *tree.leaves)
            ]
        for table, name in levels:
            state = read_indexes(self._connection.rows, oid).get(beside(table, name))
            if state is None or not state.unique or set(state.columns) != set(self._names.key):
                continue
            if state.constraint:
                self._run(brief(text("90_rollback_constraint", table=table, constraint=quote(name))))
            else:
                self._drop_index(state.name)
        statements = []
        if self._columns(oid)[0]:
            check = quote(self._names.check)
            statements.append(text("43_not_null_uncheck", table=self._names.table, check=check))
        if not_null:
            columns = ", ".join(f"ALTER COLUMN {quote(name)} DROP NOT NULL" for name in not_null)
            statements.append(text("91_rollback_not_null", table=self._names.table, columns=columns))
        if statements:
            self._run(brief(*statements))

    # ---- statements

    def _run(self, statements: Sequence[str]) -> None:
        """Run statements in order; what stands between BEGIN and COMMIT is one transaction. Settings are given back."""
        rest = list(statements)
        try:
            while rest:
                if rest[0] == BEGIN:
                    end = rest.index(COMMIT)
                    self._briefly(rest[1:end])
                    del rest[: end + 1]
                else:
                    self._long(rest.pop(0))
        finally:
            if not self._connection.in_transaction:
                self._connection.restore()

    def _briefly(self, statements: Sequence[str]) -> None:
        self._interrupt.check()
        try:
            with self._connection.transaction():
                for statement in statements:
                    self._connection.rows(statement)
        except StatementStopped as stopped:
            # All partitions together took longer than a second to be locked, or it had more to do than it should.
            raise Busy(stopped.message, "it is tried again; see who holds the lock") from stopped

    def _long(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement that a signal cancels on the server; raises Cancelled then."""
        waiting = Waiting(self._connection.blockers.ask, self.patience)
        try:
            with cancelled_by(self._interrupt, self._connection.cancel, waiting.too_long) as watch:
                return list(self._connection.rows(statement))
        except AuditError as error:
            if watch.gave_way is not None:
                raise Busy(watch.gave_way, "end what is in the way, or wait longer with --wait") from error
            raise
