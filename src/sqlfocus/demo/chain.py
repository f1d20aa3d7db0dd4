"""The demo: every step of the chain, each as the command that a user would type, with its seconds and memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from sqlfocus.demo.shop import build_shop, read_questions
from sqlfocus.demo.small_model import fetch_smollm2
from sqlfocus.errors import UserError
from sqlfocus.evaluation.score import Score
from sqlfocus.files import atomic_write, read_json_lines, write_json_lines

QUESTIONS = (
    "How many customers live in Germany?",
    "What are the names of the five most expensive products?",
    "Which customers have never placed an order?",
)
NEXT = "Qwen/Qwen2.5-Coder-0.5B-Instruct"


@dataclass(frozen=True, slots=True)
class Step:
    """What one step took: wall-clock seconds, and peak memory in bytes."""

    name: str
    seconds: float
    memory: int


def run_step(name: str, words: Sequence[str], *, output: Path | None = None, may_fail: bool = False) -> Step:
    """Run ``sqlfocus`` with ``words`` in a process of its own, showing the command and what it prints.

    What it prints goes to the file ``output`` where that is given. With ``may_fail``, status 1 is an answer too: an SQL
    query that does not run.

    Raises:
        UserError: the command failed; it has said why.
    """
    shown = " ".join(f"'{word}'" if " " in word else word for word in words)
    sys.stderr.write(f"\n── {name}\n$ sqlfocus {shown}{f' > {output}' if output else ''}\n")
    sys.stderr.flush()
    command = [sys.executable, "-m", "sqlfocus", *words]
    if output is None:
        return watch(name, subprocess.Popen(command), may_fail=may_fail)
    with atomic_write(output) as file:
        return watch(name, subprocess.Popen(command, stdout=file), may_fail=may_fail)


def watch(name: str, process: subprocess.Popen[bytes], *, may_fail: bool) -> Step:
    """Wait for a process, asking for its memory ten times a second.

    Raises:
        UserError: it ended with a status other than 0, or 1 with ``may_fail``.
    """
    started = time.monotonic()
    watched, peak = psutil.Process(process.pid), 0
    try:
        while process.poll() is None:
            try:
                peak = max(peak, watched.memory_info().rss)
            except psutil.Error:
                break
            time.sleep(0.1)
        if process.wait() not in ((0, 1) if may_fail else (0,)):
            raise UserError(f"the demo stops at this step ({name}), which ended with status {process.returncode}")
    except KeyboardInterrupt:
        process.wait()
        raise
    return Step(name, time.monotonic() - started, peak)


def accuracy(predictions: Path) -> Score:
    """How many predictions in the file are right, and how many there are."""
    verdicts = [row["verdict"] for _, row in read_json_lines(predictions)]
    return Score(verdicts.count("right"), len(verdicts))


def run_demo(folder: Path, *, model: str | None, count: int, epochs: float) -> None:
    """Run the chain in ``folder`` and print the table.

    Raises:
        UserError: a step failed, or the small model cannot be fetched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    database = build_shop(folder / "shop.sqlite")
    questions = folder / "questions.jsonl"
    examples = read_questions("en")
    write_json_lines(questions, (example.to_json() for example in examples))
    steps = [Step("Build the sample database", time.monotonic() - started, psutil.Process().memory_info().rss)]
    sys.stderr.write(f"Sample database: {database}; {len(examples)} hand-written questions: {questions}\n")
    if model is None:
        started = time.monotonic()
        model = str(fetch_smollm2())
        steps.append(Step("Fetch SmolLM2-135M-Instruct", time.monotonic() - started, 0))
        sys.stderr.write(f"Model: {model}\n")
    train = folder / "train_data.jsonl"
    adapters, merged = folder / "save-model", folder / "new-model"
    measure = ["--data", str(questions), "--databases", str(folder), "--batch_size", "64", "--max_new_tokens", "96"]
    measure += ["--engine", "transformers"]  # the base, before, as the model made from it, after
    before, after = folder / "before.jsonl", folder / "after.jsonl"
    words = ["synthesize", str(database), "--count", str(count), "--phrasings", "1", "--output", str(train), "--force"]
    steps.append(run_step("Synthesize training pairs", words))
    # Without sample values the schema has 637 tokens of 1,105: half as many steps again in the time (docs/log.md).
    schema = folder / "schemas" / "shop.txt"
    steps.append(run_step("Write the schema text", ["schema", str(database), "--max_values", "0"], output=schema))
    steps.append(run_step("Measure the base", ["evaluate", "--model", model, *measure, "--output", str(before)]))
    words = ["finetune", "--model_name", model, "--train_file", str(train), "--max_seq_length", "2048"]
    words += ["--num_train_epochs", str(epochs), "--muon", "--learning_rate", "6e-3", "--lr_scheduler_type", "cosine"]
    words += ["--warmup_steps", "0.05", "--lora_dropout", "0", "--per_device_train_batch_size", "16"]
    words += ["--gradient_accumulation_steps", "1", "--prefixes_per_step", "1", "--logging_steps", "5"]
    words += ["--output_dir", str(folder / "output"), "--save_dir", str(adapters), "--save_strategy", "no"]
    steps.append(run_step("Fine-tune with LoRA", words))
    (adapter,) = adapters.glob("*-lora")
    words = ["evaluate", "--model", str(adapter), *measure, "--output", str(after)]
    steps.append(run_step("Measure the fine-tuned model", words))
    target = merged / f"{adapter.name.removesuffix('-lora')}-R1"
    words = ["merge", "--adapter", str(adapter), "--output", str(target), "--force"]
    steps.append(run_step("Merge the adapter", words))
    steps.append(run_step("Quantize to Q4_K_M", ["quantize", "--model", str(target), "--force"]))
    quantized = target.with_name(f"{target.name}-GGUF") / f"{target.name}-Q4_K_M.gguf"
    small = folder / "quantized.jsonl"
    measure[measure.index("--engine") + 1] = "llamacpp"
    words = ["evaluate", "--model", str(quantized), *measure, "--output", str(small)]
    steps.append(run_step("Measure the quantized model", words))
    for question in QUESTIONS:
        words = ["ask", "--model", str(quantized), "--database", str(database), question]
        steps.append(run_step("Ask", words, may_fail=True))
    with atomic_write(folder / "config" / "config.ini") as file:
        file.write(f"[database]\ndialect = sqlite\ndbname = {database.name}\n")
    sys.stderr.write("\n")
    scores = {"before": accuracy(before), "after": accuracy(after), "in Q4_K_M": accuracy(small)}
    print(table(steps, scores))  # noqa: T201
    print(  # noqa: T201
        f"\nA larger model next, on a machine with 16 GB: sqlfocus demo --model {NEXT}\n"
        f"Ask more: sqlfocus ask --model {target} --database {database} 'How many orders were cancelled?'\n"
        f"Serve it: cd {folder} && sqlfocus serve --enable-mschema\n"
        f"Serve it without PyTorch: cd {folder} && sqlfocus serve --enable-mschema --engine llamacpp"
    )


def table(steps: Sequence[Step], scores: Mapping[str, Score]) -> str:
    """Seconds and memory of each step, then EX by what it was measured on."""
    lines = [f"{'step':<32}{'seconds':>9}{'memory':>11}", "─" * 52]
    for step in steps:
        memory = f"{step.memory / 1e9:.1f} GB" if step.memory else ""
        lines.append(f"{step.name:<32}{step.seconds:>9.1f}{memory:>11}")
    lines.append(f"{'total':<32}{sum(step.seconds for step in steps):>9.1f}\n")
    for name, score in scores.items():
        low, high = score.interval
        lines.append(
            f"EX {name}: {score.ex:.3f} ({score.right} of {score.questions} hand-written questions; "
            f"95 % interval {low:.3f} to {high:.3f})"
        )
    return "\n".join(lines)
