"""Linear probes: nested cross-validation over groups, baselines, intervals, and cosines of coefficients."""
