/**
 * Replaces the data of the stack's broker with a backup's: `npm run restore -- --file FILE [--stack
 * STACK] [--yes]`. Asks first; without a terminal it requires `--yes`.
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
    if (file === undefined) throw new Error("No backup is named: add --file FILE.");
    const isPast = endOnSignals("Cancelled: the broker's data is unchanged.");
    await withUnpacked(file, async (dir, header, content) => {
        say(`${file}: ${header.app} (stack ${header.stack}) at ${header.time},`);
        say(`  Mosquitto ${header.mosquitto}: ${content}.`);
        const stack = await stackOnFly(values.stack);
        if (!(values.yes ?? (await agreed(stack.app)))) {
            throw new Error("Nothing was changed.");
        }
        say(`Restoring it into ${stack.app} (machine ${stack.machineId}) …`);
        await restoreBackup(stack, header, dir, () => {
            isPast(
                "The machine is restarting with the backup's data and cannot be cancelled; please wait.",
            );
        });
        say(`The broker of ${stack.app} runs with the backup's data.`);
    });
} catch (error) {
    say((error as NodeJS.ErrnoException).message);
    process.exit(1);
}

async function agreed(app: string): Promise<boolean> {
    if (!process.stdin.isTTY) {
        throw new Error(
            `A restore replaces all data of the broker of ${app}: add --yes to confirm.`,
        );
    }
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    try {
        const text = `Replace all data of the broker of ${app} and restart it? [y/N] `;
        lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
        return /^y(es)?$/i.test((await lines.question(text, { signal: cancelled })).trim());
    } catch (error) {
        cancelled.throwIfAborted();
        throw error;
    } finally {
        lines.close();
    }
}
