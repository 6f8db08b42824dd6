"use strict";
// Tokens of a row, coloured by their log-probability or by the shift that a prefix causes.
{
  const { el } = inoc;
  const MOST = 2000;

  inoc.tokenPanel = async (list, at, query) => {
    if (!list.about.tokens || !list.answers) return null;
    const block = inoc.value(list, "token_block", at);
    if (block === null || block !== block) return null;
    const found = await values(list, block, list.answers[at]);
    if (!found || !found.conditions.has("")) return null;
    return panel(found, query);
  };

  async function values(list, block, answer) {
    const columns = await inoc.columns(`tokens-${list.about.tokens}-${block}`);
    const answers = columns.get("answer");
    const conditions = new Map();
    let pieces = null;
    for (let at = 0; at < answers.length; at++) {
      if (answers[at] !== answer) continue;
      conditions.set(columns.get("condition")[at], (columns.get("logprobs")[at] ?? []).map((value) => (value === null ? NaN : Number(value) / 1000)));
      pieces ??= columns.get("pieces")?.[at] ?? null;
    }
    return conditions.size ? { conditions, pieces } : null;
  }

  function panel({ conditions, pieces }, query) {
    const base = conditions.get("");
    const others = [...conditions.keys()].filter((one) => one !== "");
    const words = el("div", { class: "tokens", tabindex: 0, role: "group", "aria-label": "Tokens" });
    const sum = el("p", { class: "small" });
    const detail = el("p", { class: "detail", role: "status" }, "Point at a token, or move with the arrow keys, to see its values.");
    let chosen = query.get("shift") ?? "";
    let limit = MOST;
    if (!conditions.has(chosen)) chosen = "";
    const more = el("button", { type: "button", onclick: () => { limit *= 2; draw(); } });
    function describe(at) {
      const shift = chosen ? conditions.get(chosen)[at] - base[at] : null;
      detail.textContent = `Token ${at + 1} of ${base.length}${pieces ? ` “${inoc.oneLine(pieces[at], 40)}”` : ""}: log-probability ${inoc.number(base[at], 3)} nats (probability ${inoc.number(Math.exp(base[at]), 3)})` +
        (chosen ? `; behind ${chosen} ${inoc.number(conditions.get(chosen)[at], 3)}, shift ${inoc.number(shift, 3)}` : "");
    }
    function draw() {
      const other = chosen ? conditions.get(chosen) : null;
      const shown = Math.min(limit, base.length);
      words.replaceChildren(...Array.from({ length: shown }, (_, at) => {
        const value = other ? other[at] - base[at] : base[at];
        const token = el("span", { class: "token", "data-at": at }, pieces ? inoc.visible(pieces[at]) : `${at + 1} `);
        token.style.backgroundColor = other ? diverging(value) : sequential(value);
        return token;
      }));
      more.hidden = shown === base.length;
      more.textContent = `Show more (${(base.length - shown).toLocaleString("en")} tokens are hidden)`;
      const mean = (list) => { const known = list.filter((one) => one === one); return known.length ? known.reduce((a, b) => a + b, 0) / known.length : NaN; };
      sum.textContent = `${inoc.count(base.length, "token")}; mean log-probability ${inoc.number(mean(base), 3)} nats` +
        (other ? `; behind ${chosen} ${inoc.number(mean(other), 3)}; mean shift ${inoc.number(mean(other.map((value, at) => value - base[at])), 3)}` : "") + ".";
      legend.replaceChildren(...scale(Boolean(other)));
    }
    const legend = el("p", { class: "scale" });
    words.addEventListener("mouseover", (event) => { const at = event.target.closest(".token")?.dataset.at; if (at !== undefined) mark(Number(at)); });
    let marked = -1;
    function mark(at) {
      words.children[marked]?.classList.remove("marked");
      marked = Math.max(0, Math.min(words.children.length - 1, at));
      words.children[marked]?.classList.add("marked");
      describe(marked);
    }
    words.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (by) { event.preventDefault(); event.stopPropagation(); mark(marked + by); }
    });
    const options = [["", "log-probability without a prefix"], ...others.map((one) => [one, `shift by ${one}`])];
    const pick = inoc.choice("Colour by", options, chosen, (value) => {
      chosen = value;
      const next = new URLSearchParams(query);
      next.set("shift", value);
      history.replaceState(null, "", `${location.hash.split("?")[0]}?${next}`); // without making the page anew
      draw();
    });
    draw();
    return el("section", { class: "token-panel" }, el("h2", {}, "Tokens"), el("div", { class: "bar" }, pick), legend, words, more, detail, sum,
      pieces ? null : el("p", { class: "small" }, "The tokenizer of the model was not there when the site was written, so tokens are numbered."));
  }

  // Backgrounds stay light, so that black text is readable on each of them.
  const mix = (from, to, share) => `rgb(${from.map((value, at) => Math.round(value + (to[at] - value) * share)).join(",")})`;
  const WHITE = [255, 255, 255];
  const sequential = (value) => (value !== value ? "#ddd" : mix(WHITE, [240, 140, 60], Math.min(1, -value / 6)));
  const diverging = (value) => (value !== value ? "#ddd" : value >= 0 ? mix(WHITE, [90, 175, 235], Math.min(1, value / 3)) : mix(WHITE, [240, 140, 60], Math.min(1, -value / 3)));
  function scale(shift) {
    const steps = shift ? [-3, -1.5, 0, 1.5, 3] : [0, -1.5, -3, -4.5, -6];
    return [el("span", {}, shift ? "shift in nats (blue: likelier behind the prefix): " : "nats: "), ...steps.map((value, at) => {
      const box = el("span", { class: "swatch" }, inoc.number(value, 1) + (Math.abs(value) === (shift ? 3 : 6) ? (value > 0 ? " or more" : " or less") : ""));
      box.style.backgroundColor = shift ? diverging(value) : sequential(value);
      return box;
    })];
  }
}
