"""What llama.cpp makes of models of the architectures that are mostly fine-tuned here."""

import numpy as np
import pytest

from converted import converter, merged_model
from sqlfocus.models.gguf import quantize
from sqlfocus.models.gguf_size import expected_size, stored

__all__ = ["converter"]

pytestmark = pytest.mark.model
SQL = "SELECT city, count(*) FROM orders WHERE 区域 = '上海' GROUP BY 1;\n"


@pytest.fixture(scope="module")
def qwen_tokenizer(smollm2, tmp_path_factory):
    """Qwen2.5's tokenizer, saved and loaded."""
    from transformers import AutoTokenizer

    base = smollm2.with_name("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf")
    if not base.is_file():
        pytest.skip(f"{base.name}, from which the tokenizer is taken, is not in the cache")
    folder = tmp_path_factory.mktemp("tokenizer")
    AutoTokenizer.from_pretrained(base.parent, gguf_file=base.name).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize(
    ("architecture", "shape"),
    [
        ("Qwen2", {"heads": (4, 1), "tie_word_embeddings": False}),  # with biases of queries, keys and values
        ("Qwen3", {"heads": (8, 2), "head_dim": 64}),  # with norms of queries and keys
    ],
)
def test_a_qwen_model_computes_in_llama_cpp_what_it_does_in_transformers(
    architecture, shape, qwen_tokenizer, converter, tmp_path
):
    import llama_cpp
    import torch
    from transformers import AutoModelForCausalLM

    model = merged_model(
        qwen_tokenizer,
        tmp_path / "Tiny-R1",
        dtype=torch.float16,
        architecture=architecture,
        vocab_size=151_936,
        **shape,
    )
    done = quantize(model, ["F16", "Q4_K_M"])
    for file in done.files:
        assert file.architecture == architecture.lower()
        assert file.end_token == "<|im_end|>"
        assert file.path.stat().st_size <= expected_size(stored(model), file.file_type)
    ids = qwen_tokenizer(SQL)["input_ids"]
    whole = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    with torch.no_grad():
        wanted = whole(torch.tensor([ids])).logits[0].numpy()
    llama = llama_cpp.Llama(
        str(done.half.path), n_ctx=64, n_batch=64, n_threads=1, n_threads_batch=1, logits_all=True, verbose=False
    )
    assert llama.tokenize(SQL.encode(), add_bos=False, special=True) == ids
    llama.eval(ids)
    got = llama.scores[: len(ids)].copy()
    llama.close()
    gap = float(np.abs(got - wanted).max())
    print(f"{architecture}: the largest difference of a logit is {gap:.2g}; they deviate by {wanted.std():.2g}")
    assert gap < 0.01 * wanted.std()
