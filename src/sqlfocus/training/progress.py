"""What a person sees while a run goes on, and Ctrl-C that loses nothing."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Any

from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class Progress(TrainerCallback):
    """A bar with loss, tokens/s and time left; evaluation results stand above it."""

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_world_process_zero and not args.disable_tqdm:
            self.bar = tqdm(
                total=state.max_steps, initial=state.global_step, unit="step", dynamic_ncols=True, file=sys.stderr
            )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if logs is None or not state.is_world_process_zero:
            return
        if "loss" in logs:
            line = f"loss {logs['loss']:.3f}, {logs['tokens_per_second']:.0f} tokens/s"
            if self.bar is not None:
                self.bar.set_postfix_str(line)
            else:
                sys.stderr.write(f"step {state.global_step}/{state.max_steps}: {line}\n")
        elif any(name.startswith("eval_") for name in logs):
            shown = ", ".join(f"{name} {value:.3f}" for name, value in logs.items() if name.startswith("eval_"))
            tqdm.write(f"step {state.global_step}: {shown}", file=sys.stderr)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.bar is not None:
            self.bar.close()


class StopOnInterrupt(TrainerCallback):
    """Turns the first Ctrl-C into a checkpoint and an end after the step under way; a second one stops at once.

    It holds the signal from ``on_train_begin`` to ``on_train_end``; ``stopped`` says whether it was used.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._before: Any = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True
        tqdm.write("Stopping after this step, with a checkpoint; Ctrl-C again stops at once.", file=sys.stderr)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._before = signal.signal(signal.SIGINT, self._handle)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.stopped:
            control.should_save = True
            control.should_training_stop = True

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        signal.signal(signal.SIGINT, self._before)
