/**
 * `npm run local:down`: stops and removes all of it: machines, volumes, images, the Fly on this
 * machine, the `dev` stack's state, and Docker's daemon if this project started it. The toolchain
 * stays, for the next `npm run local`.
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
        // Containers and volumes can only be removed by a daemon that runs; it stops again below.
        await ensureDocker();
        await resetFly(LOCAL_FLY);
    }
    await stopOwnDocker();
    rmSync(LOCAL, { recursive: true, force: true });
    rmSync(path.join(ROOT, "certs", "dev"), { recursive: true, force: true });
    say("Nothing of the local broker is left; .toolchain/ stays for the next time.");
} catch (error) {
    say((error as Error).message);
    process.exit(1);
}
