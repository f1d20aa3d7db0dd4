import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from sqlfocus.corpus.prompt import Prompt, template_named
from sqlfocus.errors import UserError
from sqlfocus.inference.chat import end_token, prompt_ids
from sqlfocus.inference.loading import load_engine
from sqlfocus.inference.transformers import TransformersEngine, best
from sqlfocus.inference.transformers_tokenizer import TransformersTokenizer
from sqlfocus.models import attention
from sqlfocus.models.loading import load_model
from sqlfocus.models.record import ModelRecord

SCHEMA = (
    "【DB_ID】 shop\n【Schema】\n# Table: orders\n[\n(id:INTEGER, Primary Key),\n(city:TEXT, Examples: [Oslo, 上海])\n]"
)
QUESTIONS = [
    "How many orders are there?",
    "List the cities.",
    "上海有多少订单？",
    "Which city has most orders, and why so?",
]


def prompts():
    template = template_named("schema-first")
    other = SCHEMA.replace("shop", "warehouse").replace("orders", "pallets")
    return [template.prompt(schema=schema, question=question) for schema in (SCHEMA, other) for question in QUESTIONS]


@pytest.fixture(scope="module")
def engine(smollm2):
    # In bfloat16 a batch rounds otherwise than a row, and an answer may turn on that.
    model, tokenizer, _ = load_model(str(smollm2), dtype=torch.float32)
    return TransformersEngine(model, TransformersTokenizer(tokenizer), name="SmolLM2", batch_size=3)


@pytest.mark.model
def test_batches_with_a_shared_prefix_give_what_generate_gives_one_by_one(engine):
    completions = engine.complete(prompts(), max_new_tokens=12)
    for prompt, completion in zip(prompts(), completions, strict=True):
        ids = torch.tensor([prompt_ids(engine.tokenizer, prompt)])
        output = engine.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=engine.end,
            pad_token_id=engine.end,
        )[0, ids.shape[1] :].tolist()
        finished = output[-1] == engine.end
        assert completion.text == engine.tokenizer.text(output)
        assert (completion.finished, completion.tokens) == (finished, len(output))


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_rows_that_end_early_leave_the_batch_and_change_nothing(kind, tiny_model):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    shape |= {"num_key_value_heads": 2, "vocab_size": len(tokenizer)}
    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(**shape)) if kind == "llama" else Qwen2ForCausalLM(Qwen2Config(**shape))
    for parameter in model.parameters():
        parameter.data *= 4  # so that answers differ
    engine = TransformersEngine(model.eval(), TransformersTokenizer(tokenizer), name=kind, batch_size=8)
    expected = [one_by_one(engine, prompt, 20) for prompt in prompts()]
    # A token that some answers have early, some late and some not at all.
    engine.scheduler.end = engine.end = max(
        range(len(tokenizer)), key=lambda token: len({e.index(token) for e in expected if token in e})
    )
    expected = [answer[: answer.index(engine.end) + 1] if engine.end in answer else answer for answer in expected]
    assert len({len(answer) for answer in expected}) > 2
    for answer, completion in zip(expected, engine.complete(prompts(), max_new_tokens=20), strict=True):
        assert completion.tokens == len(answer)
        assert completion.finished == (answer[-1] == engine.end)
        assert completion.text == tokenizer.decode(
            answer[:-1] if completion.finished else answer, skip_special_tokens=True
        )


def one_by_one(engine, prompt, tokens):
    """The plainest twin: the whole prompt through sdpa again for each token."""
    engine.model.set_attn_implementation("sdpa")
    ids = prompt_ids(engine.tokenizer, prompt)
    count = len(ids)
    with torch.inference_mode():
        for _ in range(tokens):
            ids.append(int(engine.model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    engine.model.set_attn_implementation(attention.NAME)
    return ids[count:]


@pytest.mark.model
def test_progress_counts_every_prompt(engine):
    seen = {}
    completions = engine.complete(prompts(), max_new_tokens=1, on_done=seen.__setitem__)
    assert [seen[place] for place in range(len(prompts()))] == completions


@pytest.mark.model
def test_the_system_message_is_the_prompts_own(engine):
    text = engine.tokenizer.tokenizer.decode(prompt_ids(engine.tokenizer, Prompt("Be brief.", "Hello")))
    assert text.count("<|im_start|>system") == 1
    assert "Be brief." in text
    assert text.endswith("<|im_start|>assistant\n")


@pytest.mark.model
def test_the_end_token_is_the_chat_templates(engine):
    assert engine.tokenizer.tokenizer.decode([end_token(engine.tokenizer)]) == "<|im_end|>"


def test_no_prompts_no_completions(tiny_model):
    assert load_engine(str(tiny_model))[0].complete([]) == []


def test_a_base_is_asked_in_the_template_named(tiny_model):
    engine, template = load_engine(str(tiny_model), prompt_template="xiyan")
    assert isinstance(engine, TransformersEngine)
    assert template.name == "xiyan"


def test_another_template_than_the_trained_one_is_refused(tiny_model, tmp_path):
    import shutil

    folder = tmp_path / "tuned"
    shutil.copytree(tiny_model, folder)
    ModelRecord("some/base", "", "schema-first", ["sqlite"]).write(folder)
    assert load_engine(str(folder))[1].name == "schema-first"
    with pytest.raises(UserError, match="trained in the prompt template schema-first"):
        load_engine(str(folder), prompt_template="xiyan")


def test_an_unknown_template_is_refused_before_the_model_is_looked_for():
    with pytest.raises(UserError, match="known are schema-first, schema-first-zh, xiyan"):
        load_engine("no/such", prompt_template="mine")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_best_score_is_the_first_of_the_highest(dtype):
    torch.manual_seed(0)
    logits = torch.randn(40, 1000, dtype=dtype).round()  # so that many are alike
    assert best(logits) == [row.tolist().index(row.max().item()) for row in logits]
    assert best(logits[:0]) == []
