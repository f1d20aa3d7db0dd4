import pytest

from sqlfocus.errors import UserError
from sqlfocus.schema.mschema import Column, Database, ForeignKey, Table, without_keys_to

ORDERS = Table(
    "t",
    (
        Column("id", "int", "主键", True),
        Column("town", "varchar(20)", examples=("Oslo", "Perth")),
        Column("a b", "NUMERIC(10, 2)", "price, net", examples=("1.5",)),
    ),
    "订单表",
    "public",
)


def text_of(*columns, **table):
    return Database("d", (Table("t", columns, **table),)).mschema().split("\n")


def test_comments_keys_examples_and_schema_stand_where_the_format_has_them():
    assert Database("shop", (ORDERS,)).mschema() == (
        "【DB_ID】 shop\n"
        "【Schema】\n"
        "# Table: public.t, 订单表\n"
        "[\n"
        "(id:INT, 主键, Primary Key),\n"
        "(town:VARCHAR, Examples: [Oslo, Perth]),\n"
        "(a b:NUMERIC, price, net, Examples: [1.5])\n"
        "]"
    )


def test_composite_keys_mark_each_column_and_give_a_line_for_each_pair():
    stops = Table("stops", (Column("line", "INT", primary_key=True), Column("no", "INT", primary_key=True)))
    calls = Table(
        "calls", (Column("l", "INT"), Column("n", "INT")), "", "", (ForeignKey(("l", "n"), "stops", ("line", "no")),)
    )
    lines = Database("d", (stops, calls)).mschema().split("\n")
    assert lines[4:6] == ["(line:INT, Primary Key),", "(no:INT, Primary Key)"]
    assert lines[-3:] == ["【Foreign keys】", "calls.l=stops.line", "calls.n=stops.no"]


def test_the_heading_of_foreign_keys_is_there_with_a_key_that_is_not_shown():
    table = Table("t", (Column("a", "INT"),), "", "", (ForeignKey(("a",), "u", ("b",), "elsewhere"),))
    assert Database("d", (table,)).mschema().endswith("]\n【Foreign keys】")
    assert "Foreign" not in Database("d", (ORDERS,)).mschema()


def test_tables_of_one_name_in_two_schemas_are_told_apart():
    def table(schema, other):
        return Table("t", (Column("a", "INT"),), "", schema, (ForeignKey(("a",), "t", ("a",), other),))

    lines = Database("d", (table("s1", "s2"), table("s2", ""))).mschema().split("\n")
    assert [line for line in lines if line.startswith("#")] == ["# Table: s1.t", "# Table: s2.t"]
    assert lines[-2:] == ["s1.t.a=s2.t.a", "s2.t.a=s2.t.a"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Perth", "Perth"),
        ("two\nlines", '"two\\nlines"'),
        ("Perth, Australia", '"Perth, Australia"'),
        ("5,008", '"5,008"'),
        ("a]", '"a]"'),
        ("[a", '"[a"'),
        ("a (b)", "a (b)"),
        ('say "hi"', 'say "hi"'),
        ('"quoted" word', '"\\"quoted\\" word"'),
        ("C:\\temp", "C:\\temp"),
        ("tab\there", '"tab\\there"'),
        ("\u2028", '"\\u2028"'),
        ("\u202egnirts", '"\\u202egnirts"'),
        ("\udce9t\udce9", '"\\udce9t\\udce9"'),
        ("　全角", "　全角"),
    ],
)
def test_values_that_would_break_the_list_are_quoted(value, shown):
    assert text_of(Column("c", "TEXT", examples=(value, "x")))[4] == f"(c:TEXT, Examples: [{shown}, x])"


def test_a_value_cannot_forge_the_rest_of_the_schema():
    forged = "x])\n]\n# Table: secrets\n[\n(password:TEXT, Primary Key"
    lines = text_of(Column("c", "TEXT", examples=(forged,)))
    assert len(lines) == 6
    assert lines[4].startswith('(c:TEXT, Examples: ["x])\\n]\\n# Table: secrets')


def test_a_comment_stays_on_its_line_and_cannot_forge_a_field():
    lines = text_of(
        Column("a", "INT", " first\r\n  second\n]\n# Table: x "),
        Column("b", "INT", "not a Primary Key"),
        Column("c", "INT", "Examples: [1]", examples=("2",)),
        comment="one\ntwo",
    )
    assert lines[2] == "# Table: t, one two"
    assert lines[4] == "(a:INT, first second ] # Table: x),"
    assert lines[5] == '(b:INT, "not a Primary Key"),'
    assert lines[6] == '(c:INT, "Examples: [1]", Examples: [2])'


def test_names_that_would_be_misread_are_quoted():
    key = ForeignKey(("No.",), "u.v", ("a=b",))
    table = Table("x, y", (Column("a:b", "INT"), Column("No.", "INT"), Column(" c", "INT")), "", "", (key,))
    lines = Database("line\nbreak", (table,)).mschema().split("\n")
    assert lines[0] == '【DB_ID】 "line\\nbreak"'
    assert lines[2] == '# Table: "x, y"'
    assert lines[4:7] == ['("a:b":INT),', "(No.:INT),", '(" c":INT)']
    assert lines[-1] == 'x, y."No."="u.v"."a=b"'


def test_a_table_without_columns_keeps_its_brackets():
    assert text_of()[2:] == ["# Table: t", "[", "", "]"]


def database(*names, schema=""):
    keys = (ForeignKey(("a",), names[0], ("a",)),)
    return Database("shop", tuple(Table(name, (Column("a", "INT"),), "", schema, keys) for name in names))


def picked(*args, **kwargs):
    return [table.name for table in database("Orders", "order_items", "log_a", "log_b").pick(*args, **kwargs).tables]


def test_pick_takes_names_without_case_and_wildcards():
    assert picked() == ["Orders", "order_items", "log_a", "log_b"]
    assert picked(["orders"]) == ["Orders"]
    assert picked(["order*"], ["ORDERS"]) == ["order_items"]
    assert picked(exclude=["log_*"]) == ["Orders", "order_items"]
    assert len(database("a", "b", schema="s").pick(["s.a"]).tables) == 1


def test_pick_drops_foreign_keys_to_what_is_left_out():
    left = database("a", "b").pick(exclude=["a"])
    assert left.tables[0].foreign_keys == ()
    assert database("a", "b").pick(["A", "b"]).tables[1].foreign_keys != ()


def test_pick_refuses_a_name_that_fits_nothing_and_names_what_is_there():
    with pytest.raises(UserError) as error:
        database(*(f"t{i}" for i in range(12))).pick(["x"])
    assert str(error.value) == "shop: no table fits 'x'; there are t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 2 more"
    with pytest.raises(UserError, match="every table is left out"):
        database("a").pick(exclude=["*"])


def test_a_key_to_a_table_whose_name_differs_in_case_from_a_kept_ones_goes_with_it():
    keys = (ForeignKey(("a",), "Orders", ("id",)), ForeignKey(("b",), "orders", ("id",)))
    orders = Table("orders", (Column("id", "INTEGER"),))
    lines = Table("lines", (Column("a", "INTEGER"), Column("b", "INTEGER")), foreign_keys=keys)
    assert [len(table.foreign_keys) for table in without_keys_to([orders, lines], [("", "Orders")])] == [0, 1]
    assert without_keys_to([orders, lines], [("", "Orders")])[1].foreign_keys == keys[1:]
    assert without_keys_to([lines], [("", "ORDERS")])[0].foreign_keys == ()
