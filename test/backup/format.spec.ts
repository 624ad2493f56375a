import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { gzipSync } from "node:zlib";
import { describeDatabase } from "../../backup/database.ts";
import { FORMAT, headerLine, unpack, type Header } from "../../backup/format.ts";

const CONTENT = {
    "mosquitto.sqlite3": Buffer.alloc(200_000, "db"),
    "mosquitto.sqlite3-wal": Buffer.from("wal"),
};

function headerOf(content: Record<string, Buffer>): Header {
    return {
        format: FORMAT,
        formatVersion: 1,
        version: "0.1.0",
        series: "2.1",
        mosquitto: "2.1.2",
        stack: "dev",
        app: "an-app",
        time: "2026-11-24T20:00:00.000Z",
        files: Object.entries(content).map(([name, bytes]) => ({
            name,
            bytes: bytes.length,
            sha256: createHash("sha256").update(bytes).digest("hex"),
        })),
    };
}

describe("a backup's file", () => {
    let dir: string;
    let file: string;
    let into: string;

    beforeEach(() => {
        dir = mkdtempSync(path.join(tmpdir(), "appkata-test-"));
        file = path.join(dir, "a.backup");
        into = path.join(dir, "into");
        mkdirSync(into);
    });
    afterEach(() => rmSync(dir, { recursive: true }));

    /** Packs into several gzip members, whose boundaries differ from the files'. */
    function body(content: Record<string, Buffer>): Buffer {
        const all = Buffer.concat(Object.values(content));
        const middle = 70_000;
        return Buffer.concat([gzipSync(all.subarray(0, middle)), gzipSync(all.subarray(middle))]);
    }

    function write(header: object | string, content: Buffer): void {
        const line = typeof header === "string" ? header : headerLine(header as Header);
        writeFileSync(file, Buffer.concat([Buffer.from(line), content]));
    }

    it("restores its content, file by file", async () => {
        const header = headerOf(CONTENT);
        write(header, body(CONTENT));
        assert.deepEqual(await unpack(file, into), header);
        for (const [name, bytes] of Object.entries(CONTENT)) {
            assert.ok(readFileSync(path.join(into, name)).equals(bytes), name);
        }
    });

    const wrong: [string, () => void, RegExp][] = [
        ["empty", () => write("", Buffer.alloc(0)), /is not a backup/],
        ["text", () => write("hello\n", Buffer.alloc(0)), /first line is not JSON/],
        ["other JSON", () => write("{}\n", Buffer.alloc(0)), /is not a backup/],
        [
            "of a later format",
            () => write({ ...headerOf(CONTENT), formatVersion: 2 }, body(CONTENT)),
            /has format version 2,/,
        ],
        [
            "of a series that nobody knows",
            () => write({ ...headerOf(CONTENT), series: "3.0" }, body(CONTENT)),
            /damaged header[^]*series/,
        ],
        [
            "one that would write elsewhere",
            () => {
                const header = headerOf(CONTENT);
                write({ ...header, files: [{ ...header.files[0]!, name: "../x" }] }, body(CONTENT));
            },
            /damaged header[^]*name/,
        ],
        [
            "cut within gzip",
            () => write(headerOf(CONTENT), body(CONTENT).subarray(0, -9)),
            /is cut off/,
        ],
        [
            "cut between gzip's members",
            () => write(headerOf(CONTENT), gzipSync(Buffer.alloc(70_000, "db"))),
            /is cut off/,
        ],
        ["cut after its header", () => write(headerOf(CONTENT), Buffer.alloc(0)), /is cut off/],
        [
            "longer than it says",
            () => write(headerOf(CONTENT), Buffer.concat([body(CONTENT), gzipSync("more")])),
            /holds more/,
        ],
        [
            "changed",
            () =>
                write(
                    headerOf(CONTENT),
                    body({ ...CONTENT, "mosquitto.sqlite3-wal": Buffer.from("wax") }),
                ),
            /checksum of mosquitto\.sqlite3-wal does not match/,
        ],
        ["not gzip", () => write(headerOf(CONTENT), Buffer.from("not gzip at all")), /is damaged/],
    ];
    for (const [what, make, expected] of wrong) {
        it(`is refused when it is ${what}`, async () => {
            make();
            await assert.rejects(unpack(file, into), expected);
        });
    }
});

describe("a backup's database", () => {
    let dir: string;
    beforeEach(() => (dir = mkdtempSync(path.join(tmpdir(), "appkata-test-"))));
    afterEach(() => rmSync(dir, { recursive: true }));

    function makeSqlite(): string {
        const name = path.join(dir, "mosquitto.sqlite3");
        const database = new DatabaseSync(name);
        for (const table of ["retains", "clients", "subscriptions", "client_msgs"]) {
            database.exec(`CREATE TABLE ${table} (a TEXT)`);
        }
        database.exec("BEGIN");
        for (let i = 0; i < 500; i++) database.exec(`INSERT INTO retains VALUES ('topic ${i}')`);
        database.exec("COMMIT");
        database.close();
        return name;
    }

    it("of 2.1 is counted and left unchanged", async () => {
        const bytes = readFileSync(makeSqlite());
        assert.match(await describeDatabase("2.1", dir), /^500 retained messages, 0 sessions/);
        assert.ok(readFileSync(path.join(dir, "mosquitto.sqlite3")).equals(bytes));
    });

    it("of 2.1 is refused if its pages are damaged or its tables are not Mosquitto's", async () => {
        const name = makeSqlite();
        const bytes = readFileSync(name);
        writeFileSync(name, bytes.fill(0x5a, 4096, bytes.length));
        await assert.rejects(describeDatabase("2.1", dir), /is not a Mosquitto 2\.1 database/);
        rmSync(name);
        const other = new DatabaseSync(name);
        other.exec("CREATE TABLE mine (a TEXT)");
        other.close();
        await assert.rejects(describeDatabase("2.1", dir), /no such table: retains/);
    });

    it("of 2.0 is read completely", async () => {
        const head = Buffer.concat([
            Buffer.from("\0\xb5\0mosquitto db", "latin1"),
            Buffer.from([0, 0, 0, 0, 0, 0, 0, 6]),
        ]);
        const chunk = (kind: number, length: number) => {
            const bytes = Buffer.alloc(8 + length);
            bytes.writeUInt32BE(kind);
            bytes.writeUInt32BE(length, 4);
            return bytes;
        };
        const name = path.join(dir, "mosquitto.db");
        const whole = Buffer.concat([head, chunk(1, 16), chunk(4, 8), chunk(4, 8)]);
        writeFileSync(name, whole);
        assert.match(await describeDatabase("2.0", dir), /^2 retained messages, 0 sessions/);
        for (const cut of [1, 9]) {
            writeFileSync(name, whole.subarray(0, -cut));
            await assert.rejects(describeDatabase("2.0", dir), /it is cut off/);
        }
        writeFileSync(name, "something else");
        await assert.rejects(describeDatabase("2.0", dir), /wrong magic bytes/);
    });
});
