"""What a run will do and cost, known before the model's weights are loaded."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

from sqlfocus.corpus.prefix import shared_length
from sqlfocus.errors import UserError, first_line
from sqlfocus.models.attention import Layout
from sqlfocus.models.loading import Source, default_dtype
from sqlfocus.training import head
from sqlfocus.training.arguments import FinetuneArguments
from sqlfocus.training.dataset import Dataset
from sqlfocus.training.packing import Packing, Row, StepSampler, batches, beyond, sequences

UTILISATION = 0.5
"""The share of one large matrix product's speed that a step reaches: measured 0.47 in bfloat16 and 0.6 in float32, each
on two cores, and 0.41 to 0.49 for a 7B model on one GPU (docs/log.md)."""
LAUNCHING = 0.0073
"""Seconds that a GPU's kernels of one decoder layer take to be launched in a forward and a backward pass: what a small
model waits for (docs/log.md)."""
FOUR_BITS = 0.516
"""Bytes of a weight in QLoRA's 4 bits with its share of the scales: 4.127 bits (arXiv 2305.14314, section 3)."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What a model's costs follow from.

    Attributes:
        parameters: all weights, tied ones once.
        matrices: weights of the linear layers that every token goes through.
        trainable: LoRA's weights.
        hidden, intermediate, layers, vocabulary: as in the model's configuration.
        attention: a layer's query heads times their width.
        bytes: the size of a number that is computed with.
        base: the base's size in bytes.
    """

    parameters: int
    matrices: int
    trainable: int
    hidden: int
    intermediate: int
    layers: int
    vocabulary: int
    attention: int
    bytes: int
    base: int


@dataclass(frozen=True, slots=True)
class Plan:
    """An epoch: ``passes`` forward passes of ``tokens`` in all, ``plain_tokens`` if nothing were shared.

    ``flops`` are the epoch's floating-point operations, ``memory`` is in bytes.
    """

    passes: int
    tokens: int
    plain_tokens: int
    longest_row: int
    flops: int
    memory: int


def model_shape(source: Source, *, lora_rank: int, dtype: torch.dtype, four_bits: bool = False) -> ModelShape:
    """Read a model's shape from its configuration alone.

    Raises:
        UserError: it is of a kind that transformers does not know.
    """
    try:
        config = AutoConfig.from_pretrained(source.folder)
        with torch.device("meta"):
            # Not by AutoModelForCausalLM, which cuts the weights among processes where DeepSpeed's third stage is on.
            model = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)](config)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise UserError(f"{source.folder}: the model's configuration cannot be read ({first_line(error)})") from error
    output = model.get_output_embeddings()
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear) and module is not output]
    width = int(dtype.itemsize)
    parameters = sum(int(parameter.numel()) for parameter in model.parameters())
    matrices = sum(module.in_features * module.out_features for module in linear)
    return ModelShape(
        parameters=parameters,
        matrices=matrices,
        trainable=sum(lora_rank * (module.in_features + module.out_features) for module in linear),
        hidden=int(config.hidden_size),
        intermediate=int(config.intermediate_size),
        layers=int(config.num_hidden_layers),
        vocabulary=int(config.vocab_size),
        attention=_attention_width(config),
        bytes=width,
        base=parameters * width - int(matrices * (width - FOUR_BITS) if four_bits else 0),
    )


def _attention_width(config: Any) -> int:
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(config.num_attention_heads * head)


def pack_tokens(rows: Sequence[Row], packing: Packing) -> int:
    """How many tokens a pack computes, padding included."""
    if packing == "none":
        return sum(len(sequences(row)) * max(len(example) for example in row) for row in rows)
    prefix = _prefix(rows)
    return prefix + sum(beyond(row, prefix) for row in rows)


def _prefix(rows: Sequence[Row]) -> int:
    prompts = [sequence.prompt for row in rows for sequence in sequences(row)]
    return shared_length(prompts) if len(prompts) > 1 else 0


def _scores(rows: Sequence[Row], packing: Packing) -> int:
    """How many pairs of tokens attention computes a score for in one head."""
    if packing == "none":
        return sum(len(sequences(row)) * max(len(example) for example in row) ** 2 for row in rows)
    prefix = _prefix(rows)
    of_rows = sum(Layout(prefix, tuple(len(one) - prefix for one in sequences(row))).scores() for row in rows)
    return of_rows - (len(rows) - 1) * Layout(prefix, ()).scores()


def _held(rows: Sequence[Row], packing: Packing) -> int:
    """How many tokens' activations are in memory at once: the prefix's and one row's."""
    if packing == "none":
        return max(pack_tokens([row], packing) for row in rows)
    prefix = _prefix(rows)
    return prefix + max(beyond(row, prefix) for row in rows)


def estimate(shape: ModelShape, packs: Sequence[Sequence[Row]], *, packing: Packing) -> Plan:
    """Estimate an epoch of ``packs`` (:func:`~sqlfocus.training.packing.batches`).

    Operations: a linear layer's product forward and the one for its input's gradient backward (its weights are frozen),
    LoRA's three times its forward, attention's two products forward and five backward, and the output layer at the
    answers' tokens. Memory: the base; LoRA's weights, gradients and Adam's two moments in float32; the longest
    row's activations, of which the backward pass of one decoder layer keeps about 20 hidden and 5 intermediate
    vectors a token; and the logits of some of its answers.
    """
    lengths = [_held(rows, packing) for rows in packs]
    tokens = sum(pack_tokens(rows, packing) for rows in packs)
    at = max(range(len(packs)), key=lambda index: lengths[index])
    answers = max(sum(len(one.answer) for one in sequences(row)) for row in packs[at])
    flops = tokens * (4 * shape.matrices + 6 * shape.trainable)
    flops += sum(_scores(rows, packing) for rows in packs) * 2 * 7 * shape.attention * shape.layers
    flops += sum(len(one.answer) for rows in packs for row in rows for one in sequences(row)) * (
        4 * shape.vocabulary * shape.hidden
    )
    activations = lengths[at] * (20 * shape.hidden + 5 * shape.intermediate) * shape.bytes * shape.layers
    masks = 0 if packing == "prefix" else 5 * max(len(sequences(row)) * max(map(len, row)) ** 2 for row in packs[at])
    logits = min(answers, head.TOKENS) * shape.vocabulary * (4 + 2 * shape.bytes)
    return Plan(
        passes=sum(len(rows) + (len(rows) > 1) for rows in packs),
        tokens=tokens,
        plain_tokens=sum(len(one) for rows in packs for row in rows for one in sequences(row)),
        longest_row=lengths[at],
        flops=flops,
        memory=shape.base + 16 * shape.trainable + activations + masks + logits,
    )


def expected_time(plan: Plan, shape: ModelShape, speed: float, *, epochs: float, on_gpu: bool) -> str:
    """How long ``epochs`` take on one device whose matrix products reach ``speed`` operations a second, and why.

    On a GPU it is the larger of two: what its kernels compute, and what it takes to launch them.
    """
    computing = epochs * plan.flops / (speed * UTILISATION)
    launching = epochs * plan.passes * shape.layers * LAUNCHING if on_gpu else 0.0
    if launching > computing:
        return f"about {_duration(launching)}, for launching kernels; a larger --row_length may need fewer passes"
    return f"about {_duration(computing)}, at {UTILISATION:.0%} of the {_rate(speed)} that a matrix product reaches now"


def machine_speed(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of a matrix product, the best of what a third of a second gives.

    1024 × 1024, and on a GPU, which such a one does not fill, 8192 × 8192.
    """
    size = 8192 if device.type == "cuda" else 1024
    matrix = torch.randn(size, size, dtype=torch.float32).to(device, dtype)
    best = 0.0
    end = time.perf_counter() + 1 / 3
    while time.perf_counter() < end:
        started = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # waits for a GPU to be done
        best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best


def run_dtype(args: FinetuneArguments) -> torch.dtype:
    """The type that the base computes in."""
    if args.dtype != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[args.dtype]
    return torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else default_dtype(args.device)


def announce(args: FinetuneArguments, source: Source, dataset: Dataset, sampler: StepSampler) -> str:
    """What the run will do, in a few lines: examples, tokens, steps, trainable parameters, time, memory."""
    steps = args.max_steps if args.max_steps > 0 else math.ceil(len(sampler) * args.num_train_epochs)
    epochs = steps / len(sampler)
    packs = [
        rows
        for step in sampler.order()
        for rows in batches(
            [dataset.examples[index] for chunk in step for index in chunk],
            packing=args.packing,
            row_length=args.row_length,
            batch_size=args.per_device_train_batch_size,
            share_rows=not args.in_shards,
        )
    ]
    dtype = run_dtype(args)
    shape = model_shape(source, lora_rank=args.lora_rank, dtype=dtype, four_bits=args.train_mode == "qlora")
    plan = estimate(shape, packs, packing=args.packing)
    expected = expected_time(
        *(plan, shape, machine_speed(args.device, dtype)),
        epochs=epochs / args.world_size,
        on_gpu=args.device.type == "cuda",
    )
    saved = 1 - plan.tokens / plan.plain_tokens
    pairs = sum(bool(example.rejected) for example in dataset.examples)
    lines = [
        f"Model       {args.model_name}, {shape.parameters / 1e6:,.1f} M parameters, {shape.trainable / 1e6:,.2f} M "
        f"trainable (LoRA rank {args.lora_rank}), {dtype}, {args.device}".replace("torch.", ""),
        f"Examples    {len(dataset.examples):,} from {args.train_file}; "
        f"longest {max(map(len, dataset.examples)):,} tokens" + (f"; {pairs:,} with a wrong answer" if pairs else ""),
        f"Tokens      {plan.plain_tokens:,} an epoch one by one, {plan.tokens:,} with packing {args.packing}: "
        f"{abs(saved):.0%} {'saved' if saved >= 0 else 'more, all padding'}, in {plan.passes:,} forward passes",
        f"Steps       {steps:,} of about {len(dataset.examples) / len(sampler):.0f} examples, {epochs:.3g} epochs, "
        f"learning rate {args.learning_rate:g}",
        f"Time        {expected}",
        f"Memory      about {plan.memory / 1e9:.1f} GB at the longest row ({plan.longest_row:,} tokens)",
    ]
    if dataset.too_long:
        named = ", ".join(f"{name} {count}" for name, count in dataset.too_long.most_common(5))
        lines.append(
            f"Left out    {dataset.too_long.total():,} examples of more than {args.max_seq_length} tokens ({named}"
            f"{', …' if len(dataset.too_long) > 5 else ''}); --max_seq_length {dataset.longest} takes them all"
        )
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    """Two figures of the largest units: ``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _rate(speed: float) -> str:
    return f"{speed / 1e12:.0f} TFLOP/s" if speed >= 1e13 else f"{speed / 1e9:.0f} GFLOP/s"
