import datetime
from decimal import Decimal

import pytest

from sqlfocus.schema.values import choose_values, read_at_most


@pytest.mark.parametrize(
    ("values", "type_name", "shown"),
    [
        ([None, "", "a", "b", "c"], "TEXT", ("a", "b", "c")),
        ([1, 2, 3, 4, 5], "INTEGER", ("1", "2", "3")),
        ([0, 1.5, 1e20], "REAL", ("0", "1.5", "1e+20")),
        ([Decimal("2.50"), Decimal("3")], "DECIMAL(8, 2)", ("2.5", "3.0")),
        ([True, False], "BOOLEAN", ("True", "False")),
        ([datetime.date(2020, 1, 2), datetime.date(2021, 1, 2)], "DATE", ("2020-01-02",)),
        (["x", datetime.datetime(2020, 1, 2, 3, 4), "y"], "TEXT", ("2020-01-02 03:04:00",)),
        ([datetime.time(8), datetime.time(9)], "TIME", ("08:00:00",)),
        (["2020", "2021"], "timestamp(6)", ("2020",)),
        (["a", "some.one@example.com"], "TEXT", ()),
        (["a@b", "me at example.com"], "TEXT", ("a@b", "me at example.com")),
        (["a", "see http://example.com"], "TEXT", ()),
        (["https://example.com"], "TEXT", ()),
        (["x" * 20, "y"], "TEXT", ("x" * 20, "y")),
        (["y", "x" * 21], "TEXT", ("y",)),
        (["y", "x" * 51], "TEXT", ()),
        (["a", "b", "c", "x" * 51], "TEXT", ("a", "b", "c")),
        ([b"\x00\x01"], "BLOB", ()),
        ([memoryview(b"abc")], "BYTEA", ()),
        ([{"键": [1]}], "JSON", ('{"键": [1]}',)),
        ([], "TEXT", ()),
        ([None, ""], "DATE", ()),
    ],
)
def test_the_rules_of_the_format(values, type_name, shown):
    assert choose_values(values, type_name, 3) == shown


def test_the_number_of_values_is_a_choice():
    assert choose_values(range(9), "INTEGER", 5) == ("0", "1", "2", "3", "4")
    assert choose_values(range(9), "INTEGER", 0) == ()
    assert (read_at_most(3), read_at_most(10), read_at_most(0)) == (5, 12, 0)


def test_a_very_long_text_is_no_work():
    assert choose_values(["a." * 500_000 + "@"], "TEXT", 3) == ()
