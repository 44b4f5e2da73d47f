"""How the embedded engine reads the lines of an OSS inventory: the columns that `fileSchema` names, as objects."""

from __future__ import annotations

from collections.abc import Sequence

from dedupaudit.snapshot.escaping import SPECIAL

_MINUTE = r"^(\d{4}-\d\d-\d\d)[T ](\d\d)[:-](\d\d)"
_TIMES = {rf"{_MINUTE}[:-](\d\d(?:\.\d{{1,6}})?)Z?$": r"\1 \2:\3:\4", rf"{_MINUTE}Z?$": r"\1 \2:\3:00"}
_BUFFER = 4_000_000
"""What is unpacked at once. The engine's own 32 MB, several times over, are more than a small --memory-limit holds."""
_SIZE = r"^\d{1,18}$"


def fragments(columns: Sequence[str], prefix: str, own: str) -> dict[str, str]:
    """Return the fragments of `sql/checks/inventory.sql`; what cannot be read as it should be is an error there."""
    place = {name: f"c{number}" for number, name in enumerate(columns)}
    types = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(columns)))
    # A bare plus stays what it is: OSS writes a space as %20.
    key = f"url_decode({place['Key']})"
    escaped = key
    for character in SPECIAL:
        escaped = f"replace({escaped}, chr({ord(character)}), '\\{ord(character):04x}')"
    special = r"[\x00-\x1f\x7f-\x{9f}\\\x{2028}\x{2029}\x{feff}]"
    nameless = f"WHEN {place['Key']} IS NULL THEN error('a line has no key')"
    key_field = f"CASE {nameless} WHEN regexp_matches({key}, '{special}') THEN {escaped} ELSE {key} END"
    moment = place["LastModifiedDate"]
    times = {
        form: f"epoch_us(CAST(regexp_replace({moment}, '{form}', '{iso}') AS TIMESTAMP))"
        for form, iso in _TIMES.items()
    }
    size = place["Size"]
    etag = "NULL::VARCHAR"
    if "ETag" in place and "ObjectType" in place:
        plain = f"upper(trim({place['ETag']}, '\"'))"
        condition = f"{place['ObjectType']} = 'Normal' AND regexp_matches({plain}, '^[0-9A-F]{{32}}$')"
        if "IsMultipartUploaded" in place:
            condition += f" AND lower({place['IsMultipartUploaded']}) IS DISTINCT FROM 'true'"
        etag = f"CASE WHEN {condition} THEN {plain} END"
    # A line without a key is not passed over: it is an error.
    current = [f"starts_with({key}, '{_quoted(prefix)}') IS DISTINCT FROM FALSE"]
    current.append(f"starts_with({key}, '{_quoted(own)}') IS NOT TRUE")
    if "IsLatest" in place:
        current.append(f"lower({place['IsLatest']}) IS DISTINCT FROM 'false'")
    if "IsDeleteMarker" in place:
        current.append(f"lower({place['IsDeleteMarker']}) IS DISTINCT FROM 'true'")
    return {
        "lines": f"read_csv(?, compression = 'gzip', delim = ',', header = false, quote = '\"', escape = '\"',"
        " auto_detect = false, strict_mode = true, hive_partitioning = false,"
        f" buffer_size = {_BUFFER}, max_line_size = {_BUFFER // 4}, columns = {{{types}}})",
        "key": key_field,
        "size": _by_form(size, {_SIZE: f"CAST({size} AS BIGINT)"}, "size"),
        "modified": _by_form(moment, times, "time"),
        "etag": etag,
        "current": " AND ".join(current),
    }


def _by_form(field: str, values: dict[str, str], what: str) -> str:
    """Return SQL for the value of the form that a field has. No form is an error: a cast alone takes 7.6 for 8."""
    forms = " ".join(f"WHEN regexp_matches({field}, '{form}') THEN {value}" for form, value in values.items())
    return f"CASE {forms} ELSE error('no {what}: ' || coalesce({field}, 'nothing')) END"


def _quoted(text: str) -> str:
    return text.replace("'", "''")
