"""What does a user gain on her own database, without a single labelled question?

    python benchmarks/own_database.py [--model BASE] [--tuned MODEL] [--spider DIR] [--data FILE] [--quick]

Each database of the questions is taken for a customer's: pairs are synthesized from it alone, a model is fine-tuned on
them, and asked the questions on that database. Compared are a base, and with --tuned a merged model that was tuned on
other databases already, each before and after. EX is averaged over the databases (each counts the same, its interval is
a bootstrap's over databases), and over all questions (Tango's interval for paired answers).

A database's answers lie in a folder of --output and are not asked for again: the same command goes on where it was
stopped, and prints its tables from finished answers without a model. Pairs, adapters and logs lie in its ``work``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ablation import place

from sqlfocus.corpus.example import Example, read_examples, write_examples
from sqlfocus.corpus.spider import read_spider
from sqlfocus.demo.small_model import fetch_smollm2
from sqlfocus.evaluation.evaluate import database_file
from sqlfocus.evaluation.paired import Paired
from sqlfocus.evaluation.report import layout
from sqlfocus.files import atomic_write, read_json_lines
from sqlfocus.models.named import max_values

ROOT = Path(__file__).resolve().parents[1]
TRAINING = (
    *("--num_train_epochs", "1", "--per_device_train_batch_size", "16", "--gradient_accumulation_steps", "1"),
    *("--lora_dropout", "0", "--lr_scheduler_type", "cosine", "--warmup_steps", "0.05", "--save_steps", "100000"),
    *("--prefixes_per_step", "1", "--row_length", "4096", "--max_seq_length", "4096", "--tracking", "disabled"),
)


@dataclass(frozen=True, slots=True)
class Answers:
    """Of one model on one database: by question whether it is right, and the seconds that its training took."""

    right: tuple[bool, ...]
    seconds: float = 0.0

    @property
    def ex(self) -> float:
        return sum(self.right) / len(self.right)


def main() -> int:
    args = parse()
    if not (args.spider / "train_spider.json").is_file():
        print(f"{args.spider}: no train_spider.json there; name Spider's folder with --spider. Nothing is measured.")
        return 0
    examples = read_examples(args.data) if args.data else read_spider(args.spider).dev
    names = list(dict.fromkeys(one.db_id for one in examples if one.db_id not in args.exclude_databases))
    if args.only:
        names = [name for name in names if name in args.only]
    if args.quick:
        names = names[:1]
    starts = {name: model for name, model in (("base", args.model), ("tuned", args.tuned)) if model}
    print(
        f"Machine: {platform.processor() or platform.machine()}, {os.cpu_count()} cores. Compared: "
        + ", ".join(f"{name} ({path})" for name, path in starts.items())
        + f", before and after {args.pairs} pairs of each database. Training: "
        + "; ".join(f"{name} {' '.join(training(args, name))}" for name in starts)
        + (f", merged {args.tuned_share} of the way\n" if args.tuned else "\n")
    )
    found: dict[str, dict[str, Answers]] = {}
    for name in names:
        asked = [one for one in examples if one.db_id == name][: 12 if args.quick else None]
        found[name] = on_database(args, name, asked, starts)
        print(
            ", ".join(f"{model} {answers.ex:.3f}" for model, answers in found[name].items()) + f"   {name}", flush=True
        )
    print("\n" + report(found, starts) + "\n")
    if args.write:
        place(args.write, args.output.name, report(found, starts, markdown=True))
    figures = summary(found, starts)
    print("\n".join(f"{name:<32} {value:.4g}" for name, value in figures.items()))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="base model: hub name, folder or GGUF file (default: SmolLM2-135M-Instruct)")
    parser.add_argument("--tuned", help="a merged model that was tuned on other databases")
    parser.add_argument("--tuned_only", action="store_true", help="leave out the base")
    parser.add_argument("--spider", type=Path, default=ROOT / "../shared/spider", help="Spider's folder")
    parser.add_argument("--data", type=Path, help="questions with their SQL, JSONL (default: Spider's dev)")
    parser.add_argument("--exclude_databases", nargs="+", default=["wta_1"], help="(%(default)s, which has no rows)")
    parser.add_argument("--only", nargs="+", help="these databases only")
    parser.add_argument("--pairs", type=int, default=1000, help="synthesized from each database (%(default)s)")
    parser.add_argument("--languages", nargs="+", default=["en"], help="of the synthesized questions (%(default)s)")
    parser.add_argument("--learning_rate", default="1e-3", help="of the base (%(default)s)")
    parser.add_argument("--tuned_learning_rate", default="3e-4", help="of the tuned model (%(default)s)")
    parser.add_argument(
        "--tuned_share", default="0.7", help="how far merging goes from the tuned model to its adapter (%(default)s)"
    )
    parser.add_argument("--lora_rank", default="32", help="(%(default)s)")
    parser.add_argument("--max_values", type=int, help="sample values a column; default: as the tuned model's, else 3")
    parser.add_argument("--output", type=Path, default=Path("output/own-database"), help="(%(default)s)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="Markdown file that marks a place for the table")
    parser.add_argument("--quick", action="store_true", help="12 questions on one database, 200 pairs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    if args.quick:
        args.pairs = min(args.pairs, 200)
    args.databases = args.spider / "database"
    args.model = None if args.tuned_only else args.model or str(fetch_smollm2())
    if args.tuned_only and not args.tuned:
        parser.error("--tuned_only: name the model with --tuned")
    if args.max_values is None:
        args.max_values = max_values(args.tuned) if args.tuned else 3
    return args


def training(args: argparse.Namespace, start: str) -> list[str]:
    rank = int(args.lora_rank)
    rate = args.learning_rate if start == "base" else args.tuned_learning_rate
    own = ["--learning_rate", rate, "--lora_rank", str(rank), "--lora_alpha", str(2 * rank)]
    return [*TRAINING, *own]


def on_database(
    args: argparse.Namespace, name: str, asked: Sequence[Example], starts: dict[str, str]
) -> dict[str, Answers]:
    """What each model answers, before and after it was tuned on the database."""
    folder = args.output / name
    work = folder / "work"
    found: dict[str, Answers] = {}
    for start, model in starts.items():
        before, after = folder / f"{start}.jsonl", folder / f"{start}-own.jsonl"
        if not (before.exists() and after.exists()):
            lay_out(args, work, name, asked)
        if not before.exists():
            ask(args, work, model, before)
        seconds = folder / f"{start}-own.seconds"
        if not after.exists():
            tuned = tune(args, work, start, model, seconds)
            ask(args, work, str(tuned), after)
            shutil.rmtree(tuned.parent)  # 300 MB each
        found[start] = Answers(verdicts(before))
        found[f"{start}, own"] = Answers(verdicts(after), float(seconds.read_text()))
    return found


def lay_out(args: argparse.Namespace, work: Path, name: str, asked: Sequence[Example]) -> None:
    """What a database's models are trained on and asked: pairs, questions, schema text."""
    (work / "schemas").mkdir(parents=True, exist_ok=True)
    file = database_file(args.databases, name)
    write_examples(work / "questions.jsonl", asked, force=True)
    schema, pairs = work / "schemas" / f"{name}.txt", work / "train_data.jsonl"
    if not schema.exists():
        text = run("schema", str(file), "--max_values", str(args.max_values), work=work).stdout
        with atomic_write(schema) as out:
            out.write(text)
    if not pairs.exists():
        languages = ["--languages", *args.languages]
        run("synthesize", str(file), "--count", str(args.pairs), *languages, "--output", str(pairs), work=work)


def tune(args: argparse.Namespace, work: Path, start: str, model: str, seconds: Path) -> Path:
    """The folder of a model trained on the pairs; ``seconds`` notes how long that took, loading and merging too."""
    folder = work / f"{start}-tuned"
    if not seconds.exists():
        begun = time.monotonic()
        own = ["--model_name", model, "--train_file", str(work / "train_data.jsonl"), "--save_dir", str(folder)]
        run("finetune", *own, "--output_dir", str(work / f"{start}-run"), *training(args, start), work=work)
        share = "1" if start == "base" else args.tuned_share
        run("merge", "--adapter", str(folder), "--output", str(folder / "merged"), "--share", share, work=work)
        shutil.rmtree(work / f"{start}-run", ignore_errors=True)  # it is there where a checkpoint was written
        seconds.write_text(f"{time.monotonic() - begun:.1f}\n")
    return folder / "merged"


def ask(args: argparse.Namespace, work: Path, model: str, output: Path) -> None:
    """Write a model's answers, each with its verdict."""
    what = ["--model", model, "--data", str(work / "questions.jsonl"), "--databases", str(args.databases)]
    how = ["--max_new_tokens", "128", "--batch_size", "32", "--schema_dir", str(work / "schemas")]
    whole = work / output.name
    whole.unlink(missing_ok=True)
    run("evaluate", *what, *how, "--output", str(whole), work=work)
    kept = ("db_id", "question", "sql", "verdict")
    with atomic_write(output) as out:
        for _, row in read_json_lines(whole):
            out.write(json.dumps({name: row[name] for name in kept}, ensure_ascii=False) + "\n")


def verdicts(answers: Path) -> tuple[bool, ...]:
    """By question whether its answer is right."""
    rows = [row for _, row in read_json_lines(answers)]
    return tuple(row["verdict"] == "right" for row in rows if row["verdict"] != "gold_failed")


def run(verb: str, *words: str, work: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of ours; where it fails, say what it said and stop."""
    done = subprocess.run([sys.executable, "-m", "sqlfocus", verb, *words], capture_output=True, text=True)
    with (work / "log").open("a", encoding="utf-8") as log:
        log.write(f"$ sqlfocus {verb} {' '.join(words)}\n{done.stderr}\n")
    if done.returncode:
        sys.exit(f"sqlfocus {verb} failed:\n{done.stderr[-2000:]}")
    return done


def report(found: dict[str, dict[str, Answers]], starts: dict[str, str], *, markdown: bool = False) -> str:
    """A line a database: EX of each model, and the minutes that training took."""
    models = list(next(iter(found.values())))
    rows = []
    for name, by in found.items():
        minutes = sum(by[f"{start}, own"].seconds for start in starts) / 60 / len(starts)
        rows.append(
            [name, str(len(by[models[0]].right)), *(f"{by[model].ex:.3f}" for model in models), f"{minutes:.1f}"]
        )
    means = [f"{statistics.mean(by[model].ex for by in found.values()):.3f}" for model in models]
    rows.append(["mean of databases", str(sum(len(by[models[0]].right) for by in found.values())), *means, ""])
    return layout(["database", "questions", *models, "minutes"], rows, markdown=markdown)


def summary(found: dict[str, dict[str, Answers]], starts: dict[str, str]) -> dict[str, float]:
    """What own pairs gain: the mean over databases and over questions, with 95 % intervals."""
    figures: dict[str, float] = {"databases": len(found)}
    figures["questions"] = sum(len(by[next(iter(starts))].right) for by in found.values())
    for start in starts:
        gains = [by[f"{start}, own"].ex - by[start].ex for by in found.values()]
        low, high = bootstrap(gains)
        pairs = [
            (before, after)
            for by in found.values()
            for before, after in zip(by[start].right, by[f"{start}, own"].right, strict=True)
        ]
        paired = Paired(
            gained=sum(after and not before for before, after in pairs),
            lost=sum(before and not after for before, after in pairs),
            questions=len(pairs),
        )
        lower, upper = paired.interval()
        figures |= {
            f"ex_{start}": statistics.mean(by[start].ex for by in found.values()),
            f"ex_{start}_own": statistics.mean(by[f"{start}, own"].ex for by in found.values()),
            f"gain_{start}": statistics.mean(gains),
            f"gain_{start}_low": low,
            f"gain_{start}_high": high,
            f"gain_{start}_worst": min(gains),
            f"gain_{start}_of_questions": paired.difference,
            f"gain_{start}_of_questions_low": lower,
            f"gain_{start}_of_questions_high": upper,
            f"minutes_{start}": statistics.mean(by[f"{start}, own"].seconds for by in found.values()) / 60,
        }
    return figures


def bootstrap(values: Sequence[float], *, rounds: int = 10_000) -> tuple[float, float]:
    """The 95 % interval of the mean, over draws of the databases."""
    source = random.Random(0)
    means = sorted(statistics.mean(source.choices(values, k=len(values))) for _ in range(rounds))
    return means[rounds // 40], means[-rounds // 40 - 1]


if __name__ == "__main__":
    sys.exit(main())
