// Bundles what the page draws with into one file, below the licences of all that is in it.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const TARGET = "../../src/onlyif/explanation/page/plot.min.js";
const made = await build({
  entryPoints: ["entry.js"],
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "Plot",
  legalComments: "none",
  metafile: true,
  outfile: "plot.min.js",
  write: false,
});

const [bundle] = Object.values(made.metafile.outputs);
const used = Object.entries(bundle.inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
const packages = [...new Set(used.flatMap(([file]) => file.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? []))].sort();
const named = new Map();
for (const name of packages) {
  const folder = `node_modules/${name}`;
  const { version } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  const text = readFileSync(`${folder}/${file}`, "utf8").trim();
  named.set(text, [...(named.get(text) ?? []), `${name} ${version}`]);
}
const licences = [...named].map(([text, names]) => `${names.join(", ")}\n\n${text}`).join("\n\n");
writeFileSync(TARGET, `/*\n${licences.replaceAll("*/", "* /")}\n*/\n${made.outputFiles[0].text}`);
