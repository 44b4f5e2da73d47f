"""Whether the first look can be believed at all: what looks like damage everywhere is more likely a wrong setting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dedupaudit.checks.crossing import CrossScan
from dedupaudit.crosscheck.naming import EXPECTS
from dedupaudit.crosscheck.rows import RowReader
from dedupaudit.crosscheck.stores import Store
from dedupaudit.display import visible
from dedupaudit.snapshot.crossing import Crossing

_FEW = 20
"""So many rows that all go by another rule than the template are no slips."""


def distrust(crossing: Crossing, scan: CrossScan, store: Store, max_missing: float) -> str | None:
    """Return why nothing is judged by this look; None where it can be believed."""
    expecting = crossing.expecting()
    if not expecting:
        return None
    _rows, objects, _bytes = crossing.totals()
    if not objects:
        return (
            f"{store.shown} is empty, and {expecting:,} rows name objects: probably a wrong bucket, prefix or folder; "
            "nothing was judged missing"
        )
    limit = max_missing * expecting
    missing = crossing.missing(EXPECTS)
    if missing <= limit:
        return None
    # What is young may still come, and is no reason for distrust; it is only counted where it decides.
    missing -= sum(
        scan.is_young(table, written, changed)
        for table, written, changed in crossing.moments("missing_object", EXPECTS)
    )
    if missing <= limit:
        return None
    outside = crossing.outside(store.prefix) if store.prefix else 0
    where = f", {outside:,} of them outside of {visible(store.prefix)}" if outside else ""
    return (
        f"{missing:,} of {expecting:,} rows miss their object{where}: more than --max-missing allows "
        f"({max_missing:.0%}), so probably a wrong bucket, prefix, template or database; nothing was judged missing. "
        "If it is true, allow more by --max-missing"
    )


def wrong_templates(crossing: Crossing, readers: Sequence[RowReader]) -> Iterator[tuple[RowReader, str]]:
    """Yield the tables that the template cannot be meant for, and why; what it says of them is dropped."""
    for number, keys, key, expected in crossing.strangers(_FEW):
        crossing.forget_template(number)
        yield (
            readers[number],
            f"none of {keys:,} rows has the key that the template says: one names {visible(key)}, and the template "
            f"says {visible(expected)}; probably a wrong template, and no row was held against it. Correct --template "
            "(`template` under [objects]), or leave it out",
        )


def left_out(scan: CrossScan, store: Store) -> str:
    """Return why not all objects were judged, where the listing had not all of them."""
    what = "inventory" if store.inventory else "listing"
    return (
        f"the {what} of {store.shown} is not whole: {scan.left_out:,} objects that rows name are there and were not in "
        f"it, and others may be that no row names; {'take another inventory' if store.inventory else 'run again'}"
    )
