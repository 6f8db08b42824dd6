rule evaluate_checkpoints:
    """Completions of every checkpoint of a shard of runs."""
    input:
        files=inputs("evaluate"),
        model=model_of,
    output:
        completions="results/{study}/evaluate/completions-{shard}.parquet",
    log:
        "logs/evaluate/{study}/{shard}.log",
    benchmark:
        "results/benchmarks/evaluate/{study}/{shard}.tsv"
    wildcard_constraints:
        study=COMPUTED,
    conda:
        CONDA
    resources:
        gpu=1,
        mem_mb=model_memory,
        runtime="8h",
    params:
        settings=settings("evaluate"),
        version=version("evaluate"),
        shards=n_shards("evaluate"),
    message:
        "Sampling from the checkpoints of {wildcards.study}, shard {wildcards.shard}"
    shell:
        "inoc evaluate {wildcards.study} --shard {wildcards.shard}/{params.shards} --log {log}"
