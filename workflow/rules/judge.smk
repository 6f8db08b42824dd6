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
        study=COMPUTED,
        part=parts("judge"),
    localrule: asks_an_api("judge")
    conda:
        CONDA
    resources:
        mem_mb=memory(2_000),
        runtime="30m",
    params:
        settings=settings("judge"),
        version=version("judge"),
    message:
        "Judging the completions of {wildcards.study}, stage {wildcards.part}"
    shell:
        "inoc judge {wildcards.study} {wildcards.part} --log {log}"
