/** Checks that a backup holds a database that Mosquitto can read, not only intact bytes. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Header } from "./format.ts";

/**
 * Describes the database's content in words.
 * @throws Error that says what is wrong
 */
export async function describeDatabase(series: Header["series"], dir: string): Promise<string> {
    return series === "2.1" ? await describeSqlite(dir) : await describeSaved(dir);
}

const COUNTS = {
    "retained messages": "retains",
    sessions: "clients",
    subscriptions: "subscriptions",
    "messages for sessions": "client_msgs",
};

/**
 * Checks a 2.1 database with SQLite's own check of all pages and indexes, then counts rows of
 * Mosquitto's tables.
 */
async function describeSqlite(dir: string): Promise<string> {
    let database: DatabaseSync | undefined;
    try {
        database = await openDatabase(path.join(dir, "mosquitto.sqlite3"));
        const rows = database.prepare("PRAGMA integrity_check").all();
        const found = rows.map((row) => String(row.integrity_check)).join("; ");
        if (found !== "ok") throw new Error(found);
        const counts = Object.entries(COUNTS).map(([what, table]) => {
            const row = database!.prepare(`SELECT count(*) AS n FROM ${table}`).get();
            return `${String(row?.n)} ${what}`;
        });
        return counts.join(", ");
    } catch (error) {
        throw new Error(`is not a Mosquitto 2.1 database (${(error as Error).message})`, {
            cause: error,
        });
    } finally {
        database?.close();
    }
}

/** Opens the database read-only, so that SQLite does not merge the -wal file into it. */
async function openDatabase(name: string): Promise<DatabaseSync> {
    // Suppress Node's warning that its SQLite is experimental: it says nothing about the backup.
    const emitWarning = process.emitWarning.bind(process);
    process.emitWarning = () => undefined;
    try {
        const { DatabaseSync } = await import("node:sqlite");
        return new DatabaseSync(name, { readOnly: true });
    } finally {
        process.emitWarning = emitWarning;
    }
}

/**
 * Start of Mosquitto 2.0's file: magic, checksum (always 0), version. Chunks follow, each with kind and
 * length.
 */
const MAGIC = Buffer.from("\0\xb5\0mosquitto db", "latin1");
const HEADER_BYTES = MAGIC.length + 8;
/** Kinds of chunks that are counted. Others, such as 2 for a stored message, are not. */
const KINDS: Record<number, string> = {
    4: "retained messages",
    6: "sessions",
    5: "subscriptions",
    3: "messages for sessions",
};

/** Checks a 2.0 database by walking every chunk; the last one must end with the file. */
async function describeSaved(dir: string): Promise<string> {
    const bytes = await readFile(path.join(dir, "mosquitto.db"));
    const wrong = (what: string) => new Error(`is not a Mosquitto 2.0 database (${what})`);
    if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw wrong("wrong magic bytes");
    if (bytes.length < HEADER_BYTES) throw wrong("it is cut off");
    const version = bytes.readUInt32BE(MAGIC.length + 4);
    if (version < 5 || version > 6) throw wrong(`unknown file version ${version}`);
    const counts = new Map<number, number>();
    let at = HEADER_BYTES;
    while (at < bytes.length) {
        if (at + 8 > bytes.length) throw wrong("it is cut off");
        const kind = bytes.readUInt32BE(at);
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
        at += 8 + bytes.readUInt32BE(at + 4);
    }
    if (at !== bytes.length) throw wrong("it is cut off");
    const counted = [4, 6, 5, 3].map((kind) => `${counts.get(kind) ?? 0} ${KINDS[kind]}`);
    return counted.join(", ");
}
