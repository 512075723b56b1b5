"""InfoNCE: against torch's cross-entropy, by hand with several positives, and what is refused."""

import math

import pytest
import torch
import torch.nn.functional as F

from reclf.models.losses import contrastive_losses, info_nce


def test_equals_cross_entropy_in_value_and_gradient():
    logits = torch.randn(5, 5, requires_grad=True)
    labels = torch.arange(5)
    plain = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
    loss = info_nce(logits)
    torch.testing.assert_close(loss, plain)
    (expected,) = torch.autograd.grad(plain, logits)
    torch.testing.assert_close(torch.autograd.grad(loss, logits)[0], expected)


def test_by_hand():
    # Each row of exps is (3, 1) or (1, 3), each column too: -log(3/4) everywhere.
    logits = torch.tensor([[math.log(3), 0.0], [0.0, math.log(3)]])
    assert info_nce(logits).item() == pytest.approx(math.log(4 / 3))


def test_several_positives_by_hand():
    # Studies 0 and 1 have the same report. Exps of the rows: (2, 1, 1), (1, 1, 2), (1, 1, 2).
    logits = torch.tensor([[2.0, 1.0, 1.0], [1.0, 1.0, 2.0], [1.0, 1.0, 2.0]]).log()
    positives = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    rows = [(math.log(2) + math.log(4)) / 2, math.log(4), math.log(2)]
    # Exps of the columns: (2, 1, 1), (1, 1, 1), (1, 2, 2).
    columns = [(math.log(2) + math.log(4)) / 2, math.log(3), math.log(5 / 2)]
    assert info_nce(logits, positives).item() == pytest.approx((sum(rows) + sum(columns)) / 6)


def test_several_positives_against_a_loop():
    logits = torch.randn(6, 6)
    # Study 0 goes with 1, 1 with 2, but 0 not with 2: rows have unequal numbers of positives.
    partners = [[0, 1], [0, 1, 2], [1, 2], [3, 5], [4], [3, 5]]
    positives = torch.tensor([[j in partners[i] for j in range(6)] for i in range(6)])
    total = 0.0
    for i in range(6):
        for scores in (logits[i], logits[:, i]):
            own = torch.log_softmax(scores, 0)[partners[i]]
            total -= sum(own) / len(own) / 12
    torch.testing.assert_close(info_nce(logits, positives), total)


def test_diagonal_positives_are_the_default():
    logits = torch.randn(4, 4)
    torch.testing.assert_close(info_nce(logits, torch.eye(4).bool()), info_nce(logits))


def test_half_precision_logits_are_summed_in_float32():
    logits = torch.randn(4, 4, dtype=torch.bfloat16) * 50
    assert info_nce(logits).dtype == torch.float32
    torch.testing.assert_close(info_nce(logits), info_nce(logits.float()))


def test_large_logits_stay_finite():
    logits = torch.tensor([[1e4, -1e4], [1e4, -1e4]], requires_grad=True)
    info_nce(logits).backward()
    assert logits.grad.isfinite().all()


def test_losses_by_name():
    a, b = torch.randn(3, 3), torch.randn(3, 3)
    positives = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    losses = contrastive_losses(a, b, positives, local_weight=0.25)
    assert losses.keys() == {"global_loss", "local_loss"}
    torch.testing.assert_close(losses["global_loss"], info_nce(a, positives))
    torch.testing.assert_close(losses["local_loss"], 0.25 * info_nce(b, positives))
    assert contrastive_losses(a, None).keys() == {"global_loss"}


def test_an_auxiliary_score_is_contrasted_with_its_share_of_lambda():
    a, b, c = torch.randn(3, 3, 3).unbind()
    losses = contrastive_losses(a, b, local_weight=0.5, logits_auxiliary=c, auxiliary_weight=0.2)
    assert losses.keys() == {"global_loss", "local_loss", "auxiliary_loss"}
    torch.testing.assert_close(losses["auxiliary_loss"], 0.1 * info_nce(c))
    torch.testing.assert_close(losses["local_loss"], 0.5 * info_nce(b))


@pytest.mark.parametrize("shape", [(3,), (3, 2), (2, 2, 2)])
def test_logits_must_be_square_or_wider(shape):
    with pytest.raises(
        ValueError, match=r"logits must be \(B, B\) or wider, got \(" + str(shape[0])
    ):
        info_nce(torch.zeros(shape))


def test_further_columns_are_negatives_of_their_image_alone():
    logits = torch.randn(4, 6, requires_grad=True)
    there = torch.tensor([[1, 1], [0, 0], [0, 1], [1, 0]]).bool()
    shown = torch.cat([logits[:, :4], logits[:, 4:].masked_fill(~there, -math.inf)], 1)
    positives = torch.eye(4).bool()
    positives[0, 1] = positives[1, 0] = True
    plain = torch.zeros(())
    for i in range(4):
        row = torch.cat([logits[i, :4], logits[i, 4:][there[i]]])
        for j in positives[i].nonzero()[:, 0]:
            own = row.logsumexp(0) - logits[i, j] + logits[:, i].logsumexp(0) - logits[j, i]
            plain = plain + own / positives[i].sum() / 8
    loss = info_nce(shown, positives)
    torch.testing.assert_close(loss, plain)
    (expected,) = torch.autograd.grad(plain, logits, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(loss, logits, retain_graph=True)[0], expected)
    soft = [(0.25, torch.eye(4))]  # a similarity to itself alone
    torch.testing.assert_close(info_nce(shown, soft=soft), info_nce(shown))
    none = torch.cat([logits[:, :4], torch.full((4, 2), -math.inf)], 1)
    torch.testing.assert_close(info_nce(none, positives), info_nce(logits[:, :4], positives))


@pytest.mark.parametrize("positives", [torch.ones(3).bool(), torch.eye(2).bool(), torch.eye(3)])
def test_positives_must_fit(positives):
    with pytest.raises(ValueError, match=r"positives must be bool \(3, 3\), got torch\.\w+ \("):
        info_nce(torch.zeros(3, 3), positives)


def test_a_logit_of_minus_infinity_takes_no_part():
    logits = torch.randn(4, 4, requires_grad=True)
    part = torch.tensor([[1, 1, 0, 1], [0, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 1]]).bool()
    loss = info_nce(logits.masked_fill(~part, float("-inf")))
    plain = torch.zeros(())
    for i in range(4):
        for line, there in ((logits[i], part[i]), (logits[:, i], part[:, i])):
            plain = plain - (logits[i, i] - line[there].logsumexp(0)) / 8
    torch.testing.assert_close(loss, plain)
    (expected,) = torch.autograd.grad(plain, logits)
    torch.testing.assert_close(torch.autograd.grad(loss, logits)[0], expected)


def soft_by_loops(logits, positives, soft):
    """Each row and column of logits with its target, of those that take part."""
    total, n = 0.0, len(logits)
    for scores, positive, kinds in (
        (logits, positives, [(share, s) for share, s in soft]),
        (logits.T, positives.T, [(share, s.T) for share, s in soft]),
    ):
        for i in range(n):
            part = [j for j in range(n) if scores[i, j] > -math.inf]
            logs = scores[i] - scores[i][part].logsumexp(0)
            for j in part:
                target = (1 - sum(share for share, _ in kinds)) * positive[i, j] / positive[i].sum()
                for share, similar in kinds:
                    target = target + share * similar[i, j] / sum(similar[i, k] for k in part)
                total = total - target * logs[j] / (2 * n)
    return total


@pytest.mark.parametrize("shortlist", [False, True])
def test_soft_targets_against_a_loop(shortlist):
    logits = torch.randn(5, 5, dtype=torch.float64, requires_grad=True)
    positives = torch.eye(5).bool()
    positives[0, 1] = positives[1, 0] = True
    soft = []
    for share in (0.2, 0.3):
        similar = torch.rand(5, 5) * (torch.rand(5, 5) > 0.4)
        soft.append((share, (similar + similar.T).div(2).fill_diagonal_(1)))
    part = torch.rand(5, 5) > (0.4 if shortlist else -1)
    shown = logits.float().masked_fill(~(part | positives), -math.inf)
    loss, plain = info_nce(shown, positives, soft), soft_by_loops(shown, positives, soft)
    torch.testing.assert_close(loss, plain)
    assert abs(loss - info_nce(shown, positives)) > 0.01
    (expected,) = torch.autograd.grad(plain, logits, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(loss, logits)[0], expected)


def test_a_share_of_nothing_changes_no_bit():
    logits = torch.randn(7, 7, requires_grad=True)
    positives = (
        torch.eye(7).bool() | (torch.arange(7) % 3 == 0) & (torch.arange(7) % 3 == 0)[:, None]
    )
    soft = [(0.0, torch.rand(7, 7).fill_diagonal_(1))]
    one, other = info_nce(logits, positives), info_nce(logits, positives, soft)
    assert torch.equal(one, other)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (one, other)]
    assert torch.equal(*gradients)


def test_soft_targets_reach_every_loss():
    a, b, c = torch.randn(3, 4, 4).unbind()
    soft = [(0.5, torch.rand(4, 4).fill_diagonal_(1))]
    losses = contrastive_losses(a, b, logits_auxiliary=c, soft=soft)
    for name, logits in (("global_loss", a), ("local_loss", b), ("auxiliary_loss", c)):
        torch.testing.assert_close(losses[name], info_nce(logits, soft=soft))
