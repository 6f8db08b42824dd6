"""Probabilities of the answers of a closed set, without sampling."""

VERSION = 1
HELP = "measure how likely each answer of a closed set is"
