// core
import assert from "node:assert/strict";
import { Machine } from "../../providers/entry.ts";
import type { MachineOutputs } from "../../providers/fly/machine/inputs.ts";
import { PartialFailure } from "../../providers/provider.ts";
import { DEAF, failureOf, STRANGER } from "./support/flyFixture.ts";
import { MachineFixture } from "./support/machineFixture.ts";

describe("fly machine: create", function () {
    this.timeout(90_000);
    const on = new MachineFixture();

    it("lists, launches, waits, and reads the checks", async () => {
        let made: { id: string; outs: MachineOutputs } | undefined;
        const requests = await on.requestsOf(async () => {
            made = await on.make();
        });
        const path = `/v1/apps/${on.app}/machines`;
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
        const seen = await on.api.machine(on.app, made?.id ?? "");
        assert.equal(seen.instance_id, made?.outs.instanceId);
        assert.equal(seen.config.metadata?.managed_by, "appkata-mqtt");
        assert.equal(seen.config.metadata?.pulumi_stack, "dev");
    });

    it("adopts its leftover unchanged", async () => {
        const { id, outs } = await on.make();
        const requests = await on.requestsOf(async () => {
            const again = await on.make();
            assert.equal(again.id, id);
            assert.equal(again.outs.instanceId, outs.instanceId);
        });
        assert.ok(
            requests.every((line) => line.startsWith("GET ")),
            requests.join("\n"),
        );
    });

    it("adopts its leftover and updates it", async () => {
        const { id } = await on.make(on.withConfig({ env: { OLD: "1" } }));
        await on.api.stop(on.app, await on.api.machine(on.app, id));
        const again = await on.make();
        assert.equal(again.id, id);
        const seen = await on.api.machine(on.app, id);
        assert.equal(seen.state, "started");
        assert.equal(JSON.stringify(seen.config).includes("OLD"), false);
    });

    it("does not create a second broker beside one that serves the same ports", async () => {
        const services = [{ protocol: "tcp", internal_port: 1883, ports: [{ port: 10000 }] }];
        const wanted = on.withConfig({ services });
        const { config } = wanted;
        // As `fly machine clone` creates one: with the owner's metadata, and its own name.
        const clone = await on.api.start(on.app, { ...config }, { name: "wild-surf-1" });
        const error = await failureOf(Machine.create(wanted));
        assert.match(
            error.message,
            new RegExp(`machine ${clone.id} "wild-surf-1" .*started, made`),
        );
        assert.match(error.message, new RegExp(`import\\.machine' ${clone.id}.*machineName`));
        assert.match(
            error.message,
            new RegExp(`fly machine destroy ${clone.id} -a ${on.app} --force`),
        );
        assert.equal((await on.present()).length, 1);
        const taken = await Machine.create({ ...wanted, name: "wild-surf-1", importId: clone.id });
        assert.equal(taken.id, clone.id);
    });

    it("refuses someone else's machine of the same name, and names the way out", async () => {
        const { id } = await on.make(on.inputs({ owner: STRANGER }));
        const error = await failureOf(on.make());
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
                `\n  Choose another app name; or .* \`fly machine destroy ${id} -a ${on.app} `,
            ),
        );
        const seen = await on.api.machine(on.app, id);
        assert.equal(seen.config.metadata?.pulumi_stack, "prod");
    });

    it("waits for a predecessor that is being destroyed", async () => {
        const { id } = await on.make();
        const [, again] = await Promise.all([
            on.api.ok("DELETE", `/apps/${on.app}/machines/${id}?force=true`),
            on.make(),
        ]);
        assert.notEqual(again.id, id);
        assert.equal((await on.present()).length, 1);
    });

    for (const type of ["drop-before", "drop-after", "cut"] as const) {
        it(`creates one machine if the answer is lost (${type})`, async () => {
            const path = `/v1/apps/${on.app}/machines`;
            await on.fault({ method: "POST", path, action: { type } });
            const { id, outs } = await on.make();
            assert.deepEqual(
                (await on.present()).map((machine) => machine.id),
                [id],
            );
            assert.equal(outs.state, "started");
        });
    }

    for (const status of [500, 502, 503]) {
        it(`continues after ${status}`, async () => {
            const path = `/v1/apps/${on.app}/machines`;
            const action = { type: "status", status, body: "<h1>Bad Gateway</h1>" } as const;
            await on.fault({ method: "POST", path, action });
            await on.make();
            assert.equal((await on.present()).length, 1);
        });
    }

    it("does not retry if Fly has no capacity", async () => {
        const path = `/v1/apps/${on.app}/machines`;
        const body = {
            error: "could not find a candidate host",
            status: "insufficient_capacity",
        };
        const action = { type: "status", status: 422, body } as const;
        await on.fault({ method: "POST", path, times: 0, action });
        const requests = await on.requestsOf(async () => {
            const error = await failureOf(on.make());
            assert.match(error.message, /422 insufficient_capacity: .*fly-request-id/);
        });
        assert.equal(requests.filter((line) => line.startsWith("POST")).length, 1);
    });

    it("keeps a machine that does not become healthy, with its ID and the reason", async () => {
        const wanted = on.withConfig({ init: { cmd: DEAF } });
        const news = { ...wanted, timeouts: { create: 4 }, __provider: "code" };
        const error = await failureOf(Machine.create(news));
        assert.ok(error instanceof PartialFailure);
        const [only] = await on.present();
        assert.equal(error.id, only?.id);
        assert.equal((error.properties as { __provider?: string }).__provider, "code");
        assert.match(
            error.reasons[0] ?? "",
            /is not healthy after 4 s: .*health check mqtt \(critical: .*refused/,
        );
        assert.match(error.reasons[0] ?? "", /Its last events: .*start/);
    });

    it("reports how a machine exited", async () => {
        const wanted = on.withConfig({
            init: { cmd: ["/bin/sh", "-c", "exit 3"] },
            restart: { policy: "no" },
        });
        const error = await failureOf(on.make(wanted));
        assert.match(error.message, /is "stopped"\.\n.*exit code 3/);
    });

    it("shows its last log lines, and none from an earlier instance", async () => {
        const script = "echo listening to nobody; echo no such file; exit 3";
        const wanted = {
            ...on.withConfig({
                init: { cmd: ["/bin/sh", "-c", script] },
                restart: { policy: "no" },
            }),
            logsEndpoint: on.endpoint,
        };
        const error = await failureOf(on.make(wanted));
        assert.match(
            error.message,
            /is "stopped"\.\n {2}Its last lines:\n {4}listening to nobody\n {4}no such file\n {2}Its last events/,
        );
        const { id, outs } = await on.make({ ...on.inputs(), name: "second" });
        const bad = { ...wanted, name: "second", timeouts: { update: 20 } };
        const again = await failureOf(Machine.update(id, outs, bad));
        assert.match(again.message, /no such file(.|\n)*previous configuration is restored/);
    });

    it("omits the log lines from the error if the log is not available", async () => {
        const wanted = {
            ...on.withConfig({
                init: { cmd: ["/bin/sh", "-c", "exit 3"] },
                restart: { policy: "no" },
            }),
            logsEndpoint: "http://127.0.0.1:1",
        };
        const error = await failureOf(on.make(wanted));
        assert.match(error.message, /is "stopped"\.\n {2}Its last events: .*exit code 3/);
    });

    it("gives up on a machine that keeps exiting", async () => {
        const wanted = on.withConfig({ init: { cmd: ["/bin/sh", "-c", "exit 3"] } });
        const error = await failureOf(on.make({ ...wanted, timeouts: { create: 80 } }));
        assert.match(error.message, /exits again and again\.\n.*exit code 3/);
    });
});
