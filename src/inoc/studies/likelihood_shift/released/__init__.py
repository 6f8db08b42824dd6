"""Import of released results of studies of likelihood shift."""
