"""``sqlfocus merge``, also ``python utils/model_merge.py``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

DEFAULT_ADAPTER = Path("save-model/XiYanSQL-QwenCoder-7B-lora")
DEFAULT_OUTPUT = Path("new-model/XiYanSQL-QwenCoder-7B-R1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--adapter",
        type=Path,
        help=f"adapter folder, or a folder that holds just one (default: {DEFAULT_ADAPTER.parent})",
    )
    parser.add_argument("--output", type=Path, help="folder of the merged model (default: new-model/…-R1)")
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="how far to go from the base to the adapter; 0.7 keeps more of what a tuned base could do (%(default)s)",
    )
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), help="default: as the base is stored")
    parser.add_argument("--force", action="store_true", help="replace the output folder")


def run(args: argparse.Namespace) -> int:
    """Merge; relative paths are the project's where the project is run from a checkout, so any folder will do."""
    from sqlfocus.models.installed import need_training

    need_training("sqlfocus merge")
    import torch

    from sqlfocus.models.merge import merge

    adapter = _one_adapter(args.adapter.expanduser() if args.adapter else _at_home(DEFAULT_ADAPTER.parent))
    output = args.output or _at_home(DEFAULT_OUTPUT.parent) / f"{adapter.name.removesuffix('-lora')}-R1"
    output = output.expanduser()
    dtype = getattr(torch, args.dtype) if args.dtype else None
    merged = merge(adapter, output, share=args.share, dtype=dtype, force=args.force)
    sys.stderr.write(f"Merged model: {merged}\n")
    return 0


def _at_home(path: Path) -> Path:
    """``path`` in the working directory if it is there, else beside the launcher that was started."""
    home = Path(sys.argv[0]).resolve().parent.parent
    return path if path.exists() or not (home / "utils" / "model_merge.py").is_file() else home / path


def _one_adapter(path: Path) -> Path:
    """The adapter in ``path``: itself, or the only one among its subfolders.

    Raises:
        UserError: there are none or several.
    """
    from sqlfocus.errors import UserError

    if (path / "adapter_config.json").is_file() or not path.is_dir():
        return path
    found = sorted(folder.parent for folder in path.glob("*/adapter_config.json"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"{path}: no adapter there; fine-tune first: python finetune.py")
    raise UserError(f"{path}: several adapters ({', '.join(folder.name for folder in found)}); name one with --adapter")
