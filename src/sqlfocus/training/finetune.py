"""The run: from flags to an adapter folder that carries what serving needs."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from torch.distributed.tensor import DTensor
from transformers.integrations import is_deepspeed_zero3_enabled
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from sqlfocus.corpus.prompt import PromptTemplate, template_named
from sqlfocus.errors import UserError
from sqlfocus.files import atomic_folder, disk_errors, sha256
from sqlfocus.models import attention
from sqlfocus.models.loading import Source, find_model, load_base, load_tokenizer, quiet_peft
from sqlfocus.models.record import ModelRecord, installed_versions
from sqlfocus.training.arguments import FinetuneArguments
from sqlfocus.training.checkpoints import (
    Run,
    fingerprint_of_data,
    fingerprint_of_weights,
    step_of,
    there_is_one,
    to_resume,
)
from sqlfocus.training.dataset import Dataset, dialects, load_dataset, tokenized
from sqlfocus.training.fused import fuse_layers
from sqlfocus.training.head import fuse_loss
from sqlfocus.training.lora import speed_up
from sqlfocus.training.machine import choose_threads, keep_freed_memory
from sqlfocus.training.packing import StepSampler, TokenizedExample
from sqlfocus.training.plan import announce, run_dtype
from sqlfocus.training.progress import Progress, StopOnInterrupt
from sqlfocus.training.reorder import EpochExamples, reordered
from sqlfocus.training.tracking import Tracker, choose_mode
from sqlfocus.training.trainer import PackedTrainer, not_finite

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Measure = Callable[["PreTrainedModel", "PreTrainedTokenizerBase", PromptTemplate, Tracker, int], dict[str, float]]
"""Measures a model in training: given it, its tokenizer, the template, the tracker and the step."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C came and a checkpoint was written; the message says how to go on."""


def check(args: FinetuneArguments) -> None:
    """Refuse before any download what the machine or the files cannot do.

    Raises:
        UserError: qlora without bitsandbytes or in shards, a missing file, an unknown template, a save folder in use.
    """
    template_named(args.prompt_template)
    if not Path(args.train_file).is_file():
        raise UserError(
            f"{args.train_file}: no such training file; make one with `sqlfocus prepare` or `sqlfocus synthesize`, "
            "or name yours with --train_file"
        )
    if args.eval_file and not Path(args.eval_file).is_file():
        raise UserError(f"{args.eval_file}: no such evaluation file; check --eval_file")
    if args.eval_databases and not Path(args.eval_databases).is_dir():
        raise UserError(f"{args.eval_databases}: no such folder of databases; check --eval_databases")
    args.row_length = max(args.row_length, args.max_seq_length)
    if args.ddp_find_unused_parameters is None:
        args.ddp_find_unused_parameters = False  # every pass goes through all of LoRA
    # The tracker is this project's own; transformers' SwanLab reporter fails where no run was begun.
    args.report_to = [name for name in args.report_to if name != "swanlab"]
    for name in ("lora_rank", "max_seq_length", "prefixes_per_step", "per_device_train_batch_size"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} {getattr(args, name)}: it must be 1 or more")
    if args.muon and args.in_shards:
        raise UserError("--muon needs each matrix whole, which FSDP and DeepSpeed cut; leave out one or the other")
    if args.eval_databases and args.in_shards:
        raise UserError(
            "--eval_databases: one process answers, which it cannot with the weights in shards (FSDP, DeepSpeed); "
            "leave it out, and run `sqlfocus evaluate` afterwards"
        )
    if args.train_mode == "qlora":
        if args.in_shards:
            raise UserError(
                "--train_mode qlora holds the 4-bit weights whole on each device, which FSDP and DeepSpeed cut; leave "
                "out one or the other"
            )
        if importlib.util.find_spec("bitsandbytes") is None:
            raise UserError("--train_mode qlora needs bitsandbytes: pip install bitsandbytes")


def adapter_folder(args: FinetuneArguments) -> Path:
    """``SAVE_DIR/<base>-lora``, where <base> is the model's name without its date and without its hub user."""
    name = Path(args.model_name).name.removesuffix(".gguf")
    if name == "XiYanSQL-QwenCoder-7B-2502":
        name = "XiYanSQL-QwenCoder-7B"
    return Path(args.save_dir) / f"{name}-lora"


def build_model(args: FinetuneArguments, source: Source) -> PreTrainedModel:
    """The base model with a fresh LoRA adapter on all its linear layers."""
    dtype = run_dtype(args)
    base = load_base(source, dtype=dtype, four_bits=args.train_mode == "qlora")
    if args.gradient_checkpointing:
        # Without it a checkpointed block has no input that needs a gradient, and LoRA learns nothing.
        base.enable_input_require_grads()
    base.config.use_cache = False
    base.set_attn_implementation(attention.NAME)
    torch.manual_seed(args.seed)
    config = LoraConfig(
        r=args.lora_rank,
        lora_alpha=args.lora_alpha,
        lora_dropout=args.lora_dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with quiet_peft():
        model = get_peft_model(base, config)
    layers = sum(isinstance(module, LoraLayer) for module in model.modules())
    # DeepSpeed's third stage has a layer's weights together only while that layer's own forward runs.
    whole = not is_deepspeed_zero3_enabled()
    fast = speed_up(model) if whole else 0
    fuse_layers(model)
    fused = whole and fuse_loss(model)
    if args.process_index == 0:
        why = "a quantized base" if whole else "DeepSpeed stage 3"
        if fast < layers:
            sys.stderr.write(
                f"{layers - fast} of {layers} LoRA layers compute as PEFT has them, not in one pass: {why}\n"
            )
        if not fused:
            why = "its output layer is not a plain one" if whole else why
            sys.stderr.write(f"The answers' logits are all in memory at once: {why}\n")
    return model


def plan_run(args: FinetuneArguments) -> str:
    """What ``sqlfocus plan`` prints; of a model on a hub only the configuration and the tokenizer are fetched.

    Raises:
        UserError: something in flags, files or machine that the user can put right.
    """
    check(args)
    choose_threads()
    source = find_model(args.model_name, hub=args.hub, weights=False)
    dataset = _dataset(args, args.train_file, load_tokenizer(source), template_named(args.prompt_template))
    return announce(args, source, dataset, _sampler(args, dataset))


def _dataset(
    args: FinetuneArguments, path: str, tokenizer: PreTrainedTokenizerBase, template: PromptTemplate
) -> Dataset:
    schema_dir = Path(args.schema_dir) if args.schema_dir else None
    return load_dataset(Path(path), tokenizer, template, schema_dir=schema_dir, max_length=args.max_seq_length)


def _epochs(
    args: FinetuneArguments, dataset: Dataset, tokenizer: PreTrainedTokenizerBase, template: PromptTemplate
) -> EpochExamples:
    """The examples, from the second epoch on with the databases' tables and columns in another order each time."""

    def again(epoch: int) -> list[TokenizedExample]:
        schemas = {
            db_id: reordered(text, random.Random(f"{args.seed} {epoch} {db_id}"))
            for db_id, text in dataset.schemas.items()
        }
        return list(tokenized(dataset.rows, tokenizer, template, schemas))

    return EpochExamples(dataset.examples, again)


def _examples_per_step(args: FinetuneArguments) -> int:
    """Those of all processes together."""
    return int(args.examples_per_device * args.world_size)


def _sampler(args: FinetuneArguments, dataset: Dataset) -> StepSampler:
    return StepSampler(
        dataset.examples,
        packing=args.packing,
        examples_per_step=_examples_per_step(args),
        prefixes_per_step=args.prefixes_per_step * args.world_size,
        seed=args.seed,
        process=args.process_index,
        processes=args.world_size,
    )


def _run_of(args: FinetuneArguments, model: PreTrainedModel, dataset: Dataset, sampler: StepSampler) -> Run:
    """What a checkpoint's run has to have in common with this one."""
    frozen = (pair for pair in model.named_parameters() if not pair[1].requires_grad)
    steps = f"{args.packing} {args.seed} {args.reorder_schema} {sampler.steps} {sampler.groups}"
    return Run(
        data=fingerprint_of_data(dataset.examples),
        base=fingerprint_of_weights(frozen) if args.process_index == 0 else "",  # another process may have none yet
        lora=f"rank {args.lora_rank}, alpha {args.lora_alpha}, {args.train_mode}",
        steps=hashlib.sha256(steps.encode()).hexdigest(),
        dtype=str(run_dtype(args)),
    )


def finetune(args: FinetuneArguments, *, measure: Measure | None = None) -> Path:
    """Fine-tune as the flags say; return the adapter's folder.

    Raises:
        UserError: something in flags, files or machine that the user can put right.
        Interrupted: Ctrl-C; a checkpoint was written.
    """
    check(args)
    if args.resume_from_checkpoint:
        there_is_one(args.resume_from_checkpoint, Path(args.output_dir))
    mode = choose_mode(args.tracking)
    choose_threads()
    keep_freed_memory()
    folder = adapter_folder(args)
    template = template_named(args.prompt_template)
    source = find_model(args.model_name, hub=args.hub)
    tokenizer = load_tokenizer(source)
    dataset = _dataset(args, args.train_file, tokenizer, template)
    evaluation = _dataset(args, args.eval_file, tokenizer, template) if args.eval_file else None
    if evaluation is not None and args.eval_strategy == "no":
        args.eval_strategy, args.eval_steps, args.do_eval = "steps", args.eval_steps or args.save_steps, True
    if len(dataset.examples) < args.world_size:
        raise UserError(
            f"{args.train_file}: {len(dataset.examples)} examples for {args.world_size} processes; each needs one"
        )
    sampler = _sampler(args, dataset)
    main = args.process_index == 0
    if main:
        sys.stderr.write(announce(args, source, dataset, sampler) + "\n")
    model = build_model(args, source)
    run = _run_of(args, model, dataset, sampler)
    resume = to_resume(args.resume_from_checkpoint, Path(args.output_dir), run) if args.resume_from_checkpoint else None
    tracker = Tracker(
        mode if main else "disabled",
        log_dir=Path(args.output_dir) / "swanlog",
        name=args.run_name or folder.name,
        config={"packing": args.packing, "prompt_template": template.name, "train_examples": len(dataset.examples)},
    )

    def measured(live: Any) -> dict[str, float]:
        assert measure is not None
        return measure(live, tokenizer, template, tracker, trainer.state.global_step)

    interrupt = StopOnInterrupt()
    trainer = PackedTrainer(
        model=model,
        args=args,
        train_examples=_epochs(args, dataset, tokenizer, template) if args.reorder_schema else dataset.examples,
        sampler=sampler,
        eval_examples=evaluation.examples if evaluation else (),
        run=run,
        measure=measured if measure is not None and main else None,
        callbacks=[one for one in (Progress(), interrupt, tracker.callback()) if one is not None],
    )
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    try:
        with disk_errors(Path(args.output_dir)):
            if resume and 0 < args.max_steps <= step_of(resume) and not args.in_shards:
                # The trainer would make one step more.
                set_peft_model_state_dict(model, load_file(resume / "adapter_model.safetensors"))
                trainer.state.global_step = step_of(resume)
            else:
                trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    finally:
        charts = tracker.finish()
    if interrupt.stopped:
        raise Interrupted(
            f"Stopped at step {trainer.state.global_step}; its checkpoint is in {args.output_dir}. "
            "Go on with the same command and --resume_from_checkpoint last"
        )
    weights = adapter_weights(model)
    if any(not bool(weight.isfinite().all()) for weight in weights.values()):
        raise UserError(not_finite(trainer.state.global_step))
    if main:
        record = ModelRecord(
            base_model=_portable(args.model_name),
            base_revision=source.revision,
            prompt_template=template.name,
            dialects=dialects(dataset.rows) or ["sqlite"],
            hub=args.hub,
            train_file=Path(args.train_file).name,
            train_sha256=sha256(Path(args.train_file)),
            max_values=dataset.max_values,
            training={
                "examples": len(dataset.examples),
                "steps": trainer.state.global_step,
                "examples_per_step": _examples_per_step(args),
                "learning_rate": args.learning_rate,
                "optimizer": "muon" if args.muon else str(getattr(args.optim, "value", args.optim)),
                "lora_rank": args.lora_rank,
                "lora_alpha": args.lora_alpha,
                "reorder_schema": args.reorder_schema,
                "seed": args.seed,
            },
            versions=installed_versions(),
        )
        save_adapter(model, weights, tokenizer, record, folder)
        sys.stderr.write(f"Adapter: {folder}\n{charts}\n" if charts else f"Adapter: {folder}\n")
    # A process that ends with its group still open can be aborted by the group's own threads, all work done.
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()
    return folder


def _portable(model_name: str) -> str:
    """A local base by its full path, so that the adapter finds it from any working directory."""
    path = Path(model_name).expanduser()
    return str(path.resolve()) if path.exists() else model_name


def adapter_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The trained weights by name, whole and on the CPU; every process must call it where they are in shards."""
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    gathered: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
    if is_deepspeed_zero3_enabled():
        import deepspeed

        gathered = deepspeed.zero.GatheredParameters(list(trained.values()))
    with gathered:
        whole = {
            name: weight.full_tensor() if isinstance(weight, DTensor) else weight for name, weight in trained.items()
        }
        return {name: weight.detach().cpu().clone() for name, weight in whole.items()}


def save_adapter(
    model: PreTrainedModel,
    weights: dict[str, torch.Tensor],
    tokenizer: PreTrainedTokenizerBase,
    record: ModelRecord,
    folder: Path,
) -> None:
    """Write adapter, tokenizer and record to ``folder``, replacing what was there, whole or not at all.

    Raises:
        UserError: the disk is full, or the folder cannot be written.
    """
    with atomic_folder(folder) as part:
        model.save_pretrained(str(part), state_dict=weights)
        tokenizer.save_pretrained(str(part))
        record.write(part)
