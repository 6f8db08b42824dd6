"""Computed results, each kept under a key of everything it depends on.

An entry is a folder named by the digest of its unit: the step, the step's version, and the parts (model, tokenizer,
messages, sampling, …). It is filled in a work folder and renamed into place, so it is whole or absent. A killed job
therefore resumes where it stopped; a renamed prompt or a moved file costs nothing; parallel jobs may share a store.
"""

from inoc.store.core import Store, Unit

__all__ = ["Store", "Unit"]
