/**
 * Runs Pulumi on the `dev` stack with this project's toolchain, as `npm run local` does: `npm run
 * pulumi -- ARGUMENTS`. For other stacks use your own Pulumi.
 */
import { DEV } from "../dev/toolchain/devStack.ts";
import { ensureToolchain } from "../dev/toolchain/index.ts";
import { LOCAL_FLY } from "../lib/paths.ts";
import { say } from "../lib/process.ts";
import { startFly } from "./fly.ts";
import { devArguments, secretRevealingOptions } from "./devArguments.ts";
import { DEV_OPTIONS, devEnvironment, ensureDevStack, releaseDeadLock, runOnDev } from "./stack.ts";

try {
    const args = devArguments(process.argv.slice(2), DEV_OPTIONS);
    const revealing = secretRevealingOptions(process.argv.slice(2), process.env);
    if (revealing.length > 0) {
        say(
            `${revealing.join(", ")}: Pulumi's output now shows every secret in plain text, including passwords and keys. ` +
                "Files it writes are readable only by you. Do not share any of it.",
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
