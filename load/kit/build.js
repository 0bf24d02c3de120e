// Builds server and floor, into the same target folder.
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { output } from "./shell.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TARGET = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target");

/** Paths of both binaries. What `--server` and `--floor` name is taken as it is. */
export async function builtBinaries({ profile, server, floor }) {
  return {
    server: server === undefined ? await built("boards", "Cargo.toml", profile) : resolve(server),
    floor:
      floor === undefined
        ? await built("floor", "load/floor/Cargo.toml", profile)
        : resolve(floor),
  };
}

async function built(binary, manifest, profile) {
  const args = [
    "build",
    "--locked",
    "--manifest-path",
    manifest,
    "--profile",
    profile,
    "--bin",
    binary,
    "--target-dir",
    TARGET,
  ];
  await output("cargo", args, { cwd: ROOT, show: true });
  return resolve(TARGET, profile === "dev" ? "debug" : profile, binary);
}
