rule elicit_traits:
    """Completions of the untrained model, with and without each prefix."""
    input:
        files=inputs("elicit"),
        model=model_of,
    output:
        completions="results/{study}/elicit/completions-{shard}.parquet",
    log:
        "logs/elicit/{study}/{shard}.log",
    benchmark:
        "results/benchmarks/elicit/{study}/{shard}.tsv"
    wildcard_constraints:
        study=COMPUTED,
    conda:
        CONDA
    resources:
        gpu=1,
        mem_mb=model_memory,
        runtime="8h",
    params:
        settings=settings("elicit"),
        version=version("elicit"),
        shards=n_shards("elicit"),
    message:
        "Sampling from the untrained model of {wildcards.study}, shard {wildcards.shard}"
    shell:
        "inoc elicit {wildcards.study} --shard {wildcards.shard}/{params.shards} --log {log}"
