// Commands that run to their end.
import { spawn } from "node:child_process";

/**
 * What a command prints. `input` goes to its standard input, `env` are its only variables besides PATH and HOME.
 * With `show` its output goes to the terminal's error stream instead.
 */
export async function output(command, args, { input, env, cwd, show = false } = {}) {
  const child = spawn(command, args, {
    cwd,
    env: env === undefined ? process.env : { ...bareEnvironment(), ...env },
    stdio: ["pipe", show ? 2 : "pipe", show ? "inherit" : "pipe"],
  });
  const texts = [child.stdout, child.stderr].map(collected);
  child.stdin.on("error", () => {}); // Who does not read it to the end says why by its exit code.
  child.stdin.end(input ?? "");
  const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  const [printed, complaint] = await Promise.all(texts);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}\n${complaint || printed}`);
  return printed;
}

/** PATH and HOME: no setting of whoever runs this may decide what is measured. */
export function bareEnvironment() {
  return { PATH: process.env.PATH, HOME: process.env.HOME };
}

/** Fails with `advice` unless the command is there. */
export async function requireCommand(command, advice) {
  try {
    await output("sh", ["-c", 'command -v "$0"', command]);
  } catch {
    throw new Error(`${command} is missing: ${advice}`);
  }
}

async function collected(stream) {
  let text = "";
  for await (const chunk of stream?.setEncoding("utf8") ?? []) text += chunk;
  return text;
}
