// Makes dist/, the playground without a CDN: the page of cdn.html with its third-party files beside it, taken from
// node_modules. Fails when a file differs from the integrity hash in cdn.html, so both pages always run the same code.
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const modules = join(root, "node_modules");
const dist = join(root, "dist");
const cdn = "https://cdn.jsdelivr.net/npm/";
const local = "playground/vendor/";

/** Copies one file of a package, named as on the CDN: `graphiql@4.1.2/graphiql.min.js`. */
async function vendor(address, integrity) {
  const [, name, version, path] = /^((?:@[^/]+\/)?[^@/]+)@([^/]+)\/(.+)$/.exec(address);
  const installed = JSON.parse(await readFile(join(modules, name, "package.json"), "utf8")).version;
  if (installed !== version) {
    throw new Error(`cdn.html asks for ${name} ${version}, package-lock.json for ${installed}`);
  }
  const bytes = await readFile(join(modules, name, path));
  const actual = `sha384-${createHash("sha384").update(bytes).digest("base64")}`;
  if (actual !== integrity) {
    throw new Error(`cdn.html has integrity ${integrity} for ${address}; the package's file has ${actual}`);
  }
  const target = join(dist, "vendor", address);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, bytes);
}

/** The licences of all packages whose code may be inside the bundles; redistributing them asks for that. */
async function licences() {
  const lock = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8"));
  const parts = [];
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === "" || entry.dev || entry.optional) continue;
    const files = await readdir(join(root, path));
    const file = files.find((name) => /^licen[cs]e/i.test(name));
    const text = file ? await readFile(join(root, path, file), "utf8") : `Licence: ${entry.license}\n`;
    parts.push(`${path.replace(/^.*node_modules\//, "")} ${entry.version}\n\n${text.trim()}\n`);
  }
  return parts.join(`\n${"-".repeat(80)}\n\n`);
}

const page = await readFile(join(root, "cdn.html"), "utf8");
await rm(dist, { recursive: true, force: true });
await cp(join(root, "src"), dist, { recursive: true });
const tags = page.matchAll(/(?:src|href)="(https:[^"]+)" integrity="([^"]+)"/g);
for (const [, address, integrity] of tags) {
  await vendor(address.slice(cdn.length), integrity);
}
const standalone = page.replaceAll(cdn, local).replace(/<!--[\s\S]*?-->\n/, "");
if (/(?:src|href)="(?:https?:)?\/\//.test(standalone)) {
  throw new Error("an address in cdn.html is not one of the CDN with an integrity hash");
}
await writeFile(join(dist, "index.html"), standalone);
await writeFile(join(dist, "licences.txt"), await licences());
console.log(`playground: ${(await readdir(dist, { recursive: true })).length} files in dist/`);
