"""Linear probes of activations that were read: what they say about labels, out of sample."""

from __future__ import annotations

from inoc.stages import Stage

VERSION = 2

STAGE = Stage("probe", VERSION, "fit probes to activations, and measure them out of sample", "inoc.probe.step")
