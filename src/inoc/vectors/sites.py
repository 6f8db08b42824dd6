"""Names of the places in a model where activations are read and vectors are added.

`embed` is the input of the first block, `resid_post.i` the residual stream after block i, counted from 0, and
`final_norm` the last block's output after the final normalisation. In the tuple `hidden_states` of transformers these
are the entries 0, i + 1 and the last one; the last block's own output, `resid_post.L-1`, is not in that tuple, whose
last entry is normalised already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from inoc.errors import ConfigError

EMBED = "embed"
FINAL_NORM = "final_norm"
_BLOCK = re.compile(r"resid_post\.(0|[1-9][0-9]*)")


def site_names(layers: int) -> list[str]:
    """All sites of a model, in the order in which a forward pass reaches them.

    Args:
        layers: Number of blocks.
    """
    return [EMBED, *(f"resid_post.{layer}" for layer in range(layers)), FINAL_NORM]


def in_order(sites: Iterable[str]) -> list[str]:
    """Sites of a model whose number of blocks need not be known, each once, as a forward pass reaches them."""
    return sorted(set(sites), key=_place)


def _place(site: str) -> float:
    found = _BLOCK.fullmatch(site)
    if found is not None:
        return int(found[1])
    return -1.0 if site == EMBED else float("inf")


def site_at(place: float | str, layers: int) -> str:
    """The site at a share of a model's blocks, or of this name.

    Args:
        place: Of L blocks, the site after block ⌊share · L⌋, counted from 0, and after the last one for 1; or a name.
        layers: Number of blocks of the model.

    Raises:
        ConfigError: If the model has no such site.
    """
    if not isinstance(place, str):
        return f"resid_post.{min(int(place * layers), layers - 1)}"
    depth(place, layers)
    return place


def depth(site: str, layers: int) -> int:
    """Number of blocks that a forward pass has completed at a site; `final_norm` counts as one after the last block.

    Args:
        site: Name of the site.
        layers: Number of blocks of the model.

    Raises:
        ConfigError: If the model has no such site.
    """
    if site == EMBED:
        return 0
    if site == FINAL_NORM:
        return layers + 1
    found = _BLOCK.fullmatch(site)
    if found is None or int(found[1]) >= layers:
        msg = (
            f"site {site!r}: this model has {layers} blocks; accepted: {EMBED!r}, 'resid_post.0' to "
            f"'resid_post.{layers - 1}', {FINAL_NORM!r}"
        )
        raise ConfigError(msg)
    return int(found[1]) + 1


def hidden_state_site(index: int, layers: int) -> str:
    """The site of an entry of transformers' `hidden_states`, by which other tools number their vectors.

    Args:
        index: 0 for the embedding, …, the number of blocks for the last entry, which is after the final norm.
        layers: Number of blocks of the model.

    Raises:
        ConfigError: If there is no such entry.
    """
    if not 0 <= index <= layers:
        msg = f"entry {index} of hidden_states: a model of {layers} blocks has the entries 0 to {layers}"
        raise ConfigError(msg)
    if index == layers:
        return FINAL_NORM
    return EMBED if index == 0 else f"resid_post.{index - 1}"
