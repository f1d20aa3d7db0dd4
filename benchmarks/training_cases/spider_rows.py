"""Steps of fine-tuning with the lengths of Spider's examples, for Qwen2.5-7B's shape, and the operations they need."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import Qwen2Config

from sqlfocus.corpus.prefix import shared_length
from sqlfocus.training.arguments import FinetuneArguments
from sqlfocus.training.packing import StepSampler, TokenizedExample, batches, pack

LENGTHS = Path(__file__).parent / "spider_lengths.json"
SHAPE = Qwen2Config(
    vocab_size=152064,
    hidden_size=3584,
    intermediate_size=18944,
    num_hidden_layers=28,
    num_attention_heads=28,
    num_key_value_heads=4,
    tie_word_embeddings=False,
)
WARM = 2
"""Steps of ours before those that are timed: the first compiles, the second for other lengths."""


@dataclass(frozen=True, slots=True)
class Case:
    """Steps of ours (lists of examples' numbers), the first :data:`WARM` to warm up, and the row length they run at."""

    name: str
    what: str
    row_length: int
    steps: list[list[int]]

    @property
    def whole_rows(self) -> bool:
        """Whether each step is one row."""
        return self.name.startswith("rows_")


def spider_like() -> tuple[list[TokenizedExample], list[list[int]]]:
    """Examples of random tokens with Spider's lengths, and their numbers by database."""
    source = random.Random(0)

    def tokens(count: int) -> list[int]:
        return source.choices(range(1, SHAPE.vocab_size), k=count)

    examples: list[TokenizedExample] = []
    groups = []
    for shared, *own in json.loads(LENGTHS.read_text(encoding="utf-8")):
        prefix = tokens(shared)
        groups.append(list(range(len(examples), len(examples) + len(own) // 2)))
        for question, answer in zip(own[::2], own[1::2], strict=True):
            examples.append(TokenizedExample(prefix + tokens(question), tokens(answer)))
    return examples, groups


def cases(examples: list[TokenizedExample], groups: list[list[int]], *, quick: bool) -> list[Case]:
    """The cases, in the order in which they run."""
    count = 2 if quick else 5
    found = [Case("rows_4096", "one row of about 4096 a step", 4096, filled(examples, groups, 4096, WARM + count))]
    if quick:
        return found
    found.append(Case("rows_8192", "one row of about 8192 a step", 8192, filled(examples, groups, 8192, WARM + 4)))
    flags = FinetuneArguments(output_dir="unused", use_cpu=True, report_to="none")
    for name, what, length, size, prefixes, row_length in [
        ("spider", "all of Spider, steps of about 64 examples, a database's together", 2048, 64, 1, 8192),
        (
            "defaults",
            "finetune.py's defaults, steps of 16 examples from two databases",
            flags.max_seq_length,
            flags.examples_per_device,
            flags.prefixes_per_step,
            flags.row_length,
        ),
    ]:
        short = [number for number, example in enumerate(examples) if len(example) <= length]
        sampler = StepSampler(
            [examples[number] for number in short],
            packing="prefix",
            examples_per_step=size,
            prefixes_per_step=prefixes,
            seed=0,
        )
        ordered = sorted(sampler, key=lambda step: sum(len(sampler.examples[number]) for number in step))
        spread = [ordered[len(ordered) * (2 * number + 1) // 16] for number in range(8)]
        steps = [[short[number] for number in step] for step in (ordered[-1], ordered[0], *spread)]
        found.append(Case(name, what, row_length, steps))
    return found


def filled(examples: list[TokenizedExample], groups: list[list[int]], length: int, count: int) -> list[list[int]]:
    """Steps of one row each, of at most ``length`` tokens and nine tenths of it at least, from different databases."""
    source = random.Random(length)
    found = []
    for group in groups:
        prefix = shared_length([examples[number].prompt for number in group])
        step: list[int] = []
        tokens = prefix
        for number in source.sample(group, len(group)):
            branch = len(examples[number]) - prefix
            if tokens + branch > length:
                break
            step.append(number)
            tokens += branch
        if tokens >= 0.9 * length and len(step) > 1:
            found.append(step)
    source.shuffle(found)
    return [found[number % len(found)] for number in range(count)]


# What a model of N weights in its layers' matrices needs for a token is 2 N operations forward and 2 N for the gradient
# of what goes in; the frozen weights have no gradient, and LoRA's own (0.9 %) are not counted. Attention needs 4
# operations forward and 8 backward for each pair of tokens that see each other, in each number of each query head. The
# output layer needs 4 V H for each token that a loss is asked of. What is computed again, filled up or masked away
# counts nothing.
def needed(*, tokens: int, pairs: int, logits: int) -> int:
    """Operations of forward and backward."""
    head = SHAPE.hidden_size // SHAPE.num_attention_heads
    queries, keys = SHAPE.hidden_size, SHAPE.num_key_value_heads * head
    matrices = SHAPE.hidden_size * (2 * queries + 2 * keys + 3 * SHAPE.intermediate_size) * SHAPE.num_hidden_layers
    of_pairs = 12 * pairs * queries * SHAPE.num_hidden_layers
    return 4 * matrices * tokens + of_pairs + 4 * SHAPE.vocab_size * SHAPE.hidden_size * logits


def needed_packed(step: Sequence[TokenizedExample], row_length: int) -> tuple[int, int]:
    """Tokens and operations of a step of ours."""
    tokens = pairs = 0
    for rows in batches(step, packing="prefix", row_length=row_length, batch_size=4):
        shared = pack([example for row in rows for example in row]).layout
        assert shared is not None
        prefix, lengths = shared.prefix, shared.lengths
        tokens += prefix + sum(lengths)
        pairs += prefix * (prefix + 1) // 2 + sum(own * prefix + own * (own + 1) // 2 for own in lengths)
    return tokens, needed(tokens=tokens, pairs=pairs, logits=sum(len(example.answer) for example in step))


def needed_padded(step: Sequence[TokenizedExample]) -> tuple[int, int]:
    """The same of the original recipe, its padding and the logits of all tokens counted as needed."""
    widths = [max(map(len, step[start : start + 4])) for start in range(0, len(step), 4)]
    tokens = sum(4 * width for width in widths)
    return tokens, needed(tokens=tokens, pairs=sum(4 * width * (width + 1) // 2 for width in widths), logits=tokens)
