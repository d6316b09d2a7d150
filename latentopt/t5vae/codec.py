"""Codecs: text to latents and back."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoTokenizer, LogitsProcessor, PreTrainedTokenizerBase

from latentopt.constraint import Constraint
from latentopt.errors import LatentoptError, first_line, listed, require_texts
from latentopt.posterior import AggregatePosterior
from latentopt.t5vae.decoding import Decoder
from latentopt.t5vae.model import T5VAEModel
from latentopt.t5vae.token_pairs import TokenPairs
from latentopt.t5vae.tokenizing import padded, texts_of, token_ids
from latentopt.text import one_line

logger = logging.getLogger("latentopt")


class T5VAECodec:
    """A frozen `T5VAEModel` with its tokenizer.

    Args:
        model: in evaluation mode from here on, its weights frozen.
        tokenizer: whose end token ends every text.
        name, fingerprint: see `Codec`.
        token_pairs: what `surprise` goes by.
        batch_size: the largest number of texts or latents worked on at once; it is halved when memory runs out.
    """

    def __init__(
        self,
        model: T5VAEModel,
        tokenizer: PreTrainedTokenizerBase,
        name: str = "",
        fingerprint: str = "",
        batch_size: int = 512,
        token_pairs: TokenPairs | None = None,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer, self.token_pairs = tokenizer, token_pairs
        self.name, self.fingerprint, self.batch_size = name, fingerprint, batch_size
        self.latent_dim = model.config.latent_dim
        self.max_tokens = model.config.max_tokens
        self.language = model.config.language
        self.whole_lines = bool(model.config.balance_brackets)  # code: no part of a line stands for itself
        self.cell = model.config.cell_radius or 1.0
        bottleneck = model.bottleneck
        self.posterior = AggregatePosterior(bottleneck.weights, bottleneck.means, bottleneck.cholesky)
        self.decoder = Decoder(model)

    @classmethod
    def from_folder(cls, folder: Path, device: str = "auto", dtype: str = "auto") -> T5VAECodec:
        """Load what ``latentopt train`` wrote; see `load_codec`."""
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if dtype == "auto":
            dtype = "bfloat16" if device.startswith("cuda") else "float32"
        if dtype not in ("float32", "bfloat16"):
            raise LatentoptError(f"{dtype!r} is no dtype to decode in; use float32 or bfloat16")
        if not (folder / "config.json").is_file():
            raise LatentoptError(f"{folder} is no model folder: it has no config.json")
        try:
            loaded: Any = T5VAEModel.from_pretrained(
                folder, dtype=getattr(torch, dtype), local_files_only=True, output_loading_info=True
            )
            model, report = loaded
            if report["missing_keys"]:
                raise ValueError(f"it lacks the weights {', '.join(sorted(report['missing_keys'])[:3])}")
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:
            raise LatentoptError(f"the checkpoint in {folder} is broken or incomplete: {first_line(error)}") from error
        try:
            model = model.to(device)
        except (RuntimeError, AssertionError) as error:
            raise LatentoptError(f"the device {device!r} cannot be used: {first_line(error)}") from error
        name, pairs = folder.resolve().name, TokenPairs.load(folder, model.config.vocab_size)
        return cls(model, tokenizer, name, fingerprint(folder), token_pairs=pairs)

    @property
    def device(self) -> torch.device:
        return self.model.device

    def tokenize(self, texts: Sequence[str], truncation: bool = False) -> list[list[int]]:
        """Token ids of each text, the end token last.

        Args:
            truncation: cut a text that is too long.

        Raises:
            LatentoptError: when a text is no string or longer than the model reads; it names the text's position.
        """
        require_texts(texts)
        ids = self._lines(texts)
        if truncation:
            return [[*tokens[:-1][: self.max_tokens - 1], tokens[-1]] for tokens in ids]
        for position, tokens in enumerate(ids):
            if len(tokens) > self.max_tokens:
                line = one_line(texts[position])
                raise LatentoptError(
                    f"text {position + 1} is too long: {len(tokens) - 1} tokens ({len(line)} characters), where the model "
                    f"{self.name or 'here'} reads at most {self.max_tokens - 1}; shorten or drop it: {line[:60]!r}"
                )
        return ids

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """See `Codec.fits`."""
        return [len(ids) <= self.max_tokens for ids in self._lines(texts)]

    @property
    def tells_garbled(self) -> bool:
        """See `Fluency`."""
        return self.token_pairs is not None

    def surprise(self, texts: Sequence[str], drafts: Sequence[str] | None = None) -> np.ndarray:
        """How garbled texts of any length are, in nats, (n,): see `latentopt.t5vae.token_pairs`.

        Args:
            drafts: n texts too: what stands there is not counted.

        Raises:
            LatentoptError: when the model has no such counts: it was trained from pairs, or before they were kept.
        """
        if self.token_pairs is None:
            raise LatentoptError(
                f"the model {self.name!r} does not know which tokens follow one another, as those do that `latentopt train "
                "--text` writes now; name such a model"
            )
        return self.token_pairs.surprise(self._lines(texts), None if drafts is None else self._lines(drafts))

    def _lines(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts of any length, the end token last."""
        ids = token_ids(self.tokenizer, texts, bool(self.model.config.balance_brackets))
        return [[*tokens, self.tokenizer.eos_token_id] for tokens in ids]

    def pad(self, ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """n lists of token ids -> ids and mask, both (n, t), on the codec's device."""
        filled, mask = padded([torch.tensor(tokens) for tokens in ids], self.tokenizer.pad_token_id)
        return filled.to(self.device), mask.to(self.device)

    def encode(self, texts: Sequence[str], truncation: bool = False) -> Tensor:
        """See `Codec.encode`."""
        ids = self.tokenize(listed(texts), truncation)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        z = torch.empty(len(ids), self.latent_dim, device=self.device)

        def work(start: int, stop: int) -> None:
            chosen = order[start:stop]
            with torch.inference_mode():
                z[chosen] = self.model.encode_ids(*self.pad([ids[i] for i in chosen]))

        self._batched(len(ids), work)
        return z

    def decode(
        self,
        z: Tensor,
        *,
        temperature: float | None = None,
        rng: torch.Generator | None = None,
        logits_processor: LogitsProcessor | Constraint | None = None,
    ) -> list[str]:
        """See `Codec.decode`."""
        return self._decode(z, temperature, rng, logits_processor)

    def decode_repaired(
        self,
        z: Tensor,
        accepts: Callable[[list[int], list[str]], np.ndarray],
        constraint: Constraint,
        *,
        temperature: float | None = None,
        rng: torch.Generator | None = None,
    ) -> list[str]:
        """See `Repairing.decode_repaired`."""
        free = np.zeros(z.shape[:1], dtype=bool)

        def asked(start: int, rows: list[int], tokens: Tensor) -> np.ndarray:
            positions = [start + row for row in rows]
            free[positions] = accepted = accepts(positions, self._texts(tokens))
            return accepted

        return self._decode(z, temperature, rng, constraint, asked, free)

    def _decode(
        self,
        z: Tensor,
        temperature: float | None,
        rng: torch.Generator | None,
        logits_processor: LogitsProcessor | Constraint | None,
        asked: Callable[[int, list[int], Tensor], np.ndarray] | None = None,
        free: np.ndarray | None = None,
    ) -> list[str]:
        """Args as for `decode` and `decode_repaired`; ``free``, (n,) bool, tells in the end what no constraint has touched."""
        if free is None:
            free = np.full(z.shape[:1], not isinstance(logits_processor, Constraint))
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise LatentoptError(f"latents should have the shape (n, {self.latent_dim}), got {tuple(z.shape)}")
        if not bool(torch.isfinite(z).all()):
            raise LatentoptError("latents to decode hold NaN or infinite values")
        texts: dict[int, list[str]] = {}

        def work(start: int, stop: int) -> None:
            accepts = partial(asked, start) if asked else None
            here = z[start:stop].to(self.device)
            ids = self.decoder(here, self.max_tokens, temperature, rng, logits_processor, accepts)
            texts[start] = self._texts(ids, free[start:stop])

        self._batched(len(z), work)
        return [text for start in sorted(texts) for text in texts[start]]

    def _texts(self, ids: Tensor, free: np.ndarray | None = None) -> list[str]:
        """Token ids (n, t) -> n texts; of those that are not ``free`` a constraint sees to the brackets."""
        mine = np.ones(len(ids), dtype=bool) if free is None else free
        return texts_of(self.tokenizer, ids, (mine & self.model.config.balance_brackets).tolist())

    def log_prob(self, z: Tensor, texts: Sequence[str]) -> Tensor:
        """See `Likelihood.log_prob`."""
        if len(z) != len(texts):
            raise LatentoptError(f"{len(z)} latents but {len(texts)} texts")
        ids = self.tokenize(texts)
        parts = [
            self.model.token_log_probs(z[i : i + self.batch_size], *self.pad(ids[i : i + self.batch_size])).sum(1)
            for i in range(0, len(ids), self.batch_size)
        ]
        return torch.cat(parts) if parts else z.new_zeros(0)

    def margins(self, z: Tensor, texts: Sequence[str]) -> Tensor:
        """See `Margins.margins`; on a CPU that has it in bfloat16, which takes half the time."""
        if len(z) != len(texts):
            raise LatentoptError(f"{len(z)} latents but {len(texts)} texts")
        if not texts:
            return z.new_zeros(0, 0)
        half = self.device.type == "cpu" and bool(torch.cpu.get_capabilities().get("avx512_bf16"))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            return self.model.token_margins(z, *self.pad(self.tokenize(texts)))

    @torch.no_grad()
    def token_accuracy(self, z: Tensor, texts: Sequence[str]) -> float:
        """The share of tokens that are the decoder's first choice, given z (n, d) and the true tokens before."""
        ids = self.tokenize(texts)
        right = total = 0
        for start in range(0, len(ids), 64):
            padded, mask = self.pad(ids[start : start + 64])
            chosen = self.model.teacher_forced_logits(z[start : start + 64], padded).argmax(-1)
            right += int(((chosen == padded) & mask.bool()).sum())
            total += int(mask.sum())
        return right / total

    def _batched(self, n: int, work: Callable[[int, int], None]) -> None:
        """Call ``work(start, stop)`` over n rows; where memory runs out, go on with half the batch."""
        start = 0
        while start < n:
            stop = min(start + self.batch_size, n)
            try:
                work(start, stop)
            except torch.OutOfMemoryError:
                if self.batch_size == 1:
                    raise
                self.batch_size //= 2
                logger.warning("out of memory: going on with batches of %d", self.batch_size)
                torch.cuda.empty_cache()
                continue
            start = stop


def fingerprint(folder: Path) -> str:
    """A hash of a model folder's weights and tokenizer, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("tokenizer.json")]):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
