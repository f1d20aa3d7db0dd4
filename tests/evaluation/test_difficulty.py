import json
from collections import Counter
from pathlib import Path

import pytest

from sqlfocus.evaluation.difficulty import LEVELS, hardness

SPIDER = Path(__file__).resolve().parents[2] / "../shared/spider"


@pytest.mark.parametrize(
    ("sql", "level"),
    [
        ("SELECT count(*) FROM t", "easy"),
        ("SELECT a FROM t WHERE b = 1", "easy"),
        ("SELECT a, b FROM t", "medium"),
        ("SELECT a FROM t JOIN u ON t.x = u.x WHERE b = 1", "medium"),
        ("SELECT a, b, count(*), max(c) FROM t WHERE b = 1 AND c = 2", "hard"),
        ("SELECT a FROM t JOIN u ON t.x = u.x GROUP BY a ORDER BY a", "hard"),
        ("SELECT a FROM t WHERE b = 1 OR c LIKE 'x%'", "hard"),
        ("SELECT a FROM t WHERE b > (SELECT avg(b) FROM t)", "hard"),
        ("SELECT a FROM t WHERE b NOT IN (SELECT b FROM u)", "hard"),
        ("SELECT a FROM t UNION SELECT a FROM u", "hard"),
        ("SELECT a FROM t UNION SELECT a FROM u UNION SELECT a FROM v ORDER BY a", "hard"),
        ("SELECT a, b FROM t EXCEPT SELECT a, b FROM u", "extra"),
        ("SELECT a FROM t JOIN u ON t.x = u.x GROUP BY a ORDER BY count(*) LIMIT 1", "extra"),
        ("WITH c AS (SELECT a FROM t) SELECT a FROM c", "hard"),
        # An aggregate and a negated condition are two aggregates to the benchmark's program.
        ("SELECT count(*) FROM t WHERE a NOT LIKE 'x%'", "medium"),
    ],
)
def test_components_make_the_level(sql, level):
    assert hardness(sql) == level


@pytest.mark.skipif(not SPIDER.is_dir(), reason="needs ../shared/spider")
def test_spiders_dev_set_has_the_published_distribution():
    levels = Counter(hardness(row["query"]) for row in json.loads((SPIDER / "dev.json").read_text()))
    assert [levels[level] for level in LEVELS] == [248, 446, 174, 166]
