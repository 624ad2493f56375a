/** `npm run --silent local:status`: the Fly on this machine as JSON. */
import { LOCAL_FLY } from "../lib/paths.ts";
import { flyStatus } from "./fly.ts";

process.stdout.write(await flyStatus(LOCAL_FLY));
