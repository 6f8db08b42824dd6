"use strict";
// Loading of tables. A page that was opened from a folder may read no file, so there each table comes as a script
// that calls `inocData`; a page from `inoc view --serve` fetches Parquet.

const inoc = { site: null, pages: {} };

function inocSite(site) {
  inoc.site = site;
}

{
  const waiting = new Map(); // name → function that takes its base64 text
  const tables = new Map(); // name → promise of a table, the oldest first
  const MOST_TABLES = 400;
  inoc.MOST_TABLES = MOST_TABLES;
  const NAME = /^[A-Za-z0-9_.-]+$/;

  // The only addresses that this page may load as scripts, whatever a text says.
  const address = (name) => {
    if (!NAME.test(name)) throw new Error(`${name} is no table of this site`);
    return `data/${name}.js`;
  };
  const policy = window.trustedTypes
    ? window.trustedTypes.createPolicy("inoc-data", { createScriptURL: address })
    : { createScriptURL: address };

  window.inocData = (name, text) => {
    waiting.get(name)?.(text);
    waiting.delete(name);
  };

  function fromScript(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      waiting.set(name, (text) => resolve(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))));
      script.onload = () => script.remove();
      script.onerror = () => reject(new Error(`data/${name}.js is not there: the site is not whole. Write it again`));
      script.src = policy.createScriptURL(name);
      document.head.append(script);
    });
  }

  async function fromServer(name) {
    const answer = await fetch(`data/${name}`);
    if (!answer.ok) throw new Error(`data/${name}: ${answer.status} ${answer.statusText}`);
    return new Uint8Array(await answer.arrayBuffer());
  }

  /** Bytes of a drawing: packed in a script, or as they are. */
  inoc.drawing = async (name, suffix) => {
    const type = suffix === "svg" ? "image/svg+xml" : "image/png";
    if (inoc.site.form === "files") return new Blob([await fromServer(`drawing-${name}.${suffix}`)], { type });
    const packed = new Blob([await fromScript(`drawing-${name}`)]);
    const whole = await new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
    return new Blob([whole], { type });
  };

  async function read(name) {
    const bytes = inoc.site.form === "files" ? await fromServer(`${name}.parquet`) : await fromScript(name);
    const columns = new Map();
    await vendor.parquetRead({
      file: bytes.buffer,
      compressors: { ZSTD: (input, length) => vendor.decompress(input, new Uint8Array(length)) },
      onChunk: ({ columnName, columnData }) => {
        const before = columns.get(columnName);
        columns.set(columnName, before ? before.concat(Array.from(columnData)) : columnData);
      },
    });
    return columns;
  }

  /** Columns of a table as they were written, name → values; kept while it is one of the last that were asked for. */
  inoc.columns = (name) => {
    const found = tables.get(name) ?? read(name);
    tables.delete(name);
    tables.set(name, found);
    if (tables.size > MOST_TABLES) tables.delete(tables.keys().next().value);
    found.catch(() => tables.delete(name));
    return found;
  };

  // A column of words: each row has the number of its word, in the words' order.
  function words(values) {
    const numbers = new Map();
    for (const value of values) if (!numbers.has(value)) numbers.set(value, numbers.size);
    const order = [...numbers.keys()].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    const place = new Uint32Array(order.length);
    order.forEach((word, at) => { place[numbers.get(word)] = at; });
    const codes = Uint32Array.from(values, (value) => place[numbers.get(value)]);
    return { kind: "words", words: order, codes };
  }

  // A column of numbers: NaN is a measurement that failed, `absent` marks what was never measured.
  function numbers(values) {
    const out = new Float64Array(values.length);
    let absent = null;
    let seen = false;
    for (let at = 0; at < values.length; at++) {
      const value = values[at];
      if (value === null || value === undefined) {
        absent ??= new Uint8Array(values.length);
        absent[at] = 1;
        out[at] = NaN;
      } else {
        out[at] = Number(value);
        seen = true;
      }
    }
    return { kind: "numbers", values: out, absent, empty: !seen };
  }

  /** A list of rows, ready to be filtered: words as codes, numbers as floats. */
  const lists = new Map();
  inoc.list = (name) => {
    if (!lists.has(name)) lists.set(name, makeList(name));
    return lists.get(name);
  };

  async function makeList(name) {
    const about = inoc.site.sources.find((source) => source.name === name);
    if (!about) throw new Error(`this site has no list ${name}`);
    const raw = await inoc.columns(`rows-${name}`);
    const columns = Object.create(null); // so that no word of an address is one of its own
    let ids = new Float64Array(0);
    let answers = null;
    for (const [column, values] of raw) {
      if (column === "id") ids = Float64Array.from(values);
      else if (column === "token_answer") answers = values;
      else {
        let first = 0;
        while (first < values.length && (values[first] === null || values[first] === undefined)) first++;
        columns[column] = typeof values[first] === "string" ? words(values) : numbers(values);
      }
    }
    const shown = about.columns.filter((column) => column.name in columns);
    if (columns.characters) shown.push({ name: "characters", label: "characters", help: "length of the text", listed: false });
    return { about, n: about.n, columns, shown, ids, answers, places: null, hits: new Map() };
  }

  /** Number of the row with an id; −1 without one. */
  inoc.place = (list, id) => {
    if (!list.places) {
      list.places = new Map();
      list.ids.forEach((value, at) => list.places.set(value, at));
    }
    return list.places.get(id) ?? -1;
  };
  // Hexadecimal, in which numbers of this size are exact both ways.
  inoc.idText = (list, row) => list.ids[row].toString(16);
  inoc.idOf = (text) => parseInt(text, 16);

  /** The chunk of texts with a row: its columns, and the number of its first row. */
  inoc.chunkNumber = (list, row) => {
    const starts = list.about.starts;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle] <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  inoc.chunk = async (list, number) => ({
    columns: await inoc.columns(`texts-${list.about.name}-${number}`),
    start: list.about.starts[number],
  });

  /** Texts of a row: column → text. */
  inoc.texts = async (list, row) => {
    if (!list.about.starts.length) return {};
    const { columns, start } = await inoc.chunk(list, inoc.chunkNumber(list, row));
    const found = {};
    for (const [name, values] of columns) found[name] = values[row - start] ?? "";
    return found;
  };

  /** A cell as a plain value: a word, a number, NaN, or null. */
  inoc.value = (list, name, row) => {
    const column = list.columns[name];
    if (!column) return null;
    if (column.kind === "words") return column.words[column.codes[row]];
    if (column.absent?.[row]) return null;
    return column.values[row];
  };
}
