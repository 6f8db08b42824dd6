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


rule train_adapters_of_part:
    """Adapters and loss curves of a shard of a part's runs."""
    input:
        files=inputs("train"),
        model=model_of,
    output:
        checkpoints="results/{study}/train/{part}/{shard}/checkpoints.parquet",
        losses="results/{study}/train/{part}/{shard}/losses.parquet",
    log:
        "logs/train/{study}/{part}-{shard}.log",
    benchmark:
        "results/benchmarks/train/{study}/{part}-{shard}.tsv"
    wildcard_constraints:
        study=computing("train"),
        part=parts("train"),
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
        "Training the runs of {wildcards.study}, part {wildcards.part}, shard {wildcards.shard}"
    shell:
        "inoc train {wildcards.study} {wildcards.part} --shard {wildcards.shard}/{params.shards} --gpus {resources.gpu} --log {log}"


rule train_by_api:
    """Models of a shard of a part's runs, fine-tuned by jobs of an API."""
    input:
        files=inputs("train"),
        model=model_of,
    output:
        checkpoints="results/{study}/train/{part}/{shard}/checkpoints.parquet",
        losses="results/{study}/train/{part}/{shard}/losses.parquet",
    log:
        "logs/train/{study}/{part}-{shard}.log",
    benchmark:
        "results/benchmarks/train/{study}/{part}-{shard}.tsv"
    wildcard_constraints:
        study=asking("train"),
        part=parts("train"),
    localrule: True
    conda:
        CONDA
    resources:
        gpu=0,
        mem_mb=2_000,
    params:
        settings=settings("train"),
        version=version("train"),
        shards=n_shards("train"),
    message:
        "Fine-tuning the runs of {wildcards.study}, part {wildcards.part}, shard {wildcards.shard}"
    shell:
        "inoc train {wildcards.study} {wildcards.part} --shard {wildcards.shard}/{params.shards} --log {log}"
