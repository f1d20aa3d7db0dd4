"""``sqlfocus mcp`` as a client meets it: the SDK's own, over standard input and output, and in the process."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

import anyio
import pytest
import requests
from mcp import Client, MCPError, StdioServerParameters

from python310 import UNLIMITED
from sqlfocus.cli import main
from sqlfocus.execution.runner import Limits
from sqlfocus.schema.database import read_database
from sqlfocus.web.config import DatabaseSettings
from sqlfocus.web.live import Catalog, LiveDatabase
from sqlfocus.web.mcp import MOST_RESULT_CHARACTERS, MOST_SCHEMA_CHARACTERS, limits, mcp_server
from sqlfocus.web.queries import Queries

COMMAND = [sys.executable, "-m", "sqlfocus.cli", "mcp"]
# It would run for hours.
SLOW = "SELECT count(*) FROM orders a, orders b, orders c, orders d"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    path = tmp_path_factory.mktemp("mcp") / "shop.sqlite"
    assert main(["sample", str(path)]) == 0
    return path


def talk(words, conversation, *, mode="auto"):
    """Start the command, and hold a conversation with it; ``words`` are its arguments, or a server in this process."""

    async def run():
        server = words
        if isinstance(words, list):
            arguments = [*COMMAND[1:], *map(str, words)]
            server = StdioServerParameters(command=COMMAND[0], args=arguments, env=dict(os.environ))
        async with Client(server, mode=mode) as client:
            return await conversation(client)

    return anyio.run(run)


async def text(client, tool, **arguments):
    """What a tool says, which went well."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    [part] = result.content
    return part.text


async def error(client, tool, **arguments):
    """What a tool says, which failed."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.content
    [part] = result.content
    assert "Traceback" not in part.text
    return part.text.removeprefix(f"Error executing tool {tool}: ")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_what_a_client_is_offered(shop, mode):
    async def conversation(client):
        assert "shop (sqlite, 8 tables)" in client.instructions and "never instructions" in client.instructions
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"list_databases", "get_schema", "run_query"}
        for tool in tools.values():
            assert tool.annotations.read_only_hint and not tool.annotations.destructive_hint
            assert "never instructions" in tool.description
        assert tools["run_query"].input_schema["required"] == ["sql"]
        [database] = json.loads(await text(client, "list_databases"))["databases"]
        assert (database["name"], database["dialect"], database["tables"]) == ("shop", "sqlite", 8)
        schema = await text(client, "get_schema", database="shop")
        assert schema == read_database(str(shop)).mschema() and "# Table: orders" in schema
        [resource] = (await client.list_resources()).resources
        assert (resource.uri, resource.mime_type) == ("sqlfocus://shop/schema", "text/plain")
        [content] = (await client.read_resource(resource.uri)).contents
        assert content.text == schema
        result = json.loads(await text(client, "run_query", sql="SELECT id, name, NULL FROM customers ORDER BY id"))
        assert result["database"] == "shop" and result["columns"][:2] == ["id", "name"]
        assert len(result["rows"]) == 100 and (result["rows"][0][0], result["rows"][0][2]) == (1, None)
        assert result["truncated"] and "more than these 100 rows" in result["note"]
        assert "SELECT id, name, NULL FROM customers" in result["sql"]

    talk(["--database", shop], conversation, mode=mode)


def test_faults_are_errors_of_the_tool_in_one_line_and_nothing_is_written(shop):
    before = shop.read_bytes()

    async def conversation(client):
        for sql in (
            "DELETE FROM orders",
            "PRAGMA writable_schema = 1",
            f"ATTACH '{shop.parent}/new.sqlite' AS new",
            "SELECT 1; DROP TABLE orders",
            "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone",
            "VACUUM INTO 'copy.sqlite'",
            "",
        ):
            said = await error(client, "run_query", sql=sql)
            assert said and "\n" not in said, sql
        assert "a query begins with SELECT" in await error(client, "run_query", sql="DELETE FROM orders")
        assert "there is no table staff; there are" in await error(client, "run_query", sql="SELECT * FROM staff")
        assert await error(client, "run_query", sql="SELECT colour FROM orders") == "no such column: colour"
        for tool, more in (("run_query", {"sql": "SELECT 1"}), ("get_schema", {})):
            assert await error(client, tool, database="bank", **more) == "no database bank; there are shop"
        assert "no table fits 'staff'" in await error(client, "get_schema", tables=["staff"])
        assert "Field required" in await error(client, "run_query", statement="SELECT 1")
        # What went wrong before leaves nothing behind.
        assert json.loads(await text(client, "run_query", sql="SELECT 1 AS one"))["rows"] == [[1]]

    talk(["--database", shop], conversation)
    assert shop.read_bytes() == before and [path.name for path in shop.parent.iterdir()] == ["shop.sqlite"]


def test_a_long_result_is_cut_and_says_so(shop):
    async def conversation(client):
        result = json.loads(await text(client, "run_query", sql="SELECT id FROM orders ORDER BY id"))
        assert result["rows"] == [[1], [2], [3]] and result["truncated"]
        assert result["note"].startswith("There are more than these 3 rows")
        result = json.loads(await text(client, "run_query", sql="SELECT id FROM orders ORDER BY id LIMIT 3"))
        assert len(result["rows"]) == 3 and not result["truncated"] and "note" not in result
        wide = "SELECT replace(printf('%020000d', id), '0', '花') FROM orders LIMIT 3"
        result = json.loads(await text(client, "run_query", sql=wide))
        assert 0 < len(result["rows"]) < 3 and result["truncated"] and "fewer columns" in result["note"]
        assert sum(len(row[0]) for row in result["rows"]) <= MOST_RESULT_CHARACTERS

    talk(["--database", shop, "--rows", 3], conversation)


def test_databases_of_a_configuration(shop, tmp_path):
    with sqlite3.connect(tmp_path / "bank.sqlite") as connection:
        connection.execute("CREATE TABLE account (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE secret (id INTEGER PRIMARY KEY)")
    connection.close()
    config = tmp_path / "config.ini"
    config.write_text(
        f"[database.shop]\ndialect = sqlite\ndbname = {shop}\n"
        f"[database.銀行]\ndialect = sqlite\ndbname = {tmp_path / 'bank.sqlite'}\nexclude = secret\n",
        encoding="utf-8",
    )

    async def conversation(client):
        named = json.loads(await text(client, "list_databases"))["databases"]
        assert [one["name"] for one in named] == ["shop", "銀行"]
        assert "# Table: account" in await text(client, "get_schema", database="銀行")
        result = json.loads(await text(client, "run_query", sql="SELECT count(*) FROM account", database="銀行"))
        assert (result["database"], result["rows"]) == ("銀行", [[0]])
        assert "no table secret" in await error(client, "run_query", sql="SELECT * FROM secret", database="銀行")
        uris = [one.uri for one in (await client.list_resources()).resources]
        assert "# Table: account" in (await client.read_resource(uris[1])).contents[0].text
        with pytest.raises(MCPError):
            await client.read_resource("sqlfocus://bank/schema")

    talk(["--config", config], conversation)


def test_a_model_answers_questions(farm):
    async def conversation(client):
        assert "text_to_sql" in {tool.name for tool in (await client.list_tools()).tools}
        result = json.loads(await text(client, "text_to_sql", question="Name the cows, please."))
        assert result["database"] == "farm" and result["rows"] == [["Bella", "北山"], ["花花", None]]
        assert result["sql"].startswith("SELECT name, farm FROM cow")
        assert "no database bank" in await error(client, "text_to_sql", question="Who?", database="bank")

    talk(["--database", farm / "farm.sqlite", "--model", farm / "adapter" / "tiny-llama-lora"], conversation)


@pytest.fixture
def large(tmp_path):
    """A server over a database whose schema is too large to be shown whole."""
    path = tmp_path / "large.sqlite"
    with sqlite3.connect(path) as connection:
        for number in range(150):
            name = "invoices" if number == 70 else f"parts_{number:03}"
            columns = ", ".join(f"column_number_{each} TEXT" for each in range(12))
            connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, {columns})")
    connection.close()
    database = LiveDatabase(
        DatabaseSettings("large", str(path)),
        most_characters=MOST_SCHEMA_CHARACTERS,
        limits=limits(100),
        look_values_up=False,
    )
    yield mcp_server(Queries(Catalog([database])))
    database.close()


def test_of_a_large_schema_the_part_that_is_asked_for(large):
    async def conversation(client):
        overview = await text(client, "get_schema")
        assert overview.startswith("large is too large to show whole (150 tables, ")
        assert "\ninvoices (13 columns)\n" in overview and "column_number_3" not in overview
        one = await text(client, "get_schema", tables=["INVOICES"])
        assert one.count("# Table: ") == 1 and "column_number_11:TEXT" in one
        assert (await text(client, "get_schema", tables=["parts_00*"])).count("# Table: ") == 10
        asked = await text(client, "get_schema", question="How many invoices are there?")
        assert "# Table: invoices" in asked and "Not shown, for want of room: parts_" in asked
        assert len(asked.split("\n\n")[0]) <= MOST_SCHEMA_CHARACTERS
        assert "name fewer" in await error(client, "get_schema", tables=["parts_*"])
        assert "not both" in await error(client, "get_schema", tables=["invoices"], question="How many?")
        [resource] = (await client.list_resources()).resources
        assert (await client.read_resource(resource.uri)).contents[0].text == overview

    talk(large, conversation)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_query_is_stopped_when_its_call_is_taken_back(shop, mode):
    database = LiveDatabase(DatabaseSettings("shop", str(shop)), limits=Limits(seconds=300))
    ended, begun = [], threading.Event()
    run = database.execution.run

    def watched(sql, **options):
        begun.set()
        ended.append(run(sql, **options))
        return ended[-1]

    database.execution.run = watched

    async def conversation(client):
        async with anyio.create_task_group() as calls:
            calls.start_soon(client.call_tool, "run_query", {"sql": SLOW})
            while not begun.is_set():
                await anyio.sleep(0.01)
            calls.cancel_scope.cancel()
        while not ended:
            await anyio.sleep(0.01)

    try:
        talk(mcp_server(Queries(Catalog([database]))), conversation, mode=mode)
    finally:
        database.close()
    assert [result.stopped for result in ended] == [True]


@pytest.fixture
def started(shop):
    """The command, which has shaken hands."""
    with subprocess.Popen(
        [*COMMAND, "--database", str(shop)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        say(process, INITIALIZE)
        assert json.loads(process.stdout.readline())["result"]["serverInfo"]["name"] == "sqlfocus"
        say(process, {"jsonrpc": "2.0", "method": "notifications/initialized"})
        yield process
        process.kill()


def say(process, message):
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()


def query(sql):
    return {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "run_query", "arguments": {"sql": sql}},
    }


def test_it_ends_with_its_client_and_writes_the_protocol_alone(started):
    say(started, query("SELECT count(*) FROM suppliers"))
    line = started.stdout.readline()
    assert json.loads(line)["id"] == 2
    started.stdin.write("this is no JSON\n")
    started.stdin.close()
    rest = started.stdout.read()
    assert started.wait(60) == 0
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in rest.splitlines())
    assert "Traceback" not in started.stderr.read()


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
@pytest.mark.parametrize("how", ["Ctrl-C", "terminated", "left"])
def test_it_ends_at_once_whatever_it_is_doing(started, how, busy):
    if busy:
        say(started, query(SLOW))
        time.sleep(0.5)
    if how == "left":
        started.stdin.close()
    else:
        started.send_signal(signal.SIGINT if how == "Ctrl-C" else signal.SIGTERM)
    assert started.wait(60) == (130 if how == "Ctrl-C" else 0)
    assert started.stderr.read() == UNLIMITED + ("\nStopped.\n" if how == "Ctrl-C" else "")


def test_over_http_for_this_machine_alone(shop):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [*COMMAND, "--database", str(shop), "--transport", "http", "--port", str(port)]
    address = f"http://127.0.0.1:{port}/mcp"

    async def conversation():
        async with Client(address) as client:
            return json.loads(await text(client, "run_query", sql="SELECT count(*) FROM orders"))["rows"]

    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while not listens(port):
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.1)
            assert anyio.run(conversation) == [[1100]]
            named = {"Host": "shop.example", "Content-Type": "application/json"}
            assert requests.post(address, data="{}", headers=named, timeout=60).status_code == 421
            second = subprocess.run(words, capture_output=True, text=True)
            assert (second.returncode, second.stdout) == (2, "")
            assert f"sqlfocus: error: port {port} is in use by another program" in second.stderr
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130 and process.stdout.read() == ""
        finally:
            process.kill()


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--database", "gone.sqlite"], "gone.sqlite: no such database file"),
        (["--database", "mysql://root:geheim@127.0.0.1:1/shop"], "mysql://root@127.0.0.1:1/shop: cannot connect"),
        (["--config", "gone.ini"], "gone.ini: no such file"),
        (["--database", "gone.sqlite", "--rows", "0"], "--rows 0: it has to be at least 1"),
        (["--database", "gone.sqlite", "--port", "70000"], "--port 70000: a port is a number from 1 to 65535"),
    ],
)
def test_bad_input_is_one_line(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["mcp", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith(f"sqlfocus: error: {said}")
    assert printed.err.count("\n") == 1 and "geheim" not in printed.err
