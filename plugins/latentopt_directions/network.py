"""A finder that trains a network."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from latentopt.directions.direction import Direction
from latentopt_directions.base import DirectionFinder, pairs, probe
from latentopt_directions.modules import OffsetNetwork


class OffsetNetworkFinder(DirectionFinder):
    """A network from the source to what is added to it, kept where texts are by a critic.

    Follows Emb2Emb (Mai et al. 2020, arXiv:2010.02983): the critic learns to tell moved latents from encodings, and the
    network to come close to the target without being told.

    Args:
        hidden, dropout: see `latentopt_directions.modules.OffsetNetwork`.
        critic: the weight of the critic's term.
        made_pairs: how many pairs `latentopt.directions.finding.find` makes of each, for the network to see more words.
        steps, epochs: training ends after the fewer.
        batch_size, learning_rate, weight_decay: of AdamW, for the network and for the critic.
        seed: of the weights and the batches.
    """

    needs_pairs = True

    def __init__(
        self,
        hidden: int = 512,
        dropout: float = 0.2,
        critic: float = 0.01,
        made_pairs: int = 36,
        steps: int = 2000,
        epochs: int = 100,
        batch_size: int = 128,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.hidden, self.dropout, self.critic, self.seed = hidden, dropout, critic, seed
        self.made_pairs = made_pairs
        self.steps, self.epochs, self.batch_size = steps, epochs, batch_size
        self.learning_rate, self.weight_decay = learning_rate, weight_decay

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> OffsetNetworkFinder:
        """X (n, d), y (n,), groups (n,) with one source and one target each."""
        z, targets = (torch.from_numpy(side).float() for side in pairs(self, X, y, groups))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            direction = OffsetNetwork(z.shape[1], self.hidden, self.dropout)
            critic = nn.Sequential(nn.Linear(z.shape[1], 64), nn.GELU(), nn.Linear(64, 1))
            direction.fill(vector=(targets - z).mean(0), **probe(X, y))
            self._train(direction, critic, z, targets)
        self.direction_: Direction = direction.eval().requires_grad_(False)
        return self

    def _train(self, direction: OffsetNetwork, critic: nn.Module, z: torch.Tensor, targets: torch.Tensor) -> None:
        def optimiser(module: nn.Module) -> torch.optim.Optimizer:
            return torch.optim.AdamW(module.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)

        mover, judge = optimiser(direction), optimiser(critic)
        steps = min(self.steps, self.epochs * -(-len(z) // self.batch_size))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(mover, steps)
        encodings = torch.cat([z, targets])
        likelihood = nn.functional.binary_cross_entropy_with_logits
        for _ in range(steps):
            rows = torch.randint(len(z), (self.batch_size,))
            moved = direction.move(z[rows])
            told = critic(torch.cat([encodings[torch.randint(len(encodings), rows.shape)], moved.detach()]))
            judge.zero_grad()
            likelihood(told, torch.ones_like(told).index_fill(0, torch.arange(len(rows), len(told)), 0.0)).backward()
            judge.step()
            verdict = critic(moved)
            loss = (moved - targets[rows]).square().mean()
            mover.zero_grad()
            (loss + self.critic * likelihood(verdict, torch.ones_like(verdict))).backward()
            mover.step()
            schedule.step()
