/** Runs the image's `broker-backup` on a local folder, and kills it at a given step. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import type { Series } from "../../broker/conf.ts";
import { busybox } from "../../dev/harness/busybox.ts";

const BROKER = path.join(import.meta.dirname, "../../broker/image");

/** Shells that the image may have; Debian's is dash. */
export const SHELLS = { "the system's sh": () => ["sh"], "busybox sh": () => [busybox(), "sh"] };

/** Put in front of the program: counts its changes to the disk, and kills it at a given one. */
const PRELUDE = `
step=0
tick() { step=$((step + 1)); [ "$step" != "\${KILL_AT:-0}" ] || kill -9 $$; }
mv() { tick; command mv "$@"; tick; }
rm() { tick; command rm "$@"; tick; }
mkdir() { tick; command mkdir "$@"; tick; }
chown() { :; }
sync() { :; }
sleep() { tick; }
`;

export interface Ended {
    killed: boolean;
    code: number | null;
    stdout: string;
    stderr: string;
}

export class RestoreSteps {
    /** Stands for the machine's volume. */
    readonly data: string;
    /** Stands for the socket that the broker opens when it has read its data. */
    readonly socket: string;
    readonly #dir: string;
    readonly #command: string[];

    constructor(series: Series, shell: string[]) {
        this.#dir = mkdtempSync(path.join(tmpdir(), "appkata-steps-"));
        this.data = path.join(this.#dir, "data");
        this.socket = path.join(this.#dir, "socket");
        this.#command = [...shell, path.join(this.#dir, "broker-backup")];
        const plugin = path.join(this.#dir, "plugin.so");
        if (series === "2.1") writeFileSync(plugin, "");
        const broker = path.join(this.#dir, "broker.pid");
        writeFileSync(broker, "1");
        for (const name of ["broker-backup", "broker-data", "broker-restore", "broker-space"]) {
            const text = readFileSync(path.join(BROKER, name), "utf8")
                .replace("set -eu\n", (line) => line + PRELUDE)
                .replaceAll("/usr/lib/mosquitto_persist_sqlite.so", plugin)
                .replaceAll("/usr/local/lib/", `${this.#dir}/`)
                .replace("/run/broker/socket", this.socket)
                .replaceAll("/run/broker.pid", broker);
            writeFileSync(path.join(this.#dir, name), text);
        }
    }

    /** @param more.killAt the change to the disk after which it is killed, from 1; 0: none */
    run(args: string[], more: { killAt?: number; input?: string } = {}): Ended {
        const [program, ...before] = this.#command;
        const ended = spawnSync(program!, [...before, ...args], {
            env: {
                ...process.env,
                BROKER_DATA: this.data,
                KILL_AT: String(more.killAt ?? 0),
            },
            input: more.input ?? "",
            encoding: "utf8",
        });
        const { status: code, stdout, stderr } = ended;
        return { killed: ended.signal === "SIGKILL", code, stdout, stderr };
    }

    /** @returns its output. @throws AssertionError if it fails */
    must(...args: string[]): string {
        const { code, stdout, stderr } = this.run(args);
        assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
        return stdout.trim();
    }

    remove(): void {
        rmSync(this.#dir, { recursive: true });
    }
}

/** Names of a broker's data files. */
export const FILES: Record<Series, string[]> = {
    "2.1": ["mosquitto.sqlite3", "mosquitto.sqlite3-wal"],
    "2.0": ["mosquitto.db"],
};
const MAGIC: Record<Series, string> = { "2.1": "SQLite format 3\0", "2.0": "\0\xb5\0mosquitto db" };

export const sha256 = (text: string) => createHash("sha256").update(text, "latin1").digest("hex");

/** A volume with old data, and new data for it; `whose` is "old" or "new". */
export function sides(series: Series, steps: () => RestoreSteps) {
    const content = (whose: string, file: string) =>
        file === FILES[series][0] ? `${MAGIC[series]} ${whose}` : `${whose} log`;

    /** Fills the volume with the old data. */
    function fresh(): void {
        rmSync(steps().data, { recursive: true, force: true });
        mkdirSync(steps().data);
        for (const file of FILES[series]) {
            writeFileSync(path.join(steps().data, file), content("old", file), "latin1");
        }
    }

    /** Uploads the new data, as `npm run restore` does. */
    function send(): void {
        steps().must("import", series, "1000");
        for (const file of FILES[series]) {
            const input = gzipSync(Buffer.from(content("new", file), "latin1"));
            const ended = steps().run(["write", file, "0"], { input: input.toString("base64") });
            assert.equal(ended.code, 0, ended.stderr);
        }
    }

    function acceptArgs(): string[] {
        const sums = FILES[series].flatMap((file) => [file, sha256(content("new", file))]);
        return ["accept", ...sums];
    }

    function inForce(): Record<string, string> {
        const found = FILES[series].filter((file) => existsSync(path.join(steps().data, file)));
        return Object.fromEntries(
            found.map((file) => [file, readFileSync(path.join(steps().data, file), "latin1")]),
        );
    }

    const all = (whose: string) =>
        Object.fromEntries(FILES[series].map((file) => [file, content(whose, file)]));
    return { fresh, send, acceptArgs, inForce, all };
}
