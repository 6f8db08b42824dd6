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


rule make_further_world:
    """Corpus, tokenizer and weights of a further miniature model."""
    output:
        model=directory("results/{study}/world/{part}/model"),
        summary="results/{study}/world/{part}/world.json",
    log:
        "logs/world/{study}-{part}.log",
    benchmark:
        "results/benchmarks/world/{study}-{part}.tsv"
    wildcard_constraints:
        study=COMPUTED,
        part=parts("world"),
    conda:
        CONDA
    resources:
        mem_mb=memory(3_000),
        runtime="1h",
    params:
        settings=settings("world"),
        version=version("world"),
    message:
        "Pre-training the miniature model {wildcards.part} of {wildcards.study}"
    shell:
        "inoc world {wildcards.study} {wildcards.part} --log {log}"
