"""Random numbers of sampled answers: each request has its own stream, whatever else is in its batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from transformers import LogitsProcessor

from inoc.config.models import Sampling


def request_seed(sampling: Sampling, identity: str) -> str:
    """Seed text of one request's random stream."""
    return f"{sampling.seed}:{identity}"


class SeededDraw(LogitsProcessor):  # type: ignore[misc]
    """Turns greedy decoding into sampling with a random stream per request.

    Each request brings its own uniform numbers, one per new token, so what it draws does not depend on which other
    requests share its batch.

    Args:
        seeds: One text per request.
        sampling: Temperature, nucleus and number of new tokens.
    """

    def __init__(self, seeds: Sequence[str], sampling: Sampling) -> None:
        self._uniforms = uniforms(seeds, sampling.max_tokens)
        self._sampling = sampling
        self._at = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores that leave only the drawn token."""
        drawn = self._uniforms[:, self._at, None].to(scores.device)
        chosen = chosen_tokens(scores, drawn, self._sampling.temperature, self._sampling.top_p)[:, None]
        self._at += 1
        return torch.full_like(scores, -torch.inf).scatter(1, chosen, 0.0)


def uniforms(seeds: Sequence[str], n: int) -> torch.Tensor:
    """The random stream of each request: float64, shape (requests, n), from 0 to 1."""
    streams = [np.random.default_rng(entropy(seed)).random(n) for seed in seeds]
    return torch.tensor(np.stack(streams), dtype=torch.float64)


def chosen_tokens(scores: torch.Tensor, uniform: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """The token that each request draws.

    Args:
        scores: Logits, shape (requests, vocabulary).
        uniform: A number from 0 to 1 for each request, shape (requests, 1); not looked at for temperature 0.
        temperature: 0 is greedy.
        top_p: Nucleus; 1 keeps the whole distribution.

    Returns:
        int64, shape (requests,).
    """
    if temperature == 0:
        return scores.argmax(dim=-1)
    shares = torch.softmax(scores.double() / temperature, dim=-1)
    if top_p < 1:
        shares = nucleus(shares, top_p)
    cumulative = shares.cumsum(dim=-1)
    drawn = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    return drawn[:, 0].clamp(max=scores.shape[-1] - 1)


def nucleus(shares: torch.Tensor, top_p: float) -> torch.Tensor:
    """Set to zero all but the likeliest tokens that together reach `top_p`; shape (requests, vocabulary)."""
    ordered, order = shares.sort(dim=-1, descending=True)
    beyond = ordered.cumsum(dim=-1) - ordered >= top_p
    return torch.zeros_like(shares).scatter(1, order, ordered.masked_fill(beyond, 0.0))


def entropy(seed: str) -> int:
    """128 bits that stand for a text."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:16], "big")
