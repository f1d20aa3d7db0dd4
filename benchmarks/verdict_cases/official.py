"""Spider's official evaluator, in the environment of the PyPI package nl2sql360, which carries a copy of it.

Reads a JSON object ``{"databases": DIR, "items": [[db_id, gold, predicted], …], "seconds": N}`` from its input and
writes a list of ``[default, keep_distinct, hardness]``: the two verdicts are true, false, or text that says why there
is none. ``default`` strips DISTINCT from both queries, as the evaluator does unless told.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

package = Path(importlib.util.find_spec("nl2sql360").submodule_search_locations[0])
# Its own __init__ imports the evaluators of other benchmarks, with dependencies that this one has no need of.
sys.path.insert(0, str(package / "evaluator"))

import nltk.tokenize  # noqa: E402
from test_suite_sql_eval import evaluation, exec_eval, process_sql  # noqa: E402

# NLTK's sentence splitter wants data that it would download; a query is one sentence.
process_sql.word_tokenize = lambda text: nltk.tokenize.word_tokenize(text, preserve_line=True)


class Late(BaseException):
    pass


def ring(number: int, frame: object) -> None:
    raise Late


def verdict(database: Path, predicted: str, gold: str, keep_distinct: bool, seconds: int) -> bool | str:
    signal.alarm(seconds)
    try:
        return bool(exec_eval.eval_exec_match(str(database), predicted, gold, False, keep_distinct, False))
    except Late:
        return "timeout"
    except AssertionError:
        return "gold fails"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)


def hardness(database: Path, sql: str) -> str:
    try:
        return evaluation.Evaluator().eval_hardness(
            process_sql.get_sql(process_sql.Schema(process_sql.get_schema(str(database))), sql)
        )
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main() -> None:
    signal.signal(signal.SIGALRM, ring)
    job = json.load(sys.stdin)
    results = []
    levels = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        for db_id, gold, predicted in job["items"]:
            source = Path(job["databases"], db_id, f"{db_id}.sqlite")
            copy = Path(folder, db_id, f"{db_id}.sqlite")
            # The evaluator lets a prediction write, so it works on a copy, made anew after each that is no query.
            if not copy.exists():
                copy.parent.mkdir()
                shutil.copy(source, copy)
            both = [verdict(copy, predicted, gold, keep, job["seconds"]) for keep in (False, True)]
            if not predicted.lstrip("( ").lower().startswith(("select", "with")):
                shutil.copy(source, copy)
            if (db_id, gold) not in levels:
                levels[db_id, gold] = hardness(copy, gold)
            results.append([*both, levels[db_id, gold]])
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
