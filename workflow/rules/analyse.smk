# The tables of a study follow from its kind, so each study has its own rule that lists its files.
for STUDY in STUDIES:

    rule:
        name:
            f"analyse_{STUDY}"
        input:
            files=inputs("analyse", STUDY),
        output:
            tables=stage_outputs("analyse", STUDY),
        log:
            f"logs/analyse/{STUDY}.log",
        benchmark:
            f"results/benchmarks/analyse/{STUDY}.tsv"
        conda:
            CONDA
        resources:
            mem_mb=memory(2_000),
            runtime="30m",
        params:
            study=STUDY,
            settings=settings("analyse", STUDY),
            version=version("analyse", STUDY),
        message:
            "Analysing {params.study}"
        shell:
            "inoc analyse {params.study} --log {log}"
