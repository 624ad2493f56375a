/** Prints the local Fly's status as JSON: `npm run --silent local:status`. */
import { LOCAL_FLY } from "../lib/paths.ts";
import { flyStatus } from "./fly.ts";

process.stdout.write(await flyStatus(LOCAL_FLY));
