/**
 * Brings up the broker on this machine: `npm run local` installs or names missing tools, starts the
 * local Fly and runs `pulumi up` on the `dev` stack. Running it again changes nothing.
 */
import type { BrokerOutputs } from "../config/outputs.ts";
import { DEV } from "../dev/toolchain/devStack.ts";
import { LOCAL_FLY, ROOT } from "../lib/paths.ts";
import { ensureToolchain } from "../dev/toolchain/index.ts";
import { onPath, say } from "../lib/process.ts";
import { localFly, refusedPorts, startFly, type LocalFly } from "./fly.ts";
import { pastedCommand } from "./pasted.ts";
import {
    DEV_OPTIONS,
    devEnvironment,
    ensureDevStack,
    releaseDeadLock,
    runPulumi,
    stackOutputs,
} from "./stack.ts";

try {
    const { cli, inUse } = await ensureToolchain(DEV);
    say(`In use: ${inUse}.`);
    const fly = await startFly(LOCAL_FLY);
    say(`Local Fly: ${fly.endpoint}, registry ${fly.registry}.`);
    const env = devEnvironment(fly.token);
    await ensureDevStack(cli, env);
    await releaseDeadLock(cli, env);
    const up = ["up", "--yes", "--skip-preview", ...DEV_OPTIONS];
    const code = await runPulumi(cli, up, env, fly);
    const now = await localFly(LOCAL_FLY);
    const refused = refusedPorts(now);
    if (refused !== undefined) throw new Error(refused);
    if (code !== 0) process.exit(code);
    await showClients(now);
} catch (error) {
    say((error as Error).message);
    process.exit(1);
}

/**
 * Shows the client commands. Passwords stay off the screen: the shell fetches them when a command is
 * pasted.
 */
async function showClients({ apps }: LocalFly): Promise<void> {
    const { stdout } = await stackOutputs(DEV, true);
    const outputs = JSON.parse(stdout) as BrokerOutputs;
    const others = apps.filter(
        ({ name, machines }) => name !== outputs.appName && machines.length > 0,
    );
    if (others.length > 0) {
        say(
            `\nThe local Fly also runs ${others.map(({ name }) => name).join(", ")}, which the state of the stack ${DEV} ` +
                "does not contain (was it deleted?): npm run local:down stops and removes everything.",
        );
    }
    const shown = (command: string) => pastedCommand(command, outputs.users, ROOT);
    if ((await onPath("mosquitto_sub")) === undefined) {
        say(
            "\nmosquitto_sub and mosquitto_pub are not installed; Debian's package is mosquitto-clients.",
        );
    }
    say(`\nSubscribe, in one terminal:\n\n  ${shown(outputs.subscribeCommand)}\n`);
    say(
        `Publish, in another terminal, one message a line:\n\n  ${shown(outputs.publishCommand)}\n`,
    );
}
