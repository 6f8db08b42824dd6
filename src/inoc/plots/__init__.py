"""Plotting functions: they take arrays and an Axes, and know nothing of studies or files."""
