rule rephrase_prompts:
    """A pool of rephrasings for each prompt."""
    input:
        files=inputs("rephrase"),
    output:
        pools="results/{study}/rephrase/pools.parquet",
        spread="results/{study}/rephrase/spread.parquet",
    log:
        "logs/rephrase/{study}.log",
    benchmark:
        "results/benchmarks/rephrase/{study}.tsv"
    wildcard_constraints:
        study=COMPUTED,
    localrule: asks_an_api("rephrase")
    conda:
        CONDA
    resources:
        mem_mb=memory(2_000),
        runtime="30m",
    params:
        settings=settings("rephrase"),
        version=version("rephrase"),
    message:
        "Rephrasing the prompts of {wildcards.study}"
    shell:
        "inoc rephrase {wildcards.study} --log {log}"
