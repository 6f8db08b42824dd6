rule judge_completions:
    """Scores of all completions of a stage, for every trait."""
    input:
        files=inputs("judge"),
    output:
        scores="results/{study}/judge/{part}.parquet",
    log:
        "logs/judge/{study}/{part}.log",
    benchmark:
        "results/benchmarks/judge/{study}/{part}.tsv"
    wildcard_constraints:
        study=computing("judge"),
        part=parts("judge"),
    conda:
        CONDA
    resources:
        gpu=loads_another("judge"),
        mem_mb=memory_of("judge", 2_000),
        runtime=runtime_of("judge", "30m"),
    params:
        settings=settings("judge"),
        version=version("judge"),
    message:
        "Judging the completions of {wildcards.study}, stage {wildcards.part}"
    shell:
        "inoc judge {wildcards.study} {wildcards.part} --log {log}"


use rule judge_completions as judge_by_api with:
    wildcard_constraints:
        study=asking("judge"),
        part=parts("judge"),
    localrule: True
