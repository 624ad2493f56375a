/**
 * Reads and writes a backup's file: a header, which is one line of JSON, then the database's files in
 * the header's order as gzip (several members, which every gunzip reads as one).
 * `tail -n +2 FILE | gunzip` gives the database, and `head -n 1 FILE` says what it is.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { createGunzip } from "node:zlib";
import { z } from "zod";

export const FORMAT = "appkata-mqtt-backup";

const file = z.object({
    name: z.string().regex(/^mosquitto\.[a-z0-9-]+$/),
    bytes: z.number().int().positive(),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const header = z.object({
    format: z.literal(FORMAT),
    /** Version of this format; later ones are refused. */
    formatVersion: z.literal(1),
    /** Version of the program that wrote the backup. */
    version: z.string(),
    /** Mosquitto's series. Only the same series can read the data. */
    series: z.enum(["2.1", "2.0"]),
    mosquitto: z.string(),
    stack: z.string(),
    app: z.string(),
    /** Time of the copy in ISO 8601, UTC. The copy has everything acknowledged before. */
    time: z.iso.datetime(),
    files: z.array(file).min(1),
});

export type Header = z.output<typeof header>;
export type BackupFile = z.output<typeof file>;

/** Longest first line to accept. A header has some hundred bytes. */
const LONGEST_HEADER = 16 * 1024;

/** Reports what is wrong with a file and what to do. Nothing was changed. */
class BadBackup extends Error {
    constructor(name: string, problem: string) {
        super(`${name} ${problem}.`);
        this.name = "BadBackup";
    }
}

export function headerLine(value: Header): string {
    return `${JSON.stringify(value)}\n`;
}

/**
 * Reads the header.
 * @returns it, and the offset of the content
 * @throws BadBackup
 */
async function readHeader(name: string): Promise<{ value: Header; length: number }> {
    const handle = await open(name);
    try {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(LONGEST_HEADER));
        const end = buffer.subarray(0, bytesRead).indexOf("\n");
        if (end < 0) throw new BadBackup(name, "is not a backup: it does not begin with a header");
        let json: unknown;
        try {
            json = JSON.parse(buffer.toString("utf8", 0, end));
        } catch {
            throw new BadBackup(name, "is not a backup: its first line is not JSON");
        }
        const given = (json ?? {}) as { format?: unknown; formatVersion?: unknown };
        if (given.format !== FORMAT)
            throw new BadBackup(
                name,
                `is not a backup: its header does not name the format "${FORMAT}"`,
            );
        if (given.formatVersion !== 1) {
            throw new BadBackup(
                name,
                `has format version ${JSON.stringify(given.formatVersion)}, but this program reads only 1: ` +
                    "restore it with the program that wrote it",
            );
        }
        const parsed = header.safeParse(json);
        if (!parsed.success) {
            throw new BadBackup(name, `has a damaged header:\n${z.prettifyError(parsed.error)}`);
        }
        return { value: parsed.data, length: end + 1 };
    } finally {
        await handle.close();
    }
}

/**
 * Unpacks a backup into a folder and verifies every byte against the header's checksums.
 * @throws BadBackup
 */
export async function unpack(name: string, dir: string): Promise<Header> {
    const { value, length } = await readHeader(name);
    const unpacker = new Unpacker(value.files, dir);
    const gunzip = createReadStream(name, { start: length }).pipe(createGunzip());
    try {
        for await (const chunk of gunzip as AsyncIterable<Buffer>) await unpacker.write(chunk);
    } catch (error) {
        if ((error as { code?: string }).code === "Z_BUF_ERROR") {
            throw new BadBackup(name, "is cut off");
        }
        if ((error as { code?: string }).code?.startsWith("Z_")) {
            throw new BadBackup(name, `is damaged (${(error as Error).message})`);
        }
        throw error;
    } finally {
        await unpacker.close();
    }
    const problem = unpacker.problem();
    if (problem !== undefined) throw new BadBackup(name, problem);
    return value;
}

/** Splits the unpacked content into files and checks them. */
class Unpacker {
    readonly #files: readonly BackupFile[];
    readonly #dir: string;
    readonly #sums: Hash[] = [];
    #handle: FileHandle | undefined;
    #at = -1;
    #left = 0;
    #more = false;

    constructor(files: readonly BackupFile[], dir: string) {
        this.#files = files;
        this.#dir = dir;
    }

    async write(chunk: Buffer): Promise<void> {
        let rest = chunk;
        while (rest.length > 0) {
            if (this.#left === 0 && !(await this.#next())) return;
            const piece = rest.subarray(0, this.#left);
            this.#sums[this.#at]!.update(piece);
            await this.#handle!.writeFile(piece);
            this.#left -= piece.length;
            rest = rest.subarray(piece.length);
        }
    }

    async #next(): Promise<boolean> {
        const file = this.#files[this.#at + 1];
        if (file === undefined) {
            this.#more = true;
            return false;
        }
        await this.close();
        this.#handle = await open(path.join(this.#dir, file.name), "wx", 0o600);
        this.#at++;
        this.#left = file.bytes;
        this.#sums.push(createHash("sha256"));
        return true;
    }

    async close(): Promise<void> {
        await this.#handle?.close();
        this.#handle = undefined;
    }

    problem(): string | undefined {
        if (this.#left > 0 || this.#at + 1 < this.#files.length) return "is cut off";
        if (this.#more) return "holds more than its header says";
        const sums = this.#sums.map((sum) => sum.digest("hex"));
        const bad = this.#files.find(({ sha256 }, at) => sums[at] !== sha256);
        return bad && `is damaged: the checksum of ${bad.name} does not match`;
    }
}
