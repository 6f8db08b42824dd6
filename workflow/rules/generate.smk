rule generate_data:
    """Training examples, evaluation instructions and control completions."""
    input:
        files=inputs("generate"),
        model=model_of,
    output:
        examples="results/{study}/generate/train.parquet",
        instructions="results/{study}/generate/eval.parquet",
        controls="results/{study}/generate/controls.parquet",
    log:
        "logs/generate/{study}.log",
    benchmark:
        "results/benchmarks/generate/{study}.tsv"
    wildcard_constraints:
        study=COMPUTED,
    conda:
        CONDA
    resources:
        gpu=1,
        mem_mb=model_memory,
        runtime="8h",
    params:
        settings=settings("generate"),
        version=version("generate"),
    message:
        "Sampling the data of {wildcards.study}"
    shell:
        "inoc generate {wildcards.study} --log {log}"
