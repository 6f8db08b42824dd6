rule sample_answers:
    """Answers of a model and its adapters to a part's chats."""
    input:
        files=inputs("sample"),
        model=model_of,
    output:
        answers="results/{study}/sample/{part}/{shard}/answers.parquet",
    log:
        "logs/sample/{study}/{part}-{shard}.log",
    benchmark:
        "results/benchmarks/sample/{study}/{part}-{shard}.tsv"
    wildcard_constraints:
        study=computing("sample"),
        part=parts("sample"),
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
        "Sampling the answers of {wildcards.study}, part {wildcards.part}, shard {wildcards.shard}"
    shell:
        "inoc sample {wildcards.study} {wildcards.part} --shard {wildcards.shard}/{params.shards} --log {log}"


use rule sample_answers as sample_by_api with:
    input:
        files=inputs("sample"),
    wildcard_constraints:
        study=asking("sample"),
        part=parts("sample"),
    localrule: True
    resources:
        gpu=0,
        mem_mb=memory(4_000),
        runtime="8h",
