import os
import subprocess
import sys
import time

import pytest

from sqlfocus.cli import VERBS, main


def test_help_names_every_verb_and_loads_nothing_heavy():
    code = (
        "import sys; from sqlfocus.cli import main; main(['--help'])\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'sqlalchemy', 'sqlglot')))"
    )
    code = code.replace("main(['--help'])", "\ntry: main(['--help'])\nexcept SystemExit: pass")
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    print(f"{time.monotonic() - started:.2f} s")
    assert done.returncode == 0, done.stderr
    assert all(verb in done.stdout for verb in VERBS)


def test_without_a_verb_help_is_printed(capsys):
    assert main([]) == 0
    assert "verbs:" in capsys.readouterr().out


def test_an_unknown_verb_is_one_line(capsys):
    assert main(["finetun"]) == 2
    assert capsys.readouterr().err.startswith("sqlfocus: error: finetun: no such verb; there are schema, prepare")


def test_the_version_is_the_packages(capsys):
    import sqlfocus

    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"sqlfocus {sqlfocus.__version__}\n"


def test_chinese_is_printed_as_utf8_whatever_the_code_page(tmp_path):
    ddl = tmp_path / "shop.sql"
    ddl.write_text("CREATE TABLE 订单 (编号 INTEGER PRIMARY KEY);", encoding="utf-8")
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}
    command = [sys.executable, "-m", "sqlfocus", "schema", str(ddl)]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "# Table: 订单" in done.stdout.decode("utf-8")
