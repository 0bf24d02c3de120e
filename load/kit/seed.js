// The ids of the seed: all follow from their number.
import { createHash } from "node:crypto";

/** As `md5(name)::uuid` in seed.sql. */
export function seedId(name) {
  const hex = createHash("md5").update(name).digest("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export const TENANT = "tenant-1";
export const USER = "user-1-1";
/** Owner of a board with 10,000 generations, member of 2,000 boards (seed_scale.sql). */
export const SCALE_USER = "user-1-scale";
/** Title of what measurements create, which no row of the seed has. */
export const CREATED_TITLE = "bench";
