"""Every function that an answer may call passes the guard, and SQLite itself, with as many arguments as it takes."""

import sqlite3

import pytest

from sqlfocus.execution.guard import check
from sqlfocus.inference.constraint.dialects import DIALECTS, WINDOW_ONLY, WITH_INTERVAL

_ANY_NUMBER = "SELECT name, 0 FROM pragma_function_list WHERE narg < 0"


def call(name, count):
    values = ["age"] * count
    if name in WITH_INTERVAL:
        values[1] = "INTERVAL 1 DAY"
    over = " OVER (ORDER BY id)" if name in WINDOW_ONLY else ""
    return f"SELECT {name}({', '.join(values)}){over} FROM student"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_function_passes_the_guard_with_the_fewest_arguments(dialect):
    functions, arguments = DIALECTS[dialect].functions, DIALECTS[dialect].arguments
    refused = {}
    for name in functions:
        permit = check(call(name, arguments.get(name, (1, 1))[0]), dialect=dialect)
        if not permit.allowed:
            refused[name] = permit.reason
    assert refused == {}


def test_sqlite_takes_each_function_with_the_fewest_and_the_most_arguments_and_no_other_number():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE student (id INTEGER, age INTEGER)")
    dialect = DIALECTS["sqlite"]
    for name in dialect.functions:
        least, most = dialect.arguments[name]
        for count in {least, min(most, 6)}:
            connection.execute(f"EXPLAIN {call(name, count)}")
        for count in {least - 1, most + 1} & set(range(6)):
            # Of two values min is no aggregate; strftime() of nothing and the like are found out when they run.
            if name not in ("min", "max") and (name, 0) not in connection.execute(_ANY_NUMBER):
                with pytest.raises(sqlite3.OperationalError):
                    connection.execute(f"EXPLAIN {call(name, count)}")
    connection.close()


def test_a_function_that_this_sqlite_lacks_is_not_called():
    connection = sqlite3.connect(":memory:")
    there = {name for (name,) in connection.execute("SELECT name FROM pragma_function_list")}
    connection.close()
    assert DIALECTS["sqlite"].functions <= there
