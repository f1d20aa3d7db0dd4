"""Fine-tuning's speed and memory against the recipes that people use, on the same model, examples and machine.

    python benchmarks/training.py [--spider DIR] [--model FOLDER|FILE] [--quick] [--json FILE]

Against the original recipe of this project's name (batches of 4, padded to the longest, logits for every token) and
against TRL's SFTTrainer on completions, the fastest of its own ways on this machine. All have the base in the same
type, LoRA on all linear layers without dropout, AdamW, the same examples, as many a step, each in a process of its own,
in turns. A ratio is the median of the rounds'. TRL and what it needs are put into a folder of their own, once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
import torch

from sqlfocus.cli import SETTINGS
from sqlfocus.corpus.prompt import template_named
from sqlfocus.demo.small_model import fetch_smollm2
from sqlfocus.evaluation.report import layout
from sqlfocus.models.loading import default_device, default_dtype, find_model, load_tokenizer
from sqlfocus.training.dataset import load_dataset
from sqlfocus.training.packing import StepSampler, TokenizedExample, batches
from sqlfocus.training.plan import estimate, machine_speed, model_shape, pack_tokens

ROOT = Path(__file__).resolve().parents[1]
WORKER = Path(__file__).parent / "training_cases" / "worker.py"
# What TRL needs beside what this project has; without their own requirements, so that torch stays what it is.
TRL = [
    *("trl==1.16.0", "datasets==5.2.0", "pyarrow==26.0.1", "pandas==3.1.1", "dill==0.4.1", "multiprocess", "xxhash"),
    *("aiohttp", "multidict", "yarl", "frozenlist", "aiosignal", "attrs", "propcache", "aiohappyeyeballs"),
    *("python-dateutil", "pytz", "tzdata", "six"),
]
TRL_WAYS: dict[str, dict[str, Any]] = {
    "one by one": {"per_device_train_batch_size": 1},
    "padded, batches of 4": {"per_device_train_batch_size": 4},
    "grouped by length, batches of 4": {"per_device_train_batch_size": 4, "train_sampling_strategy": "group_by_length"},
    "padding-free, batches of 4": {"per_device_train_batch_size": 4, "padding_free": True, "max_length": None},
    "packed to 2048": {"per_device_train_batch_size": 1, "packing": True, "max_length": 2048},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spider", type=Path, default=ROOT / "../shared/spider", help="Spider's folder")
    parser.add_argument("--model", help="base model: a folder or GGUF file (default: SmolLM2-135M-Instruct)")
    parser.add_argument("--examples_per_step", type=int, default=64, help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=3, help="timed steps, after one to warm up (%(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--row_length", type=int, default=2048, help="ours (%(default)s)")
    parser.add_argument(
        "--dtype",
        choices=["float32", "bfloat16"],
        default=str(default_dtype(default_device())).removeprefix("torch."),
        help="of the base, in all ways (what the hardware computes: %(default)s)",
    )
    parser.add_argument("--max_length", type=int, default=2048, help="tokens of the longest example (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one step of 8 examples of at most 512 tokens")
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args()
    if not (args.spider / "train_spider.json").is_file():
        print(f"{args.spider}: no train_spider.json there; name Spider's folder with --spider. Nothing is measured.")
        return 0
    if args.quick:
        args.steps, args.examples_per_step, args.max_length = 1, 8, 512

    source = find_model(args.model or str(fetch_smollm2()))
    examples = spider_examples(args.spider, source, args.max_length)
    sampler = StepSampler(
        examples, packing="prefix", examples_per_step=args.examples_per_step, prefixes_per_step=1, seed=0
    )
    # Steps from all over the range of lengths; before them, four examples to warm up.
    ordered = sorted(sampler, key=lambda step: sum(len(examples[number]) for number in step))
    timed = [ordered[len(ordered) * (2 * number + 1) // (2 * args.steps)] for number in range(args.steps)]
    steps = [timed[0][:4], *timed]
    job = {
        "model": str(source.folder),
        "dtype": args.dtype,
        "rank": 16,
        "learning_rate": 1e-4,
        "batch_size": 4,
        "row_length": args.row_length,
        "threads": torch.get_num_threads(),
    }
    job |= numbered(examples, steps)
    describe(args, source.folder.name, job)
    figures = compare(args, job)
    figures |= inner(source, job, figures["whole_seconds"])
    print()
    print(layout(["measure", "value"], [[name, f"{value:.4g}"] for name, value in figures.items()]))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def spider_examples(spider: Path, source: Any, max_length: int) -> list[TokenizedExample]:
    """Spider's training examples of at most ``max_length`` tokens, with M-Schema prompts, tokenized."""
    from sqlfocus.cli import run_verb

    prepared = Path(tempfile.gettempdir()) / "sqlfocus-spider-prepared"
    if not (prepared / "train_data.jsonl").is_file():
        run_verb("prepare", ["spider", "--source", str(spider), "--output", str(prepared), "--force"])
    template = template_named("schema-first")
    found = load_dataset(
        prepared / "train_data.jsonl", load_tokenizer(source), template, schema_dir=None, max_length=max_length
    )
    return found.examples


def numbered(examples: list[TokenizedExample], steps: list[list[int]]) -> dict[str, Any]:
    """The steps with only the examples that they take."""
    used = sorted({number for step in steps for number in step})
    place = {number: index for index, number in enumerate(used)}
    return {
        "examples": [[examples[number].prompt, examples[number].answer] for number in used],
        "steps": [[place[number] for number in step] for step in steps],
    }


def describe(args: argparse.Namespace, model: str, job: dict[str, Any]) -> None:
    """What is measured, and on what."""
    lengths = [len(prompt) + len(answer) for prompt, answer in job["examples"]]
    print(
        f"Machine: {platform.processor() or platform.machine()}, {job['threads']} threads, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB, {default_device()}, {job['dtype']}; "
        f"torch {torch.__version__}\n"
        f"Model: {model}. Examples: {len(lengths)} of Spider, {statistics.mean(lengths):.0f} tokens on average, "
        f"{args.examples_per_step} a step, {args.steps} steps timed, {args.rounds} rounds"
    )


def worker(method: str, job: dict[str, Any], **more: Any) -> Any:
    """What the worker writes; ``more`` is added to the job."""
    environment = dict(os.environ) | {"TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false"}
    if method in ("ours", "bare"):
        environment |= SETTINGS
    if method == "trl":
        environment["PYTHONPATH"] = str(trl_folder())
    done = subprocess.run(
        [sys.executable, WORKER, method],
        input=json.dumps({**job, "options": {}, **more}),
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{method} failed:\n{done.stderr[-9000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def run(method: str, job: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A method's figures, with its ``speed`` in examples a second."""
    figures: dict[str, Any] = worker(method, job, **more)
    figures["speed"] = figures["examples"] / figures["seconds"]
    return figures


def trl_folder() -> Path:
    """A folder with TRL, made once in the temporary folder."""
    folder = Path(tempfile.gettempdir()) / "sqlfocus-trl"
    if not (folder / "trl").is_dir():
        words = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *TRL]
        subprocess.run([sys.executable, *words], check=True)
    return folder


def compare(args: argparse.Namespace, job: dict[str, Any]) -> dict[str, float]:
    """Ours, the original recipe and TRL in turns."""
    # Others take their examples in any order, not a database at a time.
    timed = [number for step in job["steps"][1:] for number in step]
    random.shuffle(timed)
    others = {**job, "steps": [job["steps"][0]]}
    for step in job["steps"][1:]:
        others["steps"].append([timed.pop() for _ in step])
    short = {**others, "steps": [others["steps"][0], others["steps"][1][:8]]}
    ways = {}
    for name, options in TRL_WAYS.items():
        if args.quick:
            break
        ways[name] = run("trl", short, options=options)["speed"]
        print(f"TRL {name}: {ways[name]:.3f} examples/s", flush=True)
    best = max(ways, key=lambda name: ways[name], default="one by one")
    rounds = []
    for number in range(args.rounds):
        found = {"ours": run("ours", job), "original": run("original", others)}
        found["trl"] = run("trl", others, options=TRL_WAYS[best])
        rounds.append(found)
        shown = ", ".join(
            f"{name} {one['speed']:.3f} examples/s, {one['peak'] / 1e9:.1f} GB" for name, one in found.items()
        )
        print(f"round {number + 1}: {shown}", flush=True)

    def median(of: Any) -> float:
        return statistics.median(of(one) for one in rounds)

    return {
        "examples_per_second": median(lambda one: one["ours"]["speed"]),
        "vs_original": median(lambda one: one["ours"]["speed"] / one["original"]["speed"]),
        "vs_trl": median(lambda one: one["ours"]["speed"] / one["trl"]["speed"]),
        "memory_vs_original": median(lambda one: one["ours"]["peak"] / one["original"]["peak"]),
        "memory_vs_trl": median(lambda one: one["ours"]["peak"] / one["trl"]["peak"]),
        "whole_seconds": median(lambda one: one["ours"]["seconds"]),
    }


def inner(source: Any, job: dict[str, Any], whole: float) -> dict[str, float]:
    """Packed against plain gradients, the loop's overhead over ``whole`` seconds, the share of the machine's speed."""
    dtype = getattr(torch, job["dtype"])
    difference = worker("difference", job)
    alone = run("bare", job)["seconds"]
    speed = machine_speed(default_device(), dtype)
    shape = model_shape(source, lora_rank=job["rank"], dtype=dtype)
    packed = []
    for step in job["steps"][1:]:
        examples = [TokenizedExample(*job["examples"][number]) for number in step]
        packed += batches(examples, packing="prefix", row_length=job["row_length"], batch_size=4)
    return {
        "gradient_difference": difference,
        "loop_overhead": whole / alone - 1,
        "utilisation": estimate(shape, packed, packing="prefix").flops / alone / speed,
        "machine_gflops": speed / 1e9,
        "tokens_per_second": sum(pack_tokens(rows, "prefix") for rows in packed) / alone,
    }


if __name__ == "__main__":
    random.seed(0)
    sys.exit(main())
