import random

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from small_models import TINY_SHAPE
from sqlfocus.corpus.prefix import shared_length
from sqlfocus.models import attention
from sqlfocus.training.loss import answer_loss, row_losses
from sqlfocus.training.packing import StepSampler, TokenizedExample, batches, pack
from sqlfocus.training.plan import pack_tokens

SHAPE = {
    **TINY_SHAPE,
    "max_position_embeddings": 256,
    "attn_implementation": "sdpa",
}


def examples(count, *, prefixes=2, seed=0, rejected=False):
    """With ``rejected``, every second one has a wrong answer beside the right one."""
    source = random.Random(seed)

    def words(low, high):
        return [source.randrange(1, 97) for _ in range(source.randint(low, high))]

    schemas = [words(20, 40) for _ in range(prefixes)]
    return [
        TokenizedExample(
            schemas[n % prefixes] + words(2, 9), [*words(1, 8), 0], [*words(1, 12), 0] if rejected and n % 2 else []
        )
        for n in range(count)
    ]


@pytest.fixture(params=["llama", "qwen2"])
def model(request):
    torch.manual_seed(0)
    if request.param == "llama":
        made = LlamaForCausalLM(LlamaConfig(**SHAPE))
    else:
        made = Qwen2ForCausalLM(Qwen2Config(**SHAPE))
    made.set_attn_implementation(attention.NAME)
    return made


def loss_and_gradient(model, packs, packing="prefix"):
    model.zero_grad()
    total = 0
    for rows in packs:
        for loss in row_losses(model, rows, packing=packing, device=torch.device("cpu")):
            loss.backward()
            total += loss.detach()
    return total, torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def one_by_one(model, rows):
    """The plainest twin: no mask, no padding, full logits, the loss by hand."""

    def surprise(prompt, answer):
        logits = model(input_ids=torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        return torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="sum")

    total = 0
    for example in rows:
        right = surprise(example.prompt, example.answer)
        total = total + right
        if example.rejected:
            likelier = surprise(example.prompt, example.rejected) - right
            total = total - len(example.answer) * torch.nn.functional.logsigmoid(likelier)
    return total


@pytest.mark.parametrize("rejected", [False, True])
@pytest.mark.parametrize("row_length", [200, 55])
def test_packed_padded_and_single_give_one_loss_and_one_gradient(row_length, rejected, model):
    rows = examples(11, rejected=rejected)
    packed = batches(rows, packing="prefix", row_length=row_length, batch_size=4)
    assert (max(map(len, packed)) > 2) == (row_length == 55)
    padded = batches(rows, packing="none", row_length=row_length, batch_size=4)
    packed_loss, packed_gradient = loss_and_gradient(model, packed)
    padded_loss, padded_gradient = loss_and_gradient(model, padded, "none")
    model.zero_grad()
    single_loss = one_by_one(model, rows)
    single_loss.backward()
    single_gradient = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    largest = max(
        ((packed_gradient - single_gradient).abs().max() / single_gradient.abs().max()).item(),
        ((padded_gradient - single_gradient).abs().max() / single_gradient.abs().max()).item(),
    )
    print(f"largest relative difference of a gradient: {largest:.1e}")
    assert largest < 1e-5
    torch.testing.assert_close(packed_loss, single_loss.detach(), rtol=1e-5, atol=0)
    torch.testing.assert_close(padded_loss, single_loss.detach(), rtol=1e-5, atol=0)


def test_filling_a_row_up_changes_neither_loss_nor_gradient(model):
    rows = examples(5, prefixes=1)
    plain, gradient = loss_and_gradient(model, [[rows]])
    filled = pack(rows, multiple=128)
    assert filled.input_ids.shape[1] % 128 == 0
    model.zero_grad()
    loss = answer_loss(model, filled)
    loss.backward()
    filled_gradient = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    torch.testing.assert_close(loss.detach(), plain, rtol=1e-6, atol=0)
    torch.testing.assert_close(filled_gradient, gradient, rtol=0, atol=1e-5 * float(gradient.abs().max()))


@pytest.mark.parametrize("cut", [5, 3])
def test_gradient_checkpointing_changes_neither_loss_nor_gradient(cut, model):
    rows = examples(5, prefixes=1)
    packs = [[row for row in (rows[:cut], rows[cut:]) if row]]
    model.train()
    plain, gradient = loss_and_gradient(model, packs)
    # The name since transformers 5.21, and the one before.
    getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()
    loss, again = loss_and_gradient(model, packs)
    torch.testing.assert_close(loss, plain, rtol=1e-6, atol=0)
    torch.testing.assert_close(again, gradient, rtol=0, atol=1e-6 * float(gradient.abs().max()))


def test_prompts_that_are_equal_can_be_packed(model):
    prompt = [5, 6, 7, 8]
    rows = [TokenizedExample(prompt, [1, 0]), TokenizedExample(prompt, [2, 3, 0]), TokenizedExample(prompt[:3], [4, 0])]
    loss, _ = loss_and_gradient(model, [[rows]])
    torch.testing.assert_close(loss, one_by_one(model, rows).detach(), rtol=1e-5, atol=0)


def test_examples_that_share_nothing_and_examples_alone_can_be_packed(model):
    nothing = [TokenizedExample([1, 5, 6], [7, 0]), TokenizedExample([2, 5], [8, 9, 0]), TokenizedExample([3] * 9, [0])]
    for rows in (nothing, nothing[:1]):
        loss, gradient = loss_and_gradient(model, [[rows]])
        torch.testing.assert_close(loss, one_by_one(model, rows).detach(), rtol=1e-5, atol=0)
        assert gradient.isfinite().all()


def test_a_pack_computes_the_prefix_once():
    rows = [TokenizedExample([9] * 50 + [n], [n, 0]) for n in range(1, 6)]
    batch = pack(rows)
    assert batch.input_ids.shape == (1, 50 + 5 * 3)
    assert batch.label_tokens == 10
    assert batch.position_ids.max() == 52


def test_rows_keep_to_their_length_and_lose_nothing():
    rows = examples(40, prefixes=3)
    packs = batches(rows, packing="prefix", row_length=120, batch_size=4)
    made = [example for pack_rows in packs for row in pack_rows for example in row]
    assert sorted(map(id, rows)) == sorted(map(id, made))
    assert len(packs) == 3
    assert max(map(len, packs)) > 1
    for pack_rows in packs:
        prefix = shared_length([example.prompt for row in pack_rows for example in row])
        assert all(prefix + sum(len(example) - prefix for example in row) <= 120 for row in pack_rows)


def test_in_shards_each_row_is_a_pack():
    packs = batches(examples(40, prefixes=3), packing="prefix", row_length=120, batch_size=4, share_rows=False)
    assert {len(pack_rows) for pack_rows in packs} == {1}
    assert all(pack(row).input_ids.shape[1] <= 120 for (row,) in packs)


def test_a_long_prefix_leaves_a_quarter_of_a_row_to_branches():
    rows = [TokenizedExample([1] * 95 + [number, 2], [3] * 8) for number in range(10, 20)]
    packs = batches(rows, packing="prefix", row_length=100, batch_size=4)
    assert [[len(row) for row in pack_rows] for pack_rows in packs] == [[2] * 5]


def test_an_example_longer_than_a_row_has_a_row_to_itself():
    rows = [TokenizedExample([1] * 200, [0]), TokenizedExample([1] * 199 + [2], [0])]
    (made,) = batches(rows, packing="prefix", row_length=100, batch_size=4)
    assert [len(row) for row in made] == [2]
    long = [TokenizedExample([1], [number] * 120) for number in range(2)]
    assert batches(long, packing="prefix", row_length=100, batch_size=4) == [[[long[0]]], [[long[1]]]]


@pytest.mark.parametrize("packing", ["prefix", "none"])
def test_steps_take_every_example_once_in_an_order_of_seed_and_epoch(packing):
    rows = examples(50, prefixes=4)

    def steps(seed, epoch):
        sampler = StepSampler(rows, packing=packing, examples_per_step=16, prefixes_per_step=2, seed=seed)
        sampler.set_epoch(epoch)
        made = list(sampler)
        assert len(made) == len(sampler)
        assert sorted(index for step in made for index in step) == list(range(50))
        return made

    assert steps(1, 0) == steps(1, 0)
    assert steps(1, 0) != steps(1, 1)
    assert steps(1, 0) != steps(2, 0)


def test_plain_steps_are_full():
    sampler = StepSampler(examples(50), packing="none", examples_per_step=16, prefixes_per_step=2, seed=0)
    assert sorted(len(step) for step in sampler) == [2, 16, 16, 16]


def test_a_step_takes_whole_chunks():
    rows = examples(46 * 7, prefixes=7)
    sampler = StepSampler(rows, packing="prefix", examples_per_step=16, prefixes_per_step=1, seed=0)
    for step in sampler:
        assert len({index % 7 for index in step}) == 1
        assert len(step) in (15, 16)


def test_what_shares_nothing_fills_steps():
    rows = [TokenizedExample([number, 0, 1], [2]) for number in range(50)]
    sampler = StepSampler(rows, packing="prefix", examples_per_step=16, prefixes_per_step=2, seed=0)
    assert sorted(len(step) for step in sampler) == [2, 16, 16, 16]


@pytest.mark.parametrize("packing", ["prefix", "none"])
@pytest.mark.parametrize(("count", "processes"), [(50, 3), (17, 4), (5, 4), (160, 2)])
def test_processes_share_each_step(packing, count, processes):
    rows = examples(count, prefixes=4)
    settings = {"packing": packing, "examples_per_step": 8, "prefixes_per_step": 2, "seed": 3}
    parts = [list(StepSampler(rows, **settings, process=number, processes=processes)) for number in range(processes)]
    assert len({len(part) for part in parts}) == 1
    together = [sorted(index for share in step for index in share) for step in zip(*parts, strict=True)]
    assert all(share for part in parts for share in part)
    assert sorted(index for step in together for index in step) == list(range(count))
    alone = [sorted(step) for step in StepSampler(rows, **settings)]
    if min(map(len, alone)) >= processes:
        assert together == alone


def test_processes_take_whole_chunks_of_about_as_many_tokens():
    rows = examples(400, prefixes=10)
    settings = {"packing": "prefix", "examples_per_step": 40, "prefixes_per_step": 8, "seed": 0}
    parts = [list(StepSampler(rows, **settings, process=number, processes=2)) for number in range(2)]
    for first, second in zip(*parts, strict=True):
        kinds = [{index % 10 for index in share} for share in (first, second)]
        assert not kinds[0] & kinds[1]
        costs = [
            sum(pack_tokens([[rows[index] for index in share if index % 10 == kind]], "prefix") for kind in kinds[part])
            for part, share in enumerate((first, second))
        ]
        assert max(costs) < 1.5 * min(costs)


def test_a_packed_step_mixes_databases():
    rows = examples(200, prefixes=10)
    sampler = StepSampler(rows, packing="prefix", examples_per_step=20, prefixes_per_step=4, seed=0)
    kinds = [len({index % 10 for index in step}) for step in sampler]
    assert sum(kinds) / len(kinds) > 2.5
