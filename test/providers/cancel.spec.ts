// core
import assert from "node:assert/strict";
import { delegateText } from "../../providers/delegates.ts";
import type { MachineInputs } from "../../providers/fly/machine/inputs.ts";
import { until } from "../../dev/harness/until.ts";
import { DynamicHost, type Failure } from "./support/dynamicHost.ts";
import { OWNER } from "./support/flyFixture.ts";
import { MachineFixture } from "./support/machineFixture.ts";

const __provider = delegateText("Machine");

/** Uses the SDK's own host: a cancellation is noticed although the host does not forward it. */
describe("Ctrl-C", function () {
    this.timeout(60_000);
    let host: DynamicHost;
    // Before the fixture takes the faults away and deletes the app.
    afterEach(() => host.close());
    const on = new MachineFixture();
    let inputs: MachineInputs & { __provider: string };

    beforeEach(async () => {
        // Longer than any test may take: whatever ends before was cut short.
        const timeouts = { create: 600, update: 600 };
        inputs = { ...on.inputs({ timeouts }), __provider };
        host = await DynamicHost.start(process.env);
    });

    const machines = () => on.api.ok<{ id: string }[]>("GET", `/apps/${inputs.app}/machines`);

    /** Keeps every machine from reaching the awaited state. */
    async function neverStarted(): Promise<void> {
        const body = { error: "deadline_exceeded: machine failed to reach desired state" };
        await on.fault({
            method: "GET",
            path: "/v1/apps/*/machines/*/wait",
            times: 0,
            action: { type: "status", status: 408, body },
        });
    }

    async function cancelledWhile(work: () => Promise<object>): Promise<Failure> {
        await on.api.ok("DELETE", "/_local/journal");
        const failure = work().then(
            () => assert.fail("was not cancelled"),
            (error: Failure) => error,
        );
        await until("the wait has begun", async () => {
            const { entries } = await on.api.ok<{ entries: { path: string }[] }>(
                "GET",
                "/_local/journal",
            );
            return entries.some(({ path }) => path.includes("/wait"));
        });
        await host.cancel();
        return await failure;
    }

    it("ends a wait at once, and keeps what was created in the state", async () => {
        await neverStarted();
        const failure = await cancelledWhile(() => host.create(inputs));
        assert.match(failure.message, /^Cancelled\. Run the same command again/);
        const made = await machines();
        assert.deepEqual(
            made.map(({ id }) => id),
            [failure.id],
        );
    });

    it("releases a machine's lease", async () => {
        const made = (await host.create(inputs)) as { machineId: string };
        await neverStarted();
        const news = { ...inputs, config: { ...inputs.config, env: { NEW: "1" } } };
        const failure = await cancelledWhile(() => host.update(made.machineId, made, news));
        assert.match(failure.message, /^Cancelled\./);
        const lease = `/apps/${inputs.app}/machines/${made.machineId}/lease`;
        assert.equal((await on.api.call("GET", lease)).status, 404);
        // Nothing new is started in this run.
        await assert.rejects(host.create(inputs), { message: failure.message });
    });

    it("does not leave a machine stopped whose volume was about to move", async () => {
        const { endpoint, app } = inputs;
        const wanted = { endpoint, app, name: "data", region: "lhr", sizeGb: 1, owner: OWNER };
        const volume = (await host.create({ ...wanted, __provider: delegateText("Volume") })) as {
            volumeId: string;
        };
        const mounts = [{ volume: volume.volumeId, path: "/data" }];
        const config = { ...inputs.config, mounts };
        const { machineId } = (await host.create({ ...inputs, config })) as { machineId: string };
        await neverStarted();
        const elsewhere = { ...wanted, region: "ams", onReplace: "restore" };
        const failure = await cancelledWhile(() =>
            host.create({ ...elsewhere, __provider: delegateText("Volume") }),
        );
        assert.match(failure.message, /^Cancelled\..*\n {2}Machine \w+ is started again/);
        await until("the machine runs", async () => {
            const { state, cordoned } = await on.api.machine(app, machineId);
            return state === "started" && !cordoned;
        });
    });

    it("waits for the answer of a change in flight", async () => {
        await on.fault({
            method: "POST",
            path: "/v1/apps/*/machines",
            action: { type: "delay-after", ms: 2000 },
        });
        const creation = host.create(inputs).then(
            () => assert.fail("was not cancelled"),
            (error: Failure) => error,
        );
        await until("the volume is created", async () => (await machines()).length > 0);
        await host.cancel();
        const { id } = await creation;
        assert.deepEqual(
            (await machines()).map((one) => one.id),
            [id],
        );
    });
});
