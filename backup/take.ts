/** Saves the broker's data to a file. */
import { mkdtemp, open, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { cancelled } from "../providers/fly/api/cancel.ts";
import { withBrokerData, type BrokerData, type StackMachine } from "./brokerData.ts";
import { describeDatabase } from "./database.ts";
import { FORMAT, headerLine, unpack, type Header } from "./format.ts";
import { Transfer } from "./transfer.ts";

export interface Source extends StackMachine {
    /** Version of this program. */
    readonly version: string;
}

export interface BackupResult {
    readonly header: Header;
    /** How long the broker was paused. */
    readonly copyMs: number;
    /** The backup's content in words. */
    readonly content: string;
}

/**
 * Copies what the broker has acknowledged so far to `file` and reads it back. The file is either
 * complete or absent, and only its owner can read it.
 */
export async function takeBackup(source: Source, file: string): Promise<BackupResult> {
    const partial = `${file}.partial`;
    try {
        const taken = await withBrokerData(source, async (data) => {
            try {
                return await fetchCopy(source, data, partial);
            } finally {
                // A failure here must not hide the first error; the next backup removes the copy too.
                await data.end().catch(() => undefined);
            }
        });
        const content = await describeBackup(partial);
        cancelled.throwIfAborted();
        await rename(partial, file);
        return { ...taken, content };
    } finally {
        await rm(partial, { force: true });
    }
}

async function fetchCopy(source: Source, data: BrokerData, partial: string) {
    const time = new Date().toISOString();
    const { files, series, version: mosquitto, copyMs } = await data.makeCopy();
    const { version, stack, app } = source;
    const header: Header = {
        ...{ format: FORMAT, formatVersion: 1, version, series, mosquitto, stack, app, time },
        files,
    };
    const transfer = new Transfer("fetched", files);
    const handle = await open(partial, "w", 0o600);
    try {
        await handle.writeFile(headerLine(header));
        for (const file of files) {
            for (let at = 0; at < file.bytes;) {
                const { gzip, bytes } = await data.read(file, at);
                await handle.writeFile(gzip);
                at += bytes;
                transfer.moved(bytes);
            }
        }
        await handle.sync();
    } finally {
        await handle.close();
    }
    return { header, copyMs };
}

/**
 * Verifies a backup and describes its content.
 * @throws Error when the file is incomplete or holds no database
 */
async function describeBackup(file: string): Promise<string> {
    return await withUnpacked(file, (_dir, _header, content) => Promise.resolve(content));
}

/** Verifies a backup, unpacks it into a folder and removes the folder after the work. */
export async function withUnpacked<T>(
    file: string,
    work: (dir: string, header: Header, content: string) => Promise<T>,
): Promise<T> {
    const dir = await mkdtemp(path.join(tmpdir(), "appkata-backup-"));
    try {
        const header = await unpack(file, dir);
        let content: string;
        try {
            content = await describeDatabase(header.series, dir);
        } catch (error) {
            throw new Error(`${file} ${(error as Error).message}.`, { cause: error });
        }
        return await work(dir, header, content);
    } finally {
        await rm(dir, { recursive: true, force: true });
    }
}
