"""SQL that nobody would write: valid queries, changed at random by a grammar that knows what harms.

A mutant is a valid query whose tokens are replaced, repeated, exchanged or left out, into which pieces of the hostile
SQL are put, or which is put into another as a subquery, a WITH or a set operation.
"""

import random
import re
from collections.abc import Iterator

from hostile_sql import cases

QUERIES = {
    "all": [
        "SELECT id, name FROM item WHERE price > 2 ORDER BY name DESC LIMIT 5",
        "SELECT count(*), avg(price) FROM item",
        "SELECT i.name, count(*) AS n FROM item AS i JOIN orders AS o ON o.item_id = i.id GROUP BY i.name HAVING n > 0",
        "SELECT name FROM item WHERE id NOT IN (SELECT item_id FROM orders WHERE id < 10)",
        "WITH dear AS (SELECT * FROM item WHERE price > 3) SELECT max(price) FROM dear WHERE name LIKE 'name 1%'",
        "SELECT id FROM item UNION SELECT item_id FROM orders",
        "SELECT CASE WHEN price > 1 THEN 'dear' ELSE 'cheap' END AS kind, sum(price) FROM item GROUP BY 1",
        "SELECT name, rank() OVER (ORDER BY price DESC) FROM item WHERE price BETWEEN 1 AND 3",
        "SELECT * FROM cheap WHERE EXISTS (SELECT 1 FROM orders WHERE orders.item_id = cheap.id)",
        "SELECT coalesce(name, 'x') || '-' || id FROM item WHERE name IS NOT NULL AND (id = 1 OR id = 2)",
    ],
    "sqlite": ["SELECT strftime('%Y', 'now'), `name`, [id] FROM item LIMIT 2, 3"],
    "mysql": ["SELECT DATE_FORMAT(NOW(), '%Y'), IF(id > 1, 'x', 'y') FROM `item` LIMIT 2, 3"],
    "postgres": ["SELECT date_trunc('month', now()), name::text FROM \"item\" WHERE name ILIKE '%1' LIMIT 3"],
}
WORDS = """
    SELECT FROM WHERE GROUP BY HAVING ORDER LIMIT OFFSET UNION INTERSECT EXCEPT ALL DISTINCT WITH RECURSIVE AS IN NOT
    EXISTS JOIN LEFT LATERAL ON USING CASE WHEN END INTO OUTFILE DUMPFILE FOR UPDATE SHARE LOCK NOWAIT RETURNING DELETE
    INSERT UPDATE REPLACE MERGE TRUNCATE DROP CREATE ALTER TABLE VIEW SET VALUES CALL EXEC DO BEGIN COMMIT ROLLBACK
    SAVEPOINT PRAGMA ATTACH DETACH VACUUM COPY PROGRAM LOAD_FILE EXPLAIN ANALYZE PREPARE EXECUTE GRANT COLLATE CAST
    ARRAY INTERVAL NULL TABLESAMPLE WINDOW OVER FILTER PARTITION
    item orders cheap dear id name price item_id sqlite_master pg_authid mysql.user information_schema.tables ticket
    load_extension readfile writefile zeroblob randomblob sleep pg_sleep benchmark lo_export pg_read_file set_config
    nextval setval dblink query_to_xml wiping wipe count max lower replace repeat generate_series json_each
    ( ) ( ) , ; . * = <> || :: ? :x @x @@x $1 [ ] { } 0 1 -1 1e9 99999999999999999999 0x41 x'41' 'x' '' "item" `item`
    [item] ' " ` -- # /* */ /*! \\ \0 ; ;
""".split()  # noqa: SIM905
SPACES = [" "] * 12 + ["\n", "\t", "/**/", " /* x */ ", "\u00a0", "", "--\n"]
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\w+|\s+|\|\||::|<>|.", re.DOTALL)


def mutants(dialect: str, count: int, *, seed: int) -> Iterator[str]:
    """``count`` of them, the same for the same seed."""
    rng = random.Random(f"{dialect} {seed}")
    valid = [*QUERIES["all"], *QUERIES[dialect]]
    # What is slow by itself has tests of its own.
    hostile = [case.sql for case in cases(dialect) if case.mark != "passes" and len(case.sql) < 300]
    for _ in range(count):
        yield _mutant(rng, valid, hostile)


def _mutant(rng: random.Random, valid: list[str], hostile: list[str]) -> str:
    tokens = [token for token in _TOKEN.findall(rng.choice(valid)) if not token.isspace()]
    while True:
        change = rng.choice(CHANGES)
        tokens = change(rng, tokens, valid, hostile) or tokens
        if rng.random() < 0.45:
            break
    same = rng.random() < 0.6
    return "".join(token + (" " if same else rng.choice(SPACES)) for token in tokens)


def _replace(rng, tokens, valid, hostile):
    at = rng.randrange(len(tokens))
    return [*tokens[:at], rng.choice(WORDS), *tokens[at + 1 :]]


def _put_in(rng, tokens, valid, hostile):
    at = rng.randrange(len(tokens) + 1)
    return [*tokens[:at], rng.choice(WORDS), *tokens[at:]]


def _leave_out(rng, tokens, valid, hostile):
    at = rng.randrange(len(tokens))
    return tokens[:at] + tokens[at + rng.randint(1, 3) :]


def _exchange(rng, tokens, valid, hostile):
    one, other = rng.randrange(len(tokens)), rng.randrange(len(tokens))
    changed = list(tokens)
    changed[one], changed[other] = changed[other], changed[one]
    return changed


def _cut_and_join(rng, tokens, valid, hostile):
    """The beginning of a query and the end of a hostile text, or the other way round."""
    other = _TOKEN.findall(rng.choice(hostile))
    cut, end = rng.randrange(len(tokens) + 1), rng.randrange(len(other) + 1)
    return [*tokens[:cut], *other[end:]] if rng.random() < 0.5 else [*other[:end], *tokens[cut:]]


def _put_hostile_in(rng, tokens, valid, hostile):
    at = rng.choice([len(tokens), rng.randrange(len(tokens) + 1)])
    around = [("", ""), ("; ", ""), ("(", ")"), ("/*", "*/"), ("/*!", "*/"), ("UNION (", ")"), ("'", "'")]
    left, right = rng.choice(around)
    return [*tokens[:at], left, rng.choice(hostile), right, *tokens[at:]]


def _hostile_as_a_table(rng, tokens, valid, hostile):
    text = " ".join(tokens)
    inner = rng.choice(hostile)
    return [
        rng.choice(
            [
                f"WITH item AS ({inner}) {text}",
                f"WITH loot AS ({inner}) SELECT * FROM loot, ({text}) AS x",
                f"SELECT * FROM ({inner}) AS x",
                f"SELECT ({inner}) FROM item",
                f"SELECT * FROM item WHERE id IN ({inner})",
                f"{text} UNION ALL {inner}",
            ]
        )
    ]


def _query_in_query(rng, tokens, valid, hostile):
    text, other = " ".join(tokens), rng.choice(valid)
    return [
        rng.choice(
            [
                f"SELECT * FROM ({text}) AS a, ({other}) AS b",
                f"WITH a AS ({text}), b AS ({other}) SELECT * FROM a, b",
                f"SELECT id, ({text}) FROM item WHERE id IN ({other})",
                f"({text}) EXCEPT {other}",
            ]
        )
    ]


def _other_case(rng, tokens, valid, hostile):
    return [rng.choice([token.upper, token.lower, token.swapcase, token.title])() for token in tokens]


CHANGES = [
    *(_replace, _put_in, _leave_out, _exchange, _cut_and_join, _put_hostile_in, _hostile_as_a_table),
    *(_query_in_query, _other_case),
]
