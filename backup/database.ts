/** Whether what a backup holds is a database that Mosquitto reads, beyond that its bytes are whole. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Header } from "./format.ts";

/** @returns what is in it, for a person. @throws Error that says what is wrong */
export async function describeDatabase(series: Header["series"], dir: string): Promise<string> {
    return series === "2.1" ? await describeSqlite(dir) : await describeSaved(dir);
}

const COUNTS = {
    "retained messages": "retains",
    sessions: "clients",
    subscriptions: "subscriptions",
    "messages for sessions": "client_msgs",
};

/** 2.1: SQLite's own check of all pages and indexes, then Mosquitto's tables. */
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
        throw new Error(`is no database of Mosquitto 2.1 (${(error as Error).message})`, {
            cause: error,
        });
    } finally {
        database?.close();
    }
}

/** Read only, so that the files stay as they are: nothing is moved from the -wal into the database. */
async function openDatabase(name: string): Promise<DatabaseSync> {
    // Node says that its SQLite is experimental; that tells nothing about the backup.
    const emitWarning = process.emitWarning.bind(process);
    process.emitWarning = () => undefined;
    try {
        const { DatabaseSync } = await import("node:sqlite");
        return new DatabaseSync(name, { readOnly: true });
    } finally {
        process.emitWarning = emitWarning;
    }
}

/** Mosquitto 2.0's file: magic, checksum (always 0), version, then chunks of a kind and a length. */
const MAGIC = Buffer.from("\0\xb5\0mosquitto db", "latin1");
const HEADER_BYTES = MAGIC.length + 8;
/** What the file calls its chunks: 2 a stored message, 3 one for a session, 4 a retained one, … */
const KINDS: Record<number, string> = {
    4: "retained messages",
    6: "sessions",
    5: "subscriptions",
    3: "messages for sessions",
};

/** 2.0: every chunk is walked, and the last one must end with the file. */
async function describeSaved(dir: string): Promise<string> {
    const bytes = await readFile(path.join(dir, "mosquitto.db"));
    const wrong = (what: string) => new Error(`is no database of Mosquitto 2.0 (${what})`);
    if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw wrong("its first bytes are others");
    if (bytes.length < HEADER_BYTES) throw wrong("it is cut off");
    const version = bytes.readUInt32BE(MAGIC.length + 4);
    if (version < 5 || version > 6) throw wrong(`version ${version} of the file`);
    const counts = new Map<number, number>();
    let at = HEADER_BYTES;
    while (at < bytes.length) {
        if (at + 8 > bytes.length) throw wrong("it is cut off");
        const kind = bytes.readUInt32BE(at);
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
        at += 8 + bytes.readUInt32BE(at + 4);
    }
    if (at !== bytes.length) throw wrong("it is cut off");
    const told = [4, 6, 5, 3].map((kind) => `${counts.get(kind) ?? 0} ${KINDS[kind]}`);
    return told.join(", ");
}
