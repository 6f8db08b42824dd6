"""Costs of a study of preferences, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping

from inoc.config.workflow import Price, Shards
from inoc.jobs.costs import CostRow, Gpu, Size
from inoc.studies.preferences.study import Study


def summary(study: Study) -> str:
    """One line that says how much a study would run."""
    return f"{len(study.models)} models, {len(study.instruments)} instruments"


def costs(
    study: Study, shards: Shards, size: Size, gpu: Gpu, prices: Mapping[str, Price], batch: float
) -> list[CostRow]:
    """The costs of every stage that computes or asks.

    Args:
        study: The study.
        shards: How it is split.
        size: Sizes of its model, prompts and responses.
        gpu: Rates of the GPU.
        prices: Model of the API → dollars per million tokens.
        batch: Share of the price that is paid: 1, or a batch's.
    """
    return []
