"""M-Schema text read back into a database: what a training file or a request holds is often only the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sqlfocus.errors import UserError
from sqlfocus.files import parse_json
from sqlfocus.schema.mschema import DB_ID, FOREIGN_KEYS, SCHEMA, Column, Database, ForeignKey, Table

_TABLE = "# Table: "
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_EXAMPLES = ", Examples: ["
_PRIMARY_KEY = ", Primary Key"


def parse_mschema(text: str, *, dialect: str = "sqlite") -> Database:
    """The database that an M-Schema text describes.

    It is what :meth:`Database.mschema` wrote, types without their details and comments on one line. Texts of the
    reference implementation are read too; where it leaves commas in sample values bare, they part them.

    Raises:
        UserError: the text is not M-Schema; the message has the line.

    >>> parse_mschema("【DB_ID】 shop\\n【Schema】\\n# Table: t\\n[\\n(id:INTEGER, Primary Key)\\n]").tables[0].columns
    (Column(name='id', type='INTEGER', comment='', primary_key=True, examples=()),)
    """
    name = ""
    tables: list[Table] = []
    keys: list[tuple[int, str]] = []
    lines = enumerate(text.replace("\r\n", "\n").split("\n"), 1)
    in_keys = False
    for number, line in lines:
        if line.startswith(DB_ID):
            name = _name(line.removeprefix(DB_ID).removeprefix(" "), "")[0]
        elif line.startswith(_TABLE):
            tables.append(_table(line.removeprefix(_TABLE), lines, number))
        elif line == FOREIGN_KEYS:
            in_keys = True
        elif in_keys and line.strip():
            keys.append((number, line))
        elif line.strip() not in ("", SCHEMA):
            raise _wrong(number, line)
    if not tables:
        raise UserError("the text is not M-Schema: it has no line that begins with '# Table: '")
    return Database(name, tuple(_with_keys(tables, keys)), dialect)


def _wrong(number: int, line: str) -> UserError:
    shown = line if len(line) <= 60 else line[:59] + "…"
    return UserError(f"the text is not M-Schema: line {number} is neither a heading, a table nor a column: {shown!r}")


def _table(head: str, lines: Iterator[tuple[int, str]], number: int) -> Table:
    name, rest = _name(head, ".,")
    schema = ""
    if rest.startswith("."):
        schema, (name, rest) = name, _name(rest[1:], ".,")
    comment = rest.removeprefix(",").strip()
    opening = next(lines, (number, ""))
    if opening[1] != "[":
        raise _wrong(*opening)
    columns: list[Column] = []
    entry, started = "", number
    for number, line in lines:
        complete = entry == "" or entry.endswith((")", "),"))
        if line == "]" and complete:
            if entry:
                columns.append(_column(entry, started))
            return Table(name, tuple(columns), comment, schema)
        # The reference breaks an entry where a value has a line break.
        if entry and not (entry.endswith("),") and line.startswith("(")):
            entry += "\n" + line
            continue
        if entry:
            columns.append(_column(entry[:-1], started))
        if line and not line.startswith("("):
            raise _wrong(number, line)
        entry, started = line, number
    raise UserError(f"the text is not M-Schema: the columns of table {name!r} are not closed by a line with ]")


def _column(entry: str, number: int) -> Column:
    if not (entry.startswith("(") and entry.endswith(")")):
        raise _wrong(number, entry)
    name, rest = _name(entry[1:-1], ":")
    if not rest.startswith(":"):
        raise _wrong(number, entry)
    type_name, comma, rest = rest[1:].partition(", ")
    rest = comma + rest
    examples: tuple[str, ...] = ()
    if rest.endswith("]") and (start := _outside_quotes(rest, _EXAMPLES)) >= 0:
        examples = tuple(_values(rest[start + len(_EXAMPLES) : -1]))
        rest = rest[:start]
    primary_key = rest.endswith(_PRIMARY_KEY)
    comment = rest.removesuffix(_PRIMARY_KEY).removeprefix(", ")
    quoted = re.fullmatch(_QUOTED, comment)
    return Column(name, type_name, _unquoted(comment) if quoted else comment, primary_key, examples)


def _outside_quotes(text: str, wanted: str) -> int:
    """Where ``wanted`` is found; a quoted comment at the beginning is passed over."""
    quoted = re.match(rf", {_QUOTED}", text)
    return text.find(wanted, quoted.end() if quoted else 0)


def _values(text: str) -> Iterator[str]:
    while text:
        value, text = _name(text, (", ",))
        yield value
        text = text.removeprefix(", ")


def _name(text: str, stops: Sequence[str]) -> tuple[str, str]:
    """The name at the beginning, quoted or up to one of ``stops``, and the rest."""
    quoted = re.match(_QUOTED, text)
    if quoted:
        return _unquoted(quoted[0]), text[quoted.end() :]
    end = min((place for place in (text.find(stop) for stop in stops) if place >= 0), default=len(text))
    return text[:end], text[end:]


def _unquoted(text: str) -> str:
    try:
        return str(parse_json(text))
    except ValueError:
        return text


def _with_keys(tables: list[Table], lines: list[tuple[int, str]]) -> Iterator[Table]:
    """The tables with their foreign keys; each line is taken for a key of its own."""
    keys: dict[tuple[str, str], list[ForeignKey]] = {}
    for number, line in lines:
        path, rest = _path(line)
        referenced, rest_of_line = _path(rest.removeprefix("="))
        if len(path) not in (2, 3) or len(referenced) not in (2, 3) or rest_of_line or not rest.startswith("="):
            raise _wrong(number, line)
        schema = path[0] if len(path) == 3 else ""
        referenced_schema = referenced[0] if len(referenced) == 3 else ""
        key = ForeignKey(
            (path[-1],), referenced[-2], (referenced[-1],), "" if referenced_schema == schema else referenced_schema
        )
        keys.setdefault((schema, path[-2]), []).append(key)
    several = len({table.schema for table in tables}) > 1
    for table in tables:
        found = keys.get((table.schema if several else "", table.name), [])
        yield Table(table.name, table.columns, table.comment, table.schema, tuple(found))


def _path(text: str) -> tuple[list[str], str]:
    names: list[str] = []
    while True:
        name, text = _name(text, ".=")
        names.append(name)
        if not text.startswith("."):
            return names, text
        text = text[1:]
