// Where and what was measured.
import { cpus, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { MIB } from "./report.js";
import { output } from "./shell.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A paragraph: date, commit, command, machine and versions. */
export async function origin(bench, args) {
  const { options, database } = bench;
  const processors = cpus();
  const commit = await git("describe", "--always", "--dirty");
  const build =
    options.server === undefined ? `profile ${options.profile}` : "a server that was built before (`--server`)";
  const facts = [
    `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC, commit ${commit}, \`load/run ${args.join(" ")}\`, ${build}, ${options.algorithm}.`,
    `${processors.length} × ${processors[0].model.trim()}, ${Math.round(totalmem() / MIB / 1024)} GiB, Linux ${release()}.`,
    `PostgreSQL ${await database.sql("SHOW server_version")}, ${(await output("rustc", ["--version"])).trim()}, Node.js ${process.versions.node}.`,
  ];
  return facts.join("\n");
}

async function git(...args) {
  try {
    return (await output("git", args, { cwd: ROOT })).trim();
  } catch {
    return "unknown";
  }
}
