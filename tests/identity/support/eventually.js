import { setTimeout as pause } from "node:timers/promises";

/** Tries until `attempt` no longer throws, and returns what it gave; after `seconds`, fails as it failed last. */
export async function eventually(seconds, attempt) {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await pause(100);
  }
}
