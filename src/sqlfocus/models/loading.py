"""Loading models and tokenizers: from a hub, a local folder, a GGUF file, or an adapter on its base."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from sqlfocus.errors import UserError, first_line
from sqlfocus.files import parse_json, sha256
from sqlfocus.models.dequantize import dequantized
from sqlfocus.models.record import ModelRecord, read_record

HUBS = ("huggingface", "modelscope")
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
# What is fetched of a model: weights, the last, in one format only, and never a pickle. The card tells the licence.
_PATTERNS = ["*.json", "*.model", "*.txt", "*.jinja", "LICENSE*", "README.md", "*.safetensors"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a base model's files are, and their revision: a hub's commit or ``sha256:…`` of a GGUF file."""

    folder: Path
    revision: str = ""


def find_model(name: str, *, hub: str = "huggingface", weights: bool = True) -> Source:
    """Find a base model: a local folder, a GGUF file, or a name on a hub, which is fetched when first used.

    Without ``weights``, only configuration and tokenizer are fetched from a hub.

    A GGUF file is dequantized when first used; the result is kept (:mod:`sqlfocus.models.dequantize`).

    Raises:
        UserError: there is no such model, the network cannot be reached, or the folder holds no model.
    """
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise UserError(f"{name}: no such GGUF file")
        digest = sha256(path)
        return Source(dequantized(path, digest), f"sha256:{digest}")
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UserError(f"{name}: the folder holds no model (no config.json); name a model's folder or a hub name")
        return Source(path)
    if name.startswith((".", "/", "~")) or name.count("/") != 1 or "\\" in name:
        raise UserError(f"{name}: no such model: neither a folder, nor a .gguf file, nor a hub name like Qwen/Qwen3-4B")
    if hub == "modelscope":
        return Source(_from_modelscope(name, _PATTERNS[: None if weights else -1]))
    return _from_hugging_face(name, _PATTERNS[: None if weights else -1])


def _from_modelscope(name: str, patterns: list[str]) -> Path:
    if importlib.util.find_spec("modelscope") is None:
        raise UserError("--hub modelscope needs the modelscope package: pip install modelscope")
    from modelscope import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except Exception as error:  # its errors share no base class
        raise UserError(f"{name}: not to be had from ModelScope ({first_line(error)})") from error


def _from_hugging_face(name: str, patterns: list[str]) -> Source:
    """The snapshot's folder in the hub's cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        folder = snapshot_download(name, allow_patterns=patterns)
    except GatedRepoError as error:
        raise UserError(f"{name}: access is restricted; accept its terms on the hub, then `hf auth login`") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UserError(f"{name}: no such model on Hugging Face; check its spelling") from error
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"{name}: not in the local cache, and Hugging Face cannot be reached; check the network, "
            "try --hub modelscope, or name a local folder or GGUF file"
        ) from error
    except Exception as error:  # the hub's client wraps connection errors of several libraries
        raise UserError(f"{name}: fetching it from Hugging Face failed ({first_line(error)})") from error
    return Source(Path(folder), revision=Path(folder).name)


def is_adapter(name: str) -> bool:
    """Whether ``name`` is a folder that holds a LoRA adapter."""
    return (Path(name).expanduser() / ADAPTER_CONFIG).is_file()


def load_tokenizer(source: Source) -> PreTrainedTokenizerBase:
    """Load the tokenizer; its chat template is needed.

    Raises:
        UserError: it cannot be loaded, or has no chat template.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.folder)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise UserError(f"{source.folder}: its tokenizer cannot be loaded ({first_line(error)})") from error
    if not tokenizer.chat_template:
        raise UserError(f"{source.folder}: its tokenizer has no chat template; take an instruct model")
    return tokenizer


def default_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware computes it, else float32.

    On a CPU without AVX512-BF16 or AMX, bfloat16 is emulated: a matrix product took 190 times as long (docs/log.md).
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "mps":
        return torch.bfloat16
    has_bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if has_bf16 else torch.float32


def default_device() -> torch.device:
    """CUDA, else MPS, else CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def load_base(source: Source, *, dtype: torch.dtype | Literal["auto"], four_bits: bool = False) -> PreTrainedModel:
    """Load a base model's weights, on the CPU; ``auto`` keeps the type that they are stored in.

    With ``four_bits`` its linear layers are packed by bitsandbytes as QLoRA's NF4 (Dettmers et al., 2023, arXiv
    2305.14314), their scales too, on the best device there is; the output layer, embeddings and norms stay as they are.

    Raises:
        UserError: the weights cannot be loaded.
    """
    kwargs: dict[str, Any] = {}
    if four_bits:
        quantization = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
        kwargs = {"quantization_config": quantization, "device_map": {"": default_device()}}
    try:
        model = AutoModelForCausalLM.from_pretrained(source.folder, dtype=dtype, use_safetensors=True, **kwargs)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{source.folder}: the model cannot be loaded ({first_line(error)})") from error
    if four_bits:
        for module in model.modules():
            # Else the first answer on such a CPU rearranges the weights in place, and training goes on with those.
            if hasattr(module, "support_avx512bf16_for_cpu"):
                module.support_avx512bf16_for_cpu = False
    return model


@contextmanager
def quiet_peft() -> Iterator[None]:
    """PEFT 0.21 asks transformers 5.23 for an attribute by its old name; the warning is not for the user."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)
        yield


def load_adapter(base: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """The base model with the adapter in ``folder`` on it.

    Raises:
        UserError: the adapter's files are broken, pickled, or do not fit the base.
    """
    from peft import PeftModel

    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise UserError(f"{folder}: there is no {ADAPTER_WEIGHTS}; weights in other formats are not read")
    try:
        with quiet_peft():
            return PeftModel.from_pretrained(base, str(folder))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{folder}: the adapter cannot be loaded ({first_line(error)})") from error


def load_model(
    name: str, *, hub: str = "huggingface", dtype: torch.dtype | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, ModelRecord | None]:
    """Load a model to answer with: a base, a merged model, or an adapter on its base; with its record, if any.

    The model is in evaluation mode, on the best device there is. An adapter is added into the weights in memory, as
    merging does, so that it costs nothing a token.

    Raises:
        UserError: it is not to be found or cannot be loaded, or an adapter's base has changed since.
    """
    device = default_device()
    dtype = dtype or default_dtype(device)
    if not is_adapter(name):
        source = find_model(name, hub=hub)
        return load_base(source, dtype=dtype).to(device).eval(), load_tokenizer(source), read_record(source.folder)
    folder = Path(name).expanduser()
    record, source = adapter_base(folder, hub=hub)
    model = load_adapter(load_base(source, dtype=dtype), folder).to(device)
    return model.merge_and_unload().eval(), load_tokenizer(source), record


def adapter_base(folder: Path, *, hub: str = "huggingface") -> tuple[ModelRecord | None, Source]:
    """An adapter's record (None where another tool made it) and where its base model is.

    Raises:
        UserError: the base is not to be found, or is not the one that the adapter was trained on.
    """
    record, base = read_record(folder), named_base(folder)
    base = record.base_model if record else base
    if not base:
        raise UserError(f"{folder}: the adapter does not say which base model it belongs to")
    try:
        source = find_model(base, hub=record.hub if record else hub)
    except UserError as error:
        raise UserError(f"{folder}: the adapter's base model is not to be had: {error}") from error
    if record and record.base_revision and source.revision and record.base_revision != source.revision:
        raise UserError(
            f"{folder}: the adapter was trained on {base} at {record.base_revision}, but {base} is now at "
            f"{source.revision}; bring that revision back, or fine-tune again"
        )
    return record, source


def named_base(folder: Path) -> str:
    """The base model that an adapter's own configuration names; empty where it names none.

    Raises:
        UserError: it is no PEFT configuration.
    """
    path = folder / ADAPTER_CONFIG
    try:
        config = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not an adapter's configuration ({error}); fine-tune again") from error
    if not isinstance(config, dict):
        raise UserError(f"{path}: not an adapter's configuration (no JSON object); fine-tune again")
    return str(config.get("base_model_name_or_path") or "")
