/**
 * Files that a machine gets by its app's secrets: packed into one bundle, which is split over several
 * secrets, since each becomes an environment variable of the machine. The machine's command joins and
 * unpacks them (broker/broker-installed).
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

/**
 * Of a secret's value. Linux starts no program with a variable of more than 131,072 bytes, nor with more than
 * a quarter of the stack's limit in all: 2 MiB with the kernel's own (execve(2)). Fly names no limit of its own.
 * Sixteen such secrets leave a quarter of it to the app's others.
 */
export const MAX_VALUE_BYTES = 96_000;

export interface Bundle {
    /** Grows with every change, so that the newer of two bundles is known. */
    readonly number: number;
    /** The machine passes over one of another app. */
    readonly app: string;
    /** Name → text, in lines. */
    readonly files: Readonly<Record<string, string>>;
}

/** gzip of sections: a line `NAME LINES`, and so many lines of that file. */
export function packBundle({ number, app, files }: Bundle): Buffer {
    const all = { version: `${number} ${app}`, ...files };
    const sections = Object.entries(all).map(([name, text]) => {
        const lines = inLines(text);
        return `${name} ${lines.split("\n").length - 1}\n${lines}`;
    });
    return gzipSync(sections.join(""), { level: 9 });
}

/**
 * The bundle as the secrets of these names have it: of about the same size, each in base64. Without padding but
 * in the last, so that one after the other they are the whole in base64.
 */
export function splitBundle(bundle: Buffer, names: readonly string[]): Record<string, string> {
    const size = Math.ceil(bundle.length / names.length / 3) * 3;
    return Object.fromEntries(
        names.map((name, at) => [
            name,
            bundle.subarray(at * size, (at + 1) * size).toString("base64"),
        ]),
    );
}

/** @returns why no machine could start with these secrets; undefined where one can */
export function sizeProblem(values: Readonly<Record<string, string>>): string | undefined {
    const sizes = Object.values(values).map((value) => value.length);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    return Math.max(...sizes) <= MAX_VALUE_BYTES
        ? undefined
        : `the files take ${bytes} bytes in the machine's environment; it can start with ` +
              `${sizes.length * MAX_VALUE_BYTES}, which is ${MAX_VALUE_BYTES} in each of ${sizes.length} secrets`;
}

/** Of the files alone, as the machine's command tells it of those that are in force. */
export function digestOf(files: Readonly<Record<string, string>>): string {
    const lines = Object.entries(files)
        .map(([name, text]) => `${name} ${sha256(inLines(text))}\n`)
        .sort();
    return sha256(lines.join(""));
}

function inLines(text: string): string {
    return text.endsWith("\n") ? text : `${text}\n`;
}

function sha256(text: string): string {
    return createHash("sha256").update(text).digest("hex");
}
