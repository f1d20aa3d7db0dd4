import datetime
import socket
import threading
import time
from contextlib import closing, suppress

import pytest
import sqlalchemy

from sqlfocus.errors import UserError
from sqlfocus.execution import streams
from sqlfocus.execution.guard import check
from sqlfocus.execution.runner import Limits, open_runner
from sqlfocus.schema.connect import connect, open_engine

SHORT = Limits(seconds=1, rows=100, bytes=10_000)
FOR_EVER = 60
"""Seconds after which something that should come by itself will not: what a test waits for, not what it measures."""


def until(look):
    """What ``look`` returns, as soon as that is something."""
    end = time.monotonic() + FOR_EVER
    while not (found := look()):
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)
    return found


def sleeping(owner, seconds):
    """The number of the session that sleeps for so many seconds by the SQL that goes with it, if there is one."""
    find = {
        "mysql": f"SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP({seconds})%%'",
        "postgresql": "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep'",
    }[owner.dialect.name]
    return owner.exec_driver_sql(find).scalar()


@pytest.fixture(params=["mariadb", "postgres"])
def server(request):
    """A runner on a small table of a live server, and a connection with all rights to look at what is left."""
    url = request.getfixturevalue(f"{request.param}_url")
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as owner:
        owner.exec_driver_sql("DROP TABLE IF EXISTS runner_item")
        owner.exec_driver_sql(
            "CREATE TABLE runner_item (id INTEGER PRIMARY KEY, name VARCHAR(100), price DECIMAL(8, 2))"
        )
        rows = ", ".join(f"({n}, '名 50% {n}', {n / 4})" for n in range(200))
        owner.exec_driver_sql(f"INSERT INTO runner_item VALUES {rows}", execution_options={"no_parameters": True})
        runner = open_runner(url, SHORT)
        yield runner, owner
        runner.close()
        owner.exec_driver_sql("DROP TABLE IF EXISTS runner_item")
    engine.dispose()


@pytest.mark.server
def test_rows_are_read_and_percent_signs_are_text(server):
    runner, _ = server
    result = runner.run("SELECT id, name, price AS cost FROM runner_item WHERE name LIKE '%50\\% 3'")
    assert result.error == ""
    assert result.columns == ("id", "name", "cost")
    assert [(row[0], row[1], float(row[2])) for row in result.rows] == [(3, "名 50% 3", 0.75)]


@pytest.mark.server
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM runner_item WHERE name IS NOT NULL AND price BETWEEN 1 AND 2 GROUP BY id % 2",
        "SELECT id FROM runner_item ORDER BY price DESC, id LIMIT 3 OFFSET 1",
        "SELECT EXTRACT(YEAR FROM CURRENT_DATE), COALESCE(NULLIF(name, ''), 'it''s') FROM runner_item",
        "WITH c AS (SELECT max(price) AS m FROM runner_item) SELECT id FROM runner_item, c WHERE price = m",
        # What could trip over standing in a subquery or a cursor.
        "SELECT id, id, name AS id FROM runner_item ORDER BY name LIMIT 2",
        "(SELECT id FROM runner_item WHERE id < 2) UNION ALL (SELECT 7) ORDER BY 1 DESC LIMIT 3",
        "(SELECT 5)",
        "SELECT id FROM runner_item EXCEPT SELECT id FROM runner_item WHERE id > 2",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 3) SELECT x FROM c",
        "SELECT rank() OVER (ORDER BY id DESC), count(*) OVER () FROM runner_item LIMIT 1",
        "SELECT count(*) AS n FROM runner_item HAVING count(*) > 1",
        "SELECT 1 -- to the end",
    ],
)
def test_what_the_guard_writes_runs(server, sql):
    runner, _ = server
    permit = check(sql, dialect=runner.dialect)
    assert permit.allowed, permit.reason
    for text in (permit.sql, sql):
        result = runner.run(text)
        assert result.error == ""
        assert result.rows


@pytest.mark.server
def test_a_string_means_to_the_server_what_it_meant_to_the_guard(server):
    runner, _ = server
    if runner.dialect == "mysql":
        sql = r"""SELECT "it's", 'a\\b', 'c"d', 'e\'f' FROM runner_item WHERE name REGEXP '5.% 3$'"""
    else:
        sql = r"""SELECT 'it''s', 'a\b', 'c"d', E'e\'f' FROM runner_item WHERE name ~ '5.% 3$'"""
    assert runner.run(check(sql, dialect=runner.dialect).sql).rows == [("it's", "a\\b", 'c"d', "e'f")]


@pytest.mark.server
def test_rows_and_bytes_have_limits(server):
    runner, _ = server
    result = runner.run("SELECT id FROM runner_item ORDER BY id")
    assert (len(result.rows), result.truncated) == (100, True)
    assert runner.run("SELECT id FROM runner_item WHERE id < 100").truncated is False
    result = runner.run("SELECT repeat('x', 3000) FROM runner_item")
    assert (len(result.rows), result.truncated) == (3, True)


@pytest.mark.server
@pytest.mark.parametrize(
    "value",
    [
        "ARRAY[repeat('x', 3000)]",
        "json_build_object('a', repeat('x', 3000))",
        "repeat('x', 3000)::bytea",
        "10::numeric ^ 3000",
        "ROW(1, repeat('x', 3000))",
        "(SELECT range_agg(int4range(n * 2, n * 2 + 1)) FROM generate_series(1, 150) AS s(n))",
    ],
)
def test_values_of_every_kind_count_as_bytes(postgres_url, value):
    execution = open_runner(postgres_url, SHORT)
    result = execution.run(f"SELECT {value} FROM generate_series(1, 50)")
    assert result.error == ""
    assert (1 <= len(result.rows) <= 3, result.truncated) == (True, True)
    execution.close()


@pytest.mark.server
def test_dates_that_python_has_not_are_text(postgres_url):
    execution = open_runner(postgres_url, SHORT)
    sql = (
        "SELECT 'infinity'::date, '0044-03-15 BC'::date, '-infinity'::timestamptz, '12000-01-01'::timestamp, "
        "'2024-02-29'::date"
    )
    assert execution.run(sql).rows[0] == (
        "infinity",
        "0044-03-15 BC",
        "-infinity",
        "12000-01-01 00:00:00",
        datetime.date(2024, 2, 29),
    )
    execution.close()


@pytest.mark.server
def test_a_huge_result_is_left_early(server):
    runner, _ = server
    result = runner.run("SELECT a.id FROM runner_item a, runner_item b, runner_item c")
    assert result.truncated
    assert runner.run("SELECT 1").rows == [(1,)]


@pytest.mark.server
def test_the_limit_on_rows_is_on_the_result_not_on_what_it_is_made_from(server):
    runner, _ = server
    both = "SELECT id FROM runner_item UNION ALL SELECT id FROM runner_item"
    assert runner.run(f"SELECT count(*) FROM ({both}) AS x").rows == [(400,)]
    assert runner.run("SELECT count(*) FROM runner_item WHERE id IN (SELECT id FROM runner_item)").rows == [(200,)]
    result = runner.run(both)
    assert (len(result.rows), result.truncated) == (100, True)
    assert len(runner.run("SELECT id FROM runner_item EXCEPT SELECT id FROM runner_item WHERE id < 150").rows) == 50


# What neither server ends by itself within the limit of these tests.
LONG = {
    "counting": "SELECT count(*) FROM runner_item a, runner_item b, runner_item c, runner_item d, runner_item e",
    "looking": "SELECT a.name FROM runner_item a, runner_item b, runner_item c, runner_item d, runner_item e "
    "WHERE a.id + b.id + c.id + d.id + e.id < 0",
    "sleeping": {"mysql": "SELECT SLEEP(300)", "postgres": "SELECT pg_sleep(300)"},
}


@pytest.mark.server
def test_a_query_that_does_not_end_is_stopped(server):
    runner, _ = server
    result = runner.run(LONG["counting"])
    assert result.timed_out, result
    # Far above the limit of a second, far below the hours that the query would take: it was stopped.
    assert result.seconds < FOR_EVER
    assert runner.run("SELECT 1").rows == [(1,)]


@pytest.mark.server
@pytest.mark.parametrize("kind", LONG)
def test_a_query_is_stopped_from_another_thread(server, kind):
    runner, owner = server
    sql = LONG[kind] if isinstance(LONG[kind], str) else LONG[kind][runner.dialect]
    patient = open_runner(owner.engine.url.render_as_string(hide_password=False), Limits(seconds=300))
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    result = patient.run(sql, stop=stop)
    assert result.stopped and result.error.startswith("stopped: "), result
    # By the stop, not by its limit.
    assert result.seconds < FOR_EVER
    running = {
        "mysql": "SELECT count(*) FROM information_schema.processlist WHERE info LIKE %s AND id <> connection_id()",
        "postgres": "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND state = 'active' "
        "AND pid <> pg_backend_pid()",
    }[runner.dialect]
    mark = "%SLEEP(300)%" if kind == "sleeping" and runner.dialect == "mysql" else "%runner_item%"
    until(lambda: not owner.exec_driver_sql(running, (mark,)).scalar())
    assert patient.run("SELECT 1", stop=threading.Event()).rows == [(1,)]
    patient.close()


@pytest.mark.server
def test_a_server_that_falls_silent_is_left(server):
    runner, owner = server
    url = owner.engine.url
    with closing(Wire(url.port)) as wire:
        through = open_runner(url.set(port=wire.port).render_as_string(hide_password=False), SHORT)
        assert through.run("SELECT 1").rows == [(1,)]
        results = []
        waiting = threading.Thread(target=lambda: results.append(through.run(LONG["sleeping"][runner.dialect])))
        waiting.start()
        until(lambda: sleeping(owner, 300))
        wire.cut.set()
        waiting.join(FOR_EVER)
        assert results and results[0].timed_out, results
        wire.cut.clear()
        assert through.run("SELECT 1").rows == [(1,)]
        through.close()


@pytest.mark.server
def test_a_server_that_is_silent_from_the_start_is_left(mariadb_url):
    url = sqlalchemy.make_url(mariadb_url)
    with closing(Wire(url.port)) as wire:
        through = open_runner(url.set(port=wire.port).render_as_string(hide_password=False), SHORT)
        wire.cut.set()
        results = []
        waiting = threading.Thread(target=lambda: results.append(through.run("SELECT 1")), daemon=True)
        waiting.start()
        waiting.join(FOR_EVER)
        assert results and results[0].unavailable, results
        wire.cut.clear()
        # Its place is free again.
        assert through.run("SELECT 1").rows == [(1,)]
        through.close()
        # Nor does reading the schema wait for ever.
        wire.cut.set()
        engine, _ = open_engine(url.set(port=wire.port).render_as_string(hide_password=False), silence_seconds=1)
        with pytest.raises(UserError, match="cannot connect"):
            connect(engine)


@pytest.mark.server
def test_hanging_up_late_ends_no_other_connection(server):
    runner, _ = server
    first = runner._connection()
    number = first.fileno() if runner.dialect == "postgres" else first._sock.fileno()
    with streams.wire(first, runner.dialect) as wire:
        first.close()
        with closing(runner._connection()) as second, second.cursor() as cursor:
            assert number == (second.fileno() if runner.dialect == "postgres" else second._sock.fileno())
            streams.hang_up(wire)
            cursor.execute("SELECT 1")
            assert tuple(cursor.fetchone()) == (1,)


@pytest.mark.server
def test_a_server_that_goes_away_is_unavailable_and_found_again(server):
    _, owner = server
    url = owner.engine.url
    with closing(Wire(url.port)) as wire:
        through = open_runner(url.set(port=wire.port).render_as_string(hide_password=False), SHORT)
        assert through.run("SELECT 1").rows == [(1,)]
        port = wire.port
    result = through.run("SELECT 1")
    assert result.unavailable and not result.rows and "S3cret" not in result.error and f":{port}/shop" in result.error
    with closing(Wire(url.port, port)):
        assert through.run("SELECT 1").rows == [(1,)]
    through.close()


class Wire:
    """A port that leads to another one, until it is cut: then nothing comes through, and nobody is told."""

    def __init__(self, port, own=0):
        self.cut = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", own))
        self.port = self._listener.getsockname()[1]
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, args=(port,), daemon=True).start()

    def _accept(self, port):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", port))
            self._sockets += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one, other):
        try:
            while data := one.recv(1 << 16):
                if not self.cut.is_set():
                    other.sendall(data)
            other.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self):
        # A thread that waits in accept() or recv() would keep a socket open that is merely closed.
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.mark.server
def test_more_queries_than_connections_wait_their_turn(server):
    _, owner = server
    execution = open_runner(owner.engine.url.render_as_string(hide_password=False), Limits(seconds=20), workers=2)
    answers = {}

    def ask(number):
        answers[number] = execution.run(f"SELECT {number}, count(*) FROM runner_item").rows

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    execution.close()
    assert answers == {number: [(number, 200)] for number in range(12)}


@pytest.mark.server
def test_a_connection_that_the_server_ends_is_an_error_and_the_next_query_runs(server):
    runner, owner = server
    patient = open_runner(owner.engine.url.render_as_string(hide_password=False), Limits(seconds=300))
    results = []
    sleep = {"mysql": "SELECT SLEEP(299.5)", "postgres": "SELECT pg_sleep(299.5)"}[runner.dialect]
    waiting = threading.Thread(target=lambda: results.append(patient.run(sleep)))
    waiting.start()
    number = until(lambda: sleeping(owner, 299.5))
    owner.exec_driver_sql(f"KILL {number}" if runner.dialect == "mysql" else f"SELECT pg_terminate_backend({number})")
    waiting.join(FOR_EVER)
    assert results and results[0].unavailable and "\n" not in results[0].error
    assert patient.run("SELECT 1").rows == [(1,)]
    patient.close()


@pytest.mark.server
def test_no_query_leaves_anything_to_the_next(server):
    runner, _ = server
    if runner.dialect == "mysql":
        assert runner.run("SELECT GET_LOCK('x', 0)").rows == [(1,)]
        assert runner.run("SELECT IS_FREE_LOCK('x'), @@tx_read_only").rows == [(1, 1)]
    else:
        assert runner.run("SELECT set_config('statement_timeout', '0', false), pg_advisory_lock(7)::text").error == ""
        assert runner.run("SELECT current_setting('statement_timeout')").rows == [("1s",)]
        assert runner.run("SELECT pg_try_advisory_lock(7)").rows == [(True,)]


@pytest.mark.server
def test_an_error_is_one_line_in_the_result(server):
    runner, _ = server
    result = runner.run("SELECT colour FROM runner_item")
    assert "colour" in result.error
    assert "\n" not in result.error
    assert "sqlalche.me" not in result.error
    assert runner.run("SELECT 1").rows == [(1,)]


@pytest.mark.server
@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM runner_item",
        "UPDATE runner_item SET price = 0",
        "INSERT INTO runner_item VALUES (999, 'x', 1)",
        "DROP TABLE runner_item",
        "CREATE TABLE runner_more (a INT)",
        "COMMIT",
        "SELECT 1; DELETE FROM runner_item",
    ],
)
def test_a_statement_that_got_past_the_guard_changes_nothing(server, sql):
    runner, owner = server
    assert runner.run(sql).error
    assert owner.exec_driver_sql("SELECT count(*), sum(id) FROM runner_item").one() == (200, 19900)
    assert runner.run("SELECT count(*) FROM runner_item").rows == [(200,)]


def test_a_server_that_is_not_there_is_one_line_without_the_password():
    for url in ("mysql://me:secret@127.0.0.1:1/shop", "postgresql://me:secret@127.0.0.1:1/shop"):
        with pytest.raises(UserError, match="cannot connect") as caught:
            open_runner(url)
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["oracle://me@host/x", "mysql://me@host:port/x", "mysql://me@host"])
def test_a_url_that_is_of_no_use_is_refused(url):
    with pytest.raises(UserError):
        open_runner(url)
