"""Merge an adapter into its base model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PureWindowsPath

import torch
from peft.tuners.lora import LoraLayer

from sqlfocus.errors import UserError
from sqlfocus.files import atomic_folder
from sqlfocus.models.card import CARD, base_licence, base_name, written
from sqlfocus.models.loading import adapter_base, is_adapter, load_adapter, load_base, load_tokenizer, named_base
from sqlfocus.models.record import ModelRecord


def merge(
    adapter: Path, output: Path, *, share: float = 1.0, dtype: torch.dtype | None = None, force: bool = False
) -> Path:
    """Merge ``adapter`` into its base and save model, tokenizer, generation config, record and model card.

    The base is loaded once; each adapted matrix gets its update in place, so that memory holds one model and one
    layer's update. ``dtype`` defaults to the type that the base's weights are stored in. The folder is written under
    another name first and renamed when it is whole.

    With a ``share`` below 1 the weights go only that far from the base's to the adapter's, which keeps more of what the
    base could do before (WiSE-FT: Wortsman et al., 2022, arXiv 2109.01903).

    Raises:
        UserError: ``share`` is none, ``adapter`` is not an adapter folder, ``output`` exists (and not ``force``), its
            base is not to be had or has changed, or the disk is full.
    """
    if not 0 < share <= 1:
        raise UserError(f"--share {share:g}: it is more than 0, and 1 at most")
    if not is_adapter(str(adapter)):
        raise UserError(f"{adapter}: no adapter there (no adapter_config.json); fine-tune first: python finetune.py")
    if output.exists() and not force:
        raise UserError(f"{output}: the folder exists; name another with --output, or pass --force to replace it")
    record, source = adapter_base(adapter)
    named = record.base_model if record else named_base(adapter)
    licence = base_licence(named, source.folder)
    base = load_base(source, dtype=dtype or "auto")
    tokenizer = load_tokenizer(source)
    model = load_adapter(base, adapter)
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.scale_layer(share)
    merged = model.merge_and_unload()
    with atomic_folder(output) as part:
        merged.save_pretrained(str(part))
        tokenizer.save_pretrained(str(part))
        if record is not None:
            if share < 1:
                record.training["share"] = share
                record.evaluations.clear()  # they are the whole adapter's
            record.write(part)
        (part / CARD).write_text(model_card(output.name, record, named, licence), encoding="utf-8")
    return output


def model_card(name: str, record: ModelRecord | None, base: str, licence: Mapping[str, str]) -> str:
    """The model card, in Markdown with the hub's front matter; ``licence`` has its entries on the base's licence.

    A card is published with the model, so files and a base of one's own are named without the folders they lie in.
    """
    text = "\n".join(_lines(name, record, base))
    return written(
        text,
        base_model=base_name(base),
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["text-to-sql", "lora", "sql-focus-finetune"],
        **licence,
    )


def _lines(name: str, record: ModelRecord | None, base: str) -> list[str]:
    lines = [f"# {name}", ""]
    lines.append(f"`{base_name(base)}` with a LoRA adapter merged into its weights, made with sql-focus-finetune.")
    if record is None:
        return lines
    lines += ["", f"- Prompt template: `{record.prompt_template}`", f"- Dialects: {', '.join(record.dialects)}"]
    if record.train_file:
        lines.append(f"- Training data: `{_name(record.train_file)}` (SHA-256 `{record.train_sha256}`)")
    lines += [f"- {key.replace('_', ' ').capitalize()}: {value}" for key, value in record.training.items()]
    lines += ["", "## Execution accuracy", ""]
    if not record.evaluations:
        lines.append("Not measured. Measure it with `sqlfocus evaluate`.")
    else:
        lines += ["| data | questions | EX | 95 % interval |", "|---|---|---|---|"]
        lines += [
            f"| {_name(row['data'])} | {row['questions']} | {row['ex']:.3f} | {row['low']:.3f} to {row['high']:.3f} |"
            for row in record.evaluations
        ]
        lines += ["", "Measured with the adapter on its base, before merging."]
    return lines


def _name(path: str) -> str:
    """A file's name without its folders, of whichever system."""
    return PureWindowsPath(path).name
