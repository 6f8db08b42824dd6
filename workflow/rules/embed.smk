rule embed_prompts:
    """Sentence embeddings of every prompt and its rephrasings."""
    input:
        files=inputs("embed"),
    output:
        embeddings="results/{study}/embed/embeddings.parquet",
    log:
        "logs/embed/{study}.log",
    benchmark:
        "results/benchmarks/embed/{study}.tsv"
    wildcard_constraints:
        study=COMPUTED,
    localrule: asks_an_api("embed")
    conda:
        CONDA
    resources:
        gpu=1,
        mem_mb=memory(4_000),
        runtime="4h",
    params:
        settings=settings("embed"),
        version=version("embed"),
    message:
        "Embedding the prompts of {wildcards.study}"
    shell:
        "inoc embed {wildcards.study} --log {log}"
