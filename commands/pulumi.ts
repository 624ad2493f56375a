/**
 * `npm run pulumi -- ARGUMENTS`: Pulumi as `npm run local` uses it: on the `dev` stack, with this
 * project's toolchain. For other stacks use your own Pulumi.
 */
import { DEV } from "../dev/toolchain/devStack.ts";
import { ensureToolchain } from "../dev/toolchain/index.ts";
import { LOCAL_FLY } from "../lib/paths.ts";
import { say } from "../lib/process.ts";
import { startFly } from "./fly.ts";
import { debugging, devArguments } from "./devArguments.ts";
import { DEV_OPTIONS, devEnvironment, ensureDevStack, releaseDeadLock, runOnDev } from "./stack.ts";

try {
    const args = devArguments(process.argv.slice(2), DEV_OPTIONS);
    const told = debugging(process.argv.slice(2), process.env);
    if (told.length > 0) {
        say(
            `${told.join(", ")}: Pulumi's output now has every secret in plain text, passwords and keys among them; ` +
                "files of it are written for you alone. Give none of it to others.",
        );
    }
    const { cli } = await ensureToolchain(DEV);
    const fly = await startFly(LOCAL_FLY);
    const env = devEnvironment(fly.token);
    await ensureDevStack(cli, env);
    await releaseDeadLock(cli, env);
    process.exit(await runOnDev(cli, args, env, fly));
} catch (error) {
    say((error as Error).message);
    process.exit(1);
}
