"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy

from modelserver.engine.encoding import Encoding
from modelserver.engine.loading import LoadedModel
from modelserver.training.data import epoch_batches
from modelserver.training.determinism import generator
from modelserver.training.progress import ProgressFile
from modelserver.wire import Recipe, WireError


@dataclass(frozen=True)
class Trained:
    """How a training went: ``loss`` is the mean over the last epoch's steps, ``examples`` counts every epoch."""

    loss: float
    examples: int
    seconds: float


def train(
    model: LoadedModel,
    encodings: Sequence[Encoding],
    labels: Sequence[int],
    recipe: Recipe,
    seed: int,
    progress: ProgressFile,
) -> Trained:
    """Train the weights of ``model`` that require gradients, in place; it is left in evaluation mode.

    Deterministic in its arguments. Raises WireError on ``recipe.learning_rate`` if the loss or gradient is not finite.
    """
    torch.manual_seed(seed)
    network = model.network
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    # Biases and layer norms are not decayed.
    groups = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
    lengths = [len(encoding) for encoding in encodings]
    targets = torch.tensor(labels, device=model.device)
    steps = recipe.epochs * math.ceil(len(encodings) / recipe.batch_size)
    progress.phase("training", steps)
    began = time.monotonic()
    step = 0
    network.train()
    for epoch in range(recipe.epochs):
        losses = []
        for batch in epoch_batches(lengths, recipe.batch_size, generator(seed, f"epoch {epoch}")):
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * schedule(step, steps, recipe.warmup)
            loss = cross_entropy(model.logits([encodings[row] for row in batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(weights, recipe.max_gradient_norm or math.inf)
            losses.append(loss.item())
            if not math.isfinite(losses[-1]) or not math.isfinite(norm.item()):
                raise WireError(
                    "recipe.learning_rate", f"the loss is no longer a number at step {step}; try a lower one"
                )
            optimizer.step()
            step += 1
            progress.step(step, losses[-1])
    network.eval()
    return Trained(sum(losses) / len(losses), recipe.epochs * len(encodings), time.monotonic() - began)


def schedule(step: int, steps: int, warmup: float) -> float:
    """The share of the learning rate for a step, counted from 0: a linear rise over the warm-up, then a linear fall."""
    rise = math.ceil(warmup * steps)
    return (step + 1) / rise if step < rise else (steps - step) / max(1, steps - rise)
