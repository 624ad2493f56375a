/**
 * Packs a machine's files into one bundle and splits it over several app secrets, since each secret becomes an
 * environment variable of the machine. The machine joins and unpacks them (broker/image/broker-installed).
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

/**
 * Largest value of a secret. Linux starts no program with a variable of more than 131,072 bytes, nor with an
 * environment of more than a quarter of the stack limit, 2 MiB by default (execve(2)). Fly documents no limit of
 * its own. Sixteen such secrets leave a quarter of that for the app's other secrets.
 */
export const MAX_VALUE_BYTES = 96_000;

export interface Bundle {
    /** Grows with every change, so that the machine can tell the newer of two bundles. */
    readonly number: number;
    /** App that the bundle is for: a machine ignores one of another app. */
    readonly app: string;
    /** Name → text, in lines. */
    readonly files: Readonly<Record<string, string>>;
}

/** Packs a bundle as gzip of sections: a line `NAME LINES`, then that many lines of the file. */
export function packBundle({ number, app, files }: Bundle): Buffer {
    const all = { version: `${number} ${app}`, ...files };
    const sections = Object.entries(all).map(([name, text]) => {
        const lines = inLines(text);
        return `${name} ${lines.split("\n").length - 1}\n${lines}`;
    });
    return gzipSync(sections.join(""), { level: 9 });
}

/**
 * Splits a bundle over secrets with these names, in base64 and of about equal size. Only the last has padding, so
 * that their concatenation is the whole in base64.
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

/** @returns why no machine could start with secrets of this size; undefined where one can */
export function sizeProblem(values: Readonly<Record<string, string>>): string | undefined {
    const sizes = Object.values(values).map((value) => value.length);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    return Math.max(...sizes) <= MAX_VALUE_BYTES
        ? undefined
        : `the files take ${bytes} bytes of the machine's environment, which has room for ` +
              `${sizes.length * MAX_VALUE_BYTES}: ${MAX_VALUE_BYTES} in each of ${sizes.length} secrets`;
}

/** Digest of the files alone, as the machine reports it for those in force. */
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
