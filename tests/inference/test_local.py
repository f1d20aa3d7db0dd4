"""The engine's ways of saving work, each against the plainest: one prompt at a time, whole, token by token."""

import sqlite3
import threading
import time

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from orders import QUESTIONS, prompts, schema
from sqlfocus.corpus.prompt import template_named
from sqlfocus.inference.chat import end_token, prompt_ids, read_prompt
from sqlfocus.inference.engine import TooLong
from sqlfocus.inference.prefixes import PrefixFolder
from sqlfocus.inference.scheduler import PIECE
from sqlfocus.inference.search import CLOSING
from sqlfocus.inference.transformers import IDLE_TOKENS, TransformersEngine
from sqlfocus.inference.transformers_tokenizer import TransformersTokenizer
from sqlfocus.models import attention
from sqlfocus.schema.text import read_schema_text


@pytest.fixture(scope="module")
def model(tiny_model):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(3)
    made = LlamaForCausalLM(LlamaConfig(**shape, num_key_value_heads=2, vocab_size=len(tokenizer))).eval()
    for parameter in made.parameters():
        parameter.data *= 4  # so that answers differ
    return made, TransformersTokenizer(tokenizer)


def engine(model, **options):
    return TransformersEngine(*model, name="tiny", **options)


def plain(model, prompt, count, choose=None):
    """Whole prompt, no cache, one token after the other."""
    network, tokenizer = model
    network.set_attn_implementation("sdpa")
    ids = prompt_ids(tokenizer, prompt)
    begun = len(ids)
    with torch.inference_mode():
        while len(ids) < begun + count:
            logits = network(torch.tensor([ids]), use_cache=False).logits[0, -1]
            ids.append(int(logits.argmax()) if choose is None else choose(logits.numpy()))
            if choose is not None and ids[-1] == end_token(tokenizer):
                break
    network.set_attn_implementation(attention.NAME)
    return ids[begun:]


def text(model, tokens):
    return model[1].text(tokens)


def test_what_a_prompt_shares_ends_before_the_question(model):
    tokenizer = model[1]
    first, shared = read_prompt(tokenizer, prompts(schema())[0])
    assert [read_prompt(tokenizer, one)[1] for one in prompts(schema())] == [shared] * len(QUESTIONS)
    others = [read_prompt(tokenizer, one)[0] for one in prompts(schema())[1:]]
    assert all(other[:shared] == first[:shared] for other in others)
    assert "amount_in_kroner:REAL" in tokenizer.text(first[:shared])
    assert "Question" not in tokenizer.text(first[:shared])
    xiyan = template_named("xiyan").prompt(schema=schema(), question="How many?")
    assert read_prompt(tokenizer, xiyan) == (prompt_ids(tokenizer, xiyan), 0)


@pytest.mark.parametrize("drafts", [True, False])
@pytest.mark.parametrize("slots", [1, 3, 16])
def test_prefixes_batches_and_drafts_change_no_token(model, drafts, slots):
    asked = [*prompts(schema()), *prompts(schema("depot", "pallets")), *prompts(schema())]
    expected = [text(model, plain(model, prompt, 24)) for prompt in asked]
    made = engine(model, batch_size=slots, drafts=drafts)
    made.scheduler.end = -2  # no answer ends before its limit
    for _ in range(2):  # the second time with all prefixes, and drafts from the first time's answers
        assert [one.text for one in made.complete(asked, max_new_tokens=24)] == expected
    assert made.network.prefixes.misses == 2
    if drafts:
        assert made.scheduler.accepted > 24 * len(asked) / 4
        assert made.scheduler.steps < 2 * 24 * len(asked) / slots
    else:
        assert made.scheduler.drafted == 0


def test_a_constrained_answer_is_that_of_the_plain_way(model):
    database = read_schema_text(schema(), dialect="sqlite")
    made = engine(model, batch_size=4)
    asked, compared = prompts(schema()), 0
    given = made.complete(asked, max_new_tokens=40 + CLOSING, databases=[database] * len(asked))
    for prompt, completion in zip(asked, given, strict=True):
        guide = made._constraint(database).guide()
        tokens = []

        def choose(scores, guide=guide, tokens=tokens):
            tokens.append(guide.choose(scores))
            return tokens[-1]

        plain(model, prompt, 40, choose)
        assert completion.finished
        same = completion.text.startswith(text(model, tokens[:-1] if guide.ended else tokens))
        compared += same
        assert same or completion.cut_short  # it was taken back to where a query could end
        assert completion.text.lstrip().upper().startswith(("SELECT", "WITH"))
    assert compared > 2


@pytest.mark.parametrize("most", [5, 8, 20, 40, 90])
def test_a_constrained_answer_is_whole_however_short_the_limit(model, most, tmp_path):
    names = read_schema_text(schema(), dialect="sqlite")
    made = engine(model, batch_size=4)
    given = made.complete(prompts(schema()), max_new_tokens=most, databases=[names] * len(QUESTIONS))
    shop = sqlite3.connect(tmp_path / "shop.sqlite")
    shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, city TEXT, amount_in_kroner REAL)")
    for completion in given:
        assert completion.tokens <= most
        assert completion.finished
        shop.execute(f"EXPLAIN {completion.text}")
    assert any(completion.cut_short for completion in given)
    shop.close()


def test_a_prefix_is_prefilled_kept_within_its_bytes_and_counted(model):
    made = engine(model)
    first, second = prompts(schema())[0], prompts(schema("depot", "pallets"))[0]
    shared = made.prefill(first)
    assert shared > 50
    cache = made.network.prefixes
    assert cache.bytes == shared * 2 * 2 * 2 * 8 * 4  # keys and values, 2 layers, 2 heads of 8 numbers of 4 bytes
    made.complete(prompts(schema()), max_new_tokens=1)
    assert (cache.hits, cache.misses) == (len(QUESTIONS), 1)
    cache.most_bytes = int(1.5 * cache.bytes)
    made.prefill(second)
    assert (len(cache), cache.evictions) == (1, 1)
    made.prefill(first)
    assert cache.misses == 3


def test_prefilling_makes_ready_what_holds_answers_to_a_database(model):
    database = read_schema_text(schema(), dialect="sqlite")
    made = engine(model)
    made.prefill(prompts(schema())[0], database)
    assert "by_first_word" in vars(made._vocabulary)
    made.complete(prompts(schema()), max_new_tokens=3, databases=[database] * len(QUESTIONS))
    assert [kept.cache_info().misses for kept in (made._constraint, made._names)] == [1, 1]


def test_a_saved_prefix_is_read_by_the_next_engine_and_a_broken_one_made_anew(model, tmp_path):
    folder = PrefixFolder(tmp_path, "tiny", ending="safetensors")
    expected = [one.text for one in engine(model, folder=folder).complete(prompts(schema()), max_new_tokens=12)]
    (file,) = tmp_path.iterdir()

    again = engine(model, folder=folder)
    found = again.complete(prompts(schema()), max_new_tokens=12)
    assert [one.text for one in found] == expected
    assert all(one.cached_tokens for one in found)  # the first one's too: it was read, not computed

    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert [one.text for one in engine(model, folder=folder).complete(prompts(schema()), max_new_tokens=12)] == expected
    assert file.read_bytes() == whole


def test_a_long_question_is_taken_in_pieces_and_a_prompt_beyond_the_context_refused(model):
    long = " ".join(f"word{number}" for number in range(400))
    asked = prompts(schema(), [long, QUESTIONS[0]])
    assert len(prompt_ids(model[1], asked[0])) > 2 * PIECE
    made = engine(model)
    assert [one.text for one in made.complete(asked, max_new_tokens=8)] == [
        text(model, plain(model, one, 8)) for one in asked
    ]
    assert made.network._branches.room <= IDLE_TOKENS  # what the long one needed is given back
    made.network.context = 300
    with pytest.raises(TooLong, match=r"the prompt has \d+ tokens, and the model reads 300"):
        made.complete(asked[:1])
    # Near the end of the context, the answer is as long as there is room.
    made.network.context = len(prompt_ids(model[1], asked[1])) + 3
    assert made.complete(asked[1:], max_new_tokens=8)[0].tokens == 3


def test_what_goes_wrong_with_one_answer_is_its_own(model):
    made = engine(model, batch_size=4)
    made.start()
    (expected,) = made.complete(prompts(schema())[1:2], max_new_tokens=40)
    found = {}

    def ask(place, **options):
        try:
            (found[place],) = made.complete(prompts(schema())[place : place + 1], max_new_tokens=40, **options)
        except KeyError as error:
            found[place] = error

    def fail(*_):
        raise KeyError("a bug")

    threads = [
        threading.Thread(target=ask, args=(1,)),
        threading.Thread(target=ask, args=(0,), kwargs={"on_text": fail}),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found[1].text == expected.text and isinstance(found[0], KeyError)


@pytest.mark.parametrize("broken", ["open", "leave", "forward", "cut"])
def test_nobody_waits_for_ever_where_the_network_fails(model, broken):
    made = engine(model)
    made.start()
    whole = getattr(made.network, broken)

    def fail(*_):
        raise RuntimeError("CUDA error")

    setattr(made.network, broken, fail)
    for _ in range(2):
        outcome = []

        def ask(outcome=outcome):
            try:
                outcome.append(made.complete(prompts(schema())[:1], max_new_tokens=4))
            except RuntimeError as error:
                outcome.append(error)

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(30)
        assert outcome, f"{broken}: it waits for ever"
    setattr(made.network, broken, whole)
    assert made.complete(prompts(schema())[:1], max_new_tokens=4)[0].tokens


def test_an_answer_that_nobody_wants_any_more_ends(model):
    made = engine(model, drafts=False)
    stop = threading.Event()
    told = []

    def tell(_place, text):
        told.append(text)
        if len(told) == 3:
            stop.set()

    (given,) = made.complete(prompts(schema())[:1], max_new_tokens=200, on_text=tell, stop=stop)
    assert given.tokens <= 4 and not given.finished
    assert made.complete(prompts(schema())[:1], stop=stop)[0].tokens == 0  # not even begun


def test_what_is_written_so_far_is_told(model):
    made = engine(model, drafts=False)
    told = {}
    given = made.complete(
        prompts(schema()), max_new_tokens=8, on_text=lambda place, text: told.setdefault(place, []).append(text)
    )
    for place, one in enumerate(given):
        assert len(told[place]) == one.tokens and told[place][-1] == one.text
        firm = [text.rstrip("\N{REPLACEMENT CHARACTER}") for text in told[place]]
        assert all(one.text.startswith(text) for text in firm)


def test_a_branch_alone_is_joined_by_others_from_other_threads(model):
    made = engine(model, batch_size=4)
    expected = [one.text for one in made.complete(prompts(schema()), max_new_tokens=40)]
    found = {}

    def ask(place):
        time.sleep(0.01 * place)  # so that the first is alone for some steps
        (found[place],) = made.complete([prompts(schema())[place]], max_new_tokens=40)

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(QUESTIONS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[place].text for place in range(len(QUESTIONS))] == expected


def test_a_thread_of_its_own_drives_and_threads_that_come_and_go_do_not(model):
    expected = [one.text for one in engine(model).complete(prompts(schema()), max_new_tokens=24)]
    made = engine(model, batch_size=2)
    drivers = set()
    forward = made.network.forward
    made.network.forward = lambda feeds: (drivers.add(threading.current_thread().name), forward(feeds))[1]
    made.start()
    found = {}

    def ask(place):
        (found[place],) = made.complete([prompts(schema())[place]], max_new_tokens=24)

    for _ in range(2):
        threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(QUESTIONS))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [found[place].text for place in range(len(QUESTIONS))] == expected
    assert drivers == {"model"}

    def fail(feeds):
        raise RuntimeError("out of memory, say")

    made.network.forward = fail
    with pytest.raises(RuntimeError, match="out of memory, say"):
        made.complete(prompts(schema())[:1])
    made.network.forward = forward
    assert made.complete(prompts(schema())[:1], max_new_tokens=24)[0].text == expected[0]


def test_threads_that_ask_at_once_share_the_batch_and_get_their_own_answers(model):
    asked = {name: prompts(schema(name, f"{name}s")) for name in ("shop", "depot", "yard", "quay")}
    expected = {name: [text(model, plain(model, one, 16)) for one in asked[name]] for name in asked}
    made = engine(model, batch_size=4)
    made.scheduler.end = -2
    found = {}

    def ask(name):
        found[name] = [one.text for one in made.complete(asked[name], max_new_tokens=16)]

    threads = [threading.Thread(target=ask, args=(name,)) for name in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == expected


def test_one_question_does_not_wait_for_a_hundred_of_another_database(model):
    made = engine(model, batch_size=2, drafts=False)
    made.scheduler.end = -2
    order = []
    many = threading.Thread(
        target=made.complete,
        args=(prompts(schema(), [f"Question {n}?" for n in range(100)]),),
        kwargs={"max_new_tokens": 8, "on_done": lambda place, _: order.append(place)},
    )
    many.start()
    while len(order) < 3:
        time.sleep(0.001)
    made.complete(prompts(schema("depot", "pallets"))[:1], max_new_tokens=8, on_done=lambda *_: order.append("one"))
    many.join(60)
    assert order.index("one") < 50, f"{order.index('one')} were answered before"
    assert len(order) == 101


def test_others_are_answered_while_one_looks_at_its_answer(model):
    made = engine(model, batch_size=4)
    made.scheduler.end = -2
    looking, answered = threading.Event(), threading.Event()

    def look(place, _):
        looking.set()
        assert answered.wait(30)

    slow = threading.Thread(
        target=made.complete, args=(prompts(schema())[:2],), kwargs={"max_new_tokens": 4, "on_done": look}
    )
    slow.start()
    assert looking.wait(30)
    assert len(made.complete(prompts(schema("depot", "pallets")), max_new_tokens=8)) == len(QUESTIONS)
    answered.set()
    slow.join(30)
    assert not slow.is_alive()


def test_who_is_interrupted_takes_the_questions_back_and_others_go_on(model):
    made = engine(model, batch_size=2)
    made.scheduler.end = -2

    def stop(place, _):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.complete(prompts(schema()), max_new_tokens=8, on_done=stop)
    expected = [text(model, plain(model, one, 8)) for one in prompts(schema())]
    assert [one.text for one in made.complete(prompts(schema()), max_new_tokens=8)] == expected
    assert len(made.scheduler._free) == 2
    assert not made.scheduler._waiting


def test_draws_are_those_of_their_seed_and_differ_between_places(model):
    made = engine(model)
    made.scheduler.end = -2
    same = prompts(schema())[:1] * 4
    first = [one.text for one in made.complete(same, max_new_tokens=12, temperatures=[1.0] * 4, seed=1)]
    assert first == [one.text for one in made.complete(same, max_new_tokens=12, temperatures=[1.0] * 4, seed=1)]
    assert first != [one.text for one in made.complete(same, max_new_tokens=12, temperatures=[1.0] * 4, seed=2)]
    assert len(set(first)) > 1


def test_drafts_change_no_draw(model):
    drawn = []
    for drafts in (False, True):
        made = engine(model, batch_size=2, drafts=drafts)
        made.scheduler.end = -2
        made.complete(prompts(schema()), max_new_tokens=12)  # drafts are made from these
        same = prompts(schema())[:1] * 6
        drawn.append([one.text for one in made.complete(same, max_new_tokens=12, temperatures=[0.02] * 6, seed=1)])
    assert drawn[0] == drawn[1]
    assert made.scheduler.accepted  # of some
