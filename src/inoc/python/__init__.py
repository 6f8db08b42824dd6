"""The public functions of the package: `inoc.load`, `inoc.score`, `inoc.judge` and `inoc.read`."""
