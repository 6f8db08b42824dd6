rule sample_answers:
    """Answers of the untrained model, such as datasets that it writes under a prompt."""
    input:
        files=inputs("sample"),
        model=model_of,
    output:
        completions="results/{study}/sample/completions-{shard}.parquet",
    log:
        "logs/sample/{study}/{shard}.log",
    benchmark:
        "results/benchmarks/sample/{study}/{shard}.tsv"
    wildcard_constraints:
        study=COMPUTED,
    conda:
        CONDA
    resources:
        gpu=1,
        mem_mb=model_memory,
        runtime="8h",
    params:
        settings=settings("sample"),
        version=version("sample"),
        shards=n_shards("sample"),
    message:
        "Sampling answers of the untrained model of {wildcards.study}, shard {wildcards.shard}"
    shell:
        "inoc sample {wildcards.study} --shard {wildcards.shard}/{params.shards} --log {log}"
