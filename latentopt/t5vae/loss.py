"""The loss of a T5-VAE on a batch of texts: what is read is noised, what lies in z regularised, what is written scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from latentopt.t5vae.denoising import delete_tokens, mix_latents
from latentopt.t5vae.processes import gather, mean_over_processes
from latentopt.t5vae.regulariser import covariance_penalty, kl_divergence, mmd, mmd_original
from latentopt.t5vae.slicing import by_length

if TYPE_CHECKING:
    from latentopt.t5vae.model import T5VAEModel


def training_loss(
    model: T5VAEModel, input_ids: Tensor, attention_mask: Tensor, target_ids: Tensor, target_mask: Tensor
) -> Tensor:
    """The cross-entropy of a token and the weighted regulariser; args as for `T5VAEModel.forward`.

    The parts are left in ``model.losses``.
    """
    config = model.config
    seen, seen_mask = input_ids, attention_mask
    if model.training and config.token_deletion > 0:
        seen, seen_mask = delete_tokens(input_ids, attention_mask, config.token_deletion)
    features = model.features(seen, seen_mask)
    with torch.autocast(features.device.type, enabled=False):
        features = features.to(model.bottleneck.to_latent.weight.dtype)
        everyone, own = gather(features) if model.training else (features, slice(None))
        z = model.bottleneck.latent(everyone)
        tokens = target_mask.sum()
        tokens = mean_over_processes(tokens) if model.training else tokens
        divergence, covariance, noisy = _regularise(model, z, own, everyone, tokens)
    shown = _shown(model, noisy, target_ids, target_mask) if model.training else target_ids
    log_probs = model.token_log_probs(noisy, target_ids, target_mask, shown)
    reconstruction = -log_probs.sum() / tokens
    model.losses = {
        "reconstruction": reconstruction.detach(),
        "divergence": divergence.detach(),
        "covariance": covariance.detach(),
    }
    return reconstruction + _divergence_weight(model) * divergence + config.covariance_weight * covariance


def _divergence_weight(model: T5VAEModel) -> float | Tensor:
    """The weight of the regulariser at this step of training."""
    config, bottleneck = model.config, model.bottleneck
    if not (bottleneck.variational and config.kl_annealing):
        return config.regulariser_weight
    weight = config.regulariser_weight * (bottleneck.steps / config.kl_annealing).clamp_max(1.0)
    bottleneck.steps += model.training
    return weight


def _regularise(
    model: T5VAEModel, z: Tensor, own: slice, features: Tensor, tokens: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The divergence, the covariance penalty, and this process' z with the noise that its decoder is to see.

    Args:
        z, features: of every process; ``own`` are the rows of this one.
        tokens: in the texts of a process, on average.
    """
    config, bottleneck = model.config, model.bottleneck
    nothing, mine = z.new_zeros(()), z[own]
    if bottleneck.variational:
        log_variance = bottleneck.to_log_variance(features).float()
        noisy = mine + torch.exp(0.5 * log_variance[own]) * torch.randn_like(mine) if model.training else mine
        # The cross-entropy is a mean over tokens, so the divergence is one over tokens too: weight 1 is the ELBO.
        divergence = kl_divergence(z, log_variance, config.free_bits) * len(mine) / tokens
        return divergence, nothing, noisy
    noisy = mine
    if model.training and config.latent_noise > 0:
        noisy = mine + torch.rand(len(mine), 1, device=z.device) * config.latent_noise * torch.randn_like(mine)
    if model.training and config.latent_mixing > 0:
        noisy = mix_latents(noisy, config.latent_mixing)
    prior = torch.randn_like(z)
    if config.regulariser == "mmd":
        return mmd(z, prior), covariance_penalty(z), noisy
    if config.regulariser == "mmd_original":
        return mmd_original(z, prior), nothing, noisy
    if config.regulariser == "adversarial":
        return bottleneck.critic(z, prior), nothing, noisy
    return nothing, nothing, noisy


def _shown(model: T5VAEModel, z: Tensor, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """What the decoder is shown in training: the true tokens, some hidden or replaced by its own choices."""
    config, shown = model.config, input_ids
    if config.scheduled_sampling > 0:
        with torch.no_grad():
            choices = by_length(
                attention_mask,
                lambda rows, t: model.teacher_forced_logits(z[rows], input_ids[rows, :t]).argmax(-1),
            )
        own = torch.rand(input_ids.shape, device=z.device) < config.scheduled_sampling
        shown = torch.where(own, choices, shown)
    if config.decoder_dropout > 0:
        hidden = torch.rand(input_ids.shape, device=z.device) < config.decoder_dropout
        shown = shown.masked_fill(hidden, int(config.pad_token_id or 0))
    return shown
