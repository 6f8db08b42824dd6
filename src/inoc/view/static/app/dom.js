"use strict";
// Elements. Every text goes in as text: nothing here, or anywhere in this site, parses markup.
{
  const SVG = "http://www.w3.org/2000/svg";

  /** An element: attributes, properties that begin with `on`, and children, which are elements or texts. */
  inoc.el = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name === "style") Object.assign(element.style, value);
      else if (name === "href" && !String(value).startsWith("#") && !String(value).startsWith("blob:")) continue;
      else element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  };
  inoc.svg = SVG;

  // Characters that cannot be seen, or that would reorder or hide others.
  const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
  const MOST_MARKS = 500;
  const seen = (letter) => {
    const code = letter.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return `⟨${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  };

  /** A text with its hidden characters made visible, as nodes. */
  inoc.visible = (text) => {
    const nodes = [];
    let at = 0;
    let marks = 0;
    for (const found of text.matchAll(HIDDEN)) {
      if (++marks > MOST_MARKS) break;
      if (found.index > at) nodes.push(text.slice(at, found.index));
      const code = found[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
      nodes.push(inoc.el("span", { class: "hidden-character", title: `U+${code}` }, seen(found[0])));
      at = found.index + found[0].length;
    }
    const rest = text.slice(at);
    nodes.push(marks > MOST_MARKS ? rest.replace(HIDDEN, seen) : rest);
    return nodes;
  };
  inoc.oneLine = (text, length = 300) => text.slice(0, length).replace(HIDDEN, seen).replace(/\s+/g, " ") + (text.length > length ? "…" : "");

  const STEP = 20000;
  /** A block with a long text, of which more is shown on demand. */
  inoc.block = (text, { name = "text", limit = STEP, nodes = inoc.visible } = {}) => {
    const body = inoc.el("div", { class: "words", dir: "auto" });
    const box = inoc.el("div", {}, body);
    let shown = 0;
    const more = inoc.el("button", { type: "button", onclick: () => grow(shown * 2) });
    const tools = inoc.el("p", { class: "tools" }, more, " ", inoc.save("Download all of it", `${name}.txt`, () => text));
    function grow(to) {
      let stop = Math.min(text.length, to);
      if (stop < text.length && text.charCodeAt(stop - 1) >> 10 === 0x36) stop--; // not between two halves of a character
      body.append(...nodes(text.slice(shown, stop)));
      shown = stop;
      const left = text.length - shown;
      more.textContent = `Show more (${left.toLocaleString("en")} of ${text.length.toLocaleString("en")} characters are hidden)`;
      more.hidden = left === 0;
    }
    grow(limit);
    if (text.length > limit) box.append(tools);
    if (!text) body.append(inoc.el("em", { class: "empty" }, "(empty)"));
    return box;
  };

  /** A button that saves a file. */
  inoc.save = (label, name, make, type = "text/plain") =>
    inoc.el("button", {
      type: "button",
      onclick: async () => {
        const link = inoc.el("a", { download: name });
        link.href = URL.createObjectURL(new Blob([await make()], { type }));
        document.body.append(link);
        link.click();
        link.remove();
        setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      },
    }, label);

  /** A number as text: `failed` for NaN, a dash for what was not measured. */
  inoc.number = (value, digits) => {
    if (value === null || value === undefined) return "–";
    if (typeof value !== "number") return String(value);
    if (value !== value) return "failed";
    const places = digits ?? (Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 0.1 ? 2 : null);
    const text = places === null ? value.toPrecision(3).replace(/e/, "e") : value.toFixed(places);
    return text.replace("-", "−");
  };
  /** A score with as many digits as its scale deserves. */
  inoc.scored = (column, value) => inoc.number(value, typeof value !== "number" ? undefined : column.top === 100 ? (Number.isInteger(value) ? 0 : 1) : column.top ? 3 : Number.isInteger(value) ? 0 : 3);
  inoc.count = (n, word, many = `${word}s`) => `${n.toLocaleString("en")} ${n === 1 ? word : many}`;
  inoc.label = (list, name) => list.shown.find((column) => column.name === name)?.label ?? name;
  inoc.word = (word) => (word === "" ? "(none)" : inoc.oneLine(word, 80));

  inoc.say = (text) => { document.getElementById("status").textContent = text; };

  /** A cell of a comma-separated file; one that a spreadsheet would compute is kept a text. */
  inoc.csv = (value) => {
    if (typeof value === "number") return Number.isNaN(value) ? "NaN" : String(value);
    const text = value === null || value === undefined ? "" : String(value);
    const safe = /^[\s]*[=+\-@|%]|^[\t\r\n]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };

  /** A select box with a label. */
  inoc.choice = (label, options, chosen, change) => {
    const select = inoc.el("select", { onchange: (event) => change(event.target.value) },
      options.map(([value, words]) => inoc.el("option", { value, selected: value === chosen }, words)));
    return inoc.el("label", { class: "choice" }, inoc.el("span", {}, label), select);
  };
}
