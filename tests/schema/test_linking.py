from dataclasses import replace

import pytest

from library import make_library
from sqlfocus.schema.database import read_database
from sqlfocus.schema.linking import Linker
from sqlfocus.schema.lookup import Found
from sqlfocus.schema.mschema import Column, Database, ForeignKey, Table


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return read_database(str(make_library(tmp_path_factory.mktemp("library") / "library.sqlite")))


def names(linked):
    return [table.name for table in linked.database.tables]


def everything(database):
    tables = {table.name for table in database.tables}
    return tables | {f"{table.name}.{column.name}" for table in database.tables for column in table.columns}


def text_columns(*columns):
    return tuple(Column(name, "TEXT") for name in columns)


def test_a_database_that_fits_is_returned_as_it_is(library):
    linked = Linker(library).link("How many loans?", most_characters=len(library.mschema()))
    assert linked.database is library
    assert linked.left_out == ()


@pytest.mark.parametrize("size", [300, 700, 1_200, 2_000])
@pytest.mark.parametrize("question", ["How many loans has each member?", "Which publishers are in Vienna?", "总工资"])
def test_the_text_is_no_longer_than_asked_and_what_was_left_out_is_said(library, size, question):
    linked = Linker(library).link(question, most_characters=size)
    assert len(linked.database.mschema()) <= size
    gone = everything(library) - everything(linked.database)
    left = {table.name for table in linked.database.tables}
    # The columns of a table that was left out are not named one by one.
    assert set(linked.left_out) == {name for name in gone if "." not in name or name.split(".")[0] in left}


def test_tables_and_columns_keep_their_order_and_their_values(library):
    linked = Linker(library).link("Which branch has most staff?", most_characters=1_000)
    whole = {table.name: table for table in library.tables}
    assert names(linked) == [name for name in whole if name in names(linked)]
    for table in linked.database.tables:
        assert table.columns == whole[table.name].columns


@pytest.mark.parametrize(
    ("question", "table"),
    [
        ("What is the average salary of employees?", "staff"),
        ("Reviews with a rating above four", "reviews"),
        ("出版社有多少家？", "publishers"),
        ("各分馆的座位数", "branches"),
        ("Which member has borrowed most?", "members"),
        ("average rating_review", "reviews"),
    ],
)
def test_names_comments_and_values_rank_tables(library, question, table):
    linked = Linker(library).link(question, most_characters=700)
    assert table in names(linked)


def test_a_value_found_brings_its_table(library):
    linker = Linker(library)
    question = "What do we have of Red Kite?"
    assert "publishers" not in names(linker.link(question, most_characters=500))
    found = [Found("publishers", "name", "Red Kite", "Red Kite")]
    assert "publishers" in names(linker.link(question, most_characters=500, found=found))


def test_the_table_that_joins_two_is_kept(library):
    linked = Linker(library).link("Which authors wrote the most books?", most_characters=1_600)
    assert {"authors", "book_authors", "books"} <= set(names(linked))
    keys = {(table.name, key.referenced_table) for table in linked.database.tables for key in table.foreign_keys}
    assert {("book_authors", "books"), ("book_authors", "authors")} <= keys


def test_no_foreign_key_refers_to_a_table_that_was_left_out(library):
    for size in range(300, 2_400, 150):
        linked = Linker(library).link("Which members reviewed books?", most_characters=size)
        for table in linked.database.tables:
            assert all(key.referenced_table in names(linked) for key in table.foreign_keys)


def test_columns_named_as_another_tables_key_join_where_no_foreign_key_is_declared(library):
    bare = replace(library, tables=tuple(replace(table, foreign_keys=()) for table in library.tables))
    linked = Linker(bare).link("Which authors wrote the most books?", most_characters=1_600)
    assert {"authors", "book_authors", "books"} <= set(names(linked))


def test_of_a_table_that_is_too_wide_keys_and_the_best_columns_stay():
    columns = (
        Column("id", "INTEGER", primary_key=True),
        *text_columns(*(f"attribute_{number}" for number in range(300))),
        Column("total_amount", "REAL"),
        Column("shop_id", "INTEGER"),
        Column("region", "TEXT"),
    )
    sales = Table("sales", columns, foreign_keys=(ForeignKey(("shop_id",), "shops", ("id",)),))
    shops = Table("shops", (Column("id", "INTEGER", primary_key=True), Column("city", "TEXT")))
    linker = Linker(Database("wide", (sales, shops)))
    found = [Found("sales", "region", "华东区", "华东区")]
    linked = linker.link("What is the total amount in 华东区?", most_characters=1_000, found=found)
    assert len(linked.database.mschema()) <= 1_000
    assert names(linked) == ["sales", "shops"]
    kept = [column.name for column in linked.database.tables[0].columns]
    assert {"id", "total_amount", "shop_id", "region"} <= set(kept)
    assert kept == [column.name for column in columns if column.name in kept]
    assert "sales.attribute_299" in linked.left_out
    assert "shops" not in linked.left_out


def test_two_questions_on_the_same_tables_get_the_same_pick(library):
    linker = Linker(library)
    first = linker.link("How many loans are open?", most_characters=1_000)
    second = linker.link("List the loans that are lost.", most_characters=1_000)
    assert first.database == second.database


def test_tables_of_one_name_in_two_schemas_are_told_apart():
    tables = tuple(
        Table("people", (Column("id", "INTEGER"), Column(column, "TEXT")), comment, schema)
        for schema, column, comment in (("hr", "salary", "员工"), ("sales", "discount", "客户"))
    )
    linked = Linker(Database("firm", tables)).link("客户的 discount", most_characters=110)
    assert [(table.schema, table.name) for table in linked.database.tables] == [("sales", "people")]
    assert linked.left_out == ("hr.people",)


def test_tables_whose_names_differ_in_case_are_told_apart():
    """PostgreSQL and MySQL on Linux have such; a key that spells a name otherwise still finds its table."""
    shouted = Table("Orders", (Column("id", "INTEGER", primary_key=True), Column("town", "TEXT")))
    plain = Table("orders", (Column("nr", "INTEGER", primary_key=True), Column("zip", "TEXT")))
    lines = Table(
        "lines",
        (Column("part", "INTEGER"), Column("amount", "INTEGER")),
        foreign_keys=(ForeignKey(("part",), "orders", ("nr",)),),
    )
    others = tuple(Table(f"x{number}", text_columns("y")) for number in range(9))
    linker = Linker(Database("shop", (shouted, plain, lines, *others), "postgres"))
    linked = linker.link("zip", most_characters=90)
    assert names(linked) == ["orders"]
    assert linked.left_out[0] == "Orders"
    assert linked.shown([Found("Orders", "town", "Oslo", "oslo"), Found("orders", "zip", "1", "1")]) == [
        Found("orders", "zip", "1", "1")
    ]
    assert names(linker.link("amount", most_characters=200)) == ["orders", "lines"]
    assert names(linker.link("town", most_characters=90)) == ["Orders"]
    written = replace(lines, foreign_keys=(ForeignKey(("part",), "ORDERS", ("NR",)),))
    linker = Linker(Database("shop", (plain, written, *others)))
    assert names(linker.link("amount", most_characters=200)) == ["orders", "lines"]


@pytest.mark.parametrize("question", ["", "   ", "???", "the", "zzz qqq"])
def test_a_question_that_names_nothing_gets_the_first_tables(library, question):
    linked = Linker(library).link(question, most_characters=900)
    assert names(linked)[0] == library.tables[0].name
    assert len(linked.database.mschema()) <= 900


def test_names_without_letters_do_no_harm():
    tables = (Table("!!", text_columns("??", "--")), Table("##", text_columns("%%")))
    assert names(Linker(Database("odd", tables)).link("what?", most_characters=50))


def test_at_least_one_table_is_kept_with_its_keys():
    table = Table("t", (Column("id", "INTEGER", primary_key=True), *text_columns(*(f"c{i}" for i in range(50)))))
    linked = Linker(Database("d", (table,))).link("c7", most_characters=10)
    assert [column.name for column in linked.database.tables[0].columns] == ["id"]


def test_a_database_without_tables_or_columns_is_no_error():
    assert Linker(Database("empty", ())).link("what?", most_characters=1).left_out == ()
    empty = Linker(Database("bare", (Table("t", ()), Table("u", text_columns("a")))))
    assert empty.link("a of u", most_characters=45).left_out == ("t",)


def test_values_are_shown_only_of_what_was_kept(library):
    found = [Found("publishers", "name", "Red Kite", "Red Kite"), Found("staff", "job_title", "Archivist", "archivist")]
    linker = Linker(library)
    assert linker.link("Red Kite", most_characters=10_000).shown(found) == found
    linked = linker.link("Which publisher is in Vienna?", most_characters=500)
    assert linked.shown(found) == found[:1]
    assert linked.shown([replace(found[0], schema="other")]) == []
