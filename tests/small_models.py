"""Fixtures with models: a real one, and a tiny one of the same architecture for tests of mechanics."""

import os

import pytest

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

TINY_SHAPE = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
"""A configuration of two narrow layers, for Llama and Qwen2."""


@pytest.fixture(scope="session")
def smollm2():
    """The GGUF file of SmolLM2-135M-Instruct; fetched by the project's own code when it is not in the cache."""
    from sqlfocus.demo.small_model import fetch_smollm2
    from sqlfocus.errors import UserError

    try:
        return fetch_smollm2()
    except UserError as error:
        pytest.skip(f"SmolLM2 is not to be had: {error}")


@pytest.fixture(scope="session")
def tiny_model(smollm2, tmp_path_factory):
    """A folder with a Llama of two narrow layers, random weights and SmolLM2's tokenizer: it knows nothing."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from sqlfocus.models.loading import find_model, load_tokenizer

    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    tokenizer = load_tokenizer(find_model(str(smollm2)))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
