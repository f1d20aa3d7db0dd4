"""Where llama.cpp's own converter and quantizer are: in a checkout, or with the installed llama-cpp-python.

Its wheel has the quantizer, a function of the library, but not the converter; its source distribution has both. So the
source distribution of the installed version is fetched once with pip, whose settings (index, proxy, cache) apply, and
the converter, some 100 Python files, is kept.
"""

from __future__ import annotations

import errno
import importlib.util
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath

from sqlfocus.errors import UserError
from sqlfocus.files import atomic_folder, disk_errors
from sqlfocus.models.cache import cache_folder

PACKAGE = "llama-cpp-python"
SCRIPT = "convert_hf_to_gguf.py"
INSTALL = "pip install 'sql-focus-finetune[train,gguf]'"
_INSIDE = PurePosixPath("vendor/llama.cpp")
_KEPT = (SCRIPT, "conversion", "gguf-py/gguf", "LICENSE")
_QUANTIZERS = ("build/bin/llama-quantize", "build/bin/Release/llama-quantize.exe", "build/bin/llama-quantize.exe")


@dataclass(frozen=True, slots=True)
class LlamaCpp:
    """The converter's folder, and the quantizer's program; None for the function of the installed library."""

    converter: Path
    quantizer: Path | None = None


def find_llama_cpp(checkout: Path | None, *, quantizer: bool) -> LlamaCpp:
    """Find both, in ``checkout`` if one is named; ``quantizer`` says whether it is needed.

    Raises:
        UserError: a piece is missing, or the converter cannot be fetched; the message says what to do.
    """
    if importlib.util.find_spec("sentencepiece") is None:
        raise UserError(f"the converter needs the package sentencepiece: {INSTALL}")
    if checkout is None:
        return LlamaCpp(installed_converter())
    if not (checkout / SCRIPT).is_file():
        raise UserError(
            f"{checkout}: no {SCRIPT} there; name a checkout of llama.cpp: "
            "git clone https://github.com/ggml-org/llama.cpp"
        )
    if not (checkout / "gguf-py" / "gguf" / "__init__.py").is_file():
        raise UserError(f"{checkout}: no gguf-py/gguf there, which its {SCRIPT} needs; take the whole checkout")
    if not quantizer:
        return LlamaCpp(checkout)
    for name in _QUANTIZERS:
        if (checkout / name).is_file():
            return LlamaCpp(checkout, checkout / name)
    raise UserError(
        f"{checkout}: no {_QUANTIZERS[0]} there; build it in that folder: "
        "cmake -B build && cmake --build build --config Release --target llama-quantize"
    )


def installed_converter() -> Path:
    """The folder with the converter of the installed version of llama-cpp-python, fetched when first asked for.

    Raises:
        UserError: the package is not installed, or pip cannot fetch its source distribution.
    """
    try:
        installed = version(PACKAGE)
    except PackageNotFoundError as error:
        raise UserError(
            f"quantizing needs llama.cpp: {INSTALL}, or name a checkout of it with --llama_cpp DIR"
        ) from error
    folder = cache_folder() / f"llama.cpp-{installed}"
    if (folder / SCRIPT).is_file():
        return folder
    sys.stderr.write(f"Fetching llama.cpp's converter: the source of {PACKAGE} {installed} (77 MB, once)\n")
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            archive = _download(installed, Path(scratch))
            with atomic_folder(folder) as part:
                _unpack(archive, part)
    return folder


def _download(installed: str, folder: Path) -> Path:
    wanted = f"{PACKAGE}=={installed}"
    words = ["download", "-q", "--no-deps", "--no-binary", PACKAGE, "-d", str(folder), wanted]
    other = "name a checkout of llama.cpp with --llama_cpp DIR"
    if importlib.util.find_spec("pip") is None:
        raise UserError(f"{wanted}: fetching its source needs pip: python -m ensurepip; or {other}")
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        if "No space left on device" in done.stderr:
            raise OSError(errno.ENOSPC, "No space left on device")
        lines = done.stderr.splitlines() or ["no reason given"]
        reason = next((line for line in lines if line.startswith("ERROR")), lines[0])
        raise UserError(f"{wanted}: pip cannot fetch its source ({reason}); check the network, or {other}")
    (archive,) = folder.glob("*.tar.gz")
    return archive


def _unpack(archive: Path, folder: Path) -> None:
    """Take the converter's files out of a source distribution, and nothing that could lie elsewhere.

    Raises:
        UserError: the archive is broken, or holds no converter.
    """
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                path = _wanted(member.name)
                file = tar.extractfile(member) if path is not None and member.isfile() else None
                if path is None or file is None:
                    continue
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read())
    except (tarfile.TarError, EOFError) as error:
        raise UserError(f"{archive.name}: the archive is broken ({error}); run the command again") from error
    if not (folder / SCRIPT).is_file():
        raise UserError(f"{archive.name}: no {SCRIPT} in it; name a checkout of llama.cpp with --llama_cpp DIR")


def _wanted(name: str) -> PurePosixPath | None:
    """Where a member is to go, below the folder; None for one that is not the converter's.

    >>> _wanted("llama_cpp_python-0.3.36/vendor/llama.cpp/conversion/qwen.py")
    PurePosixPath('conversion/qwen.py')
    >>> _wanted("llama_cpp_python-0.3.36/vendor/llama.cpp/conversion/../../../../etc/passwd")
    """
    parts = PurePosixPath(name).parts[1:]
    if ".." in parts or parts[:2] != _INSIDE.parts:
        return None
    path = PurePosixPath(*parts[2:])
    kept = any(path == PurePosixPath(one) or PurePosixPath(one) in path.parents for one in _KEPT)
    return path if kept else None
