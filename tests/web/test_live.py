"""Connected databases: read once, read again when they change, and what happens when they go away."""

import shutil
import sqlite3
import time

import pytest
import sqlalchemy

from sqlfocus.demo.shop import build_shop
from sqlfocus.errors import UserError
from sqlfocus.web import live as module
from sqlfocus.web.config import DatabaseSettings
from sqlfocus.web.live import Catalog, LiveDatabase, Unavailable


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build_shop(tmp_path_factory.mktemp("live") / "shop.sqlite")


@pytest.fixture
def shop(built, tmp_path):
    path = tmp_path / "shop.sqlite"
    shutil.copy(built, path)
    database = LiveDatabase(DatabaseSettings("shop", str(path)))
    yield database, path
    database.close()


def change(path, statement):
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


def test_a_schema_that_fits_is_shown_whole_the_same_each_time(shop):
    database, _ = shop
    first, second = database.pick("How many orders are there?"), database.pick("有多少客户？")
    assert first.database is second.database is database.known.database
    assert first.text is second.text and first.left_out == () and not database.linked


def test_of_a_large_schema_what_the_question_needs(shop):
    _, path = shop
    database = LiveDatabase(DatabaseSettings("shop", str(path)), most_characters=700)
    try:
        pick = database.pick("Which reviews have a rating of 5?")
        assert database.linked and "reviews" in [table.name for table in pick.database.tables]
        assert "suppliers" in pick.left_out and "# Table: suppliers" not in pick.text and len(pick.text) < 1200
    finally:
        database.close()


def test_values_that_a_question_names_are_found(shop):
    database, _ = shop
    assert database.pick("How many customers live in 上海?").values == ()
    database.read_values()
    (found, *_) = database.pick("How many customers live in 上海?").values
    assert (found.table, found.column, found.value) == ("customers", "city", "上海")


def test_answers_are_held_to_the_database_with_its_values(shop):
    database, _ = shop
    database.read_values()
    first, second = database.pick("How many orders are there?"), database.pick("有多少客户？")
    assert first.database is second.database
    assert first.database.values is not None and first.database.values.misplaces("customers", "name", "上海")


def test_refreshing_keeps_what_has_not_changed_and_reads_what_has(shop):
    database, path = shop
    known = database.known
    assert database.refresh() is False
    assert database.known.database is known.database and database.known.text is known.text
    change(path, "CREATE TABLE vans (id INTEGER PRIMARY KEY, plate TEXT)")
    assert database.refresh() is True
    assert "# Table: vans" in database.pick("q").text


def test_a_change_is_noticed_beside_a_question(shop, monkeypatch, capsys):
    database, path = shop
    change(path, "ALTER TABLE customers ADD COLUMN nickname TEXT")
    assert "nickname" not in database.pick("q").text
    monkeypatch.setattr(module, "LOOK_SECONDS", -1.0)
    deadline, said = time.monotonic() + 10, ""
    while "shop: the schema changed" not in said:
        database.pick("q")
        said += capsys.readouterr().err
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "nickname" in database.pick("q").text


def test_a_database_that_is_gone_is_answered_from_what_is_known_and_found_again(shop, monkeypatch):
    database, path = shop
    monkeypatch.setattr(module, "LOOK_SECONDS", -1.0)
    path.rename(path.with_name("away"))
    for _ in range(3):
        assert "# Table: orders" in database.pick("q").text
        time.sleep(0.05)
    with pytest.raises(Unavailable, match="no such database file"):
        database.refresh()
    assert database.execution.run("SELECT 1").error
    path.with_name("away").rename(path)
    assert database.refresh() is False
    assert database.execution.run("SELECT count(*) FROM orders").rows == [(1100,)]


def test_a_catalog_says_which_databases_there_are(shop):
    database, _ = shop
    catalog = Catalog([database])
    assert catalog.get() is catalog.get("shop") is database
    with pytest.raises(KeyError, match="no database depot; there are shop"):
        catalog.get("depot")
    with pytest.raises(KeyError, match="--enable-mschema"):
        Catalog().get()


def test_a_database_that_refuses_is_one_line_without_the_password():
    with pytest.raises(UserError) as error:
        LiveDatabase(DatabaseSettings("x", "mysql://me:S3cret@127.0.0.1:9/shop"))
    assert "S3cret" not in str(error.value) and "cannot connect" in str(error.value)


@pytest.mark.server
@pytest.mark.parametrize("server", ["mariadb_url", "postgres_url"])
def test_servers_with_chinese_comments_and_values(server, request):
    url = request.getfixturevalue(server)
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS live_regions")
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("CREATE TABLE live_regions (id integer PRIMARY KEY, region varchar(20))")
            connection.exec_driver_sql("COMMENT ON TABLE live_regions IS '地区表'")
            connection.exec_driver_sql("COMMENT ON COLUMN live_regions.region IS '地区名称'")
        else:
            connection.exec_driver_sql(
                "CREATE TABLE live_regions (id integer PRIMARY KEY, region varchar(20) COMMENT '地区名称') "
                "CHARACTER SET utf8mb4 COMMENT '地区表'"
            )
        connection.exec_driver_sql("INSERT INTO live_regions (id, region) VALUES (1, '华东区'), (2, '西北区')")
    text = engine.url.render_as_string(hide_password=False)
    database = LiveDatabase(DatabaseSettings("regions", text, tables=("live_regions",)))
    try:
        assert "# Table: live_regions, 地区表" in database.pick("q").text
        assert "(region:VARCHAR, 地区名称" in database.pick("q").text
        database.read_values()
        (found,) = database.pick("华东区有多少客户？").values
        assert (found.column, found.value) == ("region", "华东区")
        assert database.execution.run("SELECT region FROM live_regions ORDER BY id").rows == [("华东区",), ("西北区",)]
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE live_regions ADD manager varchar(20)")
        assert database.refresh() and "(manager:VARCHAR)" in database.pick("q").text
    finally:
        database.close()
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE live_regions")
        engine.dispose()
