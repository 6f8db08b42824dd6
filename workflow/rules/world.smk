rule make_world:
    """Corpus, tokenizer and weights of the miniature model."""
    output:
        model=directory("results/{study}/world/model"),
        summary="results/{study}/world/world.json",
    log:
        "logs/world/{study}.log",
    benchmark:
        "results/benchmarks/world/{study}.tsv"
    wildcard_constraints:
        study=COMPUTED,
    conda:
        CONDA
    resources:
        mem_mb=memory(3_000),
        runtime="1h",
    params:
        settings=settings("world"),
        version=version("world"),
    message:
        "Pre-training the miniature model of {wildcards.study}"
    shell:
        "inoc world {wildcards.study} --log {log}"
