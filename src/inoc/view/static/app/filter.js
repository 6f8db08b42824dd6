"use strict";
// Filters, sorting and search over the columns of a list. All of a view's state is in the address.
//
// In an address `model=fixed&model=mix` keeps two words, `step=10..20` a range of numbers, `score.x=nan` those that
// failed; `q` searches, and `sort=-step` sorts with the largest first.
{
  const RESERVED = new Set(["q", "sort", "item", "score", "x", "y", "colour", "by", "shift"]);

  /** Filters of a list in an address: column → set of words, or range. Columns that it lacks are left out. */
  inoc.filters = (list, query) => {
    const found = new Map();
    for (const name of new Set(query.keys())) {
      const column = list.columns[name];
      if (!column || RESERVED.has(name)) continue;
      const values = query.getAll(name);
      if (column.kind === "words") found.set(name, { words: new Set(values) });
      else found.set(name, range(values[0]));
    }
    return found;
  };

  function range(text) {
    if (text === "nan") return { nan: true };
    if (text === "none") return { none: true };
    const [low, high] = text.includes("..") ? text.split("..") : [text, text];
    return { low: low === "" ? -Infinity : Number(low), high: high === "" ? Infinity : Number(high) };
  }

  // Whether each row passes one filter, 1 or 0.
  function passing(list, name, filter) {
    const column = list.columns[name];
    const out = new Uint8Array(list.n);
    if (column.kind === "words") {
      const allowed = Uint8Array.from(column.words, (word) => (filter.words.has(word) ? 1 : 0));
      for (let at = 0; at < out.length; at++) out[at] = allowed[column.codes[at]];
      return out;
    }
    const { values, absent } = column;
    for (let at = 0; at < out.length; at++) {
      const value = values[at];
      const missing = absent ? absent[at] : 0;
      if (filter.none) out[at] = missing;
      else if (filter.nan) out[at] = !missing && value !== value ? 1 : 0;
      else out[at] = value >= filter.low && value <= filter.high ? 1 : 0;
    }
    return out;
  }

  /**
   * Rows that pass all filters, in order, and how many rows each word would keep if the other filters stay.
   * `hits` is 1 for rows that a search found, or null without one.
   */
  inoc.apply = (list, query, hits) => {
    const filters = inoc.filters(list, query);
    const failed = new Uint8Array(list.n); // filters that a row fails
    const culprit = new Uint8Array(list.n); // the last of them, from 1
    const names = [...filters.keys()];
    names.forEach((name, number) => {
      const pass = passing(list, name, filters.get(name));
      for (let at = 0; at < pass.length; at++) if (!pass[at]) { failed[at]++; culprit[at] = number + 1; }
    });
    if (hits) for (let at = 0; at < hits.length; at++) if (!hits[at]) { failed[at] += 2; }
    let kept = 0;
    for (let at = 0; at < failed.length; at++) if (!failed[at]) kept++;
    const rows = new Int32Array(kept);
    kept = 0;
    for (let at = 0; at < failed.length; at++) if (!failed[at]) rows[kept++] = at;
    const counts = (name) => {
      const { codes, words } = list.columns[name];
      const number = names.indexOf(name) + 1;
      const found = new Uint32Array(words.length);
      for (let at = 0; at < codes.length; at++) {
        if (!failed[at] || (failed[at] === 1 && culprit[at] === number)) found[codes[at]]++;
      }
      return found;
    };
    return { rows: sorted(list, rows, query.get("sort")), counts, filters };
  };

  // What failed or was not measured comes last, whichever way it is sorted.
  function sorted(list, rows, by) {
    const down = by?.startsWith("-");
    const column = by ? list.columns[down ? by.slice(1) : by] : null;
    if (!column) return rows;
    const sign = down ? -1 : 1;
    if (column.kind === "words") {
      const { codes } = column;
      return rows.sort((a, b) => sign * (codes[a] - codes[b]) || a - b);
    }
    const { values } = column;
    return rows.sort((a, b) => {
      const x = values[a];
      const y = values[b];
      if (x !== x) return y !== y ? a - b : 1;
      if (y !== y) return -1;
      return sign * (x - y) || a - b;
    });
  }

  /** Rows whose texts hold the words of a search, whatever their case; `progress` is told the share that is read. */
  inoc.search = async (list, wanted, progress) => {
    if (!wanted) return null;
    const known = list.hits.get(wanted);
    if (known) return known;
    const low = wanted.toLowerCase();
    const hits = new Uint8Array(list.n);
    const { starts } = list.about;
    for (let number = 0; number < starts.length; number++) {
      const { columns, start } = await inoc.chunk(list, number);
      for (const values of columns.values()) {
        for (let at = 0; at < values.length; at++) {
          if (!hits[start + at] && values[at].toLowerCase().includes(low)) hits[start + at] = 1;
        }
      }
      progress?.((number + 1) / starts.length);
    }
    list.hits.clear(); // the last search only
    list.hits.set(wanted, hits);
    return hits;
  };

  const MOST_CHARACTERS = 1e8; // of texts that are read before anybody searches them; they stay in memory
  const idle = window.requestIdleCallback ?? ((work) => setTimeout(work, 50));

  /** Read the texts of a list while the browser has nothing else to do, so that the first search finds them read.
   * Gives a function that ends it. */
  inoc.prepare = (list) => {
    const { starts } = list.about;
    const size = list.columns.characters?.values.reduce((sum, one) => sum + (one || 0), 0) ?? 0;
    let ended = list.prepared || size > MOST_CHARACTERS || starts.length > inoc.MOST_TABLES / 2;
    const next = async (number) => {
      if (ended) return;
      if (number === starts.length) {
        list.prepared = true;
        return;
      }
      await inoc.chunk(list, number).catch(() => { ended = true; }); // a search says what is wrong
      idle(() => next(number + 1));
    };
    if (!ended) idle(() => next(0));
    return () => { ended = true; };
  };

  /** An address of a page with a query: pairs, or a URLSearchParams. */
  inoc.address = (path, query) => {
    const text = new URLSearchParams(query).toString();
    return `#${path}${text ? `?${text}` : ""}`;
  };
}
