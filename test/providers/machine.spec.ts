import assert from "node:assert/strict";
import { Machine } from "../../providers/entry.ts";
import type { MachineInputs, MachineOutputs } from "../../providers/fly/machine-inputs.ts";
import type { MachineConfig } from "../../providers/fly/types.ts";
import { PartialFailure } from "../../providers/provider.ts";
import { pushImage } from "../local/support/image.ts";
import { brokerLike, DEAF, failureOf, FlyFixture, outsOf, STRANGER } from "./support/flyFixture.ts";

describe("fly machine", function () {
    this.timeout(90_000);
    let fixture: FlyFixture;
    let app: string;
    let image: string;
    let count = 0;

    before(async () => {
        fixture = await FlyFixture.start();
    });
    after(() => fixture.close());
    beforeEach(async () => {
        app = `machine-${++count}`;
        await fixture.api.app(app);
        image = await pushImage(fixture.fly, app);
    });
    afterEach(async () => {
        await fixture.noFaults();
        await fixture.api.ok("DELETE", `/apps/${app}?force=true`);
    });

    function inputs(change: Partial<MachineInputs> = {}): MachineInputs {
        return brokerLike(fixture, app, image, change);
    }

    function withConfig(change: Partial<MachineConfig>): MachineInputs {
        const base = inputs();
        return { ...base, config: { ...base.config, ...change } };
    }

    async function make(wanted = inputs()): Promise<{ id: string; outs: MachineOutputs }> {
        const made = await Machine.create(wanted);
        return { id: made.id, outs: outsOf(made) };
    }

    async function present() {
        return await fixture.api.ok<{ id: string; state: string; instance_id: string }[]>(
            "GET",
            `/apps/${app}/machines`,
        );
    }

    const changes = async (id: string, olds: MachineOutputs, news: MachineInputs) =>
        (await Machine.diff(id, olds, news)).changes;

    describe("create", () => {
        it("lists, launches, waits, and looks at the checks", async () => {
            let made: { id: string; outs: MachineOutputs } | undefined;
            const requests = await fixture.requestsOf(async () => {
                made = await make();
            });
            const path = `/v1/apps/${app}/machines`;
            const one = `${path}/${made?.id}`;
            assert.deepEqual(requests.slice(0, 3), [
                `GET ${path} 200`,
                `POST ${path} 200`,
                `GET ${one}/wait 200`,
            ]);
            const checks = requests.slice(3);
            assert.ok(checks.length <= 2, requests.join("\n"));
            assert.ok(checks.every((line) => line === `GET ${one} 200`));
            assert.equal(made?.outs.state, "started");
            assert.equal(made?.outs.machineId, made?.id);
            assert.match(made?.outs.imageDigest ?? "", /^sha256:[0-9a-f]{64}$/);
            const seen = await fixture.api.machine(app, made?.id ?? "");
            assert.equal(seen.instance_id, made?.outs.instanceId);
            assert.equal(seen.config.metadata?.managed_by, "appkata-mqtt");
            assert.equal(seen.config.metadata?.pulumi_stack, "dev");
        });

        it("adopts its leftover as it is, without a change", async () => {
            const { id, outs } = await make();
            const requests = await fixture.requestsOf(async () => {
                const again = await make();
                assert.equal(again.id, id);
                assert.equal(again.outs.instanceId, outs.instanceId);
            });
            assert.ok(
                requests.every((line) => line.startsWith("GET ")),
                requests.join("\n"),
            );
        });

        it("adopts its leftover and brings it to the wanted state", async () => {
            const { id } = await make(withConfig({ env: { OLD: "1" } }));
            await fixture.api.stop(app, await fixture.api.machine(app, id));
            const again = await make();
            assert.equal(again.id, id);
            const seen = await fixture.api.machine(app, id);
            assert.equal(seen.state, "started");
            assert.equal(JSON.stringify(seen.config).includes("OLD"), false);
        });

        it("refuses another's machine of the same name, and names the way out", async () => {
            const { id } = await make(inputs({ owner: STRANGER }));
            const error = await failureOf(make());
            assert.match(
                error.message,
                new RegExp(
                    `already has a machine "mosquitto" \\(${id}\\), which belongs to ` +
                        "Pulumi project appkata-mqtt, stack prod",
                ),
            );
            assert.match(
                error.message,
                new RegExp(
                    `\n  Choose another app name; or .* \`fly machine destroy ${id} -a ${app} `,
                ),
            );
            const seen = await fixture.api.machine(app, id);
            assert.equal(seen.config.metadata?.pulumi_stack, "prod");
        });

        it("waits for a predecessor that is being destroyed", async () => {
            const { id } = await make();
            const [, again] = await Promise.all([
                fixture.api.ok("DELETE", `/apps/${app}/machines/${id}?force=true`),
                make(),
            ]);
            assert.notEqual(again.id, id);
            assert.equal((await present()).length, 1);
        });

        for (const type of ["drop-before", "drop-after", "cut"] as const) {
            it(`makes one machine when the answer is lost (${type})`, async () => {
                const path = `/v1/apps/${app}/machines`;
                await fixture.fault({ method: "POST", path, action: { type } });
                const { id, outs } = await make();
                assert.deepEqual(
                    (await present()).map((machine) => machine.id),
                    [id],
                );
                assert.equal(outs.state, "started");
            });
        }

        for (const status of [500, 502, 503]) {
            it(`goes on after ${status}`, async () => {
                const path = `/v1/apps/${app}/machines`;
                const action = { type: "status", status, body: "<h1>Bad Gateway</h1>" } as const;
                await fixture.fault({ method: "POST", path, action });
                await make();
                assert.equal((await present()).length, 1);
            });
        }

        it("does not try again where Fly has no room", async () => {
            const path = `/v1/apps/${app}/machines`;
            const body = {
                error: "could not find a candidate host",
                status: "insufficient_capacity",
            };
            const action = { type: "status", status: 422, body } as const;
            await fixture.fault({ method: "POST", path, times: 0, action });
            const requests = await fixture.requestsOf(async () => {
                const error = await failureOf(make());
                assert.match(error.message, /422 insufficient_capacity: .*fly-request-id/);
            });
            assert.equal(requests.filter((line) => line.startsWith("POST")).length, 1);
        });

        it("keeps a machine that does not get healthy, with its id and the reason", async () => {
            const wanted = withConfig({ init: { cmd: DEAF } });
            const news = { ...wanted, timeouts: { create: 4 }, __provider: "code" };
            const error = await failureOf(Machine.create(news));
            assert.ok(error instanceof PartialFailure);
            const [only] = await present();
            assert.equal(error.id, only?.id);
            assert.equal((error.properties as { __provider?: string }).__provider, "code");
            assert.match(
                error.reasons[0] ?? "",
                /is not healthy after 4 s: .*health check mqtt \(critical: .*refused/,
            );
            assert.match(error.reasons[0] ?? "", /Its last events: .*start/);
        });

        it("says how a machine ended that does not run", async () => {
            const wanted = withConfig({
                init: { cmd: ["/bin/sh", "-c", "exit 3"] },
                restart: { policy: "no" },
            });
            const error = await failureOf(make(wanted));
            assert.match(error.message, /is "stopped"\.\n.*exit code 3/);
        });

        it("shows its last lines, and none of before", async () => {
            const script = "echo listening to nobody; echo no such file; exit 3";
            const wanted = {
                ...withConfig({
                    init: { cmd: ["/bin/sh", "-c", script] },
                    restart: { policy: "no" },
                }),
                logsEndpoint: fixture.endpoint,
            };
            const error = await failureOf(make(wanted));
            assert.match(
                error.message,
                /is "stopped"\.\n {2}Its last lines:\n {4}listening to nobody\n {4}no such file\n {2}Its last events/,
            );
            const { id, outs } = await make({ ...inputs(), name: "second" });
            const bad = { ...wanted, name: "second", timeouts: { update: 20 } };
            const again = await failureOf(Machine.update(id, outs, bad));
            assert.match(again.message, /no such file(.|\n)*previous configuration is restored/);
        });

        it("says what it can where the log cannot be had", async () => {
            const wanted = {
                ...withConfig({
                    init: { cmd: ["/bin/sh", "-c", "exit 3"] },
                    restart: { policy: "no" },
                }),
                logsEndpoint: "http://127.0.0.1:1",
            };
            const error = await failureOf(make(wanted));
            assert.match(error.message, /is "stopped"\.\n {2}Its last events: .*exit code 3/);
        });

        it("gives up on a machine that ends again and again", async () => {
            const wanted = withConfig({ init: { cmd: ["/bin/sh", "-c", "exit 3"] } });
            const error = await failureOf(make({ ...wanted, timeouts: { create: 80 } }));
            assert.match(error.message, /ends again and again\.\n.*exit code 3/);
        });
    });

    describe("update", () => {
        it("leases, fences, waits for the new instance, and lets go", async () => {
            const { id, outs } = await make();
            const news = withConfig({ env: { NEW: "1" } });
            assert.equal(await changes(id, outs, news), true);
            let updated: MachineOutputs | undefined;
            const requests = await fixture.requestsOf(async () => {
                updated = outsOf(await Machine.update(id, outs, news));
            });
            const one = `/v1/apps/${app}/machines/${id}`;
            assert.deepEqual(requests.slice(0, 5), [
                `GET ${one} 200`,
                `POST ${one}/lease 201`,
                `GET ${one} 200`,
                `POST ${one} 200`,
                `GET ${one}/wait 200`,
            ]);
            assert.equal(requests.at(-1), `DELETE ${one}/lease 200`);
            assert.notEqual(updated?.instanceId, outs.instanceId);
            assert.equal(await fixture.api.shell(app, id, "echo $NEW"), "1");
            assert.equal(updated && (await changes(id, updated, news)), false);
        });

        it("is not misled by a read that lags behind, nor is a create", async () => {
            const path = "/v1/apps/*/machines/*";
            await fixture.fault({ method: "GET", path, action: { type: "stale" } });
            const { id, outs } = await make();
            // The first two are of before the change.
            await fixture.fault({ method: "GET", path, nth: 3, action: { type: "stale" } });
            const news = withConfig({ env: { NEW: "1" } });
            const updated = outsOf(await Machine.update(id, outs, news));
            const seen = await fixture.api.machine(app, id);
            assert.equal(updated.instanceId, seen.instance_id);
        });

        it("gives the machine new secrets", async () => {
            const { version } = await fixture.api.ok<{ version: number }>(
                "POST",
                `/apps/${app}/secrets`,
                { values: { WORD: "old" } },
            );
            const { id, outs } = await make(inputs({ secretsVersion: version }));
            const { version: newer } = await fixture.api.ok<{ version: number }>(
                "POST",
                `/apps/${app}/secrets`,
                { values: { WORD: "new" } },
            );
            const news = inputs({ secretsVersion: newer });
            const updated = outsOf(await Machine.update(id, outs, news));
            assert.equal(await fixture.api.shell(app, id, "echo $WORD"), "new");
            assert.notEqual(updated.instanceId, outs.instanceId);
            assert.equal(await changes(id, updated, news), false);
        });

        it("leaves alone a machine that has newer secrets than it must, as another writer's", async () => {
            const values = (WORD: string) => ({ values: { WORD } });
            const set = (word: string) =>
                fixture.api.ok<{ version: number }>("POST", `/apps/${app}/secrets`, values(word));
            const { version } = await set("same");
            const { id, outs } = await make(inputs({ secretsVersion: version }));
            const { version: newer } = await set("same");
            const theirs = inputs({ secretsVersion: newer });
            const { instanceId } = outsOf(await Machine.update(id, outs, theirs));
            const { props: seen } = await Machine.read(id, outs);
            assert.ok(seen);
            assert.equal(seen.secretsVersion, version);
            assert.equal(await changes(id, seen, inputs({ secretsVersion: version })), false);
            const mine = inputs({ secretsVersion: version });
            assert.equal(outsOf(await Machine.update(id, seen, mine)).instanceId, instanceId);
        });

        it("changes metadata without a restart", async () => {
            const { id, outs } = await make(withConfig({ metadata: { a: "1", b: "2" } }));
            const news = {
                ...withConfig({ metadata: { a: "3" } }),
                owner: { project: "appkata-mqtt", stack: "renamed" },
            };
            const updated = outsOf(await Machine.update(id, outs, news));
            assert.equal(updated.instanceId, outs.instanceId);
            const { config } = await fixture.api.machine(app, id);
            assert.equal(config.metadata?.a, "3");
            assert.equal(config.metadata?.b, undefined);
            assert.equal(config.metadata?.pulumi_stack, "renamed");
        });

        it("starts a machine that someone stopped", async () => {
            const { id, outs } = await make();
            await fixture.api.stop(app, await fixture.api.machine(app, id));
            const { props: seen } = await Machine.read(id, outs);
            assert.equal(seen?.state, "stopped");
            assert.ok(seen);
            assert.equal(await changes(id, seen, inputs()), true);
            const updated = outsOf(await Machine.update(id, seen, inputs()));
            assert.equal(updated.state, "started");
            assert.equal(updated.instanceId, outs.instanceId);
        });

        it("run again after it was done changes nothing", async () => {
            const { id, outs } = await make();
            const news = withConfig({ env: { NEW: "1" } });
            await Machine.update(id, outs, news);
            const requests = await fixture.requestsOf(() => Machine.update(id, outs, news));
            assert.ok(
                requests.every((line) => line.startsWith("GET ")),
                requests.join("\n"),
            );
        });

        for (const type of ["drop-before", "drop-after", "cut"] as const) {
            it(`is done once when the answer is lost (${type})`, async () => {
                const { id, outs } = await make();
                const path = `/v1/apps/${app}/machines/${id}`;
                await fixture.fault({ method: "POST", path, action: { type } });
                const updated = outsOf(
                    await Machine.update(id, outs, withConfig({ env: { NEW: "1" } })),
                );
                const seen = await fixture.api.machine(app, id);
                assert.equal(seen.instance_id, updated.instanceId);
                const versions = await fixture.api.ok<unknown[]>(
                    "GET",
                    `/apps/${app}/machines/${id}/versions`,
                );
                assert.equal(versions.length, 2);
            });
        }

        it("waits for a lease that someone holds", async () => {
            const { id, outs } = await make();
            await fixture.api.ok("POST", `/apps/${app}/machines/${id}/lease`, { ttl: 2 });
            const requests = await fixture.requestsOf(() =>
                Machine.update(id, outs, withConfig({ env: { NEW: "1" } })),
            );
            const lease = `POST /v1/apps/${app}/machines/${id}/lease`;
            assert.ok(requests.includes(`${lease} 409`));
            assert.ok(requests.includes(`${lease} 201`));
        });

        it("says who holds the lease when it lasts too long", async () => {
            const { id, outs } = await make();
            await fixture.api.ok("POST", `/apps/${app}/machines/${id}/lease`, { ttl: 60 });
            const news = { ...withConfig({ env: { NEW: "1" } }), timeouts: { update: 1 } };
            const error = await failureOf(Machine.update(id, outs, news));
            assert.match(
                error.message,
                /leased by someone else for all of 1 s: .*lease currently held by/,
            );
        });

        it("restores the previous configuration when the new instance is not healthy", async () => {
            const { id, outs } = await make();
            const bad = {
                ...withConfig({ init: { cmd: DEAF }, env: { BAD: "1" } }),
                timeouts: { update: 4 },
                __provider: "code",
            };
            const error = await failureOf(Machine.update(id, outs, bad));
            assert.ok(error instanceof PartialFailure);
            assert.match(error.reasons[0] ?? "", /is not healthy after 4 s: .*health check mqtt/);
            assert.match(error.reasons[0] ?? "", /previous configuration is restored and healthy/);
            const seen = await fixture.api.machine(app, id);
            assert.equal(seen.state, "started");
            assert.equal(seen.checks[0]?.status, "passing");
            assert.equal(JSON.stringify(seen.config).includes("BAD"), false);
            // The state tells what runs, and so the next `up` tries again.
            const state = error.properties as MachineOutputs & { __provider: string };
            assert.equal(state.__provider, "code");
            assert.equal(state.instanceId, seen.instance_id);
            assert.equal(await changes(id, state, bad), true);
            assert.equal(await changes(id, state, inputs()), false);
        });

        it("of a machine that is gone says so", async () => {
            const { id, outs } = await make();
            await fixture.api.destroy(app, id);
            const error = await failureOf(Machine.update(id, outs, inputs()));
            assert.match(error.message, /is not at http.*\n.*pulumi up --refresh/);
        });
    });

    describe("read", () => {
        it("finds no difference where nobody changed anything", async () => {
            const wanted = withConfig({
                env: { A: "1" },
                services: [
                    {
                        protocol: "tcp",
                        internal_port: 1883,
                        ports: [{ port: 10000 }],
                        autostop: "off",
                        autostart: true,
                        checks: [{ type: "tcp", interval: "90s", timeout: "2s" }],
                    },
                ],
            });
            const { id, outs } = await make(wanted);
            const seen = await Machine.read(id, outs);
            assert.deepEqual(seen.props, outs);
            assert.deepEqual(seen.inputs, wanted);
        });

        for (const [what, change] of [
            ["environment", { env: { BY: "hand" } }],
            ["memory", { guest: { cpu_kind: "shared", cpus: 1, memory_mb: 512 } }],
            ["restart policy", { restart: { policy: "no" } }],
            ["a removed check", { checks: {} }],
            [
                "a service",
                { services: [{ protocol: "tcp", internal_port: 1, ports: [{ port: 2 }] }] },
            ],
            ["stop signal", { stop_config: { signal: "SIGINT", timeout: "5s" } }],
        ] as const) {
            it(`sees ${what} changed by hand, and an update brings it back`, async () => {
                const { id, outs } = await make();
                const { config } = await fixture.api.machine(app, id);
                await fixture.api.ok("POST", `/apps/${app}/machines/${id}`, {
                    config: { ...config, ...change },
                });
                await fixture.api.wait(app, id, "started");
                const { props: seen } = await Machine.read(id, outs);
                assert.ok(seen);
                assert.equal(await changes(id, seen, inputs()), true);
                const again = outsOf(await Machine.update(id, seen, inputs()));
                assert.equal(await changes(id, again, inputs()), false);
                const { props: settled } = await Machine.read(id, again);
                assert.deepEqual(settled, again);
            });
        }

        for (const [what, method, path, body] of [
            ["its stack is not said any more", "DELETE", "metadata/pulumi_stack"],
            ["its owner is not said any more", "DELETE", "metadata/managed_by"],
            ["another owner is said", "POST", "metadata/managed_by", { value: "them" }],
            ["its process group is gone", "DELETE", "metadata/fly_process_group"],
            ["there are metadata of someone's", "POST", "metadata/theirs", { value: "1" }],
            ["it is cordoned", "POST", "cordon"],
        ] as const) {
            it(`sees that ${what}, and an update brings it back without a restart`, async () => {
                const { id, outs } = await make();
                const machine = await fixture.api.machine(app, id);
                await fixture.api.ok(method, `/apps/${app}/machines/${id}/${path}`, body);
                const { props: seen } = await Machine.read(id, outs);
                assert.ok(seen);
                assert.equal(await changes(id, seen, inputs()), true);
                const again = outsOf(await Machine.update(id, seen, inputs()));
                assert.deepEqual(again, outs);
                const now = await fixture.api.machine(app, id);
                assert.deepEqual(now.config, machine.config);
                assert.equal(now.cordoned, false);
                assert.deepEqual((await Machine.read(id, again)).props, outs);
            });
        }

        it("finds nothing once it is gone", async () => {
            const { id, outs } = await make();
            await fixture.api.destroy(app, id);
            assert.deepEqual(await Machine.read(id, outs), {});
        });
    });

    describe("delete", () => {
        it("stops, removes and waits until it is gone, and again without complaint", async () => {
            const { id, outs } = await make();
            const requests = await fixture.requestsOf(() => Machine.delete(id, outs));
            const one = `/v1/apps/${app}/machines/${id}`;
            assert.ok(
                requests.indexOf(`POST ${one}/stop 200`) < requests.indexOf(`DELETE ${one} 200`),
            );
            assert.deepEqual(await present(), []);
            await Machine.delete(id, outs);
        });

        it("waits for a lease that someone holds", async () => {
            const { id, outs } = await make();
            await fixture.api.ok("POST", `/apps/${app}/machines/${id}/lease`, { ttl: 2 });
            await Machine.delete(id, outs);
            assert.deepEqual(await present(), []);
        });
    });
});
