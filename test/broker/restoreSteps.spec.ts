import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { SERIES, type Series } from "../../broker/conf.ts";
import { RestoreSteps, SHELLS } from "../support/restoreSteps.ts";

const FILES: Record<Series, string[]> = {
    "2.1": ["mosquitto.sqlite3", "mosquitto.sqlite3-wal"],
    "2.0": ["mosquitto.db"],
};
const MAGIC: Record<Series, string> = { "2.1": "SQLite format 3\0", "2.0": "\0\xb5\0mosquitto db" };
for (const series of SERIES) {
    for (const [name, shell] of Object.entries(SHELLS)) {
        describe(`a restore's steps, Mosquitto ${series}, ${name}`, function () {
            this.timeout(60_000);
            let steps: RestoreSteps;
            let data: string;

            beforeEach(() => {
                steps = new RestoreSteps(series, shell());
                data = steps.data;
            });
            afterEach(() => steps.remove());

            const must = (...args: string[]) => steps.must(...args);
            const run: RestoreSteps["run"] = (args, more) => steps.run(args, more);

            const content = (whose: string, file: string) =>
                file === FILES[series][0] ? `${MAGIC[series]} ${whose}` : `${whose} log`;
            const sha256 = (text: string) =>
                createHash("sha256").update(text, "latin1").digest("hex");

            /** A volume with the old data. */
            function fresh(): void {
                rmSync(data, { recursive: true, force: true });
                mkdirSync(data);
                for (const file of FILES[series]) {
                    writeFileSync(path.join(data, file), content("old", file), "latin1");
                }
            }

            /** The new data comes, as `npm run restore` sends it. */
            function send(): void {
                must("import", series, "1000");
                for (const file of FILES[series]) {
                    const input = gzipSync(Buffer.from(content("new", file), "latin1"));
                    const ended = run(["write", file, "0"], { input: input.toString("base64") });
                    assert.equal(ended.code, 0, ended.stderr);
                }
            }

            function acceptArgs(): string[] {
                const sums = FILES[series].flatMap((file) => [file, sha256(content("new", file))]);
                return ["accept", ...sums];
            }

            function inForce(): Record<string, string> {
                const found = FILES[series].filter((file) => existsSync(path.join(data, file)));
                return Object.fromEntries(
                    found.map((file) => [file, readFileSync(path.join(data, file), "latin1")]),
                );
            }

            const all = (whose: string) =>
                Object.fromEntries(FILES[series].map((file) => [file, content(whose, file)]));
            const restored = () => (JSON.parse(must("info")) as { restore: string }).restore;
            /** Nothing but the broker's own files. */
            const nothingBeside = () =>
                assert.deepEqual(readdirSync(data).sort(), [...FILES[series]].sort());

            /** Has each step of a command be the last one of a run, one after another. */
            function atEachStep(
                args: string[],
                todo: { before: () => void; after: (at: number) => void },
            ): void {
                for (let at = 1; ; at++) {
                    todo.before();
                    const { killed, code, stderr } = run(args, { killAt: at });
                    if (!killed) {
                        assert.equal(code, 0, stderr);
                        assert.ok(at > 1, `${args[0]} was killed at ${at - 1} steps only`);
                        return;
                    }
                    todo.after(at);
                }
            }

            it("end with the new data in force and the old aside, then with nothing left over", () => {
                fresh();
                send();
                must(...acceptArgs());
                assert.equal(restored(), "pending");
                assert.deepEqual(inForce(), all("old"));
                must("settle");
                assert.equal(restored(), "inForce");
                assert.deepEqual(inForce(), all("new"));
                must("confirm");
                assert.equal(restored(), "none");
                assert.deepEqual(inForce(), all("new"));
                nothingBeside();
            });

            it("leave the old data where the upload is killed or never ends", () => {
                atEachStep(acceptArgs(), {
                    before: () => {
                        fresh();
                        send();
                    },
                    after: (at) => {
                        assert.deepEqual(inForce(), all("old"), `killed at step ${at}`);
                        const pending = restored() === "pending";
                        must("settle");
                        assert.deepEqual(inForce(), all(pending ? "new" : "old"));
                    },
                });
                fresh();
                send();
                must("settle");
                assert.equal(restored(), "none");
                assert.deepEqual(inForce(), all("old"));
                nothingBeside();
                const late = run(acceptArgs());
                assert.notEqual(late.code, 0);
                assert.deepEqual(inForce(), all("old"));
            });

            it("come to the same end when the start is killed at any of them", () => {
                atEachStep(["settle"], {
                    before: () => {
                        fresh();
                        send();
                        must(...acceptArgs());
                    },
                    after: (at) => {
                        must("settle");
                        assert.deepEqual(inForce(), all("new"), `killed at step ${at}`);
                        assert.equal(restored(), "inForce");
                        assert.equal(must("undo"), "next");
                        must("settle");
                        assert.deepEqual(inForce(), all("old"), `killed at step ${at}, and undone`);
                        must("confirm");
                        nothingBeside();
                    },
                });
            });

            const put = () => {
                fresh();
                send();
                must(...acceptArgs());
                must("settle");
            };

            it("are undone whole when the undoing or its start is killed at any of them", () => {
                const goesBack = (at: number) => {
                    must("undo");
                    must("settle");
                    assert.equal(restored(), "undone");
                    // Asked once more, it does not fetch the new data back.
                    assert.equal(must("undo"), "now");
                    must("settle");
                    assert.deepEqual(inForce(), all("old"), `killed at step ${at}`);
                    must("confirm");
                    nothingBeside();
                };
                atEachStep(["undo"], { before: put, after: goesBack });
                atEachStep(["settle"], {
                    before: () => {
                        put();
                        must("undo");
                    },
                    after: (at) => {
                        must("settle");
                        goesBack(at);
                    },
                });
            });

            it("are undone without a start where none has put the new data in force", () => {
                fresh();
                send();
                must(...acceptArgs());
                assert.equal(must("undo"), "now");
                assert.equal(must("undo"), "now");
                must("settle");
                assert.deepEqual(inForce(), all("old"));
                nothingBeside();
            });

            it("go back by themselves at the third start of a broker that does not stay up", () => {
                put();
                must("settle");
                assert.deepEqual(inForce(), all("new"));
                must("settle");
                assert.deepEqual(inForce(), all("old"));
                assert.equal(restored(), "undone");
                must("settle");
                assert.deepEqual(inForce(), all("old"));
                must("confirm");
                nothingBeside();
            });

            it("do not go back once the broker has stayed up, though nobody confirmed", () => {
                put();
                must("hold");
                for (let start = 0; start < 4; start++) must("settle");
                assert.deepEqual(inForce(), all("new"));
                assert.equal(restored(), "inForce");
            });

            it("are confirmed whole when the confirming is killed at any of them", () => {
                atEachStep(["confirm"], {
                    before: put,
                    after: (at) => {
                        for (let start = 0; start < 4; start++) must("settle");
                        // Killed before it has renamed it has done nothing, and nobody says that it holds.
                        if (at > 3) assert.deepEqual(inForce(), all("new"), `killed at step ${at}`);
                        send();
                        must("end");
                        nothingBeside();
                    },
                });
            });

            it("refuse a file that came damaged, and data of the other series", () => {
                fresh();
                send();
                const [first] = FILES[series];
                const ended = run(["accept", first!, sha256("something else")]);
                assert.equal(ended.code, 5);
                const other = run(["import", SERIES.find((one) => one !== series)!, "1000"]);
                assert.equal(other.code, 4);
                must("end");
                must("settle");
                assert.deepEqual(inForce(), all("old"));
                nothingBeside();
            });
        });
    }
}
