import errno
import hashlib
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from sqlfocus.errors import UserError
from sqlfocus.execution import worker
from sqlfocus.execution.runner import Limits, Runner, open_runner

FAR = 20
"""Seconds that are far above every limit here and far below what the queries would take: one was stopped."""
SHORT = Limits(seconds=0.4, rows=100, bytes=100_000, memory=400 << 20)


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "shop's 100% #1.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, photo BLOB)")
        connection.executemany(
            "INSERT INTO item VALUES (?, ?, ?, ?)", [(n, f"名 {n}", n / 4, bytes([n])) for n in range(200)]
        )
        connection.execute("INSERT INTO item VALUES (200, CAST(x'ff41' AS TEXT), NULL, NULL)")
    connection.close()
    return path


@pytest.fixture
def runner():
    with Runner(SHORT) as runner:
        yield runner


def test_rows_come_with_their_columns_and_types(runner, database):
    result = runner.run(database, "SELECT id, name AS title, price, photo FROM item WHERE id = 3")
    assert result.error == ""
    assert result.columns == ("id", "title", "price", "photo")
    assert result.rows == [(3, "名 3", 0.75, b"\x03")]
    assert not result.truncated
    assert result.seconds > 0


def test_text_that_is_not_utf8_is_read(runner, database):
    assert runner.run(database, "SELECT name, price FROM item WHERE id = 200").rows == [("�A", None)]


def test_rows_and_bytes_have_limits(runner, database):
    result = runner.run(database, "SELECT id FROM item ORDER BY id")
    assert (len(result.rows), result.truncated) == (100, True)
    result = runner.run(database, "SELECT id FROM item ORDER BY id LIMIT 100")
    assert (len(result.rows), result.truncated) == (100, False)
    result = runner.run(database, "SELECT printf('%30000s', id) FROM item")
    assert (len(result.rows), result.truncated) == (3, True)


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELECT colour FROM item", "no such column: colour"),
        ("SELECT FROM", "syntax error"),
        ("SELECT ?", "binding"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("SELECT '\udc80'", "surrogates" if sys.version_info >= (3, 11) else "wrong type"),
    ],
)
def test_an_error_of_the_query_is_in_the_result_and_the_next_query_runs(runner, database, sql, error):
    result = runner.run(database, sql)
    assert error in result.error
    assert result.rows == []
    assert runner.run(database, "SELECT 1").rows == [(1,)]


SLOW = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
JOIN = "SELECT count(*) FROM item a, item b, item c, item d, item e"
# One step of SQLite that no progress handler interrupts: looking for a long text in a very long one.
HANG = "SELECT instr(replace(hex(zeroblob(4000000)), '0', 'a'), replace(hex(zeroblob(400000)), '0', 'a') || 'b')"


@pytest.mark.parametrize("sql", [SLOW, JOIN, HANG], ids=["recursion", "cross join", "inside one step"])
def test_a_query_that_does_not_end_is_stopped_and_the_next_one_runs(runner, database, sql):
    result = runner.run(database, sql)
    assert result.timed_out, result
    assert result.seconds < FAR
    assert runner.run(database, "SELECT 1").rows == [(1,)]


def test_inside_one_step_only_the_kill_helps(runner, database):
    assert "ended" in runner.run(database, HANG).error


@pytest.mark.parametrize("sql", ["SELECT hex(zeroblob(400000000))", "SELECT length(hex(zeroblob(90000000)))"])
def test_a_huge_value_is_refused(runner, database, sql):
    result = runner.run(database, sql)
    assert result.error
    assert not result.timed_out or sys.version_info < (3, 11)  # which cannot limit a value
    assert runner.run(database, "SELECT 1").rows == [(1,)]


def test_memory_has_a_limit(database):
    # Each value is within the limit on one, all together are not within the limit on memory.
    many = "SELECT zeroblob(10000000 + id) AS x FROM item LIMIT 60"
    with Runner(Limits(seconds=20, rows=100, bytes=1 << 30, memory=200 << 20)) as runner:
        assert runner.run(database, many).error.startswith("memory:")
        assert runner.run(database, "SELECT 1").rows == [(1,)]


WRITES = [
    "DELETE FROM item",
    "INSERT INTO item (name) VALUES ('x')",
    "UPDATE item SET price = 0",
    "DROP TABLE item",
    "CREATE TABLE more (a)",
    "CREATE TEMP TABLE more (a)",
    "VACUUM",
    "VACUUM INTO '{folder}/copy.sqlite'",
    "ATTACH '{folder}/other.sqlite' AS other",
    "ATTACH 'file:{folder}/other.sqlite?mode=rwc' AS other",
    "PRAGMA writable_schema = 1",
    "PRAGMA journal_mode = WAL",
    "PRAGMA query_only = 0",
    "PRAGMA user_version = 7",
    "SELECT * FROM pragma_user_version",
    "SELECT load_extension('x')",
    "WITH gone AS (SELECT id FROM item) DELETE FROM item WHERE id IN (SELECT id FROM gone)",
    "BEGIN IMMEDIATE",
    "REINDEX",
    "ANALYZE",
]


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_nothing_is_written_whatever_the_sql(runner, database, journal):
    connection = sqlite3.connect(database)
    assert connection.execute(f"PRAGMA journal_mode = {journal}").fetchone() == (journal,)
    connection.close()
    folder = database.parent
    before = hashlib.sha256(database.read_bytes()).hexdigest()
    for sql in WRITES:
        result = runner.run(database, sql.format(folder=folder))
        assert result.error.startswith("refused:"), (sql, result)
    assert len(runner.run(database, "SELECT * FROM item").rows) == 100
    assert hashlib.sha256(database.read_bytes()).hexdigest() == before
    assert list(folder.iterdir()) == [database]


def test_a_database_in_use_by_a_writer_is_read_as_it_is(runner, database):
    with sqlite3.connect(database) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("INSERT INTO item (id, name) VALUES (999, 'new')")
        writer.commit()
        assert runner.run(database, "SELECT name FROM item WHERE id = 999").rows == [("new",)]
    writer.close()


def test_threads_share_a_pool_and_each_gets_its_own_answer(database):
    answers = {}
    with Runner(SHORT, workers=2) as runner:

        def ask(number):
            answers[number] = runner.run(database, f"SELECT {number}, count(*) FROM item").rows

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {number: [(number, 201)] for number in range(12)}


@pytest.mark.parametrize("sql", [SLOW, HANG], ids=["recursion", "inside one step"])
def test_a_query_is_stopped_from_another_thread_and_the_next_one_runs(database, sql):
    with Runner(Limits(seconds=300)) as runner:
        runner.run(database, "SELECT 1")
        stop = threading.Event()
        threading.Timer(0.2, stop.set).start()
        result = runner.run(database, sql, stop=stop)
        assert result.stopped and result.error.startswith("stopped: "), result
        assert result.seconds < FAR
        assert runner.run(database, "SELECT 1", stop=threading.Event()).rows == [(1,)]


def test_a_query_that_is_stopped_before_it_runs_does_not(database):
    stop = threading.Event()
    stop.set()
    with Runner(SHORT) as runner:
        assert runner.run(database, "SELECT 1", stop=stop).stopped
        assert runner._workers[0]._process is None


def test_a_query_that_waits_for_a_process_can_be_stopped_and_does_not_wait_for_ever(database):
    with Runner(Limits(seconds=1)) as runner:
        held = runner._turns.enter(None)
        assert held == ""
        stop = threading.Event()
        threading.Timer(0.1, stop.set).start()
        assert runner.run(database, "SELECT 1", stop=stop).stopped
        assert runner.run(database, "SELECT 1").error.startswith("busy: ")
        runner._turns.leave()
        assert runner.run(database, "SELECT 1").rows == [(1,)]


def test_several_queries_run_at_a_time(database):
    execution = open_runner(database, Limits(seconds=30), workers=2)
    stop = threading.Event()
    results = []
    slow = threading.Thread(target=lambda: results.append(execution.run(SLOW, stop=stop)))
    slow.start()
    assert execution.run("SELECT 1").rows == [(1,)]
    stop.set()
    slow.join()
    assert results[0].stopped
    execution.close()


def test_a_process_that_died_is_replaced(runner, database):
    runner.run(database, "SELECT 1")
    runner._workers[0]._process.kill()
    runner._workers[0]._process.wait()
    assert runner.run(database, "SELECT 2").rows == [(2,)]


def test_processes_end_with_the_runner(database):
    with Runner(SHORT) as runner:
        runner.run(database, "SELECT 1")
        process = runner._workers[0]._process
    assert process.poll() is not None


def test_closing_ends_what_runs_and_what_waits_and_starts_nothing(database):
    runner = Runner(Limits(seconds=300))
    runner.run(database, "SELECT 1")
    results = {}
    threads = [
        threading.Thread(target=lambda sql=sql: results.update({sql: runner.run(database, sql)}))
        for sql in (SLOW, "SELECT 1")
    ]
    threads[0].start()
    end = time.monotonic() + FAR
    while runner._idle and time.monotonic() < end:
        time.sleep(0.01)
    threads[1].start()
    time.sleep(0.2)
    runner.close()
    for thread in threads:
        thread.join(FAR)
    assert {sql: result.error for sql, result in results.items()} == {
        SLOW: "unavailable: the runner was closed",
        "SELECT 1": "unavailable: the runner was closed",
    }
    assert runner.run(database, "SELECT 2").unavailable
    assert runner._workers[0]._process is None


def test_a_process_that_cannot_be_started_is_in_the_result(database, monkeypatch):
    with Runner(SHORT) as runner:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", str(database.parent / "no-python"))
            result = runner.run(database, "SELECT 1")
        assert result.error.startswith("unavailable: the process for the query cannot be started (")
        assert "\n" not in result.error
        assert runner.run(database, "SELECT 1").rows == [(1,)]


def test_writing_to_a_process_that_is_gone_is_an_error_however_the_system_calls_it(database):
    """Windows says EINVAL, not EPIPE."""

    class Gone:
        def __init__(self, stream):
            self._stream = stream

        def write(self, data):
            raise OSError(errno.EINVAL, "Invalid argument")

        def close(self):
            self._stream.close()
            raise OSError(errno.EINVAL, "Invalid argument")

    with Runner(SHORT) as runner:
        runner.run(database, "SELECT 1")
        process = runner._workers[0]._process
        process.stdin = Gone(process.stdin)
        assert "died" in runner.run(database, "SELECT 1").error
        assert runner.run(database, "SELECT 1").rows == [(1,)]


def test_the_worker_imports_the_standard_library_alone():
    code = (
        "import runpy, sys; sys.stdin.close(); sys.stdin = open('/dev/null');"
        f"runpy.run_path({worker.__file__!r}, run_name='module');"
        "print(sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['__main__']" or done.stdout.strip() == "[]"


def test_a_missing_file_is_an_error_of_one_line_and_none_is_made(runner, tmp_path):
    with pytest.raises(UserError, match=r"none\.sqlite: no such database file"):
        runner.run(tmp_path / "none.sqlite", "SELECT 1")
    with pytest.raises(UserError, match=r"none\.sqlite: no such database file"):
        open_runner(tmp_path / "none.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_said_to_be_none(runner, tmp_path):
    (tmp_path / "notes.sqlite").write_text("not a database, but long enough to have a header of one hundred bytes " * 9)
    assert "not a database" in runner.run(tmp_path / "notes.sqlite", "SELECT * FROM t").error


@pytest.mark.parametrize("form", ["{}", "sqlite:///{}"])
def test_open_runner_takes_a_path_or_a_url(database, form):
    execution = open_runner(form.format(database), SHORT)
    assert execution.dialect == "sqlite"
    assert execution.run("SELECT count(*) FROM item").rows == [(201,)]
    execution.close()
