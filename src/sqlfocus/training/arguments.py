"""The flags of fine-tuning: ours, and every one of transformers' ``TrainingArguments``."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal

from transformers import TrainingArguments


@dataclass
class FinetuneArguments(TrainingArguments):
    """``TrainingArguments`` with this project's flags and defaults.

    An optimizer step takes about ``per_device_train_batch_size × gradient_accumulation_steps`` examples on each device;
    how they are cut into forward passes is the packing's business.
    """

    model_name: str = field(
        default="XGenerationLab/XiYanSQL-QwenCoder-7B-2502",
        metadata={"help": "base model: a hub name, fetched when first used, a local folder, or a GGUF file"},
    )
    hub: Literal["huggingface", "modelscope"] = field(
        default="huggingface", metadata={"help": "where a hub name is fetched from"}
    )
    output_dir: str = field(default="./output", metadata={"help": "folder for checkpoints"})
    save_dir: str = field(default="./save-model", metadata={"help": "folder for the finished adapter"})
    train_file: str = field(default="./data/train_data.jsonl", metadata={"help": "training examples, JSONL"})
    eval_file: str | None = field(default=None, metadata={"help": "evaluation examples, JSONL"})
    schema_dir: str | None = field(
        default=None,
        metadata={"help": "folder with a schema text <db_id>.txt a database; default: schemas/ beside the train file"},
    )
    eval_databases: str | None = field(
        default=None, metadata={"help": "folder of SQLite files; with it, evaluation executes its answers (EX)"}
    )
    eval_samples: int = field(default=64, metadata={"help": "how many evaluation examples EX is measured on"})
    prompt_template: str = field(
        default="schema-first", metadata={"help": "schema-first, schema-first-zh or xiyan; saved with the adapter"}
    )
    max_seq_length: int = field(
        default=1024, metadata={"help": "an example of more tokens is left out and counted, never cut"}
    )
    packing: Literal["prefix", "none"] = field(
        default="prefix", metadata={"help": "prefix: compute what prompts share once; none: a row an example"}
    )
    row_length: int = field(
        default=2048, metadata={"help": "most tokens of a packed row; less needs less memory, more shares more"}
    )
    prefixes_per_step: int = field(
        default=2, metadata={"help": "from how many databases, about, a packed step takes a device's examples"}
    )
    reorder_schema: bool = field(
        default=False,
        metadata={"help": "from the second epoch on, each epoch has a database's tables and columns in another order"},
    )
    lora_rank: int = field(default=16, metadata={"help": "LoRA's rank"})
    lora_alpha: float = field(default=32, metadata={"help": "LoRA's alpha; the update is scaled by alpha / rank"})
    lora_dropout: float = field(default=0.05, metadata={"help": "dropout before LoRA's first matrix"})
    train_mode: Literal["lora", "qlora"] = field(
        default="lora", metadata={"help": "qlora holds the base in 4 bits (needs bitsandbytes)"}
    )
    dtype: Literal["auto", "float32", "bfloat16"] = field(
        default="auto",
        metadata={"help": "the base's type; auto: bfloat16 where the hardware computes it, else float32"},
    )
    tracking: Literal["auto", "online", "local", "offline", "disabled"] = field(
        default="auto", metadata={"help": "SwanLab's mode; auto: online when a key is there, else offline"}
    )
    per_device_train_batch_size: int = field(default=4, metadata={"help": "see gradient_accumulation_steps"})
    per_device_eval_batch_size: int = field(default=4, metadata={"help": "examples at once in evaluation"})
    gradient_accumulation_steps: int = field(
        default=4, metadata={"help": "a step takes per_device_train_batch_size times this many examples a device"}
    )
    logging_steps: float = field(default=10, metadata={"help": "log every so many steps"})
    num_train_epochs: float = field(default=3, metadata={"help": "passes over the training examples"})
    save_steps: float = field(default=500, metadata={"help": "write a checkpoint every so many steps"})
    learning_rate: float = field(default=2e-4, metadata={"help": "peak learning rate"})
    optim: str = field(default="adamw_torch", metadata={"help": "optimizer"})
    muon: bool = field(
        default=False,
        metadata={"help": "Muon instead of --optim: learns more a step at its best learning rate, less at others"},
    )
    seed: int = field(default=42, metadata={"help": "seed of the order, dropout and LoRA's start"})

    def __post_init__(self) -> None:
        """Settle the examples of a step on a device.

        transformers' accumulation is left at 1, since a step's forward passes are as many as its examples need.
        """
        self.examples_per_device: int = self.per_device_train_batch_size * self.gradient_accumulation_steps
        self.gradient_accumulation_steps = 1
        super().__post_init__()

    @property
    def in_shards(self) -> bool:
        """Whether weights or gradients are cut among processes: by flags, or by ``accelerate launch``'s configuration.

        Processes then make every forward pass together.
        """
        launched = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")
        return bool(self.fsdp or self.deepspeed) or any(os.environ.get(name, "").lower() == "true" for name in launched)
