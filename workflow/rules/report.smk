localrules:
    write_report,


rule write_report:
    """The page for a paper's appendix: methods, tables, seeds, versions, counts, times, and missing items."""
    input:
        figures=figures_of,
        files=inputs("report"),
    output:
        markdown=report(
            "results/{study}/report/appendix.md",
            category="Appendix",
            labels={"page": "Markdown"},
        ),
        page=report(
            "results/{study}/report/appendix.html",
            category="Appendix",
            labels={"page": "HTML"},
        ),
        front="results/{study}/report/front.html",
    log:
        "logs/report/{study}.log",
    benchmark:
        "results/benchmarks/report/{study}.tsv"
    conda:
        CONDA
    resources:
        mem_mb=memory(1_000),
        runtime="10m",
    params:
        settings=settings("report"),
        version=version("report"),
    message:
        "Writing the appendix of {wildcards.study}"
    shell:
        "inoc report {wildcards.study} --log {log}"
