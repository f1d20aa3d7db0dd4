"""The reference M-Schema implementation on one database, in an environment of its own.

``reference.py DIR URL NAME`` writes JSON on the last line: ``seconds`` from the engine to the text, and ``text``.
"""

from __future__ import annotations

import json
import sys
import time


def main(folder: str, url: str, name: str) -> None:
    sys.path.insert(0, folder)
    from schema_engine import SchemaEngine  # type: ignore[import-not-found]
    from sqlalchemy import create_engine

    start = time.perf_counter()
    text = SchemaEngine(engine=create_engine(url), db_name=name).mschema.to_mschema()
    print(json.dumps({"seconds": time.perf_counter() - start, "text": text}))


if __name__ == "__main__":
    main(*sys.argv[1:])
