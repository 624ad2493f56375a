/**
 * `npm run local`: whatever is missing is installed or named, this machine's Fly is started, and
 * `pulumi up` runs on the `dev` stack. Again: nothing changes.
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
    say(`Fly on this machine: ${fly.endpoint}, registry ${fly.registry}.`);
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

/** The password stays off the screen: the shell fetches it when the command is pasted. */
async function showClients({ apps }: LocalFly): Promise<void> {
    const { stdout } = await stackOutputs(DEV, true);
    const outputs = JSON.parse(stdout) as BrokerOutputs;
    const others = apps.filter(
        ({ name, machines }) => name !== outputs.appName && machines.length > 0,
    );
    if (others.length > 0) {
        say(
            `\nThis machine's Fly also runs ${others.map(({ name }) => name).join(", ")}, of which the stack ` +
                `${DEV} has no record (was its state deleted?): npm run local:down ends and removes all.`,
        );
    }
    const shown = (command: string) => pastedCommand(command, outputs.users, ROOT);
    if ((await onPath("mosquitto_sub")) === undefined) {
        say(
            "\nmosquitto_sub and mosquitto_pub are not here; Debian has them in mosquitto-clients.",
        );
    }
    say(`\nSubscribe, in one terminal:\n\n  ${shown(outputs.subscribeCommand)}\n`);
    say(`Publish, in another one, a line a message:\n\n  ${shown(outputs.publishCommand)}\n`);
}
