# The figures of a study follow from its file alone, so each study has its own rule that lists its files.
for STUDY, STUDY_FILE in STUDIES.items():

    rule:
        name:
            f"draw_figures_{STUDY}"
        input:
            files=inputs("figures", STUDY),
        output:
            charts=[
                figure_in_report(STUDY, name)
                for name in chosen_figures(entries(STUDY), STUDY_FILE)
            ],
            data=figure_files(STUDY, "csv"),
            pictures=figure_files(STUDY, "png"),
            captions=figure_files(STUDY, "rst"),
            listing=stage_outputs("figures", STUDY),
        log:
            f"logs/figures/{STUDY}.log",
        benchmark:
            f"results/benchmarks/figures/{STUDY}.tsv"
        conda:
            CONDA
        threads: 4
        resources:
            mem_mb=memory(3_000),
            runtime="30m",
        params:
            study=STUDY,
            settings=settings("figures", STUDY),
            version=version("figures", STUDY),
        message:
            "Drawing the figures of {params.study}"
        shell:
            "inoc figures {params.study} --jobs {threads} --log {log}"

    rule:
        name:
            f"draw_figure_{STUDY}"
        input:
            files=inputs("figures", STUDY),
        output:
            chart=f"results/{STUDY}/figures/{{figure}}.svg",
            data=f"results/{STUDY}/figures/{{figure}}.csv",
            picture=f"results/{STUDY}/figures/{{figure}}.png",
            caption=f"results/{STUDY}/figures/{{figure}}.rst",
        log:
            f"logs/figures/{STUDY}-{{figure}}.log",
        wildcard_constraints:
            figure=other_figures(STUDY),
        conda:
            CONDA
        resources:
            mem_mb=memory(1_500),
            runtime="15m",
        params:
            study=STUDY,
            settings=settings("figures", STUDY),
            version=version("figures", STUDY),
        message:
            "Drawing the figure {wildcards.figure} of {params.study}"
        shell:
            "inoc figures {params.study} --only {wildcards.figure} --log {log}"
