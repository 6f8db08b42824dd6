# The root of the repository is a Snakemake project: `snakemake` runs here without `--snakefile`.
include: "workflow/Snakefile"


rule default:
    """Everything; an included file cannot set the default target."""
    default_target: True
    input:
        "results/figures/all",
    localrule: True
