"""How the embedded engine reads the lines of an OSS inventory: the columns that `fileSchema` names, as objects."""

from __future__ import annotations

from collections.abc import Sequence

from dedupaudit.snapshot.escaping import SPECIAL

_TIME = r"^(\d{4}-\d\d-\d\d)[T ](\d\d)[:-](\d\d)(?:[:-](\d\d))?(?:\.\d{1,6})?Z?$"


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
    key_field = f"CASE WHEN regexp_matches({key}, '{special}') THEN {escaped} ELSE {key} END"
    moment = place["LastModifiedDate"]
    time = f"regexp_replace({moment}, '{_TIME}', '\\1 \\2:\\3:')"
    seconds = f"coalesce(nullif(regexp_extract({moment}, '{_TIME}', 4), ''), '00')"
    modified = f"epoch_us(CAST({time} || {seconds} AS TIMESTAMP))"
    etag = "NULL::VARCHAR"
    if "ETag" in place and "ObjectType" in place:
        plain = f"upper(trim({place['ETag']}, '\"'))"
        condition = f"{place['ObjectType']} = 'Normal' AND regexp_matches({plain}, '^[0-9A-F]{{32}}$')"
        if "IsMultipartUploaded" in place:
            condition += f" AND lower({place['IsMultipartUploaded']}) IS DISTINCT FROM 'true'"
        etag = f"CASE WHEN {condition} THEN {plain} END"
    current = [f"starts_with({key}, '{_quoted(prefix)}')", f"NOT starts_with({key}, '{_quoted(own)}')"]
    if "IsLatest" in place:
        current.append(f"lower({place['IsLatest']}) IS DISTINCT FROM 'false'")
    if "IsDeleteMarker" in place:
        current.append(f"lower({place['IsDeleteMarker']}) IS DISTINCT FROM 'true'")
    return {
        "lines": f"read_csv(?, compression = 'gzip', delim = ',', header = false, quote = '\"', escape = '\"',"
        f" auto_detect = false, strict_mode = true, columns = {{{types}}})",
        "key": key_field,
        "size": f"CAST({place['Size']} AS BIGINT)",
        "modified": modified,
        "etag": etag,
        "current": " AND ".join(current),
    }


def _quoted(text: str) -> str:
    return text.replace("'", "''")
