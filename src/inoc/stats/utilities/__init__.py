"""Utilities of items from comparisons of two: models, fits, intervals and the choice of a penalty."""
