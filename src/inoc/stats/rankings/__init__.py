"""Utilities of items from rankings of several: Plackett and Luce's model, and online ratings."""
