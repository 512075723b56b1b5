"""One step of a training without its optimizer: losses, and the gradients that arrive."""

from reclf.models.losses import contrastive_losses


def losses_and_gradients(model, batch, **how):
    """Losses by name, and gradients by parameter, of those that get one."""
    model.zero_grad()
    losses = contrastive_losses(**model(batch, **how))
    sum(losses.values()).backward()
    return losses, {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
