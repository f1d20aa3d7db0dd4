"""Schema texts in a folder, one file a database, as ``sqlfocus prepare`` writes them."""

from __future__ import annotations

from pathlib import Path

from sqlfocus.errors import UserError
from sqlfocus.files import check_file_name


def read_schema(folder: Path, db_id: str) -> str:
    """The schema text of a database.

    Raises:
        UserError: there is no file for it in ``folder``, or its name would lead elsewhere.
    """
    check_file_name(db_id)
    path = folder / f"{db_id}.txt"
    if not path.is_file():
        raise UserError(
            f"{path}: no schema text for the database {db_id}; write it with `sqlfocus schema URL > {path}`, "
            "or name the folder with --schema_dir"
        )
    return path.read_text(encoding="utf-8")
