rule analyse_study:
    """Elicitation, predictors, suppression, gate and their intervals."""
    input:
        scores=scores_of,
        logprobs=logprobs_of,
        losses=losses_of,
        self_perplexity=self_perplexity_of,
        embeddings=embeddings_of,
        questions=questions_of,
    output:
        predictors="results/{study}/analyse/predictors.parquet",
        suppression="results/{study}/analyse/suppression.parquet",
        gate="results/{study}/analyse/gate.parquet",
    log:
        "logs/analyse/{study}.log",
    benchmark:
        "results/benchmarks/analyse/{study}.tsv"
    conda:
        "../envs/inoc.yaml"
    resources:
        mem_mb=memory(2_000),
        runtime="30m",
    params:
        settings=settings("analyse"),
        version=step_version("analyse"),
    message:
        "Analysing {wildcards.study}"
    shell:
        "inoc analyse {wildcards.study} --log {log}"
