// Bundle the pinned libraries with their licences into src/inoc/view/static/vendor, and axe-core for the tests.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const out = join(root, "src", "inoc", "view", "static", "vendor");
const tests = join(root, "tests", "view", "vendor");
for (const folder of [out, tests]) mkdirSync(folder, { recursive: true });

const result = await build({
  entryPoints: [join(here, "entry.mjs")], outfile: join(out, "vendor.js"), absWorkingDir: here,
  bundle: true, minify: true, format: "iife", target: "es2022", charset: "ascii", legalComments: "none", metafile: true,
});

const lock = JSON.parse(readFileSync(join(here, "package-lock.json")));
const used = new Set();
for (const path of Object.keys(result.metafile.inputs)) {
  const found = path.match(/^(node_modules\/(?:@[^/]+\/)?[^/]+)\//);
  if (found) used.add(found[1]);
}
const packages = {};
let licences = "Licences of the libraries in vendor.js.\n";
for (const folder of [...used].sort()) {
  const about = JSON.parse(readFileSync(join(here, folder, "package.json")));
  packages[about.name] = { version: about.version, license: about.license, integrity: lock.packages[folder].integrity };
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt", "license", "LICENCE"].map((name) => join(here, folder, name)).find(existsSync);
  licences += `\n${"=".repeat(78)}\n${about.name} ${about.version} (${about.license})\n\n`;
  licences += file ? readFileSync(file, "utf8").trim() + "\n" : `No licence file; its package.json says ${about.license}.\n`;
}
writeFileSync(join(out, "LICENSES.txt"), licences);

// The chart library writes one style sheet into each chart; the page's policy admits it by its digest.
const digest = (text) => "sha256-" + createHash("sha256").update(text).digest("base64");
const source = readFileSync(join(here, "node_modules", "@observablehq", "plot", "src", "plot.js"), "utf8");
const style = source.match(/append\("style"\)\.text\(\s*`([^`]*)`/);
const text = style[1].replaceAll("${className}", "plot");
const bundle = readFileSync(join(out, "vendor.js"));
const versions = { packages, sha256: createHash("sha256").update(bundle).digest("hex"), styles: [digest(text)] };
writeFileSync(join(out, "versions.json"), JSON.stringify(versions, null, 1) + "\n");

copyFileSync(join(here, "node_modules", "axe-core", "axe.min.js"), join(tests, "axe.min.js"));
copyFileSync(join(here, "node_modules", "axe-core", "LICENSE"), join(tests, "LICENSE-axe-core.txt"));
