"use strict";
// The page of a list: filters, search, sorting, and its rows.
{
  const { el } = inoc;
  const FEW = 12;
  const MOST_COLUMNS = 11;
  const narrow = () => window.matchMedia("(max-width: 700px)").matches;
  const varies = (list, name) => {
    const column = list.columns[name];
    return column.kind === "words" ? column.words.length > 1 : !column.empty;
  };

  inoc.pages.rows = async (root, [name], query) => {
    const list = await inoc.list(name);
    const { about } = list;
    const state = { query, rows: new Int32Array(0), current: -1, run: 0 };
    const columns = list.shown.filter((column) => column.listed && varies(list, column.name)).slice(0, MOST_COLUMNS);
    const go = (change) => {
      const next = new URLSearchParams(state.query);
      change(next);
      location.hash = inoc.address(`/rows/${name}`, next);
    };

    const search = el("input", { type: "search", id: "search", placeholder: "Search the texts", "aria-label": "Search the texts", value: query.get("q") ?? "" });
    search.addEventListener("change", () => go((next) => (search.value ? next.set("q", search.value) : next.delete("q"))));
    const count = el("p", { class: "count", role: "status" });
    const chips = el("p", { class: "chips" });
    const sort = el("span", {});
    const facets = list.shown.filter((column) => varies(list, column.name)).map((column) => facet(list, column, go));
    const filters = el("details", { class: "filters", open: !narrow() }, el("summary", {}, "Filters"), facets.map((one) => one.element));

    const head = el("div", { class: "row head", role: "row", "aria-rowindex": 1 });
    const scroller = el("div", { class: "scroller", role: "rowgroup", tabindex: 0 });
    const table = el("div", { class: "list", role: "table", "aria-label": about.title, "aria-colcount": columns.length + 1 }, el("div", { role: "rowgroup" }, head), scroller);
    const template = columns.map((column) => (column.score ? "minmax(5.5rem, .7fr)" : "minmax(4.5rem, .8fr)")).join(" ");
    table.style.setProperty("--columns", `${template} minmax(12rem, 5fr)`);

    root.replaceChildren(
      el("h1", {}, about.title),
      el("p", { class: "about" }, about.about, " ",
        about.matrix ? el("a", { href: `#/runs/${name}` }, "Means by prompt and run") : null, " ",
        about.compare ? el("a", { href: `#/compare/${name}` }, "Answers side by side") : null),
      el("div", { class: "split" }, filters,
        el("div", { class: "right" },
          el("div", { class: "bar" }, search, sort, inoc.save("CSV", `${name}.csv`, () => asCsv(list, state.rows), "text/csv"), inoc.save("JSONL", `${name}.jsonl`, () => asJsonl(list, state.rows), "application/x-ndjson")),
          chips, count, table)),
    );
    const rowHeight = () => (narrow() ? 118 : 58);
    const view = inoc.virtual(scroller, { count: 0, size: rowHeight, make: (index) => row(list, columns, state, index), label: `Rows of ${about.title}` });

    async function update(next) {
      state.query = next;
      const run = ++state.run;
      const wanted = next.get("q");
      if (document.activeElement !== search) search.value = wanted ?? "";
      const hits = await inoc.search(list, wanted, (share) => { if (run === state.run && share < 1) count.textContent = `Searching: ${Math.round(100 * share)} % of the texts`; });
      if (run !== state.run) return;
      const started = performance.now();
      const found = inoc.apply(list, next, hits);
      state.rows = found.rows;
      state.current = -1;
      count.textContent = found.rows.length === list.n ? inoc.count(list.n, "row") : `${found.rows.length.toLocaleString("en")} of ${inoc.count(list.n, "row")}`;
      table.setAttribute("aria-rowcount", found.rows.length + 1);
      heading(head, columns, next, go, about.answer);
      sort.replaceChildren(sorting(columns, next, go));
      chips.replaceChildren(...active(list, found.filters, next, go));
      for (const one of facets) one.update(found);
      scroller.scrollTop = 0;
      view.update(found.rows.length);
      head.style.paddingRight = `calc(.6rem + ${scroller.offsetWidth - scroller.clientWidth}px)`; // in line with the rows
      inoc.lastFilterMs = performance.now() - started;
      if (!found.rows.length) scroller.firstChild.append(el("p", { class: "nothing" }, "No row passes these filters."));
    }
    await update(query);
    const endPreparing = inoc.prepare(list);
    const move = (by) => {
      if (!state.rows.length) return;
      state.current = Math.max(0, Math.min(state.rows.length - 1, state.current + by));
      view.scrollTo(state.current);
      view.element(state.current)?.querySelector("a")?.focus();
    };
    const stop = () => { endPreparing(); view.stop(); };
    return { update, stop, keys: { j: () => move(1), k: () => move(-1), "/": () => search.focus() } };
  };

  function heading(head, columns, query, go, answer) {
    const by = query.get("sort") ?? "";
    const turn = (name) => go((next) => {
      if (by === name) next.set("sort", `-${name}`);
      else if (by === `-${name}`) next.delete("sort");
      else next.set("sort", name);
    });
    const order = (name) => (by === name ? "ascending" : by === `-${name}` ? "descending" : "none");
    head.replaceChildren(
      ...columns.map((column) => el("div", { role: "columnheader", "aria-sort": order(column.name) },
        el("button", { type: "button", title: column.help, onclick: () => turn(column.name) }, column.label,
          el("span", { class: "arrow", "aria-hidden": "true" }, { ascending: " ▲", descending: " ▼", none: "" }[order(column.name)])))),
      el("div", { role: "columnheader" }, answer.replaceAll("_", " ") || "text"),
    );
  }

  function sorting(columns, query, go) {
    const options = [["", "as stored"], ...columns.flatMap((column) => [[column.name, `${column.label} ▲`], [`-${column.name}`, `${column.label} ▼`]])];
    return inoc.choice("Sort", options, query.get("sort") ?? "", (value) => go((next) => (value ? next.set("sort", value) : next.delete("sort"))));
  }

  function active(list, filters, query, go) {
    const chips = [];
    for (const [name, filter] of filters) {
      const text = filter.words ? [...filter.words].map(inoc.word).join(" or ") : query.get(name) === "nan" ? "failed" : query.get(name).replace("..", " to ");
      chips.push(el("button", { type: "button", class: "chip", title: "Remove this filter", onclick: () => go((next) => next.delete(name)) }, `${inoc.label(list, name)}: ${text} ✕`));
    }
    if (query.get("q")) chips.push(el("button", { type: "button", class: "chip", onclick: () => go((next) => next.delete("q")) }, `“${inoc.oneLine(query.get("q"), 60)}” ✕`));
    if (chips.length > 1) chips.push(el("button", { type: "button", class: "chip all", onclick: () => go((next) => { for (const name of [...filters.keys(), "q"]) next.delete(name); }) }, "Remove all"));
    return chips;
  }

  function facet(list, column, go) {
    return list.columns[column.name].kind === "words" ? words(list, column, go) : numbers(list, column, go);
  }

  function words(list, column, go) {
    const all = list.columns[column.name].words;
    const box = el("div", { class: "options" });
    const only = el("input", { type: "search", placeholder: `Find one of ${all.length}`, "aria-label": `Find a value of ${column.label}` });
    const element = el("details", { class: "facet", open: column.listed && all.length <= FEW },
      el("summary", { title: column.help }, column.label), all.length > FEW ? only : null, box);
    let last = null;
    function draw() {
      if (!last || !element.open) return;
      const { counts, filters } = last;
      const n = counts(column.name);
      const chosen = filters.get(column.name)?.words ?? new Set();
      const low = only.value.toLowerCase();
      let shown = all.map((word, at) => at).filter((at) => chosen.has(all[at]) || !low || all[at].toLowerCase().includes(low));
      const hidden = shown.length - FEW;
      if (hidden > 0) shown = [...shown].sort((a, b) => chosen.has(all[b]) - chosen.has(all[a]) || n[b] - n[a] || a - b).slice(0, Math.max(FEW, chosen.size));
      const focused = box.contains(document.activeElement) ? document.activeElement.value : null;
      box.replaceChildren(...shown.map((at) => {
        const word = all[at];
        const check = el("input", { type: "checkbox", value: word, onchange: () => go((next) => {
          const left = next.getAll(column.name).filter((one) => one !== word);
          next.delete(column.name);
          for (const one of check.checked ? [...left, word] : left) next.append(column.name, one);
        }) });
        check.checked = chosen.has(word);
        return el("label", { class: n[at] ? "" : "none" }, check, el("span", { class: "name", dir: "auto" }, inoc.word(word)), el("span", { class: "n" }, n[at].toLocaleString("en")));
      }), hidden > 0 ? el("p", { class: "small" }, `and ${hidden} more`) : "");
      if (focused !== null) [...box.querySelectorAll("input")].find((one) => one.value === focused)?.focus();
    }
    element.addEventListener("toggle", draw);
    only.addEventListener("input", draw);
    return {
      element,
      update(found) {
        last = found;
        if (found.filters.has(column.name)) element.open = true;
        draw();
      },
    };
  }

  function numbers(list, column, go) {
    const { values, absent } = list.columns[column.name];
    let low = Infinity;
    let high = -Infinity;
    let failed = 0;
    for (let at = 0; at < values.length; at++) {
      const value = values[at];
      if (value < low) low = value;
      if (value > high) high = value;
      if (value !== value && !absent?.[at]) failed++;
    }
    const field = (words, placeholder) => el("input", { type: "number", step: "any", placeholder, "aria-label": `${column.label}: ${words}` });
    const from = field("at least", inoc.number(low));
    const to = field("at most", inoc.number(high));
    const bad = el("input", { type: "checkbox" });
    const set = () => go((next) => {
      next.delete(column.name);
      if (bad.checked) next.set(column.name, "nan");
      else if (from.value !== "" || to.value !== "") next.set(column.name, `${from.value}..${to.value}`);
    });
    for (const one of [from, to]) one.addEventListener("change", () => { bad.checked = false; set(); });
    bad.addEventListener("change", set);
    const element = el("details", { class: "facet", open: column.score }, el("summary", { title: column.help }, column.label),
      el("div", { class: "range" }, from, " to ", to), failed ? el("label", {}, bad, el("span", { class: "name" }, "failed"), el("span", { class: "n" }, failed.toLocaleString("en"))) : null);
    return {
      element,
      update({ filters }) {
        const filter = filters.get(column.name);
        if (filter) element.open = true;
        bad.checked = Boolean(filter?.nan);
        const text = (value) => (filter && Number.isFinite(value) ? String(value) : "");
        if (document.activeElement !== from) from.value = text(filter?.low);
        if (document.activeElement !== to) to.value = text(filter?.high);
      },
    };
  }

  function row(list, columns, state, index) {
    const at = state.rows[index];
    const link = el("a", { href: inoc.address(`/row/${list.about.name}/${inoc.idText(list, at)}`, state.query), dir: "auto" }, "…");
    const cells = columns.map((column) => el("div", { role: "cell", class: column.score ? "score" : "" }, cell(list, column, at)));
    const element = el("div", { class: "row", role: "row", "aria-rowindex": index + 2 }, cells, el("div", { role: "cell", class: "snippet" }, link));
    inoc.texts(list, at).then((texts) => {
      const answer = inoc.oneLine(texts[list.about.answer] ?? "", 300);
      link.replaceChildren(answer || "(empty)");
    }).catch((error) => { link.textContent = error.message; });
    return element;
  }

  /** A value of a row, with a bar below a score. */
  function cell(list, column, at) {
    const value = inoc.value(list, column.name, at);
    const label = el("span", { class: "only-narrow" }, `${column.label} `);
    if (!column.score || typeof value !== "number" || value !== value) {
      return [label, el("span", { class: value !== value ? "failed" : "" }, typeof value === "number" || value === null ? inoc.number(value) : value === "" ? "–" : inoc.oneLine(value, 60))];
    }
    if (!column.top) return [label, inoc.scored(column, value)];
    const bar = el("span", { class: "meter", "aria-hidden": "true" }, el("span", { style: { width: `${Math.max(0, Math.min(100, (100 * value) / column.top))}%` } }));
    return [label, inoc.scored(column, value), bar];
  }

  async function whole(list, rows) {
    const out = [];
    for (const at of rows) {
      const values = { id: inoc.idText(list, at) };
      for (const column of list.shown) values[column.name] = inoc.value(list, column.name, at);
      out.push({ ...values, ...(await inoc.texts(list, at)) });
    }
    return out;
  }

  async function asCsv(list, rows) {
    const all = await whole(list, rows);
    const names = all.length ? Object.keys(all[0]) : [];
    return [names, ...all.map((one) => names.map((name) => one[name]))].map((line) => line.map(inoc.csv).join(",")).join("\r\n") + "\r\n";
  }
  async function asJsonl(list, rows) {
    const plain = (_, value) => (typeof value === "number" && Number.isNaN(value) ? "NaN" : value);
    return (await whole(list, rows)).map((one) => JSON.stringify(one, plain) + "\n").join("");
  }
  inoc.asCsv = asCsv;
}
