rule rephrase_prompts:
    """A pool of rephrasings for each prompt."""
    output:
        pools="results/{study}/rephrase/pools.parquet",
        spread="results/{study}/rephrase/spread.parquet",
    log:
        "logs/rephrase/{study}.log",
    benchmark:
        "results/benchmarks/rephrase/{study}.tsv"
    params:
        settings=settings("rephrase"),
        version=step_version("rephrase"),
    resources:
        mem_mb=2_000,
        runtime="30m",
    message:
        "Rephrasing the prompts of {wildcards.study}"
    shell:
        "inoc rephrase {wildcards.study} --store {STORE} --log {log}"
