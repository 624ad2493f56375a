/** Backups that must be refused, or that no broker runs on, made from a valid one. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { gunzipSync, gzipSync } from "node:zlib";

interface Header {
    files: { name: string; bytes: number }[];
}

function parted(file: string): { line: Buffer; header: Header; content: Buffer } {
    const whole = readFileSync(file);
    const end = whole.indexOf("\n") + 1;
    const line = whole.subarray(0, end);
    return { line, header: JSON.parse(line.toString()) as Header, content: whole.subarray(end) };
}

const lineOf = (header: object) => Buffer.from(`${JSON.stringify(header)}\n`);

/** @returns name, the file's bytes, and the expected error */
export function badBackups(file: string): [string, Buffer, RegExp][] {
    const { line, header, content } = parted(file);
    const unpacked = gunzipSync(content);
    unpacked[unpacked.length - 1]! ^= 1;
    return [
        ["cut", Buffer.concat([line, content.subarray(0, -1000)]), /is cut off/],
        ["changed", Buffer.concat([line, gzipSync(unpacked)]), /is damaged: the checksum/],
        [
            "series",
            Buffer.concat([lineOf({ ...header, series: "2.0" }), content]),
            /is not a Mosquitto 2\.0 database|ENOENT/,
        ],
        ["other", Buffer.from("not a backup\n"), /is not a backup/],
    ];
}

/** A valid backup and database that makes the broker exit at its start. */
export function writeWithoutTopics(file: string, made: string): void {
    const { header, content } = parted(file);
    const unpacked = gunzipSync(content);
    const dir = mkdtempSync(path.join(path.dirname(made), "unpacked-"));
    let at = 0;
    for (const { name, bytes } of header.files) {
        writeFileSync(path.join(dir, name), unpacked.subarray(at, (at += bytes)));
    }
    const database = path.join(dir, "mosquitto.sqlite3");
    const opened = new DatabaseSync(database);
    opened.exec("ALTER TABLE retains RENAME COLUMN topic TO other");
    opened.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    opened.close();
    const changed = readFileSync(database);
    const sha256 = createHash("sha256").update(changed).digest("hex");
    const files = [{ name: "mosquitto.sqlite3", bytes: changed.length, sha256 }];
    writeFileSync(made, Buffer.concat([lineOf({ ...header, files }), gzipSync(changed)]));
}
