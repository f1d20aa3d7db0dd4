"""Fetching a benchmark's archive: resumable, checked, and unpacked whole or not at all."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import sys
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from sqlfocus.errors import UserError
from sqlfocus.files import writing_failed

# The link that Spider's authors publish (https://yale-lily.github.io/spider), past Drive's question about viruses.
SPIDER_URL = (
    "https://drive.usercontent.google.com/download?id=1TqleXec_OykOYFREKKtschzY29dUcVAQ&export=download&confirm=t"
)
BLOCK = 1 << 20
TIMEOUT = 30  # seconds without a byte


def fetch(url: str, target: Path) -> Path:
    """Fetch ``url`` to the file ``target`` and return it.

    What has arrived is kept in ``<target>.part``, and a later call goes on from there. A connection that breaks off is
    taken up again at once, as long as each attempt brings something.

    Raises:
        UserError: no connection, the server's refusal, a web page in place of the file, a break without progress, or
            no room on the disk.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        while True:
            before = part.stat().st_size if part.is_file() else 0
            if _fetch_once(url, part):
                break
            got = part.stat().st_size
            if got <= before:
                raise UserError(
                    f"{url}: the connection broke off after {_size(got)}, which are kept in {part}; "
                    "run the command again to go on"
                )
        part.replace(target)
    except OSError as error:
        raise writing_failed(target, error) from error
    return target


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a ZIP archive into ``folder``, less the one folder that holds everything in it, if there is one.

    The checksum of every member is checked, and names that lead out of the folder are refused, before anything comes
    to lie there.

    Raises:
        UserError: not a ZIP archive, damaged, such a name, something of that name is there, or no room on the disk.
    """
    scratch = folder / f".unpacking.{os.getpid()}"
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [name for name in opened.namelist() if not _is_litter(name)]
            for name in members:
                if _leads_out(name):
                    raise UserError(f"{archive}: the archive names a file outside of it ({name}); nothing was unpacked")
            opened.extractall(scratch, members)
        roots = list(scratch.iterdir())
        inside = roots[0] if len(roots) == 1 and roots[0].is_dir() else scratch
        # The question files come last: where they are, all is there.
        found = sorted(inside.iterdir(), key=lambda path: path.is_file())
        for path in found:
            if (folder / path.name).exists():
                raise UserError(f"{folder / path.name}: is there already; remove it or choose another folder")
        for path in found:
            path.rename(folder / path.name)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise UserError(f"{archive}: not a whole ZIP archive ({error}); remove it and run the command again") from error
    except OSError as error:
        raise writing_failed(folder, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def download_spider(folder: Path, url: str = SPIDER_URL) -> None:
    """Fetch Spider from its authors, or from ``url``, to ``spider.zip`` in ``folder``, and unpack it there.

    An archive of that name that is there already is used. It is removed when it is unpacked.

    Raises:
        UserError: see :func:`fetch` and :func:`unpack`.
    """
    archive = folder / "spider.zip"
    if not archive.is_file():
        fetch(url, archive)
    unpack(archive, folder)
    archive.unlink()


def _fetch_once(url: str, part: Path) -> bool:
    """One request, from the end of what is there; whether the file is whole."""
    start = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            whole = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
            if error.code == 416 and whole and int(whole[1]) == start:
                return True
            if error.code == 416:
                part.unlink()
                raise UserError(f"{url}: the file has changed since {part} was begun; run the command again") from error
            raise UserError(
                f"{url}: the server answers {error.code} {error.reason}; is the link still right?"
            ) from error
    except (OSError, http.client.HTTPException) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        kept = f"; {_size(start)} are kept in {part}" if start else ""
        raise UserError(
            f"{url}: cannot be reached ({cause}); check the network and run the command again{kept}"
        ) from error
    with response:
        if response.headers.get_content_type() == "text/html":
            raise UserError(
                f"{url}: a web page came in place of the file (Google Drive asks for confirmation, or its quota is "
                "spent); open the link in a browser, save the archive and unpack it yourself"
            )
        if response.status != 206:
            start = 0  # the server sends the whole file in any case
        length = response.headers.get("Content-Length")
        total = start + int(length) if length is not None else None
        return _save(response, part, start, total)


def _save(response: http.client.HTTPResponse, part: Path, start: int, total: int | None) -> bool:
    """Write what arrives behind the first ``start`` bytes of ``part``; whether it is ``total`` in all."""
    with part.open("ab") as file:
        file.truncate(start)
        try:
            while block := _read(response):
                file.write(block)
                _report(file.tell(), total)
        finally:
            sys.stderr.write("\n" if sys.stderr.isatty() else "")
        return block is not None and total in (None, file.tell())


def _read(response: http.client.HTTPResponse) -> bytes | None:
    """The next bytes, none at the end, None where the connection breaks."""
    try:
        return response.read(BLOCK)
    except (OSError, http.client.HTTPException):
        return None


def _report(got: int, total: int | None) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{_size(got)}" + (f" of {_size(total)}" if total else "") + "  ")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or ":" in path.parts[0]


def _is_litter(name: str) -> bool:
    """What macOS adds to archives."""
    parts = PurePosixPath(name).parts
    return not parts or parts[0] == "__MACOSX" or parts[-1] == ".DS_Store"
