import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfocus.errors import UserError
from sqlfocus.schema.mschema import Column, Database, ForeignKey, Table, one_line, shown_type
from sqlfocus.schema.parse import parse_mschema

TEXTS = st.text(st.characters(exclude_categories=()), max_size=12) | st.sampled_from(
    [
        "a, b", "]", "[", ")", "),", "\n]", "\n(", "Primary Key", ", Primary Key", "Examples: [", ", Examples: [x])",
        '"', '"a"', "\\", "\\n", '"\\', "【Foreign keys】", "\n# Table: x", "a:b", "a.b", "a=b", " ", "", "主键",
        "\udce9",
    ]
)  # fmt: skip
NAMES = TEXTS.filter(bool)
TYPES = st.sampled_from(["INTEGER", "VARCHAR(20)", "numeric (10, 2)", "DOUBLE PRECISION", "", "my, type"])
COLUMNS = st.builds(Column, NAMES, TYPES, TEXTS, st.booleans(), st.lists(TEXTS, max_size=3).map(tuple))


@st.composite
def tables(draw):
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    schemas = st.sampled_from(["", "s", "a.b"])
    made = []
    for name in names:
        columns = tuple(draw(st.lists(COLUMNS, max_size=4)))
        keys = [
            ForeignKey((column.name,), draw(st.sampled_from(names)), (draw(NAMES),))
            for column in draw(st.lists(st.sampled_from(columns), max_size=2, unique=True) if columns else st.just([]))
        ]
        made.append(Table(name, columns, draw(TEXTS), draw(schemas), tuple(keys)))
    return tuple(made)


def as_read(database):
    """What a text can tell: types without details, comments on one line."""
    return Database(
        database.name,
        tuple(
            Table(
                table.name,
                tuple(
                    Column(c.name, shown_type(c.type), one_line(c.comment), c.primary_key, c.examples)
                    for c in table.columns
                ),
                one_line(table.comment),
                table.schema,
                table.foreign_keys,
            )
            for table in database.tables
        ),
    )


@settings(deadline=None)
@given(NAMES, tables())
def test_what_is_written_is_read_back_whatever_the_names_comments_and_values(name, tables):
    database = Database(name, tables)
    text = database.mschema()
    read = parse_mschema(text)
    assert read == as_read(database)
    assert read.mschema() == text


@settings(deadline=None)
@given(NAMES, tables())
def test_no_name_comment_or_value_makes_another_line(name, tables):
    lines = Database(name, tables).mschema().splitlines()
    empty = sum(not table.columns for table in tables)
    keys = sum(len(table.foreign_keys) for table in tables)
    assert len(lines) == 2 + sum(3 + len(table.columns) for table in tables) + empty + keys + (keys > 0)
    assert sum(line.startswith("# Table: ") for line in lines) == len(tables)


def test_a_text_of_the_reference_is_read_with_its_bare_commas_and_line_breaks():
    text = (
        "【DB_ID】 d\n【Schema】\n# Table: main.t, note\n[\n(a:TEXT, where, Examples: [Perth, WA, 1 High St\nOslo]),\n"
        "(b:INTEGER, Primary Key)\n]\n【Foreign keys】\nt.a=u.b\nt.b=u.c\n"
    )
    (table,) = parse_mschema(text).tables
    assert (table.schema, table.name, table.comment) == ("main", "t", "note")
    assert table.columns[0] == Column("a", "TEXT", "where", False, ("Perth", "WA", "1 High St\nOslo"))
    assert table.columns[1] == Column("b", "INTEGER", "", True)
    assert table.foreign_keys == (ForeignKey(("a",), "u", ("b",)), ForeignKey(("b",), "u", ("c",)))


def test_windows_line_ends_and_blank_lines_do_no_harm():
    text = "\r\n【DB_ID】 d\r\n【Schema】\r\n# Table: t\r\n[\r\n(a:TEXT)\r\n]\r\n\r\n"
    assert parse_mschema(text, dialect="mysql") == Database("d", (Table("t", (Column("a", "TEXT"),)),), "mysql")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1", "line 1 is neither a heading, a table nor a column: 'SELECT 1'"),
        ("", "it has no line that begins with '# Table: '"),
        ("# Table: t\n(a:INT)", "line 2"),
        ("# Table: t\n[\na INT\n]", "line 3"),
        ("# Table: t\n[\n(a INT)\n]", "(a INT)"),
        ("# Table: t\n[\n(a:INT)", "the columns of table 't' are not closed"),
        ("# Table: t\n[\n(a:INT)\n]\n【Foreign keys】\nt.a", "line 6"),
    ],
)
def test_what_is_no_mschema_is_refused_with_its_line(text, message):
    with pytest.raises(UserError, match="^the text is not M-Schema: .*" + re.escape(message)) as error:
        parse_mschema(text)
    assert "\n" not in str(error.value)
