"""Figures of a study, drawn from the tables of the analysis."""

VERSION = 3
