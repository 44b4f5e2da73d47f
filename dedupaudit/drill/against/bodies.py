"""Whether SQL of the user's, a trigger's body or an expression, certainly touches nothing outside the scratch schema.

It reads tokens, not grammar, and believes only what it knows: what it cannot prove is left out of the drill, and said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from dedupaudit.display import visible

Language = Literal["postgresql", "mysql"]

# What is beyond ASCII is part of a name to both, spaces included.
_NAMES = r"(?P<word>[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*)|(?P<number>\d+)|(?P<other>.)"
_GAP = r"/\*(?![!M]).*?\*/|[ \t\n\r\f\v]+"
_PARTS = {
    "postgresql": (
        rf"(?P<gap>--[^\n\r]*|{_GAP})|(?P<text>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'"
        rf"|\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$)"
        rf'|(?P<name>"(?:[^"]|"")*")|{_NAMES}'
    ),
    # Two dashes are a comment where a space follows them. A "text" is a name where the mode has ANSI_QUOTES: as a name
    # it is looked at in both.
    "mysql": (
        rf"(?P<gap>#[^\n]*|--(?=[ \t\n\r\f\v]|\Z)[^\n]*|{_GAP})|(?P<text>'(?:[^'\\]|\\.|'')*')"
        rf'|(?P<name>`(?:[^`]|``)*`|"(?:[^"\\]|\\.|"")*")|{_NAMES}'
    ),
}
_TOKENS = {language: re.compile(pattern, re.DOTALL) for language, pattern in _PARTS.items()}


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FORBIDDEN = _listed("""
    INSERT UPDATE DELETE MERGE TRUNCATE COPY EXECUTE CALL NOTIFY LISTEN UNLISTEN DO CREATE ALTER DROP GRANT REVOKE
    REFRESH REINDEX VACUUM ANALYZE CLUSTER COMMENT IMPORT LOAD PREPARE DEALLOCATE OUTFILE DUMPFILE GLOBAL PERSIST
    PERSIST_ONLY HANDLER RENAME FLUSH KILL SHUTDOWN INSTALL UNINSTALL XA COMMIT ROLLBACK SAVEPOINT OPERATOR
""")
_ONLY = {"postgresql": _listed("SET RESET"), "mysql": _listed("")}

# What may stand before a parenthesis without being a function.
_KEYWORDS = _listed("""
    ALL AND ANY ARRAY AS BETWEEN BY CASE CHECK DECLARE DISTINCT ELSE ELSEIF ELSIF END EXCEPT EXISTS FILTER FOR FROM
    GROUP HAVING IF IN INTERSECT INTERVAL INTO IS JOIN KEY LIKE ILIKE LIMIT NOT OF OFFSET ON OR ORDER OVER PARTITION
    PERFORM RAISE RETURN ROW SELECT SET SOME THEN UNION USING VALUES WHEN WHERE WHILE WITH XOR DIV COLLATE SIGNAL
    CHAR CHARACTER VARCHAR VARYING VARBINARY BINARY NUMERIC DECIMAL DEC BIT INT INTEGER BIGINT SMALLINT FLOAT DOUBLE
    TIME TIMESTAMP TIMESTAMPTZ DATETIME YEAR TEXT BPCHAR SIGNED UNSIGNED ENUM
""")
_FUNCTIONS = _listed("""
    ABS ACOS AGE ARRAY_LENGTH ASCII ASIN ATAN AVG BIT_AND BIT_LENGTH BIT_OR BIT_XOR BOOL_AND BOOL_OR BTRIM CARDINALITY
    CAST CEIL CEILING CHAR_LENGTH CHARACTER_LENGTH CHR CLOCK_TIMESTAMP COALESCE CONCAT CONCAT_WS CONVERT COS COUNT CRC32
    CURDATE CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURTIME DATE DATE_ADD DATE_FORMAT DATE_PART DATE_SUB DATE_TRUNC
    DATEDIFF DAY DAYOFMONTH DECODE DEFAULT DEGREES ENCODE EXP EXTRACT FIELD FIND_IN_SET FLOOR FORMAT FROM_UNIXTIME
    GEN_RANDOM_UUID GREATEST GROUP_CONCAT HASHTEXT HEX HOUR IFNULL INITCAP INSTR ISEMPTY ISNULL JSON_ARRAY
    JSON_ARRAY_LENGTH JSON_BUILD_OBJECT JSON_CONTAINS JSON_EXTRACT JSON_LENGTH JSON_OBJECT JSON_TYPE JSON_TYPEOF
    JSON_UNQUOTE JSON_VALID JSON_VALUE JSONB_ARRAY_LENGTH JSONB_BUILD_ARRAY JSONB_BUILD_OBJECT JSONB_TYPEOF LAST_DAY
    LCASE LEAST LEFT LENGTH LN LOCALTIME LOCALTIMESTAMP LOCATE LOG LOWER LOWER_INC LPAD LTRIM MAKE_DATE MAX MD5
    MICROSECOND MID MIN MINUTE MOD MONTH NOW NULLIF NUM_NONNULLS NUM_NULLS OCTET_LENGTH ORD OVERLAY PG_COLUMN_SIZE PI
    POSITION POW POWER QUOTE_LITERAL RADIANS RAND RANDOM REGEXP_LIKE REGEXP_MATCH REGEXP_MATCHES REGEXP_REPLACE
    REGEXP_SUBSTR REPEAT REPLACE REVERSE RIGHT ROUND ROW_TO_JSON RPAD RTRIM SECOND SHA SHA1 SHA2 SHA224 SHA256 SHA384
    SHA512 SIGN SIN SPLIT_PART SQRT STARTS_WITH STATEMENT_TIMESTAMP STR_TO_DATE STRING_AGG STRPOS SUBSTR SUBSTRING
    SUBSTRING_INDEX SUM SYSDATE TAN TIMESTAMPADD TIMESTAMPDIFF TIMEZONE TO_CHAR TO_DATE TO_JSON TO_JSONB TO_NUMBER
    TO_TIMESTAMP TRANSACTION_TIMESTAMP TRANSLATE TRIM TRUNC UCASE UNHEX UNIX_TIMESTAMP UNNEST UPPER UPPER_INC UTC_DATE
    UTC_TIME UTC_TIMESTAMP UUID UUID_GENERATE_V4 WEEK WEEKDAY
""")
_REFUSING = _listed("RAISE SIGNAL RESIGNAL ASSERT")


def why_not(sql: str, language: Language, schemas: frozenset[str] = frozenset()) -> str | None:
    """Return why a body may touch what is outside, for people; None where it certainly does not.

    `schemas`: the names of schemas (of databases on MySQL) in lower case, which it must not name.
    """
    words = list(_words(sql, language))
    for at, (kind, word) in enumerate(words):
        if kind == "odd":
            return f"its text has {visible(word, 40)}, whose meaning is not certain"
        if kind not in ("word", "name"):
            continue
        before = words[at - 1][1].upper() if at else ""
        after = words[at + 1][1] if at + 1 < len(words) else ""
        if kind == "word" and word.upper() in _FORBIDDEN | _ONLY[language] and not _harmless(word, before, after):
            return f"it says {word.upper()}, which may reach out of the scratch"
        if after == "." and before != "." and _bare(word).lower() in schemas:
            return f"it names the schema {visible(_bare(word))}"
        if after == "(" and not _is_known(kind, word, before):
            return f"it calls {visible(_bare(word))}"
    return None


def inserts_into(sql: str, language: Language, schemas: frozenset[str] = frozenset()) -> list[tuple[str, ...]] | None:
    """Return the tables that a body inserts into, where it does nothing else outside and refuses no row by itself.

    None: it may refuse a row, by its own word or by what it calls.
    """
    words = list(_words(sql, language))
    if any(kind == "word" and word.upper() in _REFUSING for kind, word in words):
        return None
    tables, rest, at = [], [], 0
    while at < len(words):
        if [word.upper() for _kind, word in words[at : at + 2]] != ["INSERT", "INTO"]:
            rest.append(words[at][1])
            at += 1
            continue
        end = at + 5 if words[at + 3 : at + 4] == [("other", ".")] else at + 3
        tables.append(tuple(_bare(word) for _kind, word in words[at + 2 : end : 2]))
        # What follows is a list of columns, of values, or a SELECT.
        rest.append("VALUES")
        at = end
    return tables if why_not(" ".join(rest), language, schemas) is None else None


def leaves_the_key(sql: str, language: Language, key: Sequence[str]) -> bool:
    """Say whether a trigger's body certainly stores the row that it got, where it got it, and by the same key."""
    words = [(kind, _bare(word).lower()) for kind, word in _words(sql, language)]
    columns = {name.lower() for name in key}
    for at, (kind, word) in enumerate(words):
        before, after = words[at - 1][1] if at else "", words[at + 1][1] if at + 1 < len(words) else ""
        if kind == "odd" or (kind in ("word", "name") and word in columns):
            return False
        if word == "return" and after != "new":
            return False
        if word == "new" and after != "." and before != "return":
            return False
    return True


def _harmless(word: str, before: str, after: str) -> bool:
    """Say whether a forbidden word is no statement here: FOR UPDATE locks, a HANDLER is declared."""
    named = word.upper()
    return (
        (named == "UPDATE" and before in ("FOR", "KEY"))
        or (named == "HANDLER" and before in ("CONTINUE", "EXIT"))
        or (named == "FORMAT" and after == "(")
        or before == "."
    )


def _is_known(kind: str, word: str, before: str) -> bool:
    if kind != "word" or (before == "." and word.upper() not in _FUNCTIONS):
        return False
    return word.upper() in _FUNCTIONS or word.upper() in _KEYWORDS


def _words(sql: str, language: Language) -> Iterator[tuple[str, str]]:
    """Yield the tokens that are neither gaps nor texts; `odd` are those that leave open what the rest is."""
    for match in _TOKENS[language].finditer(sql):
        kind, piece = str(match.lastgroup), match[0]
        if kind == "tag":
            kind = "text"
        if _is_odd(kind, piece, sql, match.end()):
            yield "odd", piece
        elif kind in ("word", "name", "other"):
            yield kind, piece


def _is_odd(kind: str, piece: str, sql: str, end: int) -> bool:
    if kind == "gap":
        return piece.startswith("/*") and "/*" in piece[2:]
    if kind == "text":
        # Whether a backslash before a quote escapes it depends on a setting.
        return "\\'" in piece and piece[0] not in "eE"
    if kind == "name":
        return "\\" in piece
    if kind == "other":
        return (
            piece in "'\"`$"
            or piece < " "
            or (piece == "@" and sql[end : end + 1] == "@")
            or (piece == "/" and sql[end : end + 1] == "*")
        )
    return False


def _bare(piece: str) -> str:
    if piece[:1] in '"`' and len(piece) > 1:
        return piece[1:-1].replace(piece[0] * 2, piece[0])
    return piece
