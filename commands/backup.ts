/**
 * Saves the running broker's data to a local file and prints the file's name: `npm run backup [--
 * --stack STACK] [--file FILE]`. With `-- --snapshot` it takes a snapshot of the volume on Fly instead
 * and prints the snapshot's ID.
 */
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { megabytes } from "../backup/transfer.ts";
import { takeBackup } from "../backup/take.ts";
import { MachineApi } from "../providers/fly/api/machineApi.ts";
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
        throw new Error(
            "--file and --snapshot exclude each other: a snapshot stays on Fly. Leave one of them out.",
        );
    }
    if (values.file !== undefined && existsSync(values.file)) {
        throw new Error(`${values.file} already exists: name another file, or remove it.`);
    }
    const stack = await stackOnFly(values.stack);
    endOnSignals("Cancelled: no backup was made, and nothing is left of it.");
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
    say(`  The copy took ${copyMs} ms. It was read back and verified. It is not encrypted.`);
    console.log(file);
}

function defaultFile({ stack, app }: StackOnFly): string {
    const dir = path.join(ROOT, "backups");
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
    return path.join(dir, `${stack.split("/").at(-1)}-${app}-${time}.backup`);
}

async function snapshot(stack: StackOnFly): Promise<void> {
    const { app, machineId, volumeId } = stack;
    say(`Asking Fly for a snapshot of volume ${volumeId} of ${app} …`);
    // Flush first: a snapshot holds only what the machine has written to the volume.
    const body = { command: ["sync"], timeout: 60 };
    await new MachineApi(stack, machineId).post(["exec"], { body, deadlineMs: 90_000 });
    const id = await takeSnapshot(stack, volumeId);
    say("  To create a stack from it, set:");
    say(`    appkata-mqtt:volumeSnapshot: ${id}`);
    say("    appkata-mqtt:volumeReplacement: discard");
    say(
        "  (the second is needed only if the stack already has a volume, whose data it discards; with another",
    );
    say(
        "  appName, also set appkata-mqtt:clientsShutOut: allow, since clients must be told the new name)",
    );
    console.log(id);
}
