import assert from "node:assert/strict";
import { readdirSync, utimesSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { SERIES } from "../../broker/conf.ts";
import { FILES, RestoreSteps, sha256, SHELLS, sides } from "../support/restoreSteps.ts";

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

            const { fresh, send, acceptArgs, inForce, all } = sides(series, () => steps);
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
                // While the broker reads its data it has not stayed up.
                assert.equal(run(["hold"], { killAt: 3 }).killed, true);
                const server = createServer().listen(steps.socket);
                must("hold");
                server.close();
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

            it("are taken back by the next import, where nobody restarted the machine for a minute", () => {
                const old = () =>
                    utimesSync(path.join(data, ".restore"), 0, Date.now() / 1000 - 61);
                const next = () => run(["import", series, "1000"]);
                fresh();
                send();
                must(...acceptArgs());
                assert.match(next().stderr, /another restore is about to restart/);
                assert.equal(restored(), "pending");
                old();
                send();
                assert.equal(restored(), "none");
                must("settle");
                assert.deepEqual(inForce(), all("old"));
                nothingBeside();
                // Not so what a start has put aside: it is the old data itself.
                put();
                must("undo");
                old();
                assert.match(next().stderr, /waits for a restart/);
                must("settle");
                assert.deepEqual(inForce(), all("old"));
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
