"""A GGUF file in the folder that LM Studio reads models from: ``models/PUBLISHER/REPOSITORY/FILE.gguf``.

The layout is LM Studio's (https://lmstudio.ai/docs/app/basics/import-model).
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from sqlfocus.errors import UserError
from sqlfocus.files import atomic_path, disk_errors, parse_json, readable

PUBLISHER = "sqlfocus"
USUAL_FOLDER = "~/.lmstudio/models"
FOLDER_HERE = Path("lm-studio/models")
"""Where files go on a machine without LM Studio."""


def models_folder() -> Path | None:
    """LM Studio's models folder, as its settings name it; None where LM Studio is not to be found."""
    home = Path.home() / ".lmstudio"
    with suppress(OSError, UnicodeDecodeError):
        home = Path((Path.home() / ".lmstudio-home-pointer").read_text(encoding="utf-8").strip())
    named = None
    with suppress(OSError, ValueError, AttributeError):
        named = parse_json((home / "settings.json").read_text(encoding="utf-8")).get("downloadsFolder")
    folders = [Path(named)] if isinstance(named, str) and named else []
    return next((folder for folder in (*folders, home / "models") if folder.is_dir()), None)


def place(gguf: Path, models: Path, *, repository: str, force: bool = False) -> Path:
    """Put a GGUF file under ``models``: a hard link where the file system has them, which takes no room, else a copy.

    Raises:
        UserError: the file is there and ``force`` is false, there is no room for a copy, or no permission.
    """
    source, target = gguf.resolve(), models / PUBLISHER / repository / gguf.name
    with disk_errors(target):
        if target.exists() and target.samefile(source):
            return target
        if target.exists() and not force:
            raise UserError(
                f"{target}: the file exists and is another; name another folder with --output, or pass --force to "
                "replace it"
            )
        with atomic_path(target) as part:
            try:
                os.link(source, part)
            except OSError:  # another disk, or a file system without links
                _copy(source, part, target)
    return target


def _copy(source: Path, part: Path, target: Path) -> None:
    needed, free = source.stat().st_size, shutil.disk_usage(part.parent).free
    if needed > free:
        raise UserError(
            f"{target}: a copy takes {readable(needed)}, and {readable(free)} is free there; free some space or "
            "name a folder on the disk of the GGUF file with --output, where a link takes none"
        )
    shutil.copyfile(source, part)
