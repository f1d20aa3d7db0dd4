"""Does packed fine-tuning learn as plain fine-tuning does, and how many databases should a step mix?

    python benchmarks/convergence.py packing|databases [--spider DIR] [--model FOLDER|FILE] [--quick] [--json FILE]

``packing`` fine-tunes with ``--packing prefix`` and ``--packing none`` on two seeds each, over the same number of steps
of as many examples, and compares the losses, of training and on held-out questions. ``databases`` fine-tunes with steps
whose examples come from 1, 2, 4 and 16 databases, over as many examples in all, and measures EX on Spider's dev
questions. Both run the project's own commands, on the schema texts without sample values. ``--plot FILE`` draws the
curves (it needs matplotlib).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from sqlfocus.evaluation.report import layout
from sqlfocus.models.record import read_record

ROOT = Path(__file__).resolve().parents[1]
Curve = list[tuple[int, float]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=["packing", "databases"], nargs="?", default="packing")
    parser.add_argument("--spider", type=Path, default=ROOT / "../shared/spider", help="Spider's folder")
    parser.add_argument("--model", help="base model: a folder or GGUF file (default: SmolLM2-135M-Instruct)")
    parser.add_argument("--steps", type=int, help="optimizer steps (packing: 200, databases: 64)")
    parser.add_argument("--examples_per_step", type=int, help="(packing: 8, databases: 32)")
    parser.add_argument("--max_seq_length", type=int, default=512, help="tokens of the longest example (%(default)s)")
    parser.add_argument("--learning_rate", type=float, default=1e-3, help="(%(default)s)")
    parser.add_argument("--questions", type=int, default=200, help="dev questions for EX (%(default)s)")
    parser.add_argument("--folder", type=Path, help="keep the runs there; those that are done are not run again")
    parser.add_argument("--quick", action="store_true", help="a few steps of a few short examples")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves: .svg or .png")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    if not (args.spider / "train_spider.json").is_file():
        print(f"{args.spider}: no train_spider.json there; name Spider's folder with --spider. Nothing is measured.")
        return 0
    if args.plot and importlib.util.find_spec("matplotlib") is None:
        print("--plot needs matplotlib: pip install matplotlib. Nothing is measured.")
        return 2
    if args.quick:
        args.steps, args.examples_per_step, args.max_seq_length, args.questions = 3, 4, 384, 8
    args.steps = args.steps or {"packing": 200, "databases": 64}[args.study]
    args.examples_per_step = args.examples_per_step or {"packing": 8, "databases": 32}[args.study]
    with tempfile.TemporaryDirectory() as made:
        folder = args.folder or Path(made)
        data = prepared(args.spider, folder / "spider", held=12 if args.quick else 128)
        figures, curves = {"packing": packing, "databases": databases}[args.study](args, data, folder)
    print()
    print(layout(["measure", "value"], [[name, f"{value:.4g}"] for name, value in figures.items()]))
    if args.plot:
        plot(curves, args.plot)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def command(*words: str) -> str:
    """Run a verb; return what it wrote."""
    done = subprocess.run([sys.executable, "-m", "sqlfocus", *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"sqlfocus {' '.join(words)}\n{done.stderr[-4000:]}")
    return done.stdout + done.stderr


def prepared(spider: Path, folder: Path, *, held: int) -> Path:
    """Spider's data files, with ``held`` of the dev questions as ``held.jsonl``."""
    if not (folder / "held.jsonl").is_file():
        command("prepare", "spider", "--source", str(spider), "--output", str(folder), "--max_values", "0", "--force")
        rows = (folder / "dev_data.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / "held.jsonl").write_text("".join(rows[:: len(rows) // held][:held]), encoding="utf-8")
    return folder


def run(args: argparse.Namespace, data: Path, folder: Path, name: str, **flags: object) -> tuple[Curve, Curve, Path]:
    """Fine-tune; return the training losses, the held-out ones, and the adapter's folder."""
    log = folder / f"{name}.log"
    if not log.is_file():
        words = {
            "model_name": model(args),
            "train_file": data / "train_data.jsonl",
            "output_dir": folder / name / "output",
            "save_dir": folder / name / "adapter",
            "max_steps": args.steps,
            "per_device_train_batch_size": args.examples_per_step,
            "gradient_accumulation_steps": 1,
            "max_seq_length": args.max_seq_length,
            "learning_rate": args.learning_rate,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 0.05,
            "lora_dropout": 0,
            "logging_steps": 1,
            "save_strategy": "no",
            "tracking": "disabled",
            "disable_tqdm": True,
            **flags,
        }
        text = command("finetune", *(str(word) for item in words.items() for word in (f"--{item[0]}", item[1])))
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(text, encoding="utf-8")
    text = log.read_text(encoding="utf-8")
    losses = [(int(step), float(loss)) for step, loss in re.findall(r"step (\d+)/\d+: loss ([\d.]+)", text)]
    held = [(int(step), float(loss)) for step, loss in re.findall(r"step (\d+): eval_loss ([\d.]+)", text)]
    print(
        f"{name}: last tenth's loss {last(losses):.3f}, held out {held[-1][1] if held else float('nan'):.3f}",
        flush=True,
    )
    return losses, held, next((folder / name / "adapter").iterdir())


def model(args: argparse.Namespace) -> str:
    from sqlfocus.demo.small_model import fetch_smollm2

    return args.model or str(fetch_smollm2())


def last(curve: Curve) -> float:
    """The mean loss over the last tenth of the steps."""
    return statistics.mean(loss for _, loss in curve[-max(1, len(curve) // 10) :])


def packing(args: argparse.Namespace, data: Path, folder: Path) -> tuple[dict[str, float], dict[str, Curve]]:
    """Packed against plain, two seeds each."""
    held_out: dict[str, list[float]] = {"prefix": [], "none": []}
    trained: dict[str, list[float]] = {"prefix": [], "none": []}
    curves = {}
    for seed in (1, 2):
        for way in ("prefix", "none"):
            name = f"{'packed' if way == 'prefix' else 'plain'}, seed {seed}"
            losses, held, _ = run(
                *(args, data, folder, name.replace(", ", "-").replace(" ", "-")),
                packing=way,
                seed=seed,
                eval_file=data / "held.jsonl",
                eval_steps=args.steps // 4 or args.steps,
            )
            held_out[way].append(held[-1][1])
            trained[way].append(last(losses))
            curves[name] = losses
            curves[f"{name}, held out"] = held
    figures = {}
    for where, found in (("training", trained), ("held_out", held_out)):
        figures |= {
            f"{where}_loss_packed": statistics.mean(found["prefix"]),
            f"{where}_loss_plain": statistics.mean(found["none"]),
            f"{where}_packed_minus_plain": statistics.mean(found["prefix"]) - statistics.mean(found["none"]),
            f"{where}_between_seeds": max(max(pair) - min(pair) for pair in found.values()),
        }
    return figures, curves


def databases(args: argparse.Namespace, data: Path, folder: Path) -> tuple[dict[str, float], dict[str, Curve]]:
    """1, 2, 4 and 16 databases a step, as many examples in all."""
    figures: dict[str, float] = {"examples": args.steps * args.examples_per_step}
    curves = {}
    for count in (1, 4) if args.quick else (1, 2, 4, 16):
        losses, held, adapter = run(
            *(args, data, folder, f"databases-{count}"),
            prefixes_per_step=count,
            eval_file=data / "held.jsonl",
            eval_steps=args.steps,
        )
        record = read_record(adapter)
        if record is not None and not record.evaluations:
            command(
                *("evaluate", "--model", str(adapter), "--data", str(data / "dev_data.jsonl")),
                *("--databases", str(args.spider / "database"), "--exclude_databases", "wta_1"),
                *("--limit", str(args.questions), "--max_new_tokens", "96", "--batch_size", "64"),
                *("--output", str(folder / f"databases-{count}.jsonl")),
            )
            record = read_record(adapter)
        assert record is not None
        measured = record.evaluations[-1]
        for name in ("ex", "low", "high"):
            figures[f"{name}_{count}_databases"] = measured[name]
        figures["questions"] = measured["questions"]
        figures[f"held_out_loss_{count}_databases"] = held[-1][1]
        curves[f"{count} databases a step"] = losses
    return figures, curves


def plot(curves: dict[str, Curve], path: Path) -> None:
    """Training losses as running means over a tenth of the steps, held-out losses as they are."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for name, curve in curves.items():
        window = 1 if "held out" in name else max(1, len(curve) // 10)
        steps = [step for step, _ in curve[window - 1 :]]
        means = [
            statistics.mean(loss for _, loss in curve[end - window : end]) for end in range(window, len(curve) + 1)
        ]
        colour = {"packed,": "C0", "plain,": "C1", "1": "C0", "2": "C3", "4": "C1", "16": "C2"}[name.split()[0]]
        style = {"seed 1": "-", "seed 2": "--"}.get(name.removesuffix(", held out")[-6:], "-")
        axes.plot(steps, means, style, color=colour, marker="o" if window == 1 else "", markersize=3, label=name)
    axes.set(xlabel="optimizer step", ylabel="loss an answer token", ylim=(0, None))
    axes.legend(fontsize="small")
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
