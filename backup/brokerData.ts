/** Runs `broker-backup` in the machine, through the Machines API's exec. */
import { gunzipSync, gzipSync } from "node:zlib";
import { cancelled } from "../providers/fly/api/cancel.ts";
import type { AppOnFly } from "../providers/fly/api/client.ts";
import { FlyError } from "../providers/fly/api/errors.ts";
import { MachineApi } from "../providers/fly/api/machineApi.ts";
import { deadlineIn } from "../providers/fly/api/wait.ts";
import { withLease } from "../providers/fly/machine/lease.ts";
import type { Owner } from "../providers/fly/ownership.ts";
import type { BackupFile, Header } from "./format.ts";

const PROGRAM = "/usr/local/bin/broker-backup";

/** Unit of offsets and lengths, also in broker-backup. */
const BLOCK_BYTES = 64 * 1024;

/** Time limit of a command. Fly publishes no maximum; its own clients ask for a minute at most. */
const TIMEOUT_S = 60;

/**
 * Target size of a compressed piece, in bytes. Fly publishes no limits for a command's input and
 * output; at one command a second this moves half a megabyte a second.
 */
const PIECE_BYTES = 512 * 1024;
const MOST_BLOCKS = 128;

/** Attempts to move a piece. A failed one is retried with half the blocks, down to one block. */
const TRIES = 8;

export interface Info {
    series: Header["series"];
    version: string;
    /** Size of the broker's data, and free space on the volume. */
    bytes: number;
    free: number;
    restore: "none" | "pending" | "inForce" | "refused" | "undone";
}

export interface Export {
    series: Header["series"];
    version: string;
    /** Duration of the copy, during which Mosquitto 2.1 is paused. */
    copyMs: number;
    files: BackupFile[];
}

/** A stack's machine, whose broker's data is read or replaced. */
export interface StackMachine extends AppOnFly, Owner {
    readonly machineId: string;
}

/** Seconds to wait for another holder's lease. */
const LEASED_WITHIN_S = 120;

/** Runs `work` under the machine's lease. */
export async function withBrokerData<T>(
    stack: StackMachine,
    work: (data: BrokerData) => Promise<T>,
): Promise<T> {
    const machine = new MachineApi(stack, stack.machineId);
    const wait = { owner: stack, deadline: deadlineIn(LEASED_WITHIN_S) };
    return await withLease(machine, wait, (leased) => work(new BrokerData(leased)));
}

/** The command ran, but refused the request. */
class Refused extends Error {
    readonly exitCode: number;

    constructor(message: string, exitCode: number) {
        super(message);
        this.name = "Refused";
        this.exitCode = exitCode;
    }
}

export class BrokerData {
    readonly #machine: MachineApi;
    #blocks = 8;

    /** @param leased the machine under a held lease */
    constructor(leased: MachineApi) {
        this.#machine = leased;
    }

    async info(): Promise<Info> {
        return JSON.parse(await this.#run(["info"])) as Info;
    }

    async makeCopy(): Promise<Export> {
        // Not retried: a second export would delete the first one's copy.
        return JSON.parse(await this.#run(["export"], { safe: false })) as Export;
    }

    /** Removes the copy, even after everything else was cancelled. */
    async end(): Promise<void> {
        await this.#run(["end"], { always: true });
    }

    /**
     * Reads the next piece of a copied file.
     * @param offset start of the piece, a whole number of blocks
     * @returns the piece as gzip, and its unpacked length
     */
    async read(file: BackupFile, offset: number): Promise<{ gzip: Buffer; bytes: number }> {
        return this.#inPieces(async (blocks) => {
            const from = String(offset / BLOCK_BYTES);
            const text = await this.#run(["read", file.name, from, String(blocks)]);
            const gzip = Buffer.from(text, "base64");
            // gzip ends with its own checksum and length.
            const { length } = gunzipSync(gzip);
            const wanted = Math.min(blocks * BLOCK_BYTES, file.bytes - offset);
            if (length !== wanted) throw new Error(`${length} bytes arrived instead of ${wanted}`);
            return { gzip, bytes: length, packed: gzip.length };
        });
    }

    async begin(series: string, bytes: number): Promise<void> {
        await this.#run(["import", series, String(bytes)]);
    }

    /**
     * Writes the next piece of a file.
     * @param content gives the file's bytes from `offset` on, up to the number asked for
     * @returns the number of bytes written
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

    /**
     * Puts the old data back.
     * @returns whether that needs a restart, which is so for images that do not say
     */
    async undo(): Promise<boolean> {
        return (await this.#run(["undo"])).trim() !== "now";
    }

    /** Moves as many blocks as make a piece of about the target size, and fewer after a failure. */
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

    async #run(args: string[], options: RunOptions = {}): Promise<string> {
        const { stdin, safe = true, always } = options;
        const answer = await this.#machine.post<Answer>(["exec"], {
            body: {
                command: [PROGRAM, ...args],
                timeout: TIMEOUT_S,
                ...(stdin !== undefined && { stdin }),
            },
            safe,
            ...(always && { always }),
            deadlineMs: (TIMEOUT_S + 30) * 1000,
        });
        const code = answer.exit_code ?? 0;
        if (code === 126 || code === 127) {
            throw new Error(
                `The machine's image is of an older version, without ${PROGRAM}: ` +
                    "run `pulumi up` first.",
            );
        }
        if (code !== 0) {
            const said = answer.stderr?.trim().replace(/^broker-backup: /, "") ?? "";
            throw new Refused(said || `broker-backup ${args[0]} ended with ${code}`, code);
        }
        return answer.stdout ?? "";
    }
}

interface RunOptions {
    stdin?: string;
    safe?: boolean;
    always?: boolean;
}

interface Answer {
    exit_code?: number;
    stdout?: string;
    stderr?: string;
}

/** Exit code of broker-backup when its input arrived incomplete. */
const DAMAGED = 5;

/** Whether a smaller piece would fail too: the token, the lease or the machine is wrong. */
function isFinal(error: unknown): boolean {
    if (cancelled.aborted) return true;
    return error instanceof FlyError && [401, 403, 404, 409, 412].includes(error.status);
}
