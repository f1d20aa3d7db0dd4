"""``config/config.ini``: what is read, what wins, and what is said of a fault, never with a password in it."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from sqlfocus.errors import UserError
from sqlfocus.web.config import DatabaseSettings, read_config

AS_PEOPLE_HAVE_IT = """
[database]
host = db.example.com
port = 3307
user = root
password = p%40@ss:/w#rd
dbname = shop
"""


def config(tmp_path, text, **environment):
    path = tmp_path / "config.ini"
    path.write_text(text, encoding="utf-8")
    return read_config(path, environment)


def test_a_file_as_people_have_it_is_mysql(tmp_path):
    (found,) = config(tmp_path, AS_PEOPLE_HAVE_IT)
    url = make_url(found.url)
    assert (url.drivername, url.host, url.port, url.username) == ("mysql", "db.example.com", 3307, "root")
    assert (url.password, url.database, found.name) == ("p%40@ss:/w#rd", "shop", "shop")


def test_several_databases_have_names_and_what_they_are_to_show(tmp_path):
    text = """
    [database]
    dialect = postgres
    dbname = shop
    schema = sales
    tables = order*, customers
    [database.仓库]
    url = sqlite:///data/depot.sqlite
    exclude = log_*
    """.replace("\n    ", "\n")
    shop, depot = config(tmp_path, text)
    assert shop == DatabaseSettings("shop", "postgresql://localhost/shop", "sales", ("order*", "customers"))
    assert depot == DatabaseSettings("仓库", "sqlite:///data/depot.sqlite", exclude=("log_*",))


def test_the_environment_wins(tmp_path):
    variables = {"SQLFOCUS_DATABASE_PASSWORD": "other", "SQLFOCUS_DATABASE_SALES_DBNAME": "sales2"}
    shop, sales = config(tmp_path, f"{AS_PEOPLE_HAVE_IT}\n[database.sales]\ndbname = sales", **variables)
    assert make_url(shop.url).password == "other"
    assert (make_url(sales.url).database, sales.name) == ("sales2", "sales")


def test_the_environment_alone_will_do(tmp_path):
    (found,) = read_config(tmp_path / "none.ini", {"SQLFOCUS_DATABASE_URL": "sqlite:///x/shop.sqlite"})
    assert (found.name, found.url) == ("shop", "sqlite:///x/shop.sqlite")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://reader:s3cret@localhost/sales?password=a/hunter2", "sales"),
        ("postgresql://reader@localhost/sales?sslrootcert=/etc/ca.pem", "sales"),
        ("sqlite:////data/depot.v2.sqlite", "depot.v2"),
        ("/data/depot.sqlite", "depot"),
        ("postgresql://reader:s3cret@localhost", None),
        ("mysql://u:s3cret@h:3306/", None),
        ("mysql://u:s3cret@h:port/x", None),
    ],
)
def test_a_database_is_called_as_it_is_and_never_by_a_password(tmp_path, url, name):
    if name is None:
        with pytest.raises(UserError, match="USER:PASSWORD") as error:
            config(tmp_path, f"[database]\nurl = {url}\n")
        assert "s3cret" not in str(error.value)
    else:
        assert config(tmp_path, f"[database]\nurl = {url}\n")[0].name == name


def test_a_variable_that_fits_nothing_is_said(tmp_path):
    with pytest.raises(UserError, match="SQLFOCUS_DATABASE_PASWORD fits no section and key; there are database"):
        config(tmp_path, AS_PEOPLE_HAVE_IT, SQLFOCUS_DATABASE_PASWORD="x")
    with pytest.raises(UserError, match=r"SQLFOCUS_DATABASE_PASSWORD fits no section and key; .* database\.sales"):
        config(tmp_path, "[database.sales]\ndbname = x\n", SQLFOCUS_DATABASE_PASSWORD="x")


def test_a_password_is_not_in_what_is_printed_of_settings(tmp_path):
    (found,) = config(tmp_path, AS_PEOPLE_HAVE_IT)
    assert "p%40" not in repr(found) and "ss:/w" not in repr(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[database]\nhost = x\n", "dbname is missing"),
        ("[database]\ndbname = x\npasword = secret\n", "the key pasword is not known; there are dialect, host"),
        ("[databases]\ndbname = x\n", r"the section \[databases\] is not known"),
        ("[server]\nport = 1\n[database]\ndbname = x\n", r"the section \[server\] is not known"),
        ("[database]\ndbname = x\nport = many\n", "port many is no port"),
        ("[database]\ndbname = x\ndialect = oracle\n", "dialect oracle is not known"),
        ("dbname = x\npassword = secret\n", "config.ini:1: not an INI file"),
        ("[database]\npassword = secret\nsecret line\n", "not an INI file"),
        ("[database]\ndbname = x\n[database.x]\ndbname = y\n", "two databases are called x"),
        ("[database]\ndbname = x ; the shop's\n", "dbname has a comment behind it"),
        ("# nothing\n", r"there is no section \[database\]"),
    ],
)
def test_a_fault_is_one_line_that_says_what_to_do(tmp_path, text, said):
    with pytest.raises(UserError, match=said) as error:
        config(tmp_path, text)
    assert "secret" not in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_not_there_and_one_that_is_no_text(tmp_path):
    with pytest.raises(UserError, match=r"no such file; copy config/config\.example\.ini"):
        read_config(tmp_path / "config.ini", {})
    (tmp_path / "config.ini").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8 text"):
        read_config(tmp_path / "config.ini", {})


def test_the_example_in_the_repository_can_be_read():
    found = read_config(Path(__file__).parents[2] / "config/config.example.ini", {})
    assert [one.name for one in found][:1] == ["shop"]
