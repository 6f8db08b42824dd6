"""A page for a paper's appendix: what was done, what was found, and what every number rests on."""

VERSION = 3
