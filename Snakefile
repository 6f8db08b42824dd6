# The root of the repository is a Snakemake project: `snakemake` runs here without `--snakefile`.
include: "workflow/Snakefile"


rule default:
    """Everything, since an included file cannot say what is made by default."""
    default_target: True
    input:
        "results/figures/all",
    localrule: True
