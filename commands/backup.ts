/**
 * `npm run backup [-- --stack STACK] [--file FILE]`: the running broker's data in a file here; prints
 * its name. `-- --snapshot`: a snapshot of the volume on Fly instead; prints its ID.
 */
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { megabytes } from "../backup/transfer.ts";
import { takeBackup } from "../backup/take.ts";
import { takeSnapshot } from "../providers/fly/volume/snapshot.ts";
import { ROOT } from "../lib/paths.ts";
import { say } from "../lib/process.ts";
import { endOnSignals } from "./signals.ts";
import { stackOnFly, type StackOnFly } from "./stackOnFly.ts";

try {
    const { values } = parseArgs({
        options: {
            stack: { type: "string" },
            file: { type: "string" },
            snapshot: { type: "boolean" },
        },
    });
    if (values.snapshot && values.file !== undefined) {
        throw new Error("A snapshot stays on Fly: leave out --file, or --snapshot.");
    }
    if (values.file !== undefined && existsSync(values.file)) {
        throw new Error(`${values.file} is there already: name another file, or remove it.`);
    }
    const stack = await stackOnFly(values.stack);
    endOnSignals("Cancelled: there is no backup, and nothing of it is left.");
    await (values.snapshot ? snapshot(stack) : backup(stack, values.file));
} catch (error) {
    say((error as Error).message);
    process.exit(1);
}

async function backup(stack: StackOnFly, given: string | undefined): Promise<void> {
    const file = given ?? defaultFile(stack);
    say(`Backing up the broker of ${stack.app} (machine ${stack.machineId}) …`);
    const { header, copyMs, content } = await takeBackup(stack, file);
    const bytes = header.files.reduce((sum, one) => sum + one.bytes, 0);
    say(`  Mosquitto ${header.mosquitto}: ${content}; ${megabytes(bytes)}.`);
    say(`  The copy took ${copyMs} ms. It has been read back and is whole. It is not encrypted.`);
    console.log(file);
}

function defaultFile({ stack, app }: StackOnFly): string {
    const dir = path.join(ROOT, "backups");
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
    return path.join(dir, `${stack.split("/").at(-1)}-${app}-${time}.backup`);
}

async function snapshot({ client, app, machineId, volumeId }: StackOnFly): Promise<void> {
    say(`Asking Fly for a snapshot of volume ${volumeId} of ${app} …`);
    // What the machine has not yet written to the volume would not be in it.
    const exec = ["apps", app, "machines", machineId, "exec"];
    await client.post(exec, { body: { command: ["sync"], timeout: 60 }, deadlineMs: 90_000 });
    const id = await takeSnapshot(client, app, volumeId);
    say("  A stack that is made with these settings begins with it:");
    say(`    appkata-mqtt:volumeSnapshot: ${id}`);
    say("    appkata-mqtt:volumeReplacement: discard");
    say(
        "  (the second only where the stack has a volume already, whose data it gives up; with another",
    );
    say(
        "  appName it also needs appkata-mqtt:clientsShutOut: allow, since clients must be told it)",
    );
    console.log(id);
}
