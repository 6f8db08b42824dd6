rule train_adapters:
    """Adapters and loss curves of a shard of runs."""
    input:
        files=inputs("train"),
        model=model_of,
    output:
        checkpoints="results/{study}/train/{shard}/checkpoints.parquet",
        losses="results/{study}/train/{shard}/losses.parquet",
    log:
        "logs/train/{study}/{shard}.log",
    benchmark:
        "results/benchmarks/train/{study}/{shard}.tsv"
    wildcard_constraints:
        study=COMPUTED,
    conda:
        CONDA
    resources:
        gpu=train_gpus,
        mem_mb=train_memory,
        runtime="8h",
    params:
        settings=settings("train"),
        version=version("train"),
        shards=n_shards("train"),
    message:
        "Training the runs of {wildcards.study}, shard {wildcards.shard}"
    shell:
        "inoc train {wildcards.study} --shard {wildcards.shard}/{params.shards} --gpus {resources.gpu} --log {log}"
