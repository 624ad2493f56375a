import path from "node:path";
import { ROOT } from "../../lib/paths.ts";

/** Pulumi's option `nodeargs` for small programs of the tests: the SDK loads faster. */
export const NODE_ARGS = `--require ${path.join(ROOT, "lib", "quickStart.cjs")}`;
