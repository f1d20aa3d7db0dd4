import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfocus.errors import UserError
from sqlfocus.schema.connect import connect, open_engine
from sqlfocus.schema.database import read_database


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("oracle://u:p@h/x", "oracle: no such kind of database; there are sqlite, mysql and postgresql"),
        ("mysql://root:geheim@db/", "mysql://root@db/: the URL names no database; the form is mysql://USER:PASSWORD"),
        ("postgresql://u:geheim@host:12x/db", "the database URL cannot be read; the form is"),
        ("postgresql://:geheim", "the database URL cannot be read; the form is"),
        ("mysql://u:ge@heim@host/db", "the database URL cannot be read: it has more than one @; the form is"),
    ],
)
def test_a_url_that_cannot_be_read_is_one_line_without_the_password(url, message):
    with pytest.raises(UserError) as error:
        open_engine(url)
    text = str(error.value)
    assert text.startswith(message)
    assert "\n" not in text and "heim" not in text


PASSWORDS = st.text(st.sampled_from("abcdefgh@:/?#%&=[]\\ '\"é中"), min_size=5, max_size=12).map(
    lambda text: f"Zq{text}"
)


@settings(deadline=None)
@given(PASSWORDS, st.sampled_from(["mysql", "postgresql"]))
def test_no_password_shows_in_an_error_however_it_is_written(password, kind):
    """Port 1 of this machine refuses; a password is not always escaped as it should be."""
    with pytest.raises(UserError) as error:
        read_database(f"{kind}://u:{password}@127.0.0.1:1/db")
    text = str(error.value)
    assert "\n" not in text
    assert "Zq" not in text
    if not set(password) & set("@%"):
        assert "127.0.0.1:1/db: cannot connect (" in text
    for part in password.replace("@", " ").split():
        assert len(part) < 4 or part not in text


def test_a_password_in_the_query_does_not_show():
    with pytest.raises(UserError) as error:
        read_database("postgresql://127.0.0.1:1/db?password=geheim")
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "module", "message"),
    [
        ("mysql://u@h/d", "pymysql", "the driver for mysql is not installed: pip install 'sql-focus-finetune[mysql]'"),
        (
            "postgres://u@h/d",
            "psycopg",
            "the driver for postgres is not installed: pip install 'sql-focus-finetune[postgres]'",
        ),
    ],
)
def test_a_missing_driver_names_the_extra(url, module, message):
    code = f"""
    import sys
    sys.modules[{module!r}] = None
    from sqlfocus.errors import UserError
    from sqlfocus.schema.connect import open_engine
    try:
        open_engine({url!r})
    except UserError as error:
        print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == message


def test_another_driver_than_ours_is_named_as_the_one_to_leave_out():
    with pytest.raises(UserError, match=r"sql-focus-finetune\[mysql\]' \(and leave out \+mysqldb in the URL\)"):
        open_engine("mysql+mysqldb://u@h/d")


def test_an_sqlite_file_cannot_be_written(tmp_path):
    import sqlite3

    import sqlalchemy

    path = tmp_path / "a.db"
    sqlite3.connect(path).executescript("CREATE TABLE t (a);").connection.close()
    engine, dialect = open_engine(str(path))
    assert dialect == "sqlite"
    with connect(engine) as connection, pytest.raises(sqlalchemy.exc.OperationalError, match="readonly"):
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
