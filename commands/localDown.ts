/**
 * Removes everything that `npm run local` made: machines, volumes, images, the local Fly, the `dev`
 * stack's state, and Docker's daemon if this project started it. `npm run local:down` keeps the
 * toolchain for the next `npm run local`.
 */
import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { ensureDocker, stopOwnDocker } from "../dev/toolchain/docker.ts";
import { LOCAL, LOCAL_FLY, ROOT } from "../lib/paths.ts";
import { say } from "../lib/process.ts";
import { localFly, resetFly } from "./fly.ts";

try {
    const { running } = await localFly(LOCAL_FLY);
    if (running || existsSync(LOCAL_FLY)) {
        // Only a running daemon can remove containers and volumes; it is stopped again below.
        await ensureDocker();
        await resetFly(LOCAL_FLY);
    }
    await stopOwnDocker();
    rmSync(LOCAL, { recursive: true, force: true });
    rmSync(path.join(ROOT, "certs", "dev"), { recursive: true, force: true });
    say("The local broker is removed; .toolchain/ is kept for the next time.");
} catch (error) {
    say((error as Error).message);
    process.exit(1);
}
