"""Fine-tuning a 7B model on one NVIDIA GPU: this project's step against the original recipe, attention against sdpa.

    python benchmarks/gpu.py [--quick] [--layers N] [--json FILE]

The model is Qwen2.5-7B's shape in bfloat16 with random weights, made on the GPU: nothing is fetched. The examples have
the lengths of Spider's training questions (``training_cases/spider_lengths.json``: for each of 140 databases its
prompts' shared prefix, then each question's own tokens and its SQL's, as Qwen2.5-Coder's tokenizer counts them for
``sqlfocus prepare spider`` and the schema-first template) and random tokens.

Ours is what ``finetune.py`` runs with its default flags, the self-check before the first step too; the cases differ in
``--row_length`` and in the examples of a step. The original recipe is batches of 4, padded to their longest, 4 of them
a step, logits for every token, transformers' own loss, PEFT's LoRA of the same rank without dropout, sdpa, autocast. It
trains on the same examples, shuffled. Either does without gradient checkpointing where memory allows.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import random
import statistics
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import transformers
from training_cases import worker
from training_cases.attentions import KINDS, attending, attentions, median_seconds
from training_cases.spider_rows import SHAPE, WARM, Case, cases, needed_packed, needed_padded, spider_like
from transformers import AutoModelForCausalLM

from sqlfocus.models import flex
from sqlfocus.models.loading import Source
from sqlfocus.training import finetune
from sqlfocus.training.arguments import FinetuneArguments
from sqlfocus.training.packing import TokenizedExample

DATA_SHEET = {"H100": 989e12, "H200": 989e12}
"""Dense bfloat16 operations a second of the SXM cards, as NVIDIA's data sheets have them."""
ORIGINAL_STEPS = 3
"""The original recipe's timed steps, after one to warm up."""
BOTH = (False, True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="rows of 4096 alone, two steps timed")
    parser.add_argument("--layers", type=int, default=SHAPE.num_hidden_layers, help="(%(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args()
    if not torch.cuda.is_available() or not flex.available(torch.device("cuda")):
        print("This measures an NVIDIA GPU, and PyTorch finds none with triton here: nothing is measured.")
        return 2
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    SHAPE.num_hidden_layers = args.layers
    SHAPE.layer_types = SHAPE.layer_types[: args.layers]
    examples, groups = spider_like()
    figures = run(examples, cases(examples, groups, quick=args.quick), torch.device("cuda"))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def run(examples: list[TokenizedExample], wanted: list[Case], device: torch.device) -> dict[str, Any]:
    """Measure and print; the figures by name."""
    on_gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_gpu else platform.machine()
    memory = torch.cuda.get_device_properties(device).total_memory if on_gpu else 0
    rates = {"matmul": matmul_rate(device)}
    for card, speed in DATA_SHEET.items():
        if card in name:
            rates["data_sheet"] = speed
    figures: dict[str, Any] = {"card": name, "torch": torch.__version__, "layers": SHAPE.num_hidden_layers}
    figures |= {f"{what}_tflops": speed / 1e12 for what, speed in rates.items()}
    print(
        f"Machine: {name}, {memory / 2**30:.0f} GiB, bfloat16 products at {rates['matmul'] / 1e12:.0f} TFLOP/s; "
        f"PyTorch {torch.__version__}, transformers {transformers.__version__}\n"
        f"Model: Qwen2.5-7B's shape, {SHAPE.num_hidden_layers} layers, random weights, LoRA r=16. Compared: this "
        "project's step and the original recipe; FlexAttention, sdpa with a dense mask, and pieces",
        flush=True,
    )

    def add(prefix: str, found: dict[str, Any]) -> None:
        named = {f"{prefix}_{what}": value for what, value in found.items()}
        figures.update(named)
        print("\n".join(f"{what:<48} {shown(value)}" for what, value in named.items()), flush=True)

    model = our_model(device)
    for case in wanted:
        print(f"\n{case.name}: {case.what}")
        if case.whole_rows:
            add(f"{case.name}_attention", attentions([examples[number] for number in case.steps[WARM]], device))
        found = ours(model, examples, case, rates)
        add(case.name, found)
        if case.whole_rows:
            add(case.name, steps_by_attention(model, examples, case, checkpointing=found["checkpointing"]))
    if any(case.name == "defaults" for case in wanted):
        add("defaults_checkpointed", ours(model, examples, wanted[-1], rates, tries=(True,)))
    del model
    free(device)
    model = worker.with_lora(random_base(device), {"rank": 16})
    print("\nThe original recipe")
    for case in wanted:
        add(f"{case.name}_original", original(model, examples, case, rates))
        ratio = figures[f"{case.name}_examples_per_second"] / figures[f"{case.name}_original_examples_per_second"]
        add(case.name, {"vs_original": ratio})
    return figures


def shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def free(device: torch.device) -> None:
    """Give back what nothing holds any more, and count the peak anew."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gb() -> float:
    return torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0


def matmul_rate(device: torch.device, size: int = 8192) -> float:
    """Operations a second of a large product of random numbers in bfloat16."""
    size = size if device.type == "cuda" else 256
    one, other = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / median_seconds(lambda: one @ other, 20)


def random_base(device: torch.device) -> Any:
    """The model with random weights, made on the device."""
    torch.manual_seed(0)
    with device:
        return AutoModelForCausalLM.from_config(SHAPE, dtype=torch.bfloat16)


def our_model(device: torch.device) -> Any:
    """What ``finetune.py`` makes of the model with its default flags."""
    args = FinetuneArguments(output_dir="unused", report_to="none", use_cpu=device.type == "cpu", dtype="bfloat16")
    base = random_base(device)
    with mock.patch.object(finetune, "load_base", lambda *_args, **_more: base):
        return finetune.build_model(args, Source(Path()))


def trained(
    way: Callable[..., Any], model: Any, job: dict[str, Any], options: dict[str, Any], tries: Sequence[bool]
) -> tuple[worker.Clock, bool]:
    """The steps' times, and whether it took gradient checkpointing: the first of the ``tries`` that fits in memory."""
    for checkpointing in tries:
        free(model.device)
        model.zero_grad()
        model.gradient_checkpointing_disable()
        if checkpointing:
            model.enable_input_require_grads()  # as build_model does
        try:
            # The loss is read as seldom as in a run: reading it waits for the GPU.
            more = {**options, "gradient_checkpointing": checkpointing, "logging_steps": 10}
            clock, _ = way({**job, "options": more}, model)
        except torch.OutOfMemoryError:
            continue
        return clock, checkpointing
    raise SystemExit("out of memory with gradient checkpointing too; try fewer --layers")


def job(examples: list[TokenizedExample], steps: list[list[int]], row_length: int = 0) -> dict[str, Any]:
    """What the worker is given."""
    used = sorted({number for step in steps for number in step})
    place = {number: index for index, number in enumerate(used)}
    return {
        "examples": [[examples[number].prompt, examples[number].answer] for number in used],
        "steps": [[place[number] for number in step] for step in steps],
        "dtype": "bfloat16",
        "learning_rate": 1e-4,
        "batch_size": 4,
        "row_length": row_length,
        "warm": WARM,
        "options": {},
    }


def ours(
    model: Any, examples: list[TokenizedExample], case: Case, rates: dict[str, float], *, tries: Sequence[bool] = BOTH
) -> dict[str, Any]:
    """This project's trainer on a case."""
    clock, checkpointing = trained(worker.ours, model, job(examples, case.steps, case.row_length), {}, tries)
    seconds = clock.times[-1] - clock.times[WARM]
    steps = [[examples[number] for number in step] for step in case.steps[WARM:]]
    costs = [needed_packed(step, case.row_length) for step in steps]
    count = sum(map(len, steps))
    return {
        "examples_per_second": count / seconds,
        **utilisation(sum(flops for _, flops in costs) / seconds, rates),
        "peak_gb": peak_gb(),
        "checkpointing": checkpointing,
        "first_step_seconds": clock.times[1] - clock.times[0],
        "tokens_per_second": sum(tokens for tokens, _ in costs) / seconds,
        "examples_per_step": count / len(steps),
        "tokens_per_step": sum(tokens for tokens, _ in costs) / len(steps),
        "tokens_per_example": statistics.mean(len(example) for step in steps for example in step),
    }


def utilisation(speed: float, rates: dict[str, float]) -> dict[str, float]:
    """The share that operations a second are of a large product's, and of the data sheet's."""
    return {f"utilisation_of_{what}": speed / rate for what, rate in rates.items()}


def original(model: Any, examples: list[TokenizedExample], case: Case, rates: dict[str, float]) -> dict[str, Any]:
    """The original recipe on some of a case's timed examples, every one as likely."""
    numbers = [number for step in case.steps[WARM:] for number in step]
    random.Random(0).shuffle(numbers)
    numbers = (numbers * 16)[: 16 * (1 + ORIGINAL_STEPS)]
    steps = [numbers[start : start + 16] for start in range(0, len(numbers), 16)]
    clock, checkpointing = trained(worker.original, model, job(examples, steps), {"bf16": True}, BOTH)
    seconds = clock.times[-1] - clock.times[1]
    costs = [needed_padded([examples[number] for number in step]) for step in steps[1:]]
    return {
        "examples_per_second": 16 * ORIGINAL_STEPS / seconds,
        **utilisation(sum(flops for _, flops in costs) / seconds, rates),
        "peak_gb": peak_gb(),
        "checkpointing": checkpointing,
        "tokens_per_second": sum(tokens for tokens, _ in costs) / seconds,
        "tokens_per_example": statistics.mean(len(examples[number]) for step in steps[1:] for number in step),
    }


def steps_by_attention(
    model: Any, examples: list[TokenizedExample], case: Case, *, checkpointing: bool
) -> dict[str, Any]:
    """Seconds of forward, backward and optimizer alone, with each kind of attention, on the first timed steps."""
    work = job(examples, case.steps[:WARM] + case.steps[WARM : WARM + 2], case.row_length)
    found = {}
    for name in KINDS:
        free(model.device)
        if checkpointing:
            model.gradient_checkpointing_enable()
        with attending(name):
            try:
                clock, _ = worker.bare(work, model)
            except torch.OutOfMemoryError:
                continue
        found[f"step_seconds_{name}"] = (clock.times[-1] - clock.times[WARM]) / 2
        found[f"step_peak_gb_{name}"] = peak_gb()
    return found


if __name__ == "__main__":
    sys.exit(main())
