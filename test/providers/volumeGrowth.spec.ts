// core
/** A volume grows in place; its machine is restarted to see the new size. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import type { FaultRule } from "../../dev/fly/faults.ts";
import { Volume } from "../../providers/entry.ts";
import { ownerMetadata } from "../../providers/fly/ownership.ts";
import type { WireVolume } from "../../providers/fly/api/types.ts";
import type { VolumeInputs } from "../../providers/fly/volume/inputs.ts";
import { failureOf, outsOf, OWNER } from "./support/flyFixture.ts";
import { MachineFixture } from "./support/machineFixture.ts";

describe("a growing volume", function () {
    this.timeout(60_000);
    const on = new MachineFixture();

    function inputs(change: Partial<VolumeInputs> = {}): VolumeInputs {
        const place = { ...on.place, name: "mosquitto_data", region: "lhr" };
        return { ...place, sizeGb: 1, owner: OWNER, ...change };
    }

    async function sizeOf(id: string): Promise<number> {
        return (await on.api.ok<WireVolume>("GET", `/apps/${on.app}/volumes/${id}`)).size_gb;
    }

    async function machineOn(volume: string, change = {}): Promise<string> {
        const config = {
            image: on.image,
            mounts: [{ volume, path: "/data" }],
            metadata: ownerMetadata(OWNER),
            ...change,
        };
        return (await on.api.start(on.app, config)).id;
    }

    it("grows in place, and its machine is restarted", async () => {
        const { id, outs } = await Volume.create(inputs());
        assert.ok(outs);
        const machine = await machineOn(id);
        const requests = await on.requestsOf(async () => {
            const { outs: grown } = await Volume.update(id, outs, inputs({ sizeGb: 3 }));
            assert.equal(grown?.sizeGb, 3);
        });
        const changes = requests.filter((line) => !line.startsWith("GET "));
        const path = `/v1/apps/${on.app}/machines/${machine}`;
        assert.deepEqual(changes, [
            `PUT /v1/apps/${on.app}/volumes/${id}/extend 200`,
            `POST ${path}/lease 201`,
            `POST ${path}/stop 200`,
            `POST ${path}/start 200`,
            `DELETE ${path}/lease 200`,
        ]);
        assert.equal(await sizeOf(id), 3);
        assert.equal((await on.api.machine(on.app, machine)).state, "started");
    });

    for (const type of ["drop-after", "cut"] as const) {
        it(`has its machine restarted even if the answer about its growth is lost (${type})`, async () => {
            const made = await Volume.create(inputs());
            const { id } = made;
            const machine = await machineOn(id);
            const path = "/v1/apps/*/volumes/*/extend";
            await on.fault({ method: "PUT", path, action: { type } });
            const before = await on.api.machine(on.app, machine);
            await Volume.update(id, outsOf(made), inputs({ sizeGb: 2 }));
            const { events } = await on.api.machine(on.app, machine);
            assert.ok(events.length > before.events.length, "no boot");
        });
    }

    /** Fly's answers to `start`; the local Fly gives none where the machine has started. */
    async function startsRefused(rule: Partial<FaultRule> = {}): Promise<void> {
        const error = "failed_precondition: unable to start machine from current state: 'started'";
        await on.fault({
            method: "POST",
            path: "/v1/apps/*/machines/*/start",
            times: 0,
            action: { type: "status", status: 412, body: { error } },
            ...rule,
        });
    }

    it("continues if a client made Fly's proxy start the machine that it stopped", async () => {
        const ip = (
            await on.api.ok<{ ip: string }>("POST", `/apps/${on.app}/ip_assignments`, {
                type: "v4",
            })
        ).ip;
        const made = await Volume.create(inputs());
        const ports = [{ port: 10000 }];
        const services = [{ protocol: "tcp", internal_port: 1883, ports, autostart: true }];
        const machine = await machineOn(made.id, { services });
        await startsRefused();
        const client = setInterval(() => {
            connect({ host: ip, port: 10000 })
                .on("error", () => undefined)
                .unref();
        }, 100);
        try {
            const started = performance.now();
            const news = inputs({ sizeGb: 2 });
            assert.equal(outsOf(await Volume.update(made.id, outsOf(made), news)).sizeGb, 2);
            assert.ok(performance.now() - started < 20_000, "waited for a start of its own");
        } finally {
            clearInterval(client);
        }
        const { state, events } = await on.api.machine(on.app, machine);
        assert.equal(state, "started");
        assert.ok(events.some(({ type, source }) => type === "start" && source === "proxy"));
    });

    it("retries while Fly is busy with the machine", async () => {
        const made = await Volume.create(inputs());
        const machine = await machineOn(made.id);
        await startsRefused({ times: 1 });
        const news = inputs({ sizeGb: 2 });
        assert.equal(outsOf(await Volume.update(made.id, outsOf(made), news)).sizeGb, 2);
        assert.equal((await on.api.machine(on.app, machine)).state, "started");
    });

    it("leaves its machine running if the stop's outcome is unknown", async () => {
        const made = await Volume.create(inputs());
        const machine = await machineOn(made.id);
        const action = { type: "status", status: 400, body: { error: "no" } } as const;
        await on.fault({
            method: "GET",
            path: `/v1/apps/*/machines/${machine}`,
            nth: 2,
            action,
        });
        const news = inputs({ sizeGb: 2 });
        const error = await failureOf(Volume.update(made.id, outsOf(made), news));
        assert.match(error.message, /400: no .*\n {2}Machine \w+ is started again where it was\.$/);
        await on.api.wait(on.app, machine, "started");
    });

    for (const stopped of [false, true]) {
        const what = stopped ? ", and stopped the machine" : "";
        it(`has its machine restarted if a killed run has grown it${what}`, async () => {
            const made = await Volume.create(inputs());
            const { id } = made;
            const machine = await machineOn(id);
            await on.api.ok("PUT", `/apps/${on.app}/volumes/${id}/extend`, {
                size_gb: 2,
            });
            const before = await on.api.machine(on.app, machine);
            if (stopped) await on.api.stop(on.app, before);
            await Volume.update(id, outsOf(made), inputs({ sizeGb: 2 }));
            const { state, events } = await on.api.machine(on.app, machine);
            assert.equal(state, "started");
            assert.ok(events.length > before.events.length, "no boot");
        });
    }
});
