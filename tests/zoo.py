"""A folder of two tiny databases, one of them without rows, and questions on them."""

import sqlite3

from sqlfocus.corpus.example import Example

EXAMPLES = [
    Example("How many animals are there?", "SELECT count(*) FROM animal", "zoo"),
    Example("Names by legs?", "SELECT name, legs FROM animal ORDER BY legs, id", "zoo"),
    Example("Which animals have 4 legs?", "SELECT name FROM animal WHERE legs = 4", "zoo"),
    Example("Which keepers?", "SELECT name FROM keeper", "zoo"),
    Example("What do they weigh?", "SELECT avg(weight) FROM animal", "zoo"),
    Example("Which things?", "SELECT id FROM thing", "bare"),
    Example("Colours?", "SELECT colour FROM animal", "zoo"),
]


def make_zoo(folder):
    """Make the databases in ``folder``, one in each of the layouts, and return it."""
    (folder / "zoo").mkdir(parents=True)
    with sqlite3.connect(folder / "zoo" / "zoo.sqlite") as connection:
        connection.execute("CREATE TABLE animal (id INTEGER PRIMARY KEY, name TEXT, legs INTEGER, weight REAL)")
        connection.execute("INSERT INTO animal VALUES (1, 'cat', 4, 4.5), (2, 'hen', 2, 2.0), (3, '狗', 4, NULL)")
        connection.execute("CREATE TABLE keeper (id INTEGER PRIMARY KEY, name TEXT)")
    connection.close()
    with sqlite3.connect(folder / "bare.db") as connection:
        connection.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY)")
    connection.close()
    return folder
