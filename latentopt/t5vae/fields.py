"""The fields of a T5-VAE that a training sets, each declared once: model, training and command line take them from here."""

from __future__ import annotations

from dataclasses import dataclass

from latentopt.declared import declarations, declared

BOTTLENECKS = ("positional", "attention", "fixed_length")
REGULARISERS = ("mmd", "mmd_original", "kl", "adversarial", "none")

SHAPE, LATENTS = "shape", "latents"
"""What a field decides: the shape of the weights; or else how a text is read, and so which z it has."""


@dataclass
class ModelFields:
    """What a T5-VAE has beside the fields of a T5.

    Attributes:
        latent_dim: d, the number of dimensions of z.
        max_tokens: the longest text in tokens, the end token included.
        bottleneck: one of `BOTTLENECKS`.
        place_spacing: positions between two places of z, for ``positional`` and ``fixed_length``. With 1 every position is a
            place; with more, a token is shared by the two places beside it, and words that a direction inserts push the rest
            aside by little.
        balance_brackets: the texts are code, whose brackets and quotation marks close themselves: the decoder need not write
            the last of them, and those that it gets wrong are put right (`latentopt.t5vae.brackets`).
        noise: per text, noise of sigma ~ U(0, noise) is added to z in training (``kl`` has its own).
        mixing: share of the texts whose z, in training, is replaced by a point on the way to another text's z or to a draw from
            the batch's Gaussian, so that the decoder learns to write one text of whatever it is given. Also not for ``kl``.
        jitter: share of the texts in which, in training, all tokens from some position on are put one further or one back, onto
            the token before. A code that can be read after that can be added to. Also not for ``attention``.
        deletion: per text, encoder tokens are deleted with p ~ U(0, deletion) in training.
        regulariser: one of `REGULARISERS`; its weight beside the token-mean cross-entropy is ``regulariser_weight``.
        covariance_weight: of what keeps z's covariance near the identity, beside ``mmd``.
        kl_annealing: training steps over which the weight of ``kl`` grows from 0.
        free_bits: nats per dimension that ``kl`` does not count.
        decoder_dropout: share of the decoder's input tokens hidden in training (Bowman et al. 2016).
        scheduled_sampling: share of the decoder's input tokens that are its own first choices in training, by two passes
            (Mihaylova & Martins 2019).
        distillation: weight, in training, of the loss on what the model itself writes of random latents once it is made valid
            (`latentopt.training.distillation`); made anew after each checkpoint.
    """

    latent_dim: int = declared(128, "Dimensions of z.", 1, decides=SHAPE)
    max_tokens: int = declared(32, "Longer texts are skipped.", 4, decides=SHAPE)
    bottleneck: str = declared(
        "positional", "positional, attention, or fixed_length as in the first T5-VAE.", known=BOTTLENECKS, decides=SHAPE
    )
    place_spacing: float = declared(1.0, "Positions between two places of z.", 1, decides=SHAPE)
    balance_brackets: bool = declared(
        False, "For code: brackets and quotation marks close themselves.", decides=LATENTS
    )
    noise: float = declared(0.3, "The most noise added to z in training, in standard deviations.", 0)
    mixing: float = declared(0.0, "Share of latents moved towards another latent or a random one.", 0, 1)
    jitter: float = declared(0.0, "Share of texts whose tokens are shifted by a place.", 0, 1)
    deletion: float = declared(0.0, "The largest share of the encoder's tokens that is deleted.", 0, 1)
    regulariser: str = declared("mmd", "mmd, mmd_original, kl, adversarial or none.", known=REGULARISERS, decides=SHAPE)
    regulariser_weight: float = declared(1.0, "Weight of the regulariser in the loss.", 0)
    covariance_weight: float = declared(0.01, "Weight of pulling z's covariance to the identity.", 0)
    kl_annealing: int = declared(0, "Steps over which the weight of kl grows.", 0)
    free_bits: float = declared(0.0, "Nats per dimension that kl does not count.", 0)
    decoder_dropout: float = declared(0.0, "Share of decoder inputs hidden in training.", 0, 1)
    scheduled_sampling: float = declared(
        0.0, "Share of decoder inputs replaced by the decoder's own choices in training.", 0, 1
    )
    distillation: float = declared(
        0.0, "Weight of learning the model's own random samples, after --constraint made them valid.", 0
    )


NAMED_OTHERWISE = {
    "noise": "latent_noise",
    "mixing": "latent_mixing",
    "jitter": "position_jitter",
    "deletion": "token_deletion",
}
"""What a field is called in config.json, where the short name would not tell of what it is."""


def names(decides: str) -> list[str]:
    """The fields of the model that decide something."""
    return [each.name for each in declarations(ModelFields) if each.metadata["decides"] == decides]
