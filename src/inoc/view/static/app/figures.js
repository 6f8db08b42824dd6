"use strict";
// Figures: the drawings, and their values as points and as a table, each of which leads to its rows.
{
  const { el } = inoc;
  const COLOURS = ["#0072b2", "#b35900", "#00785a", "#a3477f", "#6b5b00", "#444444", "#2a7fb8", "#c8102e", "#5e3c99", "#1b7837"];
  const MOST_LINKED = 3000;

  async function picture(figure, attributes = {}) {
    const image = el("img", { alt: figure.title, ...attributes });
    const address = URL.createObjectURL(await inoc.drawing(figure.name, figure.image));
    image.src = address;
    return image;
  }

  /** A picture that is read when it comes near the window. */
  inoc.thumbnail = (figure) => {
    const frame = el("span", { class: "frame" });
    const watcher = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watcher.disconnect();
      picture(figure, { alt: "" }).then((image) => frame.append(image)).catch((error) => frame.append(error.message));
    }, { rootMargin: "300px" });
    watcher.observe(frame);
    return el("a", { class: "thumbnail", href: `#/figure/${figure.name}` }, frame, el("span", { class: "title" }, figure.title));
  };

  inoc.pages.figures = async (root) => {
    const groups = new Map();
    for (const figure of inoc.site.figures) groups.set(figure.category, [...(groups.get(figure.category) ?? []), figure]);
    root.replaceChildren(el("h1", {}, "Figures"), ...[...groups].flatMap(([category, figures]) => [el("h2", {}, category), el("div", { class: "thumbnails" }, figures.map(inoc.thumbnail))]));
    if (!inoc.site.figures.length) root.append(el("p", {}, "No figure has been drawn. Run inoc figures, and write this site again."));
    return {};
  };

  inoc.pages.figure = async (root, [name], query) => {
    const figure = inoc.site.figures.find((one) => one.name === name);
    if (!figure) throw new Error(`this site has no figure ${name}`);
    const at = inoc.site.figures.indexOf(figure);
    const neighbour = (by) => inoc.site.figures[at + by];
    const caption = [...document.querySelectorAll("template[data-caption]")].find((one) => one.dataset.caption === name);
    const rows = await points(figure);
    const box = el("div", {});
    const image = await picture(figure);
    root.replaceChildren(
      el("nav", { class: "around", "aria-label": "Figures" }, el("a", { href: "#/figures" }, "← Figures"), " ",
        neighbour(-1) ? el("a", { href: `#/figure/${neighbour(-1).name}`, "aria-label": "Previous figure" }, "‹ previous") : null, " ",
        neighbour(1) ? el("a", { href: `#/figure/${neighbour(1).name}`, "aria-label": "Next figure" }, "next ›") : null),
      el("h1", {}, figure.title),
      el("div", { class: "caption" }, caption ? caption.content.cloneNode(true) : ""),
      el("div", { class: "drawing", tabindex: 0, role: "group", "aria-label": "Drawing" }, image),
      el("p", { class: "tools" }, inoc.save("Download the drawing", `${name}.${figure.image}`, () => inoc.drawing(name, figure.image), "image/svg+xml"), " ",
        inoc.save("Download its values", `${name}.csv`, () => [figure.columns, ...rows.map((row) => figure.columns.map((column) => row[column]))].map((line) => line.map(inoc.csv).join(",")).join("\r\n") + "\r\n", "text/csv")),
      rows.length ? box : "");
    if (rows.length) await explore(box, figure, rows, query);
    const move = (by) => () => neighbour(by) && (location.hash = `#/figure/${neighbour(by).name}`);
    return { keys: { j: move(1), k: move(-1) } };
  };

  async function points(figure) {
    if (!figure.n) return [];
    const columns = await inoc.columns(`points-${figure.name}`);
    const lists = await Promise.all(inoc.site.sources.map((source) => inoc.list(source.name)));
    return Array.from({ length: figure.n }, (_, at) => {
      const row = Object.create(null);
      for (const [name, values] of columns) row[name] = values[at];
      row.$link = linkOf(lists, figure, row);
      return row;
    });
  }

  /** The rows behind one value: those of the list that agrees with it in most of the columns that both have. */
  function linkOf(lists, figure, row) {
    let best = null;
    for (const list of lists) {
      const found = agreement(list, figure, row);
      if (found.weight > (best?.weight ?? 0)) best = { ...found, list };
    }
    return best ? inoc.address(`/rows/${best.list.about.name}`, best.pairs) : null;
  }

  const NUMBERS = new Set(["step", "epoch", "seed", "learning_rate", "coefficient"]);
  function agreement(list, figure, row) {
    const { follows, words, scored_by: scoredBy } = list.about;
    const pairs = [];
    let weight = 0;
    for (const name of figure.columns) {
      const value = row[name];
      if (value === "" || value === null || value === undefined) continue;
      if (scoredBy.includes(name) && list.columns[`score.${value}`]) {
        if (!pairs.some(([one]) => one === "sort")) pairs.push(["sort", `score.${value}`]);
        if (weight) weight += 0.5;
        continue;
      }
      const target = follows[name] ?? name;
      const column = list.columns[target];
      if (!column || list.shown.find((one) => one.name === target)?.score) continue;
      if (column.kind === "words") {
        const word = words[value] ?? String(value);
        if (column.words.includes(word) && column.words.length > 1) { pairs.push([target, word]); weight++; }
      } else if (NUMBERS.has(target) && value !== true && value !== false && Number.isFinite(Number(value))) pairs.push([target, `${Number(value)}..${Number(value)}`]);
    }
    return { pairs, weight };
  }

  const NO_AXIS = new Set(["lo", "hi", "n", "n_nan", "seed", "learning_rate"]);
  async function explore(box, figure, rows, query) {
    const numeric = figure.columns.filter((name) => rows.some((row) => typeof row[name] === "number") && rows.every((row) => row[name] === null || typeof row[name] === "number"));
    const worded = figure.columns.filter((name) => !numeric.includes(name));
    const distinct = (name) => new Set(rows.map((row) => row[name]).filter((value) => value === value && value !== null)).size;
    const varied = numeric.filter((name) => distinct(name) > 1 && !/_(lo|hi|n|n_nan)$/.test(name));
    const y = pick(query.get("y"), numeric, ["value", "suppression", "score", "y", "mean", "shift", "r", "interaction"].find((name) => varied.includes(name)) ?? varied.find((name) => !NO_AXIS.has(name)) ?? numeric.find((name) => !NO_AXIS.has(name) && distinct(name)));
    const categories = worded.filter((name) => distinct(name) > 1);
    const x = pick(query.get("x"), figure.columns, ["step", "x", "coefficient", "layer", "predictor_value"].find((name) => varied.includes(name)) ?? categories.find((name) => distinct(name) <= 60 && distinct(name) > 2) ?? categories[0] ?? varied.find((name) => name !== y) ?? y);
    const colour = pick(query.get("colour"), ["", ...figure.columns], categories.find((name) => name !== x && distinct(name) <= COLOURS.length) ?? "");
    const go = (name, value) => { const next = new URLSearchParams(query); next.set(name, value); location.hash = inoc.address(`/figure/${figure.name}`, next); };
    const chart = el("div", { class: "chart", tabindex: 0, role: "group", "aria-label": "Points" });
    const linked = rows.filter((row) => row.$link).length;
    box.replaceChildren(
      el("h2", {}, "Its values"),
      el("p", { class: "about" }, linked ? "A point, and a line of the table, leads to the rows behind it." : "These values come from no single rows of the lists here."),
      y ? el("div", { class: "bar" }, inoc.choice("Across", figure.columns.map((name) => [name, name]), x, (value) => go("x", value)), inoc.choice("Up", numeric.map((name) => [name, name]), y, (value) => go("y", value)), inoc.choice("Colour", [["", "(none)"], ...figure.columns.filter((name) => distinct(name) <= COLOURS.length).map((name) => [name, name])], colour, (value) => go("colour", value))) : "",
      y ? chart : "", y && colour ? legend(rows, colour) : "", table(figure, rows));
    if (y) requestAnimationFrame(() => draw(chart, figure, rows, x, y, colour));
  }
  const pick = (wanted, accepted, otherwise) => (wanted !== null && accepted.includes(wanted) ? wanted : otherwise);
  const named = (value) => (value === "" || value === null || value === undefined ? "(none)" : inoc.oneLine(String(value), 40));
  const levels = (rows, name) => [...new Set(rows.map((row) => named(row[name])))].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));

  function legend(rows, colour) {
    return el("p", { class: "legend" }, levels(rows, colour).map((word, at) => {
      const swatch = el("span", { class: "dot", "aria-hidden": "true" });
      swatch.style.backgroundColor = COLOURS[at % COLOURS.length];
      return el("span", {}, swatch, word);
    }));
  }

  function draw(box, figure, rows, x, y, colour) {
    const shown = rows.filter((row) => Number.isFinite(row[y])).slice(0, MOST_LINKED);
    const across = shown.every((row) => typeof row[x] === "number") && x !== "seed";
    const words = levels(shown, colour || x);
    const paint = (row) => (colour ? COLOURS[words.indexOf(named(row[colour])) % COLOURS.length] : COLOURS[0]);
    const place = across ? (row) => row[x] : (row) => named(row[x]);
    const [low, high] = [`${y}_lo`, `${y}_hi`].every((name) => name in (shown[0] ?? {})) ? [`${y}_lo`, `${y}_hi`] : ["lo", "hi"];
    const bounded = shown.filter((row) => Number.isFinite(row[low]) && Number.isFinite(row[high]) && row[low] <= row[y] && row[y] <= row[high]);
    const width = Math.max(320, Math.min(1100, box.clientWidth || 700));
    const long = !across && Math.max(0, ...shown.map((row) => named(row[x]).length)) * levels(shown, x).length * 7 > width;
    const describe = (row) => figure.columns.filter((name) => row[name] !== "" && row[name] !== null).slice(0, 8).map((name) => `${name} ${typeof row[name] === "number" ? inoc.number(row[name]) : inoc.oneLine(String(row[name]), 40)}`).join("; ");
    const plot = vendor.plot({
      className: "plot", width, height: Math.round(Math.min(460, width * 0.6)), marginBottom: long ? 110 : 45, marginLeft: 60,
      ariaLabel: `${y} by ${x}`,
      x: { label: x, type: across ? "linear" : "point", tickRotate: long ? -45 : 0, grid: across },
      y: { label: y, grid: true, nice: true },
      marks: [
        shown.some((row) => row[y] < 0) ? vendor.ruleY([0], { stroke: "#999" }) : null,
        vendor.ruleX(bounded, { x: place, y1: low, y2: high, stroke: paint, strokeOpacity: 0.45 }),
        vendor.dot(shown, { x: place, y, r: 4.5, fill: paint, stroke: "white", strokeWidth: 0.7, href: (row) => row.$link, title: describe }),
      ],
    });
    plot.setAttribute("role", "group");
    for (const part of plot.querySelectorAll("[aria-label], [aria-description]")) for (const name of ["aria-label", "aria-description"]) part.removeAttribute(name); // which a part without a role may not have
    // A link of the chart stays in this page, and says what it leads to.
    for (const link of plot.querySelectorAll("a")) {
      link.removeAttribute("target");
      link.setAttribute("aria-label", `Rows of: ${link.querySelector("title")?.textContent ?? ""}`);
    }
    box.replaceChildren(plot);
    if (rows.length > shown.length) box.append(el("p", { class: "small" }, `${shown.length.toLocaleString("en")} of ${inoc.count(rows.length, "value")} are drawn; the others have no number here, or are too many.`));
  }

  function table(figure, rows) {
    const scroller = el("div", { class: "scroller values", role: "rowgroup", tabindex: 0 });
    const element = el("div", { class: "list", role: "table", "aria-label": "Values of the figure", "aria-rowcount": rows.length + 1 },
      el("div", { role: "rowgroup" }, el("div", { class: "row head", role: "row" }, el("div", { role: "columnheader" }, "rows"), figure.columns.map((name) => el("div", { role: "columnheader" }, name)))), scroller);
    element.style.setProperty("--columns", `4rem repeat(${figure.columns.length}, minmax(6rem, 1fr))`);
    element.style.setProperty("--width", `${4 + 6.5 * figure.columns.length}rem`);
    requestAnimationFrame(() => inoc.virtual(scroller, {
      count: rows.length, size: () => 30, label: "Values",
      make: (index) => el("div", { class: "row", role: "row", "aria-rowindex": index + 2 },
        el("div", { role: "cell" }, rows[index].$link ? el("a", { href: rows[index].$link, "aria-label": `Rows of line ${index + 1}` }, "rows") : "–"),
        figure.columns.map((name) => el("div", { role: "cell" }, typeof rows[index][name] === "number" ? inoc.number(rows[index][name]) : inoc.oneLine(String(rows[index][name] ?? "–"), 80)))),
    }));
    return el("div", { class: "wide", tabindex: 0, role: "group", "aria-label": "Table of values" }, element);
  }
}
