"""A study file of one's own to begin with: the verb `inoc new`."""
