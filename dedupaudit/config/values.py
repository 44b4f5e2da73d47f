"""The values of `dedupaudit.toml`: what each kind may be, what it becomes, and what is said where it is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from string import Formatter
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from dedupaudit import units
from dedupaudit.errors import UsageError
from dedupaudit.urls import DatabaseUrl, check_name, parse_database_url


def broken(message: str) -> PydanticCustomError:
    """Return an error whose text is for people; pydantic adds where it is."""
    return PydanticCustomError("broken", "{message}", {"message": message})


def kind_of(value: object) -> str:
    """Name the TOML type of a value, and never the value: it may be a secret."""
    kinds = ((bool, "true or false"), (str, "text"), (int, "an integer"), (float, "a number"), (list, "a list"))
    return next((name for kind, name in kinds if isinstance(value, kind)), None) or (
        "a table" if isinstance(value, dict) else "a date or time"
    )


def _in_units(parse: Callable[[str], float], forms: str) -> Callable[[object, ValidationInfo], object]:
    def convert(value: object, info: ValidationInfo) -> object:
        if isinstance(value, str):
            try:
                return parse(value)
            except UsageError:
                raise broken(f"not understood: write {forms}") from None
        if info.context and info.context.get("converted") and isinstance(value, int | float):
            return value
        raise broken(f"expected text with {forms}; found {kind_of(value)}")

    return convert


def _share(value: object) -> object:
    """Return a share of 0 to 1, written `50%` or 0.5."""
    share: float | None = None
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", value, re.ASCII)
        share = float(match[1]) / (100 if match[2] else 1) if match else None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        share = float(value)
    if share is None or not 0 <= share <= 1:
        raise broken('expected a share between 0% and 100%: "50%", or 0.5')
    return share


class Limit(NamedTuple):
    """How much is tolerated: `rows`, or a `share` of all rows from 0 to 1; `text` is how it was written."""

    text: str
    rows: int | None = None
    share: float | None = None


def _threshold(value: object) -> object:
    if isinstance(value, Limit):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Limit(str(value), rows=value)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value, re.ASCII) if isinstance(value, str) else None
    if not match or float(match[1]) > 100:
        raise broken('expected a number of rows, or a share of all rows: 10, or "0.1%"')
    return Limit(f"{match[1]}%", share=float(match[1]) / 100)


def _rate(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise broken(f"expected a number; found {kind_of(value)}")
    if not 0 < value < float("inf"):
        raise broken("expected a number of requests a second, above 0: 10, or 0.5; without one there is no limit")
    return float(value)


def _texts(what: str, *, empty: bool = True) -> Callable[[object], object]:
    def convert(value: object) -> object:
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise broken(f"expected a list of {what}; found {kind_of(value)}")
        for item in items:
            if not isinstance(item, str):
                raise broken(f"expected a list of {what}; found {kind_of(item)} in it")
            if not item:
                raise broken(f"expected a list of {what}; found an empty text in it")
        if not items and not empty:
            raise broken(f"expected at least one of the {what}; found none")
        if len(set(items)) < len(items):
            raise broken(f"one of the {what} is in it twice")
        return tuple(items)

    return convert


def _switchable(value: object) -> object:
    """Return text; False, and an empty text, mean: none, not even the usual one."""
    if value is False or (isinstance(value, str) and not value.strip()):
        return False
    if not isinstance(value, str):
        raise broken(f"expected text, or false for none; found {kind_of(value)}")
    return value


def _real_table(value: object) -> object:
    if isinstance(value, str):
        return parse_table_name(value)
    parts = _texts("names: schema and table", empty=False)(value)
    if not isinstance(parts, tuple) or len(parts) > 2:
        raise broken('expected a table, or a schema and a table: "app.activity_log" or ["app", "activity_log"]')
    return parts


def parse_table_name(text: str) -> tuple[str, ...]:
    """Return the parts of `activity_log`, `app.activity_log`, `app."odd.name"` or app.`odd.name`.

    A quote inside a quoted part is doubled. Raises ValueError (as pydantic wants it) for any other form.
    """
    part = r'"(?:[^"]|"")+"|`(?:[^`]|``)+`|[^."`][^.]*'
    if not re.fullmatch(rf"(?:{part})(?:\.(?:{part}))?", text, re.DOTALL):
        raise broken(
            'expected a table, or a schema and a table: "app.activity_log"; '
            'a name with dots goes in quotes (\'app."odd.name"\') or in a list (["app", "odd.name"])'
        )
    parts = [found[1] for found in re.finditer(rf"(?:^|(?<=.)\.)({part})", text, re.DOTALL)]
    return tuple(name[1:-1].replace(name[0] * 2, name[0]) if name[0] in '"`' else name for name in parts)


def _zone(value: object) -> object:
    if not isinstance(value, str):
        raise broken(f'expected the name of a time zone, such as "Asia/Shanghai"; found {kind_of(value)}')
    if value.upper() == "UTC":
        return "UTC"  # needs no zone database, which a small container may not have
    from zoneinfo import ZoneInfo, available_timezones

    from dedupaudit.nearest import did_you_mean

    try:
        ZoneInfo(value)
    except (OSError, ValueError, LookupError):
        zones = available_timezones()
        if not zones:
            raise broken("this machine has no time zone database: install tzdata") from None
        hint = did_you_mean(value, zones) or 'expected a name such as "Asia/Shanghai"'
        raise broken(f"no such time zone; {hint}") from None
    return value


def _database_url(value: object) -> DatabaseUrl:
    if isinstance(value, DatabaseUrl):
        return value
    if not isinstance(value, str):
        raise broken(f"expected text; found {kind_of(value)}")
    try:
        return parse_database_url(value)
    except UsageError as error:
        raise broken(f"{error.message}; {error.hint}") from None


def _objects_url(value: object) -> object:
    if not isinstance(value, str):
        raise broken(f"expected text; found {kind_of(value)}")
    if not re.match(r"oss://[^/]|file:[^/]|file:///", value):
        raise broken("expected oss://bucket/prefix/, file:///absolute/folder or file:relative/folder")
    if value.startswith("oss:"):
        _check_bucket(value.removeprefix("oss://"))
    return value


def _check_bucket(rest: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._-]+", rest.partition("/")[0]):
        from dedupaudit.redact import remember

        remember(rest.rpartition("@")[0].partition(":")[2])
        raise broken(
            "a bucket's name has letters, digits and - only; credentials do not belong here: "
            "set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET in the environment"
        )


def _inventory(value: object) -> object:
    """Return a path, or an oss:// URL."""
    if not isinstance(value, str):
        raise broken(f"expected text; found {kind_of(value)}")
    if value.startswith("oss://"):
        _check_bucket(value.removeprefix("oss://"))
        if re.fullmatch("oss://[^/]+/.+", value, re.DOTALL):
            return value
    local = re.fullmatch("file:(?://(?=/))?(.+)", value, re.DOTALL)
    path = local[1] if local else value
    if not path or re.match("[A-Za-z][A-Za-z0-9+.-]+://|//", path):
        raise broken("expected a manifest.json: a file, or oss://bucket/folder/manifest.json")
    return path


def _prefixes(value: object) -> object:
    prefixes = _texts("prefixes")(value)
    if isinstance(prefixes, tuple) and any(re.match("/|oss:|file:", prefix) for prefix in prefixes):
        # It would protect nothing, and nobody would notice.
        raise broken('a prefix begins as the keys do, without a slash or a bucket: "screenshots/_thumbnails/"')
    return prefixes


def _pattern_with_id(value: str) -> str:
    try:
        groups = re.compile(value).groupindex
    except (re.error, OverflowError, RecursionError) as error:
        raise broken(f"not a regular expression: {str(error).partition(chr(10))[0]}") from None
    if "id" not in groups:
        raise broken(r"expected a group named id that finds the ID: (?P<id>\w+)")
    return value


def _object_key_template(value: str) -> str:
    try:
        fields = [field for _, field, spec, conversion in Formatter().parse(value) if field is not None]
        plain = all(not spec and not conversion for _, field, spec, conversion in Formatter().parse(value) if field)
    except ValueError:
        fields, plain = [], False
    if not fields or not plain or not all(fields):
        raise broken('expected columns in braces: "screenshots/{device_id}/{id}.jpg"; a brace itself is doubled')
    return value


def _credentials(value: str) -> str:
    if not re.fullmatch("auto|environment|file:.+|ecs:.+", value, re.DOTALL):
        # Whatever it is may be a secret that was pasted here.
        raise broken("expected auto, environment, file:PATH or ecs:ROLE; a key itself belongs in the environment")
    return value


def _database_name(value: str) -> str:
    try:
        check_name(value)
    except UsageError as error:
        raise broken(f"{error.message}: {error.hint}") from None
    return value


def _schema(kind: str, description: str = "", **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": kind} | ({"description": description} if description else {}) | more)


_LIST = {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True}
_ONE_OR_MORE = {"anyOf": [{"type": "string", "minLength": 1}, _LIST | {"minItems": 1}]}
_ANY_NUMBER = {"anyOf": [{"type": "string", "minLength": 1}, _LIST]}
_OFF = {"anyOf": [{"type": "string"}, {"const": False}]}

Duration = Annotated[
    float, BeforeValidator(_in_units(units.duration, units.DURATION_FORMS)), _schema("string", units.DURATION_FORMS)
]
Size = Annotated[int, BeforeValidator(_in_units(units.size, units.SIZE_FORMS)), _schema("string", units.SIZE_FORMS)]
Columns = Annotated[tuple[str, ...], BeforeValidator(_texts("column names", empty=False)), WithJsonSchema(_ONE_OR_MORE)]
ColumnsOrNone = Annotated[tuple[str, ...], BeforeValidator(_texts("column names")), WithJsonSchema(_ANY_NUMBER)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts("texts")), WithJsonSchema(_ANY_NUMBER)]
Prefixes = Annotated[tuple[str, ...], BeforeValidator(_prefixes), WithJsonSchema(_ANY_NUMBER)]
Switchable = Annotated[str | Literal[False] | None, PlainValidator(_switchable), WithJsonSchema(_OFF)]
RealTable = Annotated[tuple[str, ...] | None, PlainValidator(_real_table), WithJsonSchema(_ONE_OR_MORE)]
Zone = Annotated[str, PlainValidator(_zone), _schema("string", "an IANA name: Asia/Shanghai")]
Url = Annotated[
    DatabaseUrl,
    PlainValidator(_database_url),
    _schema("string", "a database: postgresql://user@host/name, sqlite:///app.db"),
]
ObjectsUrl = Annotated[str, PlainValidator(_objects_url), _schema("string", "oss://bucket/prefix/ or file:///folder")]
Share = Annotated[
    float,
    PlainValidator(_share),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number", "minimum": 0, "maximum": 1}]}),
]
Threshold = Annotated[
    Limit,
    PlainValidator(_threshold),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*%\s*$"}]}
    ),
]
Rate = Annotated[float, PlainValidator(_rate), _schema("number", exclusiveMinimum=0)]
Inventory = Annotated[str, PlainValidator(_inventory), _schema("string", minLength=1)]
Credentials = Annotated[str, AfterValidator(_credentials)]
DatabaseName = Annotated[str, AfterValidator(_database_name)]
Pattern = Annotated[str, AfterValidator(_pattern_with_id)]
Template = Annotated[str, AfterValidator(_object_key_template)]
