"""Names and values as SQL writes them: quoted only where they must be."""

from __future__ import annotations

import re
from typing import Any

from sqlfocus.corpus.synthesis.wordlist import word_set

# Words that cannot be a bare name of a table or column: in every dialect, then by dialect.
_EVERYWHERE = word_set(
    "add all alter and any as asc between by case check collate column constraint create cross current_date "
    "current_time current_timestamp default delete desc distinct drop else end except exists for foreign from full "
    "group having in index inner insert intersect into is join key left like limit natural not null offset on or "
    "order outer primary references right select set table then to trigger union unique update using values view "
    "when where with"
)
_RESERVED = {
    "sqlite": word_set(
        "transaction commit rollback escape if isnull notnull deferrable autoincrement returning nothing"
    ),
    "mysql": word_set(
        "accessible analyze asensitive before bigint binary blob both call cascade change char character condition "
        "continue convert cube cume_dist current_user cursor database databases dec decimal declare delayed "
        "dense_rank describe deterministic div double dual each elseif empty enclosed escaped exit explain false "
        "fetch first_value float force fulltext function generated get grant grouping groups hour_minute if ignore "
        "infile int integer interval iterate kill lag last_value lateral lead leading leave lines linear load "
        "localtime lock long loop match mod modifies numeric ntile of optimize option out over partition precision "
        "procedure purge range rank read real recursive regexp release rename repeat replace require restrict "
        "return revoke rlike row row_number rows schema schemas sensitive separator show signal smallint spatial "
        "sql ssl starting straight_join system terminated trailing true undo unlock unsigned usage use utc_date "
        "varchar varying virtual while window write xor year_month zerofill"
    ),
    "postgres": word_set(
        "analyse analyze array asymmetric authorization binary both cast concurrently current_catalog current_role "
        "current_schema current_user deferrable do false fetch freeze grant ilike initially isnull lateral leading "
        "localtime localtimestamp notnull only overlaps placing returning session_user similar some symmetric "
        "tablesample trailing true user variadic verbose window"
    ),
}


def quoted(name: str, dialect: str) -> str:
    """The name, in quotes where it is reserved, has an odd character, or capitals that PostgreSQL would fold.

    >>> quoted("orders", "sqlite"), quoted("order", "sqlite"), quoted("order", "mysql"), quoted("Name", "postgres")
    ('orders', '"order"', '`order`', '"Name"')
    """
    lower = name.lower()
    bare = re.fullmatch(r"[A-Za-z_\u3400-\u9fff][A-Za-z0-9_\u3400-\u9fff]*", name)
    folded = dialect == "postgres" and lower != name
    if bare and not folded and lower not in _EVERYWHERE and lower not in _RESERVED[dialect]:
        return name
    mark = "`" if dialect == "mysql" else '"'
    return mark + name.replace(mark, mark * 2) + mark


def qualified(schema: str, table: str, dialect: str) -> str:
    """The table's name with its schema where it has one."""
    return f"{quoted(schema, dialect)}.{quoted(table, dialect)}" if schema else quoted(table, dialect)


def literal(value: Any, dialect: str) -> str:
    """A value as SQL writes it."""
    if isinstance(value, bool):
        return str(value).upper() if dialect == "postgres" else str(int(value))
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("'", "''")
    if dialect == "mysql":
        text = text.replace("\\", "\\\\")
    return f"'{text}'"
