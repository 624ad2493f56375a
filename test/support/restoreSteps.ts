/** The image's `broker-backup` on a folder of this machine, killed at a step of choice. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Series } from "../../broker/conf.ts";
import { busybox } from "./busybox.ts";

const BROKER = path.join(import.meta.dirname, "../../broker");

/** What the image may have; the system's is dash on Debian. */
export const SHELLS = { "the system's sh": () => ["sh"], "busybox sh": () => [busybox(), "sh"] };

/** In front of the program: what it changes on the disk is counted, and at a step of choice it is killed. */
const PRELUDE = `
step=0
tick() { step=$((step + 1)); [ "$step" != "\${KILL_AT:-0}" ] || kill -9 $$; }
mv() { tick; command mv "$@"; tick; }
rm() { tick; command rm "$@"; tick; }
mkdir() { tick; command mkdir "$@"; tick; }
chown() { :; }
sync() { :; }
`;

export interface Ended {
    killed: boolean;
    code: number | null;
    stdout: string;
    stderr: string;
}

export class RestoreSteps {
    /** In place of the machine's volume. */
    readonly data: string;
    readonly #dir: string;
    readonly #command: string[];

    constructor(series: Series, shell: string[]) {
        this.#dir = mkdtempSync(path.join(tmpdir(), "appkata-steps-"));
        this.data = path.join(this.#dir, "data");
        this.#command = [...shell, path.join(this.#dir, "broker-backup")];
        const plugin = path.join(this.#dir, "plugin.so");
        if (series === "2.1") writeFileSync(plugin, "");
        for (const name of ["broker-backup", "broker-data", "broker-restore"]) {
            const text = readFileSync(path.join(BROKER, name), "utf8")
                .replace("set -eu\n", (line) => line + PRELUDE)
                .replaceAll("/usr/lib/mosquitto_persist_sqlite.so", plugin)
                .replaceAll("/usr/local/lib/", `${this.#dir}/`)
                .replace("proven=20", "proven=0");
            writeFileSync(path.join(this.#dir, name), text);
        }
    }

    /** @param more.killAt which of its changes to the disk is its last, from 1; 0: none */
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

    /** @returns its output. @throws AssertionError when it fails */
    must(...args: string[]): string {
        const { code, stdout, stderr } = this.run(args);
        assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
        return stdout.trim();
    }

    remove(): void {
        rmSync(this.#dir, { recursive: true });
    }
}
