"""Random local-matchings, some padded, for the tests of SRM."""

import pytest
import torch

from reclf.models.relations import Pairs


@pytest.fixture
def pairs(request):
    """N pairs in double precision, of the words in COUNTS of the test's module, W at most."""
    counts, width, dim = (getattr(request.module, name) for name in ("COUNTS", "W", "S"))
    word_mask = torch.arange(width) < torch.tensor(counts)[:, None]
    matchings = torch.randn(len(counts), width, dim, dtype=torch.float64)
    return Pairs(
        matchings=torch.where(word_mask[..., None], matchings, 1e30).requires_grad_(),
        cosines=torch.zeros(len(counts), width),
        global_matching=torch.randn(len(counts), dim, dtype=torch.float64, requires_grad=True),
        word_mask=word_mask,
    )
