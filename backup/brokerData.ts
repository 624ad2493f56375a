/** `broker-backup` in the running machine, called through the Machines API's exec. */
import { gunzipSync, gzipSync } from "node:zlib";
import { cancelled } from "../providers/fly/api/cancel.ts";
import type { FlyClient } from "../providers/fly/api/client.ts";
import { FlyError } from "../providers/fly/api/errors.ts";
import type { BackupFile, Header } from "./format.ts";

const PROGRAM = "/usr/local/bin/broker-backup";

/** What offsets and lengths count in, there too. */
const BLOCK_BYTES = 64 * 1024;

/** Fly's bound on a command's time is not published; a minute is what its clients ask for at most. */
const TIMEOUT_S = 60;

/**
 * A piece of the copy, compressed, in bytes: Fly's limits on what a command takes and gives are not
 * published, and at one command a second this is half a megabyte a second.
 */
const PIECE_BYTES = 512 * 1024;
const MOST_BLOCKS = 128;

/** A piece that does not come through is asked for again in halves, down to one block. */
const TRIES = 8;

export interface Info {
    series: Header["series"];
    version: string;
    /** Of the broker's data at present, and free on the volume. */
    bytes: number;
    free: number;
    restore: "none" | "pending" | "inForce" | "refused" | "undone";
}

export interface Export {
    series: Header["series"];
    version: string;
    /** How long the copy took, during which the broker stood still (2.1). */
    copyMs: number;
    files: BackupFile[];
}

export interface MachineOnFly {
    readonly client: FlyClient;
    readonly app: string;
    readonly machineId: string;
}

/** The command was carried out, and refused what it was to do. */
class Refused extends Error {
    readonly exitCode: number;

    constructor(message: string, exitCode: number) {
        super(message);
        this.name = "Refused";
        this.exitCode = exitCode;
    }
}

export class BrokerData {
    readonly #machine: MachineOnFly;
    readonly #nonce: string;
    #blocks = 8;

    /** @param nonce of the lease that is held meanwhile */
    constructor(machine: MachineOnFly, nonce: string) {
        this.#machine = machine;
        this.#nonce = nonce;
    }

    async info(): Promise<Info> {
        return JSON.parse(await this.#run(["info"])) as Info;
    }

    async makeCopy(): Promise<Export> {
        // Not sent twice: a second one would take the first one's copy away under it.
        return JSON.parse(await this.#run(["export"], { safe: false })) as Export;
    }

    /** Also after all else was cancelled. */
    async end(): Promise<void> {
        await this.#run(["end"], { always: true });
    }

    /**
     * The next piece of the copy's file.
     * @param offset where it begins: whole blocks
     * @returns it as gzip, and its length unpacked
     */
    async read(file: BackupFile, offset: number): Promise<{ gzip: Buffer; bytes: number }> {
        return this.#inPieces(async (blocks) => {
            const from = String(offset / BLOCK_BYTES);
            const text = await this.#run(["read", file.name, from, String(blocks)]);
            const gzip = Buffer.from(text, "base64");
            // Its own checksum and length are at gzip's end.
            const { length } = gunzipSync(gzip);
            const wanted = Math.min(blocks * BLOCK_BYTES, file.bytes - offset);
            if (length !== wanted) throw new Error(`${length} bytes came instead of ${wanted}`);
            return { gzip, bytes: length, packed: gzip.length };
        });
    }

    async begin(series: string, bytes: number): Promise<void> {
        await this.#run(["import", series, String(bytes)]);
    }

    /**
     * Sends the next piece of a file.
     * @param content of the file from `offset` on, as much as is wanted
     * @returns how many bytes of it went
     */
    async write(
        name: string,
        offset: number,
        content: (bytes: number) => Promise<Buffer>,
    ): Promise<number> {
        const { bytes } = await this.#inPieces(async (blocks) => {
            const piece = await content(blocks * BLOCK_BYTES);
            const gzip = gzipSync(piece);
            const stdin = gzip.toString("base64");
            await this.#run(["write", name, String(offset / BLOCK_BYTES)], { stdin });
            return { bytes: piece.length, packed: gzip.length };
        });
        return bytes;
    }

    async accept(files: readonly BackupFile[]): Promise<void> {
        await this.#run(["accept", ...files.flatMap(({ name, sha256 }) => [name, sha256])]);
    }

    async confirm(): Promise<void> {
        await this.#run(["confirm"]);
    }

    /** @returns whether the old data needs a restart to be in force: so it is with an image that does not say. */
    async undo(): Promise<boolean> {
        return (await this.#run(["undo"])).trim() !== "now";
    }

    /** As many blocks as make a piece of about the wanted size; fewer where one does not come through. */
    async #inPieces<T extends { packed: number }>(
        move: (blocks: number) => Promise<T>,
    ): Promise<T> {
        for (let tries = 1; ; tries++) {
            const blocks = this.#blocks;
            try {
                const moved = await move(blocks);
                const fitting = Math.floor((blocks * PIECE_BYTES) / Math.max(1, moved.packed));
                this.#blocks = Math.max(1, Math.min(fitting, blocks * 4, MOST_BLOCKS));
                return moved;
            } catch (error) {
                const final =
                    error instanceof Refused ? error.exitCode !== DAMAGED : isFinal(error);
                if (final || tries >= TRIES) throw error;
                this.#blocks = Math.max(1, Math.floor(blocks / 2));
            }
        }
    }

    async #run(args: string[], more: More = {}): Promise<string> {
        const { client, app, machineId } = this.#machine;
        const { stdin, safe = true, always } = more;
        const answer = await client.post<Answer>(["apps", app, "machines", machineId, "exec"], {
            body: {
                command: [PROGRAM, ...args],
                timeout: TIMEOUT_S,
                ...(stdin !== undefined && { stdin }),
            },
            nonce: this.#nonce,
            safe,
            ...(always && { always }),
            deadlineMs: (TIMEOUT_S + 30) * 1000,
        });
        const code = answer.exit_code ?? 0;
        if (code === 126 || code === 127) {
            throw new Error(
                `The machine's image has no ${PROGRAM}: it is of an older version. ` +
                    "Run `pulumi up` first.",
            );
        }
        if (code !== 0) {
            const said = answer.stderr?.trim().replace(/^broker-backup: /, "") ?? "";
            throw new Refused(said || `broker-backup ${args[0]} ended with ${code}`, code);
        }
        return answer.stdout ?? "";
    }
}

interface More {
    stdin?: string;
    safe?: boolean;
    always?: boolean;
}

interface Answer {
    exit_code?: number;
    stdout?: string;
    stderr?: string;
}

/** broker-backup's exit code where what it was given did not come whole. */
const DAMAGED = 5;

/** Asking for less does not help: the token, the lease, the machine are not what they must be. */
function isFinal(error: unknown): boolean {
    if (cancelled.aborted) return true;
    return error instanceof FlyError && [401, 403, 404, 409, 412].includes(error.status);
}
