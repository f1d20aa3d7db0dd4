"""Merged models of two narrow layers to convert, with tokenizers that llama.cpp's converter knows."""

import pytest

from sqlfocus.errors import UserError
from sqlfocus.models.record import ModelRecord

EVALUATION = {"data": "data/dev.jsonl", "questions": 250, "ex": 0.5, "low": 0.44, "high": 0.56}


def record():
    """A record as fine-tuning and measuring leave it."""
    return ModelRecord(
        *("Qwen/Qwen2.5-Coder-0.5B-Instruct", "abc", "schema-first", ["sqlite", "mysql"]),
        max_values=3,
        training={"steps": 7, "样": "值"},
        evaluations=[EVALUATION],
    )


def merged_model(tokenizer, folder, *, dtype, architecture="Llama", hidden=256, heads=(4, 2), **shape):
    """A folder as merging leaves it: random weights, biases and norms too, tokenizer, record and card."""
    import torch
    import transformers

    from sqlfocus.models.merge import model_card

    config = getattr(transformers, f"{architecture}Config")(
        **{
            "vocab_size": len(tokenizer),
            "hidden_size": hidden,
            "intermediate_size": 2 * hidden,
            "num_hidden_layers": 2,
            "num_attention_heads": heads[0],
            "num_key_value_heads": heads[1],
            "max_position_embeddings": 512,
            "tie_word_embeddings": True,
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": tokenizer.bos_token_id,
        }
        | shape
    )
    torch.manual_seed(0)
    model = getattr(transformers, f"{architecture}ForCausalLM")(config)
    for parameter in model.parameters():
        if parameter.ndim == 1:  # new models have none and ones here, which would hide what is lost
            torch.nn.init.normal_(parameter, 1, 0.5)
    model.to(dtype).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    made = record()
    made.write(folder)
    card = model_card(folder.name, made, made.base_model, {"license": "apache-2.0"})
    (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def converter():
    """The folder of llama.cpp's converter, which pip fetches where it is not in the cache."""
    from sqlfocus.models.llama_cpp import find_llama_cpp

    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    try:
        return find_llama_cpp(None, quantizer=True).converter
    except UserError as error:
        pytest.skip(f"llama.cpp's converter is not to be had: {error}")


def smollm2_tokenizer(smollm2):
    from sqlfocus.models.loading import find_model, load_tokenizer

    return load_tokenizer(find_model(str(smollm2)))


@pytest.fixture(scope="session")
def wide(smollm2, converter, tmp_path_factory):
    """A merged model in bfloat16 with rows of 256 and 512, which K-quants divide."""
    import torch

    folder = tmp_path_factory.mktemp("wide") / "Wide-R1"
    return merged_model(smollm2_tokenizer(smollm2), folder, dtype=torch.bfloat16)


@pytest.fixture(scope="session")
def narrow(smollm2, converter, tmp_path_factory):
    """A merged model in float32 with rows of 64 and 128, which K-quants do not divide."""
    import torch

    folder = tmp_path_factory.mktemp("narrow") / "Narrow-R1"
    return merged_model(smollm2_tokenizer(smollm2), folder, hidden=64, dtype=torch.float32)
