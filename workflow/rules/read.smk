rule read_activations:
    """Activations of a part's chats; the rows say in which file each one is."""
    input:
        files=inputs("read"),
        model=model_of,
    output:
        rows="results/{study}/read/{part}/{shard}/rows.parquet",
    log:
        "logs/read/{study}/{part}-{shard}.log",
    benchmark:
        "results/benchmarks/read/{study}/{part}-{shard}.tsv"
    wildcard_constraints:
        study=COMPUTED,
        part=parts("read"),
    conda:
        CONDA
    resources:
        gpu=1,
        mem_mb=model_memory,
        runtime="8h",
    params:
        settings=settings("read"),
        version=version("read"),
        shards=n_shards("read"),
    message:
        "Reading the activations of {wildcards.study}, part {wildcards.part}, shard {wildcards.shard}"
    shell:
        "inoc read {wildcards.study} {wildcards.part} --shard {wildcards.shard}/{params.shards} --log {log}"


rule project_activations:
    """Activations of a part's chats, projected onto vectors."""
    input:
        files=inputs("read"),
        model=model_of,
    output:
        projections="results/{study}/read/{part}/{shard}/projections.parquet",
    log:
        "logs/read/{study}/{part}-{shard}.log",
    benchmark:
        "results/benchmarks/read/{study}/{part}-{shard}.tsv"
    wildcard_constraints:
        study=COMPUTED,
        part=parts("read"),
    conda:
        CONDA
    resources:
        gpu=1,
        mem_mb=model_memory,
        runtime="8h",
    params:
        settings=settings("read"),
        version=version("read"),
        shards=n_shards("read"),
    message:
        "Projecting the activations of {wildcards.study}, part {wildcards.part}, shard {wildcards.shard}"
    shell:
        "inoc read {wildcards.study} {wildcards.part} --shard {wildcards.shard}/{params.shards} --log {log}"
