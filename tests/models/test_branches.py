import pytest
import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from sqlfocus.errors import UserError
from sqlfocus.models import attention
from sqlfocus.models.branches import Branches
from sqlfocus.models.prefix import Prefix

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 64,
}
PREFIXES = [[3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8], []]


@pytest.fixture(scope="module", params=["llama", "qwen2"])
def model(request):
    torch.manual_seed(0)
    made = (
        LlamaForCausalLM(LlamaConfig(**SHAPE)) if request.param == "llama" else Qwen2ForCausalLM(Qwen2Config(**SHAPE))
    )
    for parameter in made.parameters():
        parameter.data *= 4  # so that what is attended to matters
    return made.eval()


def prefix(model, tokens):
    if not tokens:
        return Prefix(())
    model.set_attn_implementation("sdpa")
    cache = DynamicCache(config=model.config)
    model(torch.tensor([tokens]), past_key_values=cache, use_cache=True)
    return Prefix(tuple((layer.keys[0], layer.values[0]) for layer in cache.layers))


def plain(model, tokens):
    model.set_attn_implementation("sdpa")
    return model(torch.tensor([tokens]), use_cache=False).logits[0]


def run(model, branches, feeds):
    model.set_attn_implementation(attention.NAME)
    positions = branches.begin([(slot, len(tokens)) for slot, tokens in feeds])
    ids = torch.tensor([[token for _, tokens in feeds for token in tokens]])
    logits = model(ids, position_ids=positions[None], use_cache=False, branches=branches).logits[0]
    return dict(zip([slot for slot, _ in feeds], logits.split([len(tokens) for _, tokens in feeds]), strict=True))


@torch.inference_mode()
def test_branches_that_come_grow_are_cut_and_go_give_what_each_sequence_gives_alone(model):
    generator = torch.Generator().manual_seed(1)
    kept = [prefix(model, tokens) for tokens in PREFIXES]
    branches = Branches(5, torch.device("cpu"))
    texts: dict[int, list[int]] = {}
    largest, alone = 0.0, 0
    for turn in range(60):
        for slot in range(5):
            if slot not in texts and int(torch.randint(3, (1,), generator=generator)):
                which = int(torch.randint(3, (1,), generator=generator))
                branches.open(slot, kept[which])
                texts[slot] = [*PREFIXES[which]]
        feeds = []
        active = [slot for slot in texts if turn < 20 or int(torch.randint(2, (1,), generator=generator))]
        for slot in branches.order(active):
            count = 1 if turn % 3 else int(torch.randint(1, 9, (1,), generator=generator))
            feeds.append((slot, torch.randint(64, (count,), generator=generator).tolist()))
        alone += len(feeds) == 1
        for slot, logits in run(model, branches, feeds).items() if feeds else ():
            new = dict(feeds)[slot]
            texts[slot] += new
            expected = plain(model, texts[slot])[-len(new) :]
            largest = max(largest, float((logits - expected).abs().max()))
            own = branches.lengths[slot]
            assert branches.prefixes[slot].length + own == len(texts[slot])
            if own > 2 and turn % 4 == 0:  # as where a draft was wrong
                branches.cut(slot, own - 2)
                del texts[slot][-2:]
            if own > 30:
                del texts[slot]
    print(f"largest difference of a logit: {largest:.1e}")
    assert largest < 2e-4
    assert alone > 5


@torch.inference_mode()
def test_a_branch_alone_is_joined_by_others_and_left_again(model):
    kept = [prefix(model, tokens) for tokens in PREFIXES]
    branches = Branches(3, torch.device("cpu"))
    texts = {slot: list(PREFIXES[which]) for slot, which in ((0, 0), (1, 0), (2, 1))}
    for slot, which in ((0, 0), (1, 0), (2, 1)):
        branches.open(slot, kept[which])
    turns = [[0], [0], [0, 1], [0], [1], [2], [0, 1, 2], [2], [2], [0]]
    for turn, slots in enumerate(turns):
        feeds = [(slot, [7 + turn, 3, slot][: 1 + turn % 3]) for slot in branches.order(slots)]
        for slot, logits in run(model, branches, feeds).items():
            texts[slot] += dict(feeds)[slot]
            expected = plain(model, texts[slot])[-len(logits) :]
            assert torch.allclose(logits, expected, atol=2e-4)
    branches.open(0, kept[1])  # another in the slot of one that was alone
    ((_, logits),) = run(model, branches, [(0, [5, 6])]).items()
    assert torch.allclose(logits, plain(model, [*PREFIXES[1], 5, 6])[-2:], atol=2e-4)


def test_slots_behind_one_prefix_stand_together():
    first, second = Prefix(()), Prefix(())
    branches = Branches(5, torch.device("cpu"))
    for slot, one in enumerate((first, second, first, second, first)):
        branches.open(slot, one)
    assert branches.order([4, 1, 2, 3, 0]) == [0, 2, 4, 1, 3]
    assert branches.order([3, 2, 1]) == [1, 3, 2]


def test_a_prefix_knows_its_length_and_bytes():
    one = Prefix(((torch.zeros(2, 7, 4), torch.zeros(2, 7, 4)),) * 3)
    assert (one.length, one.bytes) == (7, 2 * 7 * 4 * 4 * 2 * 3)
    assert (Prefix(()).length, Prefix(()).bytes) == (0, 0)


def test_a_model_whose_tokens_do_not_see_that_far_is_refused():
    config = Qwen2Config(**SHAPE, use_sliding_window=True, sliding_window=8, max_window_layers=0)
    model = Qwen2ForCausalLM(config).eval()
    branches = Branches(1, torch.device("cpu"))
    run(model, branches, [(0, [1] * 8)])
    with pytest.raises(UserError, match="only the 8 before them"):
        run(model, branches, [(0, [1])])
