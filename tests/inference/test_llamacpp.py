"""The llama.cpp engine on a real GGUF file, against itself without what it saves, and against transformers."""

import pytest

from orders import QUESTIONS, TEMPLATE, prompts, schema
from sqlfocus.errors import UserError
from sqlfocus.inference import llamacpp
from sqlfocus.inference.chat import read_prompt
from sqlfocus.inference.engine import TooLong
from sqlfocus.inference.llamacpp import llamacpp_engine
from sqlfocus.inference.scheduler import Feed
from sqlfocus.schema.text import read_schema_text

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not llamacpp.available(), reason="llama-cpp-python is not installed"),
]


@pytest.fixture(scope="module")
def engine(smollm2):
    made = llamacpp_engine(smollm2, batch_size=1, context=2048, drafts=False)
    yield made
    made.network.close()


def texts(engine, asked, **options):
    return [one.text for one in engine.complete(asked, max_new_tokens=16, **options)]


def test_scores_stand_whatever_is_kept(engine):
    """Sums are taken in another order where a prefix lies elsewhere, and weights of 4 bits make much of little."""
    network = engine.network
    tokens, shared = read_prompt(engine.tokenizer, prompts(schema())[0])
    others, others_shared = read_prompt(engine.tokenizer, prompts(schema("depot", "pallets"))[0])

    def scores():
        network.open(0, tokens[:shared], 100)
        found = network.forward([Feed(0, tokens[shared:], 1)]).at(0)
        network.leave(0)
        return found

    network.forget()
    cold = scores()
    misses = network.prefixes.misses
    differences = {"kept": scores() - cold}
    network.open(0, others[:others_shared], 100)
    network.leave(0)
    network.forget_held()
    network.open(0, others[:others_shared], 100)  # so that the other prefix lies elsewhere
    network.leave(0)
    differences["restored"] = scores() - cold
    assert network.prefixes.misses == misses + 1
    network.forget()
    network.open(0, others[:others_shared], 100)
    network.leave(0)
    differences["computed elsewhere"] = scores() - cold
    network.open(0, [], 2000 - shared)
    differences["the prompt in one piece"] = network.forward([Feed(0, tokens, 1)]).at(0) - cold
    network.leave(0)
    largest = {name: float(abs(difference).max()) for name, difference in differences.items()}
    print(largest)
    assert largest["kept"] == 0
    assert max(largest.values()) < 1.0


def test_a_constrained_answer_names_only_what_exists(engine):
    database = read_schema_text(schema(), dialect="sqlite")
    for text in texts(engine, prompts(schema()), databases=[database] * len(QUESTIONS)):
        assert text.lstrip().upper().startswith(("SELECT", "WITH"))


def test_a_prefix_goes_where_another_needs_its_room(engine):
    asked = [TEMPLATE.prompt(schema=schema("x", "y" * length), question="How many?") for length in range(900, 960, 6)]
    engine.complete(asked, max_new_tokens=1)
    network = engine.network
    assert network._used() <= network.context
    assert 0 < len(network._held) < len(asked)


def test_a_prompt_that_never_fits_is_said_and_the_next_is_answered(engine):
    long = TEMPLATE.prompt(schema=schema(table="orders " * 3000), question="How many?")
    with pytest.raises(TooLong, match="the model reads 2048"):
        engine.complete([long], max_new_tokens=4)
    assert len(texts(engine, prompts(schema()))) == len(QUESTIONS)


def test_a_prompt_beyond_what_the_model_reads_is_refused_though_there_is_room(smollm2):
    engine = llamacpp_engine(smollm2, batch_size=1)
    long = TEMPLATE.prompt(schema=schema(table="orders " * 9000), question="How many?")
    with pytest.raises(TooLong, match="the model reads 8192"):
        engine.complete([long], max_new_tokens=4)
    engine.network.close()


def test_a_state_saved_is_read_by_the_next_engine(smollm2, tmp_path):
    first = llamacpp_engine(smollm2, batch_size=2, context=2048, folder=tmp_path)
    expected = texts(first, prompts(schema())[:1])
    first.network.close()
    (file,) = tmp_path.iterdir()
    second = llamacpp_engine(smollm2, batch_size=2, context=2048, folder=tmp_path)
    second.network._decode, decode = None, second.network._decode  # nothing is computed for the prefix
    second.prefill(prompts(schema())[0])
    second.network._decode = decode
    assert texts(second, prompts(schema())[:1]) == expected
    second.network.close()
    file.write_bytes(file.read_bytes()[:1000])
    third = llamacpp_engine(smollm2, batch_size=2, context=2048, folder=tmp_path)
    assert texts(third, prompts(schema())[:1]) == expected
    third.network.close()


def test_a_broken_file_is_said(tmp_path):
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF, but no more")
    with pytest.raises(UserError, match=r"broken\.gguf"):
        llamacpp_engine(path)
