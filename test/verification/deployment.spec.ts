import assert from "node:assert/strict";
import { FlyClient } from "../../providers/fly/api/client.ts";
import type { WireMachine, WireVolume } from "../../providers/fly/api/types.ts";
import { inspect, type Inspection } from "../../verification/deployment.ts";
import {
    startScriptedServer,
    type Answer,
    type ScriptedServer,
} from "../providers/support/scriptedServer.ts";

const EARLIER = "01HEPA330HZ37A78TK080NAK1M";
const INSTANCE = "01HEPA440HZ37A78TK080NAK1M";
const LATER = "01HEPA550HZ37A78TK080NAK1M";

const HEALTHY: WireMachine = {
    id: "m1",
    state: "started",
    instance_id: INSTANCE,
    config: { image: "i", checks: { mqtt: { type: "http", port: 9883 } } },
    checks: [{ name: "mqtt", status: "passing" }],
};

const exited = (requested_stop: boolean) => [
    {
        type: "exit",
        status: "stopped",
        timestamp: 2,
        request: { exit_event: { exit_code: 1, requested_stop } },
    },
    { type: "start", status: "started", timestamp: 1 },
];

describe("inspection of the deployed machine", () => {
    let server: ScriptedServer | undefined;

    afterEach(async () => {
        await server?.close();
        server = undefined;
    });

    const VOLUME: WireVolume = {
        ...{ id: "vol_1", name: "data", state: "created", size_gb: 1, region: "lhr" },
        attached_machine_id: "m1",
    };

    /**
     * Inspects against a fake client.
     * @param answers lists of machines, one for each request; the last one repeats
     */
    async function inspection(...answers: Answer[]): Promise<Inspection> {
        server = await startScriptedServer(({ path }, nth) =>
            path.endsWith("/volumes")
                ? { body: [VOLUME, { ...VOLUME, id: "vol_2", attached_machine_id: null }] }
                : answers[Math.min(nth, answers.length - 1)]!,
        );
        const client = new FlyClient({ endpoint: server.endpoint, token: "t" });
        const deployment = {
            app: "my-app",
            machineId: "m1",
            volumeId: "vol_1",
            instanceId: INSTANCE,
            config: HEALTHY.config!,
        };
        return await inspect(client, deployment, { settles: 0.7, gone: 0.4 });
    }

    async function problem(...answers: Answer[]): Promise<string | undefined> {
        return (await inspection(...answers)).problem;
    }

    const OTHER: WireMachine = { id: "m2", state: "stopped", config: { image: "i" } };
    const is = (change: Partial<WireMachine>): Answer => ({
        body: [OTHER, { ...HEALTHY, ...change }],
    });
    const unknown: Answer = { body: [OTHER] };

    it("accepts another version with the declared config", async () => {
        const config = { ...HEALTHY.config!, metadata: { theirs: "1" } };
        assert.equal(await problem(is({ instance_id: LATER, config })), undefined);
    });

    it("reports a full volume at once", async () => {
        const output =
            "no message\nthe volume is full: 9 MB are free, and the broker starts at 128 MB";
        const full = is({ checks: [{ name: "mqtt", status: "critical", output }] });
        assert.match((await problem(full, is({}))) ?? "nothing", /the volume is full/);
    });

    it("accepts a running machine and lists other machines and volumes, with two requests", async () => {
        const { problem, others } = await inspection(is({}));
        assert.equal(problem, undefined);
        assert.match(
            others.map(({ text }) => text).join(),
            /^volume vol_2 .* has the same name as vol_1/,
        );
        assert.deepEqual(server?.lines(), [
            "GET /v1/apps/my-app/machines",
            "GET /v1/apps/my-app/volumes",
        ]);
    });

    for (const [what, answer, expected] of [
        [
            "destroyed",
            is({ state: "destroyed" }),
            /^machine m1 of app "my-app" is gone: `pulumi up/,
        ],
        [
            "of an app that is gone",
            { status: 404, body: { error: "app not found" } },
            /is gone: `pulumi up --refresh` makes it anew/,
        ],
        ["not known to Fly", unknown, /is gone: `pulumi up --refresh` makes it anew/],
        [
            "stopped by hand",
            is({ state: "stopped", events: exited(true) }),
            /is "stopped" \(its last events: exit stopped \(exit code 1\), start started\): `pulumi up --refresh` starts/,
        ],
        ["failed", is({ state: "failed" }), /is "failed": `pulumi up --refresh` starts it/],
        ["suspended", is({ state: "suspended" }), /is "suspended"/],
        ["restarting again and again", is({ state: "restarting" }), /is "restarting" and does not/],
        [
            "stopped by its own end",
            is({ state: "stopped", events: exited(false) }),
            /is "stopped" .*exit code 1.* does not come to run; `fly logs -a my-app -i m1`/,
        ],
        ["cordoned", is({ cordoned: true }), /is cordoned, so Fly routes no client to it/],
        [
            "changed by hand",
            is({
                instance_id: LATER,
                config: {
                    ...HEALTHY.config!,
                    guest: { cpu_kind: "shared", cpus: 1, memory_mb: 512 },
                },
            }),
            /was changed by someone since the stack's last `up` \(guest.*\): `pulumi up --refresh` reverts/,
        ],
        [
            "unhealthy",
            is({ checks: [{ name: "mqtt", status: "critical", output: "no answer" }] }),
            /runs, but waits for health check mqtt \(critical: no answer\)/,
        ],
        ["without its checks", is({ checks: [] }), /waits for 1 health checks that have not run/],
        [
            "on a host that is gone",
            is({ host_status: "unreachable", config: null }),
            /is on a host that Fly cannot reach/,
        ],
    ] as const) {
        it(`reports state, cause and command for a machine that is ${what}`, async () => {
            assert.match((await problem(answer)) ?? "nothing", expected);
        });
    }

    for (const [what, answer] of [
        ["starts", is({ state: "starting" })],
        ["is brought back by its policy", is({ state: "stopped", events: exited(false) })],
        ["has not been looked at by its check", is({ checks: [] })],
        ["is not known yet to a read that lags", unknown],
        ["is read as it was before", is({ instance_id: EARLIER })],
    ] as const) {
        it(`waits for a machine that ${what}`, async () => {
            assert.equal(await problem(answer, is({})), undefined);
        });
    }
});
