"""Intervals, correlations and out-of-sample errors: arrays in, named numbers out, no files.

Every result carries `n`, the values that entered, and `n_nan`, those that were dropped because a measurement
failed. A result that the data cannot give is NaN, never a number.
"""
