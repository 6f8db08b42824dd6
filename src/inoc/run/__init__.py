"""The verb `run`: a whole study through Snakemake, as it is or small."""
