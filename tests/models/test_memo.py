"""A frozen tower sees each study once, and what is kept does not depend on the batch."""

import pytest
import torch

from reclf.config import WORD_SOURCES
from reclf.models.memo import Memo, memo_of, shared_memos
from reclf.models.reclf import RECLF


class Tower:
    """Doubles its input, and looks at the whole batch, as batch norm would."""

    def __init__(self):
        self.batches = []

    def __call__(self, inputs):
        self.batches.append(tuple(inputs.shape))
        return 2 * inputs, inputs.mean() + torch.zeros(len(inputs), 1)


def test_each_input_goes_through_alone_and_once():
    tower, memo = Tower(), Memo(10**6)
    one, two = torch.rand(1, 4), torch.rand(1, 6)
    first = memo(tower, [one, two, one])
    again = memo(tower, [two, one])
    assert tower.batches == [(1, 1, 4), (1, 1, 6)]
    assert torch.equal(first[0][0], (2 * one).half().float())
    assert torch.equal(first[0][1], one.mean().half().float()[None])
    assert all(torch.equal(a, b) for a, b in zip(first[1], again[0], strict=True))
    assert first[0][0].dtype == torch.float32
    assert not first[0][0].requires_grad


def test_what_does_not_fit_is_computed_again_to_the_same():
    tower = Tower()
    one, two = torch.rand(1, 4), torch.rand(1, 4)
    memo = Memo(limit=4 * 2 + 2)  # float16: four numbers and one, of the first input alone
    (kept, computed), (_, again) = memo(tower, [one, two]), memo(tower, [one, two])
    assert len(tower.batches) == 3
    assert memo.size == 10
    assert all(torch.equal(a, b) for a, b in zip(computed, again, strict=True))
    assert torch.equal(kept[0], (2 * one).half().float())


@pytest.mark.parametrize("source", WORD_SOURCES)
def test_encoders_give_with_a_memo_what_they_give_without(tiny, batch, source):
    model = RECLF(tiny(freeze=True, word_source=source)).eval()
    plain = model.encode(batch)
    model.image_encoder.memo, model.text_encoder.memo = Memo(10**8), Memo(10**8)
    for _ in range(2):
        for found, expected in zip(model.encode(batch), plain, strict=True):
            for a, b in zip(found, expected, strict=True):
                torch.testing.assert_close(a, b, rtol=3e-3, atol=3e-3)
    sizes = len(model.image_encoder.memo.kept), len(model.text_encoder.memo.kept)
    assert sizes == (len(batch), len(batch))


def test_what_is_given_twice_is_kept_once():
    memo = Memo(10**6)
    ((first, second),) = memo(lambda inputs: (inputs,) * 2, [torch.rand(1, 4)])
    assert torch.equal(first, second)
    assert memo.size == 4 * 2


def test_equal_towers_share_a_memo_where_it_is_asked_for():
    tower, same, other = (torch.nn.Linear(2, 2) for _ in range(3))
    same.load_state_dict(tower.state_dict())
    with shared_memos():
        memo = memo_of(tower, 100, "last")
        assert memo_of(same, 100, "last") is memo
        for asked in ((other, 100, "last"), (tower, 200, "last"), (tower, 100, "embedding")):
            assert memo_of(*asked) is not memo
    assert memo_of(tower, 100, "last") is not memo
