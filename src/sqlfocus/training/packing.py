"""From examples to the batches of a step: packs of one shared prefix with many branches, or plain padded batches.

A pack is one row: the prefix that the prompts have in common, then a branch for each example, its remaining prompt and
its answer. A branch sees the prefix and itself; its positions go on from the prefix's end. So the schema is computed
once for all the questions in a pack, and the loss is the same sum over answer tokens as without packing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import torch
from torch.utils.data import DataLoader

from sqlfocus.corpus.prefix import group_by_prefix, shared_length
from sqlfocus.models.attention import Layout

Packing = Literal["prefix", "none"]


@dataclass(frozen=True, slots=True)
class TokenizedExample:
    """The token ids of a prompt and of the answer to it, the answer's end token included.

    ``rejected``, where there is one, is an answer that is wrong, and to be less likely than the right one.
    """

    prompt: list[int]
    answer: list[int]
    rejected: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.prompt) + max(len(self.answer), len(self.rejected))

    @property
    def sequences(self) -> list[TokenizedExample]:
        """The prompt with each of its answers, the right one first: what goes through the model."""
        if not self.rejected:
            return [self]
        return [TokenizedExample(self.prompt, answer) for answer in (self.answer, self.rejected)]


Row = list[TokenizedExample]


@dataclass(frozen=True, slots=True)
class Batch:
    """The tensors of one forward pass, B rows of L tokens.

    Attributes:
        input_ids: (B, L).
        attention_mask: (B, 1, L, L), true where a token (third axis) may see another (fourth); None for a pack, whose
            ``layout`` says it.
        position_ids: (B, L).
        columns: (K,) the columns whose hidden states go through the output layer.
        labels: (B, K) the token that follows, in the example's own sequence, or -100 where none is asked of the model.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor | None
    position_ids: torch.Tensor
    columns: torch.Tensor
    labels: torch.Tensor
    layout: Layout | None = None

    def to(self, device: torch.device) -> Batch:
        """The same batch on ``device``."""
        return Batch(
            self.input_ids.to(device),
            None if self.attention_mask is None else self.attention_mask.to(device),
            self.position_ids.to(device),
            self.columns.to(device),
            self.labels.to(device),
            self.layout,
        )

    @property
    def label_tokens(self) -> int:
        """How many tokens the loss is summed over."""
        return int((self.labels != -100).sum())


def pack(examples: Sequence[TokenizedExample], *, multiple: int = 1, prefix: int | None = None) -> Batch:
    """One row of the examples' shared prefix and a branch for each, filled up to a ``multiple`` of tokens.

    A prompt's last token is never part of the prefix (:func:`~sqlfocus.corpus.prefix.shared_length`), so each branch
    has the token that predicts the first of its answer. A rejected answer has a branch of its own, behind its
    example's. Where ``prefix`` is given, so many tokens of it are computed in a row of their own (:func:`prefix_row`),
    and this row has the branches alone.
    """
    apart = prefix is not None
    examples = sequences(examples)
    if prefix is None:
        prefix = shared_length([example.prompt for example in examples]) if len(examples) > 1 else 0
    ids = [] if apart else list(examples[0].prompt[:prefix])
    positions = [] if apart else list(range(prefix))
    columns: list[int] = []
    labels: list[int] = []
    for example in examples:
        branch = example.prompt[prefix:] + example.answer
        start = len(ids)
        first = start + len(example.prompt) - prefix  # where the answer begins
        ids += branch
        positions += range(prefix, prefix + len(branch))
        columns += range(first - 1, first - 1 + len(example.answer))
        labels += example.answer
    # An example alone is all prefix but for its last token, so that its attention is the kernel's causal one.
    lengths = tuple(len(example) - prefix for example in examples)
    layout = Layout(prefix, lengths) if apart or len(examples) > 1 else Layout(len(ids) - 1, (1,))
    filling = -len(ids) % multiple
    if filling:  # a branch of its own, which nothing is asked of
        ids += [0] * filling
        positions += range(layout.prefix, layout.prefix + filling)
        layout = Layout(layout.prefix, (*layout.lengths, filling))
    return Batch(
        input_ids=torch.tensor([ids]),
        attention_mask=None,
        position_ids=torch.tensor([positions]),
        columns=torch.tensor(columns),
        labels=torch.tensor([labels]),
        layout=layout,
    )


def pad(examples: Sequence[TokenizedExample]) -> Batch:
    """One row an answer, padded on the right: the plain twin of :func:`pack`."""
    examples = sequences(examples)
    width = max(len(example) for example in examples)
    ids = torch.zeros((len(examples), width), dtype=torch.long)
    targets = torch.full((len(examples), width), -100)
    real = torch.zeros((len(examples), width), dtype=torch.bool)
    for row, example in enumerate(examples):
        length, answer = len(example), len(example.answer)
        ids[row, :length] = torch.tensor(example.prompt + example.answer)
        targets[row, length - answer - 1 : length - 1] = torch.tensor(example.answer)
        real[row, :length] = True
    causal = torch.ones((width, width), dtype=torch.bool).tril_()
    # A padded token may see itself, since a row of the mask that is all false makes the softmax undefined.
    visible = causal & (real[:, None, :] | torch.eye(width, dtype=torch.bool))
    columns = (targets != -100).any(dim=0).nonzero()[:, 0]
    return Batch(
        input_ids=ids,
        attention_mask=visible[:, None],
        position_ids=torch.arange(width).expand(len(examples), width),
        columns=columns,
        labels=targets[:, columns],
    )


def sequences(examples: Sequence[TokenizedExample]) -> list[TokenizedExample]:
    """All that the examples put through the model, in their order."""
    return [sequence for example in examples for sequence in example.sequences]


def beyond(examples: Sequence[TokenizedExample], prefix: int) -> int:
    """How many tokens the examples have in all beyond a prefix that they share, each answer with its prompt."""
    return sum(len(sequence) - prefix for sequence in sequences(examples))


def prefix_row(row: Sequence[TokenizedExample], prefix: int) -> Batch:
    """The first ``prefix`` tokens alone, for a pack of several rows; nothing is asked of them."""
    ids = row[0].prompt[:prefix]
    return Batch(
        input_ids=torch.tensor([ids]),
        attention_mask=None,
        position_ids=torch.arange(prefix)[None],
        columns=torch.tensor([prefix - 1]),
        labels=torch.tensor([[-100]]),
        layout=Layout(prefix, ()),
    )


def batches(
    examples: Sequence[TokenizedExample],
    *,
    packing: Packing,
    row_length: int,
    batch_size: int,
    share_rows: bool = True,
) -> list[list[Row]]:
    """Cut the examples of a step into packs, each of one or more rows; a row is what one forward pass computes.

    With ``prefix``, examples that begin alike make a pack. Where its prefix and branches are more than ``row_length``
    tokens it has several rows, with at most what the prefix leaves of ``row_length``, but a quarter of it at least;
    they share one pass over the prefix, or, without ``share_rows``, make a pack each. With ``none``, a pack is one row
    of ``batch_size`` examples in the given order. An example too long for a row has one to itself.
    """
    if packing == "none":
        return [[list(examples[start : start + batch_size])] for start in range(0, len(examples), batch_size)]
    packs: list[list[Row]] = []
    for group in group_by_prefix([example.prompt for example in examples]):
        members = [examples[index] for index in group]
        prefix = shared_length([member.prompt for member in members]) if len(members) > 1 else 0
        room = max(row_length - prefix, row_length // 4)
        rows: list[Row] = []
        filled = room + 1
        for member in members:
            branch = beyond([member], prefix)
            if filled + branch > room:
                rows.append([])
                filled = 0
            rows[-1].append(member)
            filled += branch
        packs += [rows] if share_rows and prefix else [[row] for row in rows]
    return packs


class StepSampler:
    """Which examples each optimizer step takes: a function of the seed and the epoch, whatever the number of processes.

    With ``prefix`` packing, the examples that share a prefix are cut into chunks of about equal size, and a step takes
    about ``prefixes_per_step`` chunks, of about ``examples_per_step`` examples together: a chunk that a step would cut
    in two would have its prefix computed twice. The chunks' sizes and places are the same in each epoch, so epochs have
    equally many steps; which examples are in them and the order of the steps are not. With ``none``, every step but the
    last takes exactly ``examples_per_step``.

    Every example is taken once an epoch. Several processes share each step, each taking chunks of about as many tokens;
    one chunk is cut only where there are fewer than processes. PyTorch takes it for a batch sampler, a batch being what
    one process computes for one step.
    """

    def __init__(
        self,
        examples: Sequence[TokenizedExample],
        *,
        packing: Packing,
        examples_per_step: int,
        prefixes_per_step: int,
        seed: int,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self.seed = seed
        self.epoch = 0
        self.process, self.processes = process, processes
        self.examples = examples
        prompts = [example.prompt for example in examples]
        if packing == "prefix":
            self.groups = group_by_prefix(prompts)
            self.prefixes = [shared_length([prompts[index] for index in group]) for group in self.groups]
            steps = self._fill(examples_per_step, max(1, examples_per_step // prefixes_per_step))
        else:
            count = len(examples)
            self.groups, self.prefixes = [list(range(count))], [0]
            starts = range(0, count, examples_per_step)
            steps = [[(0, min(examples_per_step, count - start))] for start in starts]
        self.steps = self._enough(steps)

    def _fill(self, examples_per_step: int, chunk: int) -> list[list[tuple[int, int]]]:
        """Each step's chunks, as a group's number and how many of its examples."""
        chunks = []
        for number, group in enumerate(self.groups):
            pieces = max(1, round(len(group) / chunk))
            bounds = [len(group) * piece // pieces for piece in range(pieces + 1)]
            chunks += [(number, end - start) for start, end in pairwise(bounds)]
        random.Random(self.seed).shuffle(chunks)
        steps: list[list[tuple[int, int]]] = []
        total = examples_per_step
        for number, size in chunks:
            if total >= examples_per_step or total + size > examples_per_step + chunk // 2:
                steps.append([])
                total = 0
            steps[-1].append((number, size))
            total += size
        return steps

    def _enough(self, steps: list[list[tuple[int, int]]]) -> list[list[tuple[int, int]]]:
        """The steps, those with fewer examples than there are processes put together."""
        made: list[list[tuple[int, int]]] = []
        for step in steps:
            if made and min(sum(size for _, size in one) for one in (step, made[-1])) < self.processes:
                made[-1] += step
            else:
                made.append(list(step))
        return made

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration gives."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.steps)

    def order(self) -> list[list[list[int]]]:
        """The steps of this epoch, each as its chunks, those of all processes."""
        source = random.Random(f"{self.seed} {self.epoch}")
        members = [iter(source.sample(group, len(group))) for group in self.groups]
        steps = [[[next(members[number]) for _ in range(size)] for number, size in step] for step in self.steps]
        numbers = list(range(len(steps)))
        source.shuffle(numbers)
        return [steps[number] for number in numbers]

    def shares(self, chunks: list[list[int]]) -> list[list[int]]:
        """A step's examples by process; none is without, unless there are fewer examples than processes."""
        if self.processes == 1:
            return [[index for chunk in chunks for index in chunk]]
        joined: dict[int, list[int]] = {}
        for chunk in chunks:
            joined.setdefault(self.group_of[chunk[0]], []).extend(chunk)
        chunks = list(joined.values())
        while len(chunks) < self.processes and max(map(len, chunks)) > 1:
            longest = max(chunks, key=len)
            chunks.remove(longest)
            chunks += [longest[: len(longest) // 2], longest[len(longest) // 2 :]]
        shares: list[list[int]] = [[] for _ in range(self.processes)]
        loads = [0] * self.processes
        for chunk in sorted(chunks, key=self._cost, reverse=True):
            least = loads.index(min(loads))
            shares[least] += chunk
            loads[least] += self._cost(chunk)
        return shares

    def _cost(self, chunk: list[int]) -> int:
        """How many tokens a chunk has, its prefix counted once."""
        prefix = self.prefixes[self.group_of[chunk[0]]]
        return prefix + beyond([self.examples[index] for index in chunk], prefix)

    @cached_property
    def group_of(self) -> dict[int, int]:
        """The number of each example's group."""
        return {index: number for number, group in enumerate(self.groups) for index in group}

    def __iter__(self) -> Iterator[list[int]]:
        for chunks in self.order():
            yield self.shares(chunks)[self.process]


class StepLoader(DataLoader[Any]):
    """A loader whose batches are a :class:`StepSampler`'s steps.

    accelerate is not asked to divide them among processes, since it counts on batches of one size.
    """

    def set_epoch(self, epoch: int) -> None:
        """Tell the sampler which epoch begins, and the examples, where they differ from epoch to epoch."""
        self.batch_sampler.set_epoch(epoch)
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)
