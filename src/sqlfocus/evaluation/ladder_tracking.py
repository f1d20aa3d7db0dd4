"""A ladder as a SwanLab run: the table, the plot and every figure."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sqlfocus.errors import UserError, first_line
from sqlfocus.evaluation.ladder_choice import Choice, Compared, figures
from sqlfocus.evaluation.ladder_report import HEAD, cells


def tracking_mode(wanted: str, *, say: Callable[[str], None]) -> str:
    """SwanLab's mode for ``--tracking``; ``auto`` is ``disabled`` where SwanLab is not installed, which is said.

    Raises:
        UserError: another mode is wanted, and SwanLab, its key or its dashboard is not there.
    """
    if wanted != "disabled" and importlib.util.find_spec("swanlab") is None:
        if wanted != "auto":
            raise UserError(f"--tracking {wanted} needs SwanLab: pip install swanlab")
        say("not logged to SwanLab, which is not installed: pip install swanlab")
        return "disabled"
    from sqlfocus.training.tracking import choose_mode

    return choose_mode(wanted)


def track(
    compared: Sequence[Compared], choice: Choice, *, name: str, settings: Mapping[str, str], mode: str, folder: Path
) -> str:
    """Log one run; return the line that says how to see it, empty where the mode is ``disabled``.

    Raises:
        UserError: SwanLab cannot start, or fails.
    """
    if mode == "disabled":
        return ""
    try:
        return _log(compared, choice, name, settings, mode, folder)
    except UserError:
        raise
    except Exception as error:  # SwanLab raises its network library's errors as they are
        raise UserError(
            f"SwanLab failed ({first_line(error)}), but the report is written; the same command logs it again"
        ) from error


def _log(
    compared: Sequence[Compared], choice: Choice, name: str, settings: Mapping[str, str], mode: str, folder: Path
) -> str:
    import swanlab

    from sqlfocus.training.tracking import Tracker

    tracker = Tracker(mode, log_dir=folder, name=f"compare {name}", config={**settings, "choice": choice.sentence})
    tracker.table("compare/table", HEAD, [cells(one, choice) for one in compared], step=0)
    options = swanlab.echarts.options
    plot = swanlab.echarts.Scatter()
    plot.add_xaxis([round(one.size / 1e6, 1) for one in compared])
    for one in compared:
        row = [round(one.score.ex, 4) if other is one else None for other in compared]
        plot.add_yaxis(one.rung.name, row, symbol_size=12, label_opts=options.LabelOpts(is_show=False))
    plot.set_global_opts(
        xaxis_opts=options.AxisOpts(type_="log", name="MB"),
        yaxis_opts=options.AxisOpts(type_="value", name="EX", is_scale=True),
    )
    swanlab.log({"compare/EX and size": plot}, step=0)
    numbers = {key: value for key, value in figures(compared, choice).items() if isinstance(value, int | float)}
    swanlab.log({f"compare/{key}": value for key, value in numbers.items()}, step=0)
    return tracker.finish()
