"""Real MariaDB and PostgreSQL servers: started on a free port over a folder of their own, gone when the tests end.

Neither server runs as root, so root lends them its system's user for them. ``tests/install_servers.sh`` installs both.
"""

import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy

PASSWORD = "S3cret-pass"
SECONDS = 90


def _binary(name: str) -> str:
    """The path of a server's binary; the test is skipped where there is none."""
    # PostgreSQL's own folder first: what stands in PATH may be a wrapper that drops its rights in another way.
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = (
        str(places[0]) if places else shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    )
    if found is None:
        pytest.skip(f"{name} is not installed; tests/install_servers.sh installs it")
    return found


def _as_user(user: str) -> list[str]:
    """What stands before a command so that it runs as ``user`` and ends with the tests."""
    setpriv = shutil.which("setpriv")
    if os.getuid() != 0:
        return [setpriv, "--pdeathsig", "TERM"] if setpriv else []
    if setpriv is None:
        pytest.skip("setpriv (util-linux) is not there, and the server does not run as root")
    return [setpriv, "--reuid", user, "--regid", user, "--init-groups", "--pdeathsig", "TERM"]


def _user(*names: str) -> str:
    """The user to run as: one of the system's for root, else the one who runs the tests."""
    if os.getuid() != 0:
        return getpass.getuser()
    there = {entry.pw_name for entry in pwd.getpwall()}
    for name in names:
        if name in there:
            return name
    pytest.skip(f"there is no user {' or '.join(names)}, and the server does not run as root")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def _folder(user: str):
    """A temporary folder of that user's. Sockets' paths must be short, so it is not pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="sqlfocus-"))
    try:
        if os.getuid() == 0:
            shutil.chown(folder, user)
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(command: list[str], log: Path, url: str, *, stop: signal.Signals = signal.SIGTERM):
    """The server while the block runs; it has answered before the block begins."""
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent)
    try:
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        end = time.monotonic() + SECONDS
        while True:
            try:
                engine.connect().close()
                break
            except sqlalchemy.exc.OperationalError as error:
                if server.poll() is not None or time.monotonic() > end:
                    tail = log.read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"{command[0]} did not start:\n{tail}") from error
                time.sleep(0.1)
        yield
    finally:
        server.send_signal(stop)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)


@pytest.fixture(scope="session")
def mariadb_url():
    """The URL of an empty database ``shop`` on a MariaDB server, as a user who may do everything."""
    mariadbd, install = _binary("mariadbd"), _binary("mariadb-install-db")
    user = _user("mysql")
    with _folder(user) as folder:
        data, port = folder / "data", _free_port()
        as_user = _as_user(user)
        install_command = [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=socket"]
        subprocess.run([*as_user, *install_command, "--skip-test-db"], check=True, capture_output=True, timeout=SECONDS)
        start = folder / "start.sql"
        grants = "".join(
            f"CREATE USER tester@'{host}' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO tester@'{host}' WITH GRANT OPTION;\n"
            for host in ("127.0.0.1", "localhost")
        )
        start.write_text(grants + "CREATE DATABASE shop CHARACTER SET utf8mb4;\n")
        command = [*as_user, mariadbd, "--no-defaults", f"--datadir={data}", f"--socket={folder}/s", f"--port={port}"]
        command += ["--bind-address=127.0.0.1", f"--pid-file={folder}/pid", f"--init-file={start}"]
        command += ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M"]
        url = f"mysql+pymysql://tester:{PASSWORD}@127.0.0.1:{port}/shop"
        with _running(command, folder / "log", url):
            yield url


@pytest.fixture(scope="session")
def postgres_url():
    """The URL of an empty database ``shop`` on a PostgreSQL server, as its superuser."""
    postgres, initdb = _binary("postgres"), _binary("initdb")
    user = _user("postgres")
    with _folder(user) as folder:
        data, port = folder / "data", _free_port()
        as_user = _as_user(user)
        password = folder / "password"
        password.write_text(PASSWORD)
        init = [initdb, "-D", str(data), "-U", "tester", "--auth=scram-sha-256", f"--pwfile={password}"]
        init += ["--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run([*as_user, *init], check=True, capture_output=True, timeout=SECONDS, cwd=folder)
        command = [*as_user, postgres, "-D", str(data), "-p", str(port), "-k", str(folder)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=32MB"]
        server = f"postgresql+psycopg://tester:{PASSWORD}@127.0.0.1:{port}"
        # At SIGINT it ends its sessions; at SIGTERM it would wait for them.
        with _running(command, folder / "log", f"{server}/postgres", stop=signal.SIGINT):
            engine = sqlalchemy.create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.exec_driver_sql("CREATE DATABASE shop")
            engine.dispose()
            yield f"{server}/shop"
