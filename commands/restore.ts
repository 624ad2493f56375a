/**
 * `npm run restore -- --file FILE [--stack STACK] [--yes]`: a backup's data in place of what the stack's
 * broker has. Asks first; without a terminal it wants `--yes`.
 */
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { restoreBackup } from "../backup/restore.ts";
import { withUnpacked } from "../backup/take.ts";
import { cancelled } from "../providers/fly/api/cancel.ts";
import { say } from "../lib/process.ts";
import { endOnSignals } from "./signals.ts";
import { stackOnFly } from "./stackOnFly.ts";

try {
    const { values } = parseArgs({
        options: {
            stack: { type: "string" },
            file: { type: "string" },
            yes: { type: "boolean" },
        },
    });
    const { file } = values;
    if (file === undefined) throw new Error("Which one? --file FILE");
    const isPast = endOnSignals("Cancelled: the broker's data is as it was.");
    await withUnpacked(file, async (dir, header, content) => {
        say(`${file}: ${header.app} (stack ${header.stack}) at ${header.time},`);
        say(`  Mosquitto ${header.mosquitto}: ${content}.`);
        const stack = await stackOnFly(values.stack);
        if (!(values.yes ?? (await agreed(stack.app)))) {
            throw new Error("Nothing was changed.");
        }
        say(`Restoring it into ${stack.app} (machine ${stack.machineId}) …`);
        await restoreBackup(stack, header, dir, () => {
            isPast("The machine restarts with the backup's data; this ends by itself.");
        });
        say(`The broker of ${stack.app} runs with the backup's data.`);
    });
} catch (error) {
    say((error as NodeJS.ErrnoException).message);
    process.exit(1);
}

async function agreed(app: string): Promise<boolean> {
    if (!process.stdin.isTTY) {
        throw new Error(`It replaces all that the broker of ${app} holds: add --yes if it is to.`);
    }
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    try {
        const text = `Replace all that the broker of ${app} holds, and restart it? [y/N] `;
        lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
        return /^y(es)?$/i.test((await lines.question(text, { signal: cancelled })).trim());
    } catch (error) {
        cancelled.throwIfAborted();
        throw error;
    } finally {
        lines.close();
    }
}
