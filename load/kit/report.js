// Tables in Markdown, and load/RESULTS.md.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const RESULTS = fileURLToPath(new URL("../RESULTS.md", import.meta.url));
const HEADING = `# Results

What \`load/run … --write\` measured last, section by section. [README.md](README.md) says what the figures mean.
`;

/** A part of the report. `id` is its place in RESULTS.md. */
export function section(id, title, text) {
  return { id, title, text };
}

export function markdownTable(headings, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(headings), line(headings.map(() => "---")), ...rows.map(line)].join("\n");
}

/** A figure beside its budget. */
export function judged(good, figure, budget) {
  return `${figure} (${budget}: ${good ? "ok" : "**MISSED**"})`;
}

export function atLeast(figure, least, digits = 2) {
  return judged(figure >= least, figure.toFixed(digits), `≥ ${least}`);
}

export function atMost(figure, most, digits = 0, unit = "") {
  return judged(figure <= most, figure.toFixed(digits) + unit, `≤ ${most}${unit}`);
}

export function below(figure, limit, digits = 1, unit = "") {
  return judged(figure < limit, figure.toFixed(digits) + unit, `< ${limit}${unit}`);
}

export function median(values) {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export const MIB = 1024 * 1024;

/** As it stands in RESULTS.md; `origin` says when, where and with which command. */
export function rendered({ title, text }, origin) {
  return `## ${title}\n\n${origin}\n\n${text}\n`;
}

/** Puts a section in the place of the one with the same id. */
export function write(part, origin) {
  const text = existsSync(RESULTS) ? readFileSync(RESULTS, "utf8") : HEADING;
  const [from, to] = [`<!-- ${part.id} -->`, `<!-- /${part.id} -->`];
  const block = `${from}\n${rendered(part, origin)}${to}`;
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  const placed = start >= 0 && end > start;
  writeFileSync(RESULTS, placed ? text.slice(0, start) + block + text.slice(end + to.length) : `${text}\n${block}\n`);
}
