"use strict";
// Pages that put rows together: means by prompt and run, answers side by side, and the lists with what was dropped.
{
  const { el } = inoc;

  const single = (list, name, query) => {
    const found = query.get(name);
    return found !== null && list.columns[name] ? found : null;
  };
  const number = (column, at) => (column.absent?.[at] ? null : column.values[at]);
  const MOST_ANSWERS = 5;
  // Words in a given order first, and then the others as they are.
  const ordered = (words, first = []) => [...first.filter((word) => words.includes(word)), ...words.filter((word) => !first.includes(word))];

  /** Means of a score over rows, by prompt and run; each cell leads to its rows. */
  inoc.pages.runs = async (root, [name], query) => {
    const list = await inoc.list(name);
    const { matrix: declared, compare } = list.about;
    const constant = (name) => list.columns[name]?.kind === "words" && list.columns[name].words.length < 2;
    const matrix = declared && { ...declared, across: declared.across.filter((name, at) => at === 0 || !constant(name)) };
    const measures = list.shown.filter((column) => column.score);
    if (!matrix || !measures.length) throw new Error(`${list.about.title} has no scores to average`);
    const bySelf = matrix.across.length === 0; // the scores stand across
    const measure = measures.find((column) => column.name === query.get("score")) ?? measures[0];
    const go = (change) => { const next = new URLSearchParams(query); change(next); location.hash = inoc.address(`/runs/${name}`, next); };
    const { rows } = inoc.apply(list, query, null);
    const last = matrix.last ? largest(list, matrix.last, rows) : null;
    const cells = new Map(); // down → across → sums
    const columns = new Map(); // across → words of its parts
    const step = matrix.last ? list.columns[matrix.last] : null;
    for (const at of rows) {
      const own = step ? number(step, at) : null;
      if (step && !query.has(matrix.last) && own !== null && own !== last) continue;
      const down = inoc.value(list, matrix.down, at);
      for (const one of bySelf ? measures : [measure]) {
        const value = number(list.columns[one.name], at);
        if (value === null) continue;
        const parts = bySelf ? [one.label] : matrix.across.map((name) => inoc.value(list, name, at));
        const key = bySelf ? one.name : JSON.stringify(parts);
        columns.set(key, parts);
        if (!cells.has(down)) cells.set(down, new Map());
        const line = cells.get(down);
        if (!line.has(key)) line.set(key, { sum: 0, n: 0, failed: 0 });
        const cell = line.get(key);
        if (value !== value) cell.failed++;
        else { cell.sum += value; cell.n++; }
      }
    }
    const first = compare?.order ?? [];
    const place = (word) => { const at = first.indexOf(word); return at < 0 ? first.length : at; };
    const heads = bySelf ? [...columns.entries()] : [...columns.entries()].sort(([, a], [, b]) => place(a[0]) - place(b[0]) || a.join(" ").localeCompare(b.join(" ")));
    const downs = ordered([...cells.keys()].sort((a, b) => String(a).localeCompare(String(b), undefined, { numeric: true })), [""]);
    const most = Math.max(1e-12, ...[...cells.values()].flatMap((line) => [...line.values()].filter((cell) => cell.n).map((cell) => Math.abs(cell.sum / cell.n))));
    const link = (down, parts, key) => {
      const pairs = [[matrix.down, down], ...matrix.across.map((one, at) => [one, parts[at]])];
      for (const column of inoc.filters(list, query).keys()) if (!pairs.some(([one]) => one === column)) for (const value of query.getAll(column)) pairs.push([column, value]);
      if (step && last !== null && !query.has(matrix.last) && parts[0] !== "base") pairs.push([matrix.last, `${last}..${last}`]);
      return inoc.address(`/rows/${name}`, [...pairs, ["sort", bySelf ? `-${key}` : measure.name]]);
    };
    const body = downs.map((down) => el("tr", {}, el("th", { scope: "row", dir: "auto" }, inoc.word(String(down))), heads.map(([key, parts]) => {
      const cell = cells.get(down).get(key);
      if (!cell) return el("td", { class: "none" }, "–");
      const mean = cell.n ? cell.sum / cell.n : NaN;
      const td = el("td", {}, el("a", { href: link(down, parts, key), title: `mean of ${inoc.count(cell.n, "row")}${cell.failed ? `, ${cell.failed} failed` : ""}` }, inoc.number(mean, most >= 10 ? 1 : 3)), el("span", { class: "n" }, `n ${cell.n}${cell.failed ? `, ${cell.failed} failed` : ""}`));
      if (mean === mean) td.style.backgroundColor = `rgba(${mean < 0 ? "213, 94, 0" : "0, 114, 178"}, ${(0.38 * Math.abs(mean)) / most})`;
      return td;
    })));
    root.replaceChildren(
      el("h1", {}, `Means of ${list.about.title.toLowerCase()}`),
      el("p", { class: "about" }, `Each cell is the mean of the rows that it leads to${last === null || query.has(matrix.last) ? "" : `, of step ${last}`}. Intervals, and means that weigh seeds and questions as the study asks, are on the page `, el("a", { href: "#/results" }, "Numbers"), "."),
      el("div", { class: "bar" }, bySelf ? null : inoc.choice("Score", measures.map((column) => [column.name, column.label]), measure.name, (value) => go((next) => next.set("score", value))), picks(list, matrix, query, go)),
      el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Means" }, el("table", { class: "matrix" },
        el("thead", {}, (bySelf ? [""] : matrix.across).map((one, level) => el("tr", {}, level ? el("td") : el("th", { scope: "col" }, inoc.label(list, matrix.down)), heads.map(([, parts]) => el("th", { scope: "col" }, level ? el("span", { class: "small" }, `${inoc.label(list, one)}: `) : null, inoc.word(String(parts[level]))))))),
        el("tbody", {}, body))));
    return {};
  };

  function largest(list, name, rows) {
    const column = list.columns[name];
    let found = null;
    for (const at of rows) {
      const value = number(column, at);
      if (value !== null && (found === null || value > found)) found = value;
    }
    return found;
  }

  // Boxes for columns with a few different values, such as the seed.
  function picks(list, matrix, query, go) {
    return list.shown.filter((column) => !column.score && column.name !== "characters" && column.name !== matrix.down && !matrix.across.includes(column.name)).map((column) => {
      const values = distinct(list, column.name);
      if (values.length < 2 || values.length > 12) return null;
      const chosen = single(list, column.name, query) ?? "";
      const any = column.name === matrix.last ? "last" : "all";
      return inoc.choice(column.label, [["", any], ...values.filter((value) => value !== "").map((value) => [value, inoc.word(value)])], chosen, (value) => go((next) => (value === "" ? next.delete(column.name) : next.set(column.name, value))));
    });
  }

  /** Different values of a column as they stand in an address. */
  function distinct(list, name) {
    const column = list.columns[name];
    if (column.kind === "words") return column.words;
    const found = new Set();
    for (let at = 0; at < column.values.length && found.size < 50; at++) {
      const value = number(column, at);
      if (value !== null && value === value) found.add(value);
    }
    return [...found].sort((a, b) => a - b).map(String);
  }

  /** All answers to one question, in a grid. */
  inoc.pages.compare = async (root, [name], query) => {
    const list = await inoc.list(name);
    const { compare } = list.about;
    if (!compare) throw new Error(`${list.about.title} cannot be put side by side`);
    const items = list.columns[compare.item].words;
    const abouts = compare.about ? list.columns[compare.about].words.filter((word) => word !== "") : [];
    const item = items.includes(query.get("item")) ? query.get("item") : items[0];
    const about = abouts.includes(query.get("about")) ? query.get("about") : abouts[0] ?? null;
    const go = (change) => { const next = new URLSearchParams(query); next.set("item", item); if (about !== null) next.set("about", about); change(next); location.hash = inoc.address(`/compare/${name}`, next); };
    const fixed = compare.picks.filter((one) => list.columns[one]).map((one) => ({ name: one, values: distinct(list, one) })).filter((one) => one.values.length > 1);
    for (const one of fixed) one.chosen = query.has(one.name) ? query.get(one.name) : one.values.at(-1);
    const found = [];
    for (let at = 0; at < list.n; at++) {
      if (inoc.value(list, compare.item, at) !== item) continue;
      const own = compare.about ? inoc.value(list, compare.about, at) : "";
      if (own !== "" && about !== null && own !== about) continue;
      const passes = fixed.every((one) => {
        const value = inoc.value(list, one.name, at);
        return value === null || value === "" || one.chosen === "" || String(value) === one.chosen;
      });
      if (passes) found.push(at);
    }
    const across = ordered([...new Set(found.map((at) => inoc.value(list, compare.across, at)))], compare.order);
    const downs = ordered([...new Set(found.map((at) => inoc.value(list, compare.down, at)))], ["without"]);
    const texts = found.length ? await inoc.texts(list, found[0]) : {};
    const asked = list.about.texts.filter((part) => part.role === "user").map((part) => texts[part.column]).join("\n");
    const next = (by) => items[(items.indexOf(item) + by + items.length) % items.length];
    const to = (by) => go((address) => address.set("item", next(by)));
    const all = (down, one) => inoc.address(`/rows/${name}`, [[compare.item, item], [compare.down, down], [compare.across, one]]);
    const grid = el("div", { class: "grid" });
    grid.style.setProperty("--across", String(Math.max(1, across.length)));
    for (const down of downs) {
      grid.append(el("h2", { class: "band" }, `${inoc.label(list, compare.down)}: ${inoc.word(String(down))}`));
      for (const one of across) {
        const rows = found.filter((at) => inoc.value(list, compare.down, at) === down && inoc.value(list, compare.across, at) === one);
        grid.append(el("section", { class: `answers${rows.length ? "" : " without"}`, "aria-label": `${one}, ${down}` }, el("h3", {}, inoc.word(String(one))), rows.length ? await Promise.all(rows.slice(0, MOST_ANSWERS).map((at) => answer(list, at))) : el("p", { class: "none" }, "–"),
          rows.length > MOST_ANSWERS ? el("p", { class: "small" }, el("a", { href: all(down, one) }, `all ${rows.length}`)) : null));
      }
    }
    root.replaceChildren(
      el("h1", {}, "Answers side by side"),
      el("div", { class: "bar" },
        el("button", { type: "button", onclick: () => to(-1) }, "‹ previous question"),
        el("span", { class: "count" }, `${(items.indexOf(item) + 1).toLocaleString("en")} of ${items.length.toLocaleString("en")}`),
        el("button", { type: "button", onclick: () => to(1) }, "next question ›"),
        abouts.length ? inoc.choice(inoc.label(list, compare.about), abouts.map((word) => [word, inoc.word(word)]), about, (value) => go((address) => address.set("about", value))) : null,
        fixed.map((one) => inoc.choice(inoc.label(list, one.name), [["", "all"], ...one.values.map((value) => [value, inoc.word(value)])], one.chosen, (value) => go((address) => address.set(one.name, value))))),
      asked ? el("div", { class: "turn user" }, el("div", { class: "role" }, "Question"), inoc.block(asked, { limit: 2000 })) : null,
      grid);
    return { keys: { j: () => to(1), k: () => to(-1) } };
  };

  async function answer(list, at) {
    const texts = await inoc.texts(list, at);
    const prefix = list.about.texts.filter((part) => part.role === "prefix").map((part) => texts[part.column]).join("");
    const scores = list.shown.filter((column) => column.score && column.listed).map((column) => [column, inoc.value(list, column.name, at)]).filter(([, value]) => value !== null).slice(0, 6);
    return el("div", { class: "answer" },
      prefix ? el("p", { class: "small" }, el("mark", { class: "prefix" }, inoc.visible(prefix.slice(0, 500)))) : null,
      inoc.block(texts[list.about.answer] ?? "", { limit: 1500, name: `answer-${inoc.idText(list, at)}` }),
      el("p", { class: "small" }, scores.map(([column, value]) => `${column.label} ${inoc.scored(column, value)} · `), el("a", { href: `#/row/${list.about.name}/${inoc.idText(list, at)}` }, "transcript")));
  }

  /** All lists, with the rows that are not used and why. */
  inoc.pages.data = async (root) => {
    const parts = await Promise.all(inoc.site.sources.map(async (about) => {
      const list = await inoc.list(about.name);
      return el("section", { class: "card" },
        el("h2", {}, el("a", { href: `#/rows/${about.name}` }, about.title)),
        el("p", {}, `${about.about} `, el("strong", {}, inoc.count(about.n, "row")), "."),
        el("p", { class: "links" }, about.matrix ? el("a", { href: `#/runs/${about.name}` }, "Means by prompt and run") : null, " ", about.compare ? el("a", { href: `#/compare/${about.name}` }, "Answers side by side") : null),
        dropped(list));
    }));
    root.replaceChildren(el("h1", {}, "Data"), el("p", { class: "about" }, "Every list of this study: what was sampled, read, kept and dropped."), ...parts,
      inoc.site.absent.length ? el("section", { class: "card" }, el("h2", {}, "Not here"), el("ul", {}, inoc.site.absent.map((text) => el("li", {}, text)))) : "");
    return {};
  };

  function dropped(list) {
    const name = list.about.dropped;
    const column = list.columns[name];
    if (!name || !column || column.kind !== "words") return null;
    const counts = inoc.apply(list, new URLSearchParams(), null).counts(name);
    const rows = column.words.map((word, at) => [word, counts[at]]).sort((a, b) => b[1] - a[1]);
    return el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": `Rows of ${list.about.title} by reason` }, el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, inoc.label(list, name)), el("th", { scope: "col" }, "rows"))),
      el("tbody", {}, rows.slice(0, 30).map(([word, n]) => el("tr", {}, el("td", {}, el("a", { href: inoc.address(`/rows/${list.about.name}`, [[name, word]]) }, word === "" ? "used" : inoc.oneLine(word, 120))), el("td", { class: "n" }, n.toLocaleString("en")))))));
  }
}
