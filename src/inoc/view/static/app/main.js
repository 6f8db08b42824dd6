"use strict";
// Addresses, pages and keys.
{
  const { el } = inoc;
  const STATIC = { "": "overview", results: "results", methods: "methods", provenance: "provenance" };
  const live = document.getElementById("live");
  const first = inoc.site.sources[0];
  const averaged = inoc.site.sources.find((source) => source.matrix);
  const compared = inoc.site.sources.find((source) => source.compare);
  let shown = null; // of the page that is shown: its path, and what it can do
  let turn = 0;
  let asked = 0;

  function parse() {
    const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
    const parts = path.split("/").map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
    return { path, name: parts[0], rest: parts.slice(1), query: new URLSearchParams(query) };
  }

  function reveal(page) {
    for (const section of document.querySelectorAll("section.page")) section.hidden = section.dataset.page !== page;
  }

  async function show() {
    if (location.hash === "#content") return;
    const { path, name, rest, query } = parse();
    if (shown?.path === path && shown.update) { await guarded(() => shown.update(query)); return; }
    const mine = ++turn;
    shown?.stop?.();
    shown = null;
    mark(name, rest[0]);
    if (Object.hasOwn(STATIC, name)) {
      reveal(STATIC[name]);
      live.replaceChildren();
      arrive(STATIC[name]);
      shown = { path };
      return;
    }
    const make = Object.hasOwn(inoc.pages, name) ? inoc.pages[name] : null;
    const root = el("div", { class: `view view-${name}` });
    await guarded(async () => {
      if (!make) throw new Error(`this site has no page “${inoc.oneLine(name, 40)}”`);
      const wait = setTimeout(() => { if (mine === turn) inoc.say("Loading…"); }, 200);
      live.replaceChildren(root);
      reveal("live");
      try {
        const page = await make(root, rest, query);
        if (mine !== turn) { page.stop?.(); return; }
        shown = { path, ...page };
      } finally { clearTimeout(wait); inoc.say(""); }
      arrive(name);
    });
  }

  async function guarded(work) {
    try { await work(); } catch (error) {
      reveal("live");
      live.replaceChildren(el("h1", {}, "This cannot be shown"), el("p", {}, `${error.message}.`.replace(/\.\.$/, ".")), el("p", {}, el("a", { href: "#/" }, "To the overview")));
      console.error(error);
    }
  }

  let arrived = false;
  function arrive(page) {
    const heading = document.querySelector("section.page:not([hidden]) h1");
    document.title = page === "overview" || !heading ? inoc.site.title : `${heading.textContent} · ${inoc.site.title}`;
    if (arrived) {
      window.scrollTo(0, 0);
      document.getElementById("content").focus({ preventScroll: true });
    }
    arrived = true;
  }

  const LINKS = [["", "Overview"], ["figures", "Figures"],
    ...(first ? [[`rows/${first.name}`, first.title]] : []),
    ...(averaged ? [[`runs/${averaged.name}`, "Runs"]] : []), ...(compared ? [[`compare/${compared.name}`, "Side by side"]] : []),
    ["data", "Data"], ["results", "Numbers"], ["methods", "Methods"], ["provenance", "Provenance"]];
  const nav = document.getElementById("nav");
  nav.append(...LINKS.map(([path, words]) => el("a", { href: `#/${path}`, "data-page": path.split("/")[0], "data-list": path.split("/")[1] ?? "" }, words)),
    el("button", { type: "button", "aria-label": "Keys", title: "Keys (?)", onclick: help }, "?"));
  function mark(name, list = "") {
    const own = { figure: "figures", row: "rows" }[name] ?? name;
    const elsewhere = own === "rows" && list !== first?.name; // a list that only the page of all lists leads to
    for (const link of nav.querySelectorAll("a")) {
      if (link.dataset.page === (elsewhere ? "data" : own)) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  function help() {
    const keys = [["/", "search"], ["j, k", "next, previous row, figure or question"], ["Enter", "open the row"], ["u", "up to the list"], ["g then o, f, r, s, d", "overview, figures, rows, side by side, data"], ["?", "these keys"]];
    const dialog = el("dialog", { "aria-label": "Keys" }, el("h2", {}, "Keys"), el("dl", {}, keys.flatMap(([key, words]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, words)])), el("form", { method: "dialog" }, el("button", { type: "button", onclick: () => dialog.close() }, "Close")));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  let pending = "";
  const GO = { o: "", f: "figures", r: first ? `rows/${first.name}` : "", s: compared ? `compare/${compared.name}` : "", d: "data" };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, textarea, dialog")) return;
    if (pending === "g" && event.key in GO) { pending = ""; location.hash = `#/${GO[event.key]}`; return; }
    pending = event.key === "g" ? "g" : "";
    if (event.key === "?") help();
    const own = shown?.keys?.[event.key];
    if (own) { event.preventDefault(); own(); }
  });

  const more = document.getElementById("overview-more");
  const core = inoc.site.figures.filter((figure) => figure.core);
  if (core.length) more.append(el("h2", {}, "The figures that carry it"), el("div", { class: "thumbnails" }, core.map(inoc.thumbnail)));
  if (inoc.site.sources.length) {
    more.append(el("h2", {}, "Look into the data"), el("ul", { class: "ways" },
      compared ? el("li", {}, el("a", { href: `#/compare/${compared.name}` }, "Answers side by side"), " – one question, every model") : null,
      averaged ? el("li", {}, el("a", { href: `#/runs/${averaged.name}` }, "Means over rows"), " – by run and prompt; each cell leads to its rows") : null,
      inoc.site.sources.map((source) => el("li", {}, el("a", { href: `#/rows/${source.name}` }, source.title), ` – ${inoc.count(source.n, "row")}`)),
      el("li", {}, el("a", { href: "#/provenance" }, "Provenance"), " – jobs, seeds and versions")));
  }
  // The root element tells which address has been drawn completely, for whoever must not look before that.
  async function follow() {
    const mine = ++asked;
    const { hash } = location;
    await show();
    if (mine === asked) document.documentElement.dataset.drawn = hash;
  }
  addEventListener("hashchange", follow);
  follow();
}
