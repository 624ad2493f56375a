/** Restores a backup's data into a running machine, whose broker then starts with it. */
import { open } from "node:fs/promises";
import path from "node:path";
import { cancelled } from "../providers/fly/api/cancel.ts";
import { MachineApi } from "../providers/fly/api/machineApi.ts";
import { rebootMachine } from "../providers/fly/machine/power.ts";
import { withBrokerData, type BrokerData, type Info, type StackMachine } from "./brokerData.ts";
import type { BackupFile, Header } from "./format.ts";
import { Transfer } from "./transfer.ts";

/** Why restored data is not in force after the boot, by what the machine reports. */
const REASONS: Record<Exclude<Info["restore"], "inForce">, string> = {
    none: "the machine has no trace of it",
    pending: "the machine did not boot with it",
    refused: "the broker cannot read it",
    undone: "the broker does not run with it, so the machine put the old data back by itself",
};

/**
 * Explains why restored data is not in force.
 * @param reported state reported by the machine, whose image may be of a later version
 * @returns undefined if the data is in force
 */
export function notInForce(reported: string): string | undefined {
    if (reported === "inForce") return undefined;
    return (
        (REASONS as Partial<Record<string, string>>)[reported] ??
        `the machine reports "${reported}"`
    );
}

/**
 * Sends the data, has the machine verify it, and reboots the machine, which puts the data in force. If
 * the broker does not run with it, the old data is put back.
 * @param dir folder with the header's files
 * @param accepted called before the boot; until then cancelling changes nothing
 * @throws Error when the data was refused or did not work; unless the error says otherwise, the old
 * data is in force
 */
export async function restoreBackup(
    destination: StackMachine,
    header: Header,
    dir: string,
    accepted: () => void,
): Promise<void> {
    await withBrokerData(destination, async (data) => {
        const info = await data.info();
        refuseOtherSeries(destination, header, info);
        await sendCopy(data, header, dir, accepted);
    });
    let problem: string | undefined;
    try {
        await reboot(destination);
        const { restore } = await withBrokerData(destination, (data) => data.info());
        problem = notInForce(restore);
    } catch (error) {
        problem = (error as Error).message;
    }
    if (problem === undefined) {
        await withBrokerData(destination, (data) => data.confirm());
        return;
    }
    await goBack(destination, problem);
}

function refuseOtherSeries(destination: StackMachine, header: Header, info: Info): void {
    if (info.series === header.series) return;
    throw new Error(
        `The backup is of Mosquitto ${header.series}, but ${destination.app} runs ${info.series}, ` +
            "which cannot read its data. Restore it into a stack whose `baseImage` has Mosquitto " +
            `${header.series}.`,
    );
}

async function sendCopy(
    data: BrokerData,
    header: Header,
    dir: string,
    accepted: () => void,
): Promise<void> {
    const { series, files } = header;
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    await data.begin(series, total);
    try {
        const transfer = new Transfer("sent", files);
        for (const file of files) await sendFile(data, file, dir, transfer);
        cancelled.throwIfAborted();
        accepted();
        await data.accept(files);
    } catch (error) {
        await data.end().catch(() => undefined);
        throw error;
    }
}

async function sendFile(
    data: BrokerData,
    file: BackupFile,
    dir: string,
    transfer: Transfer,
): Promise<void> {
    const handle = await open(path.join(dir, file.name));
    try {
        for (let at = 0; at < file.bytes;) {
            const sent = await data.write(file.name, at, async (most) => {
                const { buffer, bytesRead } = await handle.read(Buffer.alloc(most), 0, most, at);
                return buffer.subarray(0, bytesRead);
            });
            at += sent;
            transfer.moved(sent);
        }
    } finally {
        await handle.close();
    }
}

/**
 * Puts the old data back.
 * @throws always
 */
async function goBack(destination: StackMachine, problem: string): Promise<never> {
    try {
        if (await withBrokerData(destination, (data) => data.undo())) {
            await reboot(destination);
        }
        await withBrokerData(destination, (data) => data.confirm());
    } catch (error) {
        throw new Error(
            `The restore failed: ${problem}\n  The old data is still on the volume, but could not be ` +
                `put back: ${(error as Error).message}\n  Once the machine runs: \`fly machine exec ` +
                `${destination.machineId} "broker-backup undo"\`, then restart it.`,
            { cause: error },
        );
    }
    throw new Error(`The restore failed, and the old data is in force again: ${problem}`);
}

async function reboot(stack: StackMachine): Promise<void> {
    await rebootMachine(new MachineApi(stack, stack.machineId), stack);
}
