import assert from "node:assert/strict";
import { readdirSync, utimesSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { SERIES } from "../../broker/conf.ts";
import { FILES, RestoreSteps, sha256, SHELLS, sides } from "../support/restoreSteps.ts";

for (const series of SERIES) {
    for (const [name, shell] of Object.entries(SHELLS)) {
        describe(`steps of a restore, Mosquitto ${series}, ${name}`, function () {
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
            /** Files other than the broker's own. */
            const nothingBeside = () =>
                assert.deepEqual(readdirSync(data).sort(), [...FILES[series]].sort());

            /** Kills a command at each of its steps in turn. */
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

            it("put the new data in force and the old aside, and in the end leave nothing over", () => {
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

            it("leave the old data in place when the upload is killed or never ends", () => {
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

            it("reach the same result when the start is killed at any step", () => {
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

            it("undo completely when undo or the start after it is killed at any step", () => {
                const goesBack = (at: number) => {
                    must("undo");
                    must("settle");
                    assert.equal(restored(), "undone");
                    // A second undo does not bring the new data back.
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

            it("undo without a restart if no start has used the new data", () => {
                fresh();
                send();
                must(...acceptArgs());
                assert.equal(must("undo"), "now");
                assert.equal(must("undo"), "now");
                must("settle");
                assert.deepEqual(inForce(), all("old"));
                nothingBeside();
            });

            it("undo by themselves at the third start of a broker that does not stay up", () => {
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

            it("do not undo once the broker has stayed up, even if nobody confirmed", () => {
                put();
                // A broker that is still reading its data has not stayed up.
                assert.equal(run(["hold"], { killAt: 3 }).killed, true);
                const server = createServer().listen(steps.socket);
                must("hold");
                server.close();
                for (let start = 0; start < 4; start++) must("settle");
                assert.deepEqual(inForce(), all("new"));
                assert.equal(restored(), "inForce");
            });

            it("confirm completely when confirm is killed at any step", () => {
                atEachStep(["confirm"], {
                    before: put,
                    after: (at) => {
                        for (let start = 0; start < 4; start++) must("settle");
                        // Killed before the rename, it has changed nothing and printed nothing.
                        if (at > 3) assert.deepEqual(inForce(), all("new"), `killed at step ${at}`);
                        send();
                        must("end");
                        nothingBeside();
                    },
                });
            });

            it("take an earlier import back after a minute in which nobody restarted the machine", () => {
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
                // Data that a start put aside stays: it is the old data itself.
                put();
                must("undo");
                old();
                assert.match(next().stderr, /waits for a restart/);
                must("settle");
                assert.deepEqual(inForce(), all("old"));
            });

            it("refuse a file that arrived damaged, and data of the other series", () => {
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
