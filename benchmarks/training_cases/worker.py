"""One way of training, timed in a process of its own: ``worker.py METHOD`` reads a job on stdin, writes figures.

The methods: ``ours``, ``bare`` (ours without the loop), ``original``, ``trl``; ``difference`` writes one number.
The job (JSON): ``model`` a folder; ``examples`` pairs of prompt and answer tokens; ``steps`` lists of their numbers;
``dtype``, ``rank``, ``learning_rate``, ``batch_size``, ``row_length``, ``threads``, ``options``. The figures (JSON, the
last line): ``seconds`` of all steps but the first and ``examples`` in them, ``losses`` of each step, ``peak`` bytes.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainerCallback, TrainingArguments

warnings.filterwarnings("ignore")


def now(*, wait: bool = True) -> float:
    """Seconds, when all work on a GPU is done, or without waiting for that."""
    if wait and torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


class Clock(TrainerCallback):
    """The ``times`` when training began and when each optimizer step ended, and the steps' losses.

    It waits for a GPU after the ``warm`` steps and after the last only: a loop prepares a step while the GPU is at the
    one before.
    """

    def __init__(self, warm: int = 1) -> None:
        self.warm = warm
        self.times = [now()]
        self.losses: list[float] = []

    @property
    def started(self) -> float:
        """When the first step ended."""
        return self.times[1]

    @property
    def ended(self) -> float:
        """When the last step ended."""
        return self.times[-1]

    def on_train_begin(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        self.times = [now()]

    def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self.times.append(now(wait=state.global_step <= self.warm or state.global_step == state.max_steps))

    def on_log(self, _args: Any, _state: Any, _control: Any, logs: Any = None, **_: Any) -> None:
        if logs and "loss" in logs:
            self.losses.append(logs["loss"])


def adapted(job: dict[str, Any], *, dtype: str | None = None) -> Any:
    """The model with LoRA as PEFT has it: on a bfloat16 base the adapter is float32."""
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, dtype or job["dtype"]))
    return with_lora(model, job)


def with_lora(model: Any, job: dict[str, Any]) -> Any:
    """The model with a fresh adapter on all its linear layers, without dropout."""
    model.config.use_cache = False
    torch.manual_seed(0)
    lora = LoraConfig(
        r=job["rank"], lora_alpha=2 * job["rank"], lora_dropout=0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return get_peft_model(model, lora)


def flags(job: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What all methods have in common."""
    return {
        "output_dir": tempfile.mkdtemp(),
        "use_cpu": not torch.cuda.is_available(),
        "bf16": False,
        "learning_rate": job["learning_rate"],
        "lr_scheduler_type": "constant",
        "optim": "adamw_torch",
        "num_train_epochs": 1,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "remove_unused_columns": False,
        **more,
    }


def sequences(job: dict[str, Any]) -> Iterator[dict[str, list[int]]]:
    """The steps' examples in their order, answers alone labelled."""
    for step in job["steps"]:
        for number in step:
            prompt, answer = job["examples"][number]
            yield {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


def quick(job: dict[str, Any], *, dtype: str | None = None) -> Any:
    """The model as :func:`sqlfocus.training.finetune.build_model` makes it ready."""
    from sqlfocus.models import attention
    from sqlfocus.training.fused import fuse_layers
    from sqlfocus.training.head import fuse_loss
    from sqlfocus.training.lora import speed_up
    from sqlfocus.training.machine import keep_freed_memory

    keep_freed_memory()
    model = adapted(job, dtype=dtype)
    model.set_attn_implementation(attention.NAME)
    speed_up(model)
    fuse_layers(model)
    fuse_loss(model)
    return model.train()


def tokenized(job: dict[str, Any]) -> list[Any]:
    from sqlfocus.training.packing import TokenizedExample

    return [TokenizedExample(prompt, answer) for prompt, answer in job["examples"]]


def ours(job: dict[str, Any], model: Any = None) -> tuple[Clock, int]:
    """This project's trainer, packing by shared prefix; ``options`` are its flags."""
    from transformers.trainer_callback import PrinterCallback

    from sqlfocus.training.arguments import FinetuneArguments
    from sqlfocus.training.packing import StepSampler
    from sqlfocus.training.trainer import PackedTrainer

    class Given(StepSampler):
        """The job's steps, in their order."""

        def __init__(self, steps: list[list[int]]) -> None:
            self.steps, self.process, self.processes, self.seed, self.epoch = steps, 0, 1, 0, 0  # type: ignore[assignment]

        def order(self) -> list[list[list[int]]]:
            return [[step] for step in self.steps]  # type: ignore[list-item]

    model, examples = model or quick(job), tokenized(job)
    args = FinetuneArguments(**flags(job, row_length=job["row_length"], dtype=job["dtype"], **job["options"]))
    trainer = PackedTrainer(model=model, args=args, train_examples=examples, sampler=Given(job["steps"]))
    trainer.remove_callback(PrinterCallback)
    clock = Clock(job.get("warm", 1))
    trainer.add_callback(clock)
    trainer.train()
    return clock, sum(len(step) for step in job["steps"][1:])


def original(job: dict[str, Any], model: Any = None) -> tuple[Clock, int]:
    """The original recipe: batches padded to their longest, logits for every token, transformers' own loss."""

    def collate(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        width = max(len(row["input_ids"]) for row in rows)

        def padded(name: str, value: int) -> torch.Tensor:
            return torch.tensor([row[name] + [value] * (width - len(row[name])) for row in rows])

        mask = torch.tensor([[1] * len(row["input_ids"]) + [0] * (width - len(row["input_ids"])) for row in rows])
        return {"input_ids": padded("input_ids", 0), "labels": padded("labels", -100), "attention_mask": mask}

    size = job["batch_size"]
    args = TrainingArguments(
        **flags(
            job,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=len(job["steps"][0]) // size,
            train_sampling_strategy="sequential",
            **job["options"],
        )
    )
    trainer = Trainer(model=model or adapted(job), args=args, train_dataset=list(sequences(job)), data_collator=collate)
    return _timed(trainer), sum(len(step) for step in job["steps"][1:])


def trl(job: dict[str, Any]) -> tuple[Clock, int]:
    """TRL's SFTTrainer on completions; ``options`` are its own."""
    from datasets import Dataset
    from datasets.table import InMemoryTable
    from trl import SFTConfig, SFTTrainer

    rows = [
        {"input_ids": row["input_ids"], "completion_mask": [int(label != -100) for label in row["labels"]]}
        for row in sequences(job)
    ]
    # Its default would cut prompts at 1,024 tokens, and the answers with them.
    options = {"train_sampling_strategy": "sequential", "max_length": None, **job["options"]}
    size = options.pop("per_device_train_batch_size", job["batch_size"])
    args = SFTConfig(
        **flags(
            job,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=1 if options.get("packing") else max(1, len(job["steps"][0]) // size),
            completion_only_loss=True,
            shuffle_dataset=False,
            gradient_checkpointing=False,
            **options,
        )
    )
    args.remove_unused_columns = True
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    # Named here, since naming it by its content pickles pyarrow, which fails.
    dataset = Dataset(InMemoryTable.from_pylist(rows), fingerprint="spider")
    trainer = SFTTrainer(model=adapted(job), args=args, train_dataset=dataset, processing_class=tokenizer)
    rows_a_step = size * args.gradient_accumulation_steps
    packed = trainer.train_dataset["seq_lengths"] if "seq_lengths" in trainer.train_dataset.column_names else None
    first = sum(len(row) for row in packed[:rows_a_step]) if packed is not None else rows_a_step
    return _timed(trainer), len(rows) - first


def bare(job: dict[str, Any], model: Any = None) -> tuple[Clock, int]:
    """Forward, backward and optimizer of this project's steps alone, with no loop around them."""
    from sqlfocus.training.loss import row_losses
    from sqlfocus.training.packing import batches

    model, examples = model or quick(job), tokenized(job)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=job["learning_rate"])
    steps = [[examples[number] for number in step] for step in job["steps"]]
    packed = [batches(step, packing="prefix", row_length=job["row_length"], batch_size=4) for step in steps]
    clock = Clock()
    for packs in packed:
        count = sum(len(example.answer) for rows in packs for row in rows for example in row)
        for rows in packs:
            for loss in row_losses(model, rows, packing="prefix", device=device):
                (loss / count).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.times.append(now())
    return clock, sum(len(step) for step in job["steps"][1:])


def gradient_difference(job: dict[str, Any]) -> float:
    """The largest relative difference of loss and LoRA gradient, a few examples packed in two rows against padded."""
    from sqlfocus.training.loss import row_losses

    model = quick(job, dtype="float32")
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with torch.no_grad():  # a fresh adapter's B is 0 and hides A's gradient
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.01)

    def found(packs: list[list[list[Any]]], packing: Any) -> tuple[float, torch.Tensor]:
        model.zero_grad()
        total = 0.0
        for rows in packs:
            for loss in row_losses(model, rows, packing=packing, device=torch.device("cpu")):
                loss.backward()
                total += float(loss.detach())
        return total, torch.cat([parameter.grad.flatten() for parameter in trained])

    few = [tokenized(job)[number] for number in job["steps"][0][:4]]
    packed_loss, packed = found([[few[:2], few[2:]]], "prefix")
    plain_loss, plain = found([[few]], "none")
    return max(abs(packed_loss - plain_loss) / abs(plain_loss), float((packed - plain).norm() / plain.norm()))


def _timed(trainer: Any) -> Clock:
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    return clock


def main() -> None:
    job = json.load(sys.stdin)
    torch.set_num_threads(job["threads"])
    if sys.argv[1] == "difference":
        print("\n" + json.dumps(gradient_difference(job)))
        return
    clock, count = {"ours": ours, "bare": bare, "original": original, "trl": trl}[sys.argv[1]](job)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated()
    figures = {"seconds": clock.ended - clock.started, "losses": clock.losses, "peak": peak, "examples": count}
    print("\n" + json.dumps(figures))


if __name__ == "__main__":
    main()
