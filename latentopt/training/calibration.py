"""What is measured on a trained T5-VAE and stored with it: the statistics of z, its aggregate posterior, its cell radius."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from latentopt.cell import measure_cell
from latentopt.posterior import fit_posterior
from latentopt.t5vae.codec import T5VAECodec
from latentopt.t5vae.model import T5VAEModel

CALIBRATION_TEXTS = 20_000
"""About how many texts the statistics of z are measured on."""


@torch.no_grad()
def round_weights(model: T5VAEModel) -> None:
    """Round the weights to bfloat16, as they are saved, so that what `calibrate` measures is true of the saved model."""
    for parameter in model.parameters():
        parameter.copy_(parameter.bfloat16().float())


@torch.no_grad()
def calibrate(model: T5VAEModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> None:
    """Measure on clean text what standardises z, the aggregate posterior and the cell radius, and store them.

    The z of a variational model (``kl``) is left in the units of its prior.

    Args:
        texts: training texts, some `CALIBRATION_TEXTS` of them; 200 are used for the cell radius.
    """
    model.eval()
    sample = list(dict.fromkeys(texts))  # so that none is learned and held out as well
    bottleneck = model.bottleneck
    norm: Any = bottleneck.standardise
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0)
    codec = T5VAECodec(model, tokenizer)
    fitting = [text for text, fits in zip(sample, codec.fits(sample), strict=True) if fits]
    z = codec.encode(fitting).double()
    if not bottleneck.variational:
        mean, variance = z.mean(0), z.var(0, correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        z = (z - mean) / (variance + norm.eps).sqrt()
    posterior = fit_posterior(z)
    model.config.posterior_components = len(posterior.weights)
    for name in ("weights", "means", "cholesky"):
        bottleneck.register_buffer(name, getattr(posterior, name).to(z.device))
    model.config.cell_radius = measure_cell(codec, fitting[:: max(1, len(fitting) // 200)][:200])
