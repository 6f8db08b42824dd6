"""Probabilities of the answers of a closed set, without sampling."""

VERSION = 1
HELP = "measure the probability of each answer of a closed set"
