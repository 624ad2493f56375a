/**
 * Updates a stack of version 0.1.0 with today's program. The old program comes from Git's history; it runs
 * with today's packages, toolchain and local Fly.
 */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";
import mqtt from "mqtt";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { ROOT } from "../../lib/paths.ts";
import { capture } from "../../lib/process.ts";
import { collect, connect } from "../../dev/harness/mqtt.ts";
import { Project, usersNamed } from "../../dev/harness/project.ts";
import { startsAgain } from "../support/startsAgain.ts";
import { until } from "../../dev/harness/until.ts";
import { destructive, type Step } from "./support/steps.ts";

/** Version 0.1.0. */
const COMMIT = "66bafe387b1ef42145a1d0865c6f0568bb4e5cd7";
const CERTIFICATE_PORT = 10001;
const GIVEN = "given to the sensors";
const FORMER = "early's password, which 0.1.0 has taken";
/** A session with messages queued in 0.1.0's broker. */
const AWAY = { user: "sensors", clientId: "away", clean: false };

/** Each test continues from the one before. */
describe("a stack that version 0.1.0 deployed", function () {
    this.timeout(300_000);
    this.bail(true);
    let project: Project;
    let earlier: string;
    let first: BrokerOutputs;
    let addresses: string[];
    let lock: { cert: string; key: string };

    before(async function () {
        const found = await capture(["git", "cat-file", "-e", `${COMMIT}^{commit}`], { cwd: ROOT });
        if (found.code !== 0) {
            console.log("      skipped: this clone has no history (git fetch --unshallow gets it)");
            this.skip();
        }
        project = await Project.make({
            users: usersNamed("tester", "sensors", "early", "late", "lamp", "lock"),
            devices: ["lamp", "lock"],
            clientCertificates: "optional",
            passwords: { sensors: GIVEN, early: FORMER },
        });
        earlier = path.join(project.dir, ".local", "0.1.0");
        mkdirSync(earlier, { recursive: true });
        const unpack = `git -C '${ROOT}' archive ${COMMIT} | tar -x -C '${earlier}'`;
        await ok(project.shell(["sh", "-c", unpack]));
        symlinkSync(path.join(ROOT, "node_modules"), path.join(earlier, "node_modules"));
        // Starts the local Fly and creates the stack.
        await ok(project.pulumi(["stack"]));
        await ok(upByEarlier());
        lock = pairOf(await project.outputs(), "lock");
        // 0.1.0 removes two without a restart: the machine's secrets still admit them.
        project.configure({
            users: usersNamed("tester", "sensors", "late", "lamp"),
            devices: ["lamp"],
            passwords: { sensors: GIVEN },
        });
        await ok(upByEarlier());
        first = await project.outputs();
        addresses = await addressesAtFly();
        await leaveMessages();
    });
    after(async () => {
        rmSync(earlier, { recursive: true, force: true });
        await project?.remove();
    });

    async function ok(run: ReturnType<Project["shell"]>): Promise<string> {
        const { code, output, stdout } = await run;
        assert.equal(code, 0, output);
        return stdout;
    }

    const upByEarlier = () => project.cli(["--cwd", earlier, "up", "--yes", "--skip-preview"]);

    function pairOf({ clientCertificates }: BrokerOutputs, name: string) {
        const { certificatePem: cert, privateKeyPem: key } = clientCertificates![name]!;
        return { cert, key };
    }

    async function addressesAtFly(): Promise<string[]> {
        const { apps } = await project.status();
        return apps[0]!.addresses.map(({ ip }) => ip).toSorted();
    }

    async function leaveMessages(): Promise<void> {
        const away = await connect(first, AWAY);
        await away.subscribeAsync("queued/#", { qos: 1 });
        await away.endAsync();
        const client = await connect(first, { user: "tester" });
        await client.publishAsync("kept", "by the volume", { qos: 1, retain: true });
        await client.publishAsync("queued/a", "for who is away", { qos: 1 });
        await client.endAsync();
    }

    async function logIn(port: number, options: mqtt.IClientOptions): Promise<string> {
        const { address: host, hostname: servername, caCertificatePem: ca } = first;
        const to = { protocol: "mqtts", host, port, servername, ca, reconnectPeriod: 0 } as const;
        return mqtt.connectAsync({ ...to, ...options }).then(
            (client) => client.endAsync().then(() => "in"),
            (error: Error) => error.message,
        );
    }

    /** Asserts that clients notice nothing of the upgrade. */
    async function isAsBefore(): Promise<void> {
        const reader = await connect(first, { user: "tester" });
        const received = collect(reader, 1);
        await reader.subscribeAsync("kept", { qos: 1 });
        assert.deepEqual(await received, ["kept by the volume"]);
        await reader.endAsync();
        assert.equal(await logIn(first.port, { username: "sensors", password: GIVEN }), "in");
        assert.equal(await logIn(CERTIFICATE_PORT, pairOf(first, "lamp")), "in");
        const early = { username: "early", password: FORMER };
        assert.match(await logIn(first.port, early), /Not authorized/i);
        assert.notEqual(await logIn(CERTIFICATE_PORT, lock), "in");
    }

    const late = () => ({ username: "late", password: first.users["late"]! });

    for (const args of [[], ["--refresh"]]) {
        it(`has nothing replaced or deleted by a preview ${args.join("")}`, async () => {
            const text = await ok(project.pulumi(["preview", "--json", ...args]));
            const { steps } = JSON.parse(text) as { steps: Step[] };
            assert.ok(steps.some(({ op }) => op === "update"));
            assert.deepEqual(destructive(steps), []);
        });
    }

    it("keeps app, volume, data, addresses, CA and passwords", async () => {
        await ok(project.up());
        const now = await project.outputs();
        for (const key of [
            "appName",
            "hostname",
            "address",
            "port",
            "machineId",
            "volumeId",
            "caCertificatePem",
            "users",
            "verifier",
            "clientCertificates",
        ] as const) {
            assert.deepEqual(now[key], first[key], key);
        }
        assert.deepEqual(await addressesAtFly(), addresses);
        const { apps } = await project.status();
        assert.deepEqual(
            apps.map(({ machines, volumes }) => [machines.length, volumes.length]),
            [[1, 1]],
        );
        await isAsBefore();
    });

    it("keeps a session's queued messages", async () => {
        const away = await connect(first, { ...AWAY, manual: true });
        const received = collect(away, 1);
        away.connect();
        assert.deepEqual(await received, ["queued/a for who is away"]);
        await away.endAsync();
    });

    it("has nothing left to do", async () => {
        await ok(project.pulumi(["preview", "--refresh", "--expect-no-changes"]));
    });

    it("refuses a user that is removed now", async () => {
        assert.equal(await logIn(first.port, late()), "in");
        project.configure({ users: usersNamed("tester", "sensors", "lamp") });
        await ok(project.up());
        await isOut();
    });

    for (const reading of ["pinned", "fresh"]) {
        it(`still refuses it after a restart with ${reading} secrets`, async () => {
            await project.admin("PUT", "settings", { secretsOnRestart: reading });
            const machine = `/apps/${first.appName}/machines/${first.machineId}`;
            await startsAgain(project, machine, async () => {
                const answer = await project.fly("POST", `${machine}/restart`, {});
                assert.equal(answer.status, 200, await answer.text());
            });
            await isOut();
            await ok(project.pulumi(["preview", "--refresh", "--expect-no-changes"]));
        });
    }

    async function isOut(): Promise<void> {
        await until("the broker answers", async () => {
            const seen = await logIn(first.port, { username: "sensors", password: GIVEN });
            return seen === "in";
        });
        assert.match(await logIn(first.port, late()), /Not authorized/i);
        await isAsBefore();
    }
});
