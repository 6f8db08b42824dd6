rule fit_probes:
    """Probes of activations: held-out measures, predictions, cosines, and their coefficients as vectors."""
    input:
        files=inputs("probe"),
    output:
        probes="results/{study}/probe/probes.parquet",
        predictions="results/{study}/probe/predictions.parquet",
        cosines="results/{study}/probe/cosines.parquet",
        fits="results/{study}/probe/fits.parquet",
        vectors="results/{study}/probe/probes.safetensors",
        skipped="results/{study}/probe/skipped.json",
    log:
        "logs/probe/{study}.log",
    benchmark:
        "results/benchmarks/probe/{study}.tsv"
    wildcard_constraints:
        study=COMPUTED,
    conda:
        CONDA
    threads: 4
    resources:
        mem_mb=memory(8_000),
        runtime="4h",
    params:
        settings=settings("probe"),
        version=version("probe"),
    message:
        "Fitting the probes of {wildcards.study}"
    shell:
        "inoc probe {wildcards.study} --log {log}"
