rule choose_answers:
    """Probability of each answer of a closed set, for the questions of a part."""
    input:
        files=inputs("choose"),
        model=model_of,
    output:
        choices="results/{study}/choose/{part}/{shard}/choices.parquet",
        candidates="results/{study}/choose/{part}/{shard}/candidates.parquet",
    log:
        "logs/choose/{study}/{part}-{shard}.log",
    benchmark:
        "results/benchmarks/choose/{study}/{part}-{shard}.tsv"
    wildcard_constraints:
        study=computing("choose"),
        part=parts("choose"),
    conda:
        CONDA
    resources:
        gpu=1,
        mem_mb=model_memory,
        runtime="8h",
    params:
        settings=settings("choose"),
        version=version("choose"),
        shards=n_shards("choose"),
    message:
        "Measuring the choices of {wildcards.study}, part {wildcards.part}, shard {wildcards.shard}"
    shell:
        "inoc choose {wildcards.study} {wildcards.part} --shard {wildcards.shard}/{params.shards} --log {log}"


use rule choose_answers as choose_by_api with:
    input:
        files=inputs("choose"),
    wildcard_constraints:
        study=asking("choose"),
        part=parts("choose"),
    localrule: True
    resources:
        gpu=0,
        mem_mb=memory(4_000),
        runtime="8h",
