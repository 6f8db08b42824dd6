"use strict";
// The page of one row: its chat, its tokens, its scores, and where it comes from.
{
  const { el } = inoc;
  const ROLES = { system: "System", user: "User", assistant: "Assistant", answer: "Assistant" };
  const MANY_TURNS = 40;

  inoc.pages.row = async (root, [name, id], query) => {
    const list = await inoc.list(name);
    const at = inoc.place(list, inoc.idOf(id));
    if (at < 0) throw new Error(`${list.about.title} has no row ${id}. It may belong to an earlier state of the study`);
    const texts = await inoc.texts(list, at);
    const turns = chat(list, texts);
    const around = await neighbours(list, at, query);
    const address = (row) => inoc.address(`/row/${name}/${inoc.idText(list, row)}`, query);
    const back = inoc.address(`/rows/${name}`, query);
    const step = (row, words, mark) => (row === undefined ? el("span", { class: "disabled" }, mark) : el("a", { href: address(row), "aria-label": words }, mark));
    root.replaceChildren(
      el("nav", { class: "around", "aria-label": "Rows of this list" },
        el("a", { href: back }, `← ${list.about.title}`), " ",
        step(around.before, "Previous row", "‹ previous"), " ",
        el("span", {}, around.place ? `${around.place.toLocaleString("en")} of ${around.n.toLocaleString("en")}` : "not among the rows of these filters"), " ",
        step(around.after, "Next row", "next ›")),
      el("h1", {}, title(list, at)),
      el("div", { class: "transcript" },
        el("div", { class: "chat" }, await conversation(list, at, turns, query), await inoc.tokenPanel(list, at, query)),
        el("aside", { "aria-label": "About this row" }, scores(list, at), facts(list, at, texts, query, turns))),
    );
    return {
      keys: {
        j: () => around.after !== undefined && (location.hash = address(around.after)),
        k: () => around.before !== undefined && (location.hash = address(around.before)),
        u: () => { location.hash = back; },
      },
    };
  };

  function title(list, at) {
    const words = list.shown.filter((column) => column.listed && !column.score && list.columns[column.name].kind === "words").slice(0, 3)
      .map((column) => [column.name, inoc.value(list, column.name, at)]).filter(([, word]) => word !== "")
      .map(([name, word]) => (word === "yes" || word === "no" ? `${inoc.label(list, name)} ${word}` : word));
    return `${list.about.title}: ${words.map((word) => inoc.oneLine(word, 60)).join(" · ") || inoc.idText(list, at)}`;
  }

  async function neighbours(list, at, query) {
    const hits = await inoc.search(list, query.get("q"));
    const { rows } = inoc.apply(list, query, hits);
    const place = rows.indexOf(at);
    return { n: rows.length, place: place + 1, before: place > 0 ? rows[place - 1] : undefined, after: place >= 0 && place + 1 < rows.length ? rows[place + 1] : undefined };
  }

  /** The turns of a row's chat: role, text, a prefix in front of it, and whether it is the answer that is meant. */
  function chat(list, texts) {
    const turns = [];
    let prefix = null;
    const add = (role, text, more = {}) => {
      if (prefix && role === "system") turns.push({ role, text: "", ...more, prefix });
      else if (prefix && role === "user") turns.push({ role, text, ...more, prefix });
      else { turns.push({ role, text, ...more }); return; }
      prefix = null;
    };
    for (const part of list.about.texts) {
      const text = texts[part.column] ?? "";
      if (part.role === "prefix") prefix = text ? { text, joins: part.joins } : null;
      else if (part.role === "earlier") for (const [user, assistant] of exchanges(text)) { add("user", user); add("assistant", assistant); }
      else if (part.role === "system") { if (text || prefix) add("system", text); }
      else if (part.role === "note") { if (text) add("note", text, { label: part.label || part.column }); }
      else add(part.role, text, { label: part.label, answer: part.role === "answer" });
    }
    return turns;
  }
  inoc.chat = chat;

  function exchanges(text) {
    if (!text) return [];
    try {
      const found = JSON.parse(text);
      return Array.isArray(found) ? found.filter(Array.isArray).map((pair) => pair.map(String)) : [];
    } catch { return [["(earlier turns that are not JSON)", text]]; }
  }

  async function conversation(list, at, turns, query) {
    const chatLike = list.about.texts.some((part) => part.role === "user");
    const make = (index) => turn(list, turns[index], chatLike, at);
    if (turns.length <= MANY_TURNS) return el("ol", { class: "turns", "aria-label": "Chat" }, turns.map((_, index) => make(index)));
    const scroller = el("div", { class: "turns many", tabindex: 0, role: "list" });
    requestAnimationFrame(() => inoc.virtual(scroller, { count: turns.length, size: () => 120, make, measured: true, label: `Chat of ${turns.length} turns` }));
    return scroller;
  }

  function turn(list, one, chatLike, at) {
    const role = one.label || ROLES[one.role] || one.role;
    const mask = one.answer && list.about.mask ? el("span", { class: "mask" }, list.about.mask) : null;
    const prefix = one.prefix ? [el("mark", { class: "prefix", title: "prefix" }, inoc.visible(one.prefix.text)), inoc.visible(one.prefix.joins)] : null;
    const body = inoc.block(one.text, { name: `${list.about.name}-${inoc.idText(list, at)}-${one.role}` });
    if (prefix) {
      if (!one.text) body.firstChild.replaceChildren();
      body.firstChild.prepend(...prefix.flat());
    }
    return el("li", { class: `turn ${one.role}${one.answer ? " meant" : ""}`, role: "listitem" },
      chatLike || one.label ? el("div", { class: "role" }, role, " ", mask) : null, body);
  }

  function scores(list, at) {
    const found = list.shown.filter((column) => column.score);
    if (!found.length) return null;
    const rows = found.map((column) => {
      const value = inoc.value(list, column.name, at);
      return el("tr", {}, el("th", { scope: "row", title: column.help }, column.label), el("td", { class: value !== value ? "failed" : "" }, inoc.scored(column, value)), el("td", { class: "small" }, column.help));
    });
    return [el("h2", {}, "Scores"), el("table", { class: "facts scores" }, el("tbody", {}, rows))];
  }

  function facts(list, at, texts, query, turns) {
    const rows = list.shown.filter((column) => !column.score).map((column) => {
      const value = inoc.value(list, column.name, at);
      const words = list.columns[column.name].kind === "words";
      const shown = words ? (value === "" ? "–" : inoc.oneLine(value, 200)) : inoc.number(value);
      const same = words && value !== "" && list.columns[column.name].words.length > 1;
      const link = same ? el("a", { href: inoc.address(`/rows/${list.about.name}`, [[column.name, value]]), title: "All rows with this value", dir: "auto" }, shown) : shown;
      return el("tr", {}, el("th", { scope: "row", title: column.help }, column.label), el("td", {}, column.name === "made_by" ? [link, " ", el("a", { href: "#/provenance" }, "(job)")] : link));
    });
    const { compare } = list.about;
    const item = compare ? inoc.value(list, compare.item, at) : null;
    const side = compare ? inoc.address(`/compare/${list.about.name}`, [["item", item], ...(compare.about ? [["about", inoc.value(list, compare.about, at)]] : [])]) : null;
    const plain = { id: inoc.idText(list, at) };
    for (const column of list.shown) plain[column.name] = inoc.value(list, column.name, at);
    return [
      el("h2", {}, "This row"),
      el("table", { class: "facts" }, el("tbody", {}, rows)),
      el("p", { class: "links" },
        side ? el("a", { href: side }, "Other answers to this question") : null, " ",
        inoc.save("Download JSON", `${list.about.name}-${plain.id}.json`, () => JSON.stringify({ ...plain, ...texts, turns }, (_, value) => (typeof value === "number" && Number.isNaN(value) ? "NaN" : value), 1), "application/json")),
    ];
  }
}
