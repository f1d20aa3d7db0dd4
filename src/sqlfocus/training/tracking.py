"""SwanLab: what a run logs, and where to see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlfocus.errors import UserError, first_line

if TYPE_CHECKING:
    from swanlab.integration.transformers import SwanLabCallback

PROJECT = "sql-focus-finetune"


def choose_mode(wanted: str) -> str:
    """SwanLab's mode for ``--tracking``: ``auto`` is online where a key is there, else offline.

    Raises:
        UserError: online without a key (SwanLab would wait at a prompt), or local without the dashboard.
    """
    if wanted == "disabled":
        return wanted
    import swanlab

    has_key = bool(swanlab.Settings().api_key)
    if wanted == "auto":
        return "online" if has_key else "offline"
    if wanted == "online" and not has_key:
        raise UserError("--tracking online needs a key: set SWANLAB_API_KEY or run `swanlab login`, or track offline")
    if wanted == "local":
        try:
            import swanboard  # noqa: F401
        except ImportError as error:
            raise UserError(
                "--tracking local needs the dashboard: pip install 'sql-focus-finetune[dashboard]'"
            ) from error
    return wanted


class Tracker:
    """One SwanLab run around one training; does nothing where the mode is ``disabled``."""

    def __init__(self, mode: str, *, log_dir: Path, name: str, config: Mapping[str, Any]) -> None:
        self.mode = mode
        self.log_dir = log_dir
        self.is_on = mode != "disabled"
        if not self.is_on:
            return
        import swanlab

        try:
            swanlab.init(project=PROJECT, experiment_name=name, mode=mode, log_dir=str(log_dir), config=dict(config))
        except Exception as error:  # SwanLab raises its network library's errors as they are
            raise UserError(
                f"SwanLab cannot start ({first_line(error)}); check the key and network, or --tracking offline"
            ) from error

    def callback(self) -> SwanLabCallback | None:
        """What logs a training as it goes; None where the mode is ``disabled``."""
        if not self.is_on:
            return None
        from swanlab.integration.transformers import SwanLabCallback

        return SwanLabCallback()

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, step: int) -> None:
        """Log a table, predictions with their verdicts for instance."""
        if not self.is_on:
            return
        import swanlab

        table = swanlab.echarts.Table()
        table.add(list(header), [list(row) for row in rows])
        swanlab.log({title: table}, step=step)

    def finish(self) -> str:
        """End the run; return the line that says how to see the charts."""
        if not self.is_on:
            return ""
        import swanlab

        run_dir = swanlab.get_run().dir
        swanlab.finish()
        if self.mode == "online":
            return "Charts: see the address that SwanLab printed above."
        if self.mode == "local":
            return f"Charts: swanlab watch {self.log_dir}"
        return f"Charts: swanlab sync {run_dir} sends them to swanlab.cn; to see them here, run with --tracking local"
