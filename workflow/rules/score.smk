rule score_logprobs:
    """Log-probability of every response token, with and without each prefix."""
    input:
        files=inputs("score"),
        model=model_of,
    output:
        logprobs="results/{study}/score/logprobs-{shard}.parquet",
        self_perplexity="results/{study}/score/self-perplexity-{shard}.parquet",
    log:
        "logs/score/{study}/{shard}.log",
    benchmark:
        "results/benchmarks/score/{study}/{shard}.tsv"
    wildcard_constraints:
        study=COMPUTED,
    conda:
        CONDA
    resources:
        gpu=1,
        mem_mb=model_memory,
        runtime="8h",
    params:
        settings=settings("score"),
        version=version("score"),
        shards=n_shards("score"),
    message:
        "Scoring the responses of {wildcards.study}, shard {wildcards.shard}"
    shell:
        "inoc score {wildcards.study} --shard {wildcards.shard}/{params.shards} --log {log}"
