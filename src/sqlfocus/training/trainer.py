"""transformers' Trainer over packed steps: one batch is all that one process computes for one optimizer step."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerControl
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, rotate_checkpoints

from sqlfocus.errors import UserError
from sqlfocus.training.arguments import FinetuneArguments
from sqlfocus.training.check import check_packing
from sqlfocus.training.checkpoints import Run, mark
from sqlfocus.training.loss import row_losses
from sqlfocus.training.packing import Row, StepLoader, StepSampler, TokenizedExample, batches
from sqlfocus.training.plan import pack_tokens

Measure = Callable[[Any], Mapping[str, float]]
"""Given the model in evaluation mode, measures it; the names get the prefix ``eval_``."""


class PackedTrainer(Trainer):
    """Trains on :class:`TokenizedExample` lists, packed by shared prefix or padded.

    The loss of a step is the mean over all its answer tokens, on all devices. Checkpoints are marked as those of
    ``run``, where it is given.
    """

    args: FinetuneArguments
    control: TrainerControl
    optimizer: torch.optim.Optimizer | None

    def __init__(
        self,
        *,
        args: FinetuneArguments,
        train_examples: Sequence[TokenizedExample],
        sampler: StepSampler,
        run: Run | None = None,
        eval_examples: Sequence[TokenizedExample] = (),
        measure: Measure | None = None,
        **kwargs: Any,
    ) -> None:
        self.sampler = sampler
        self.run = run
        self.finite = torch.ones((), dtype=torch.bool, device=args.device)
        self.eval_examples = eval_examples
        self.measure = measure
        self.tokens_seen = 0
        self.clock = time.monotonic()
        self.checked = args.packing == "none"
        # It looks at the loss after every step, and so has a GPU wait for the next step's rows. True is transformers'
        # default, so that nothing tells who asked for it: docs/training.md says that it is off.
        args.logging_nan_inf_filter = False
        super().__init__(args=args, train_dataset=train_examples, eval_dataset=eval_examples, **kwargs)

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Muon (Jordan et al., 2024) where it is asked for: each LoRA matrix's update is orthogonalized.

        Its size is AdamW's (Liu et al., 2025, arXiv 2502.16982), so that the learning rate means about the same.
        """
        if self.args.muon and self.optimizer is None:
            trained = [parameter for parameter in (model or self.model).parameters() if parameter.requires_grad]
            self.optimizer = torch.optim.Muon(
                trained, lr=self.args.learning_rate, weight_decay=self.args.weight_decay, adjust_lr_fn="match_rms_adamw"
            )
        return super().create_optimizer(model)

    def get_train_dataloader(self) -> DataLoader[Any]:
        return StepLoader(
            self.train_dataset,
            batch_sampler=self.sampler,
            collate_fn=self._collate,
            num_workers=self.args.dataloader_num_workers,
        )

    def _collate(self, examples: list[TokenizedExample]) -> dict[str, list[list[Row]]]:
        return {"packs": self._packs(examples, self.args.per_device_train_batch_size)}

    def _packs(self, examples: Sequence[TokenizedExample], batch_size: int) -> list[list[Row]]:
        return batches(
            examples,
            packing=self.args.packing,
            row_length=self.args.row_length,
            batch_size=batch_size,
            share_rows=not self.args.in_shards,
        )

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> torch.Tensor | int:
        count = sum(len(example.answer) for step in batch_samples for example in _examples(step["packs"]))
        if self.args.world_size == 1:
            return count  # on a GPU it would wait for the step before
        return self.accelerator.gather(torch.tensor(count, device=device)).sum()

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        packs = inputs["packs"]
        if not self.checked:
            self.checked = True
            unwrapped = self.accelerator.unwrap_model(model) if not self.args.in_shards else model
            whole = not self.args.in_shards and self.args.train_mode != "qlora"
            check_packing(unwrapped, packs, self.args.device, whole=whole)
        model.train()
        # The optimizer averages gradients over processes; the mean wanted is over tokens of all of them.
        scale = self.accelerator.num_processes / num_items_in_batch
        total = torch.zeros((), device=self.args.device)
        passes = sum(map(len, packs))
        wanted = self._passes(passes)
        number = 0
        # Passes to keep others company are over an example that is there already, and count nothing.
        for rows in [*packs, *[[packs[0][0][:1]]] * (wanted - passes)]:
            self.tokens_seen += pack_tokens(rows, self.args.packing)
            losses = row_losses(model, rows, packing=self.args.packing, device=self.args.device)
            for _ in rows:
                number += 1
                last = number == wanted
                self.accelerator.gradient_state._set_sync_gradients(last)  # DeepSpeed's engine steps where it is true
                with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
                    with self.compute_loss_context_manager():
                        loss = next(losses) * (scale if number <= passes else 0 * scale)
                    self.accelerator.backward(loss)
                total += loss.detach()
        if not self.args.fp16:  # whose scaler leaves such a step out
            self.finite &= total.isfinite()
            if total.device.type == "cpu":  # to look at it on a GPU is to wait for it
                self._stop_unless_finite()
        return total

    def _stop_unless_finite(self) -> None:
        """Stop where a loss was no number: what comes of it is none either, and would be saved.

        Raises:
            UserError: it was.
        """
        if not bool(self.finite):
            raise UserError(not_finite(self.state.global_step))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Older ones go only when the new one is marked as whole."""
        self._stop_unless_finite()
        if self.run is None:
            super()._save_checkpoint(model, trial)
            return
        most, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self.args.save_total_limit = most
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            folder = self._get_output_dir(trial=trial)
            mark(Path(folder) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}", self.run)
            best = self.state.best_model_checkpoint
            rotate_checkpoints(output_dir=folder, save_total_limit=most, best_model_checkpoint=best, use_mtime=True)

    def _passes(self, own: int) -> int:
        """How many forward passes this process makes for its ``own`` rows of a step: in shards, as many as any."""
        if self.args.world_size == 1 or not self.args.in_shards:
            return own
        return int(self.accelerator.gather(torch.tensor(own, device=self.args.device)).max())

    def floating_point_ops(self, inputs: Any) -> int:
        """Forward and backward of a frozen base: 2 products forward, 2 backward, a weight and a token."""
        tokens = sum(pack_tokens(rows, self.args.packing) for rows in inputs["packs"])
        return 4 * sum(int(parameter.numel()) for parameter in self.model.parameters()) * tokens

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            self._stop_unless_finite()
            now = time.monotonic()
            logs["tokens_per_second"] = round(self.tokens_seen / (now - self.clock), 1)
            logs["memory_gb"] = round(peak_memory() / 1e9, 2)
            self.tokens_seen, self.clock = 0, now
        super().log(logs, start_time)

    def evaluate(self, *_args: Any, **_kwargs: Any) -> dict[str, float]:
        """The mean loss over the evaluation examples' answer tokens, and what ``measure`` says of the model."""
        started = time.monotonic()
        model = self.model
        model.eval()
        loss, tokens = 0.0, 0
        with torch.inference_mode(), self.compute_loss_context_manager():
            for rows in self._packs(self.eval_examples, self.args.per_device_eval_batch_size):
                losses = row_losses(model, rows, packing=self.args.packing, device=self.args.device)
                loss += sum(float(one) for one in losses)
                tokens += sum(len(example.answer) for row in rows for example in row)
        metrics = {"eval_loss": loss / max(tokens, 1)}
        if self.measure is not None:
            metrics |= {f"eval_{name}": value for name, value in self.measure(model).items()}
        model.train()
        self.clock += time.monotonic() - started  # the time of an evaluation is not training's
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def not_finite(step: int) -> str:
    """What to say where a loss or a weight is no number."""
    return (
        f"after step {step} the loss is no longer a number, and nothing more is saved; begin anew with a smaller "
        "--learning_rate, or see with --resume_from_checkpoint last whether it comes again"
    )


def _examples(packs: Sequence[Sequence[Row]]) -> Iterator[TokenizedExample]:
    return (example for rows in packs for row in rows for example in row)


def peak_memory() -> int:
    """Bytes: the most that PyTorch has held on the GPU, else what this process holds now."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return int(psutil.Process().memory_info().rss)
