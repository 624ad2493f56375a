import assert from "node:assert/strict";
import mqtt from "mqtt";
import { capture } from "../../lib/process.ts";
import { connect, servedCertificate } from "../../dev/harness/mqtt.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project, usersNamed } from "../../dev/harness/project.ts";
import { machineAt, startsAgain } from "../support/startsAgain.ts";
import { until } from "../../dev/harness/until.ts";

const CERTIFICATE_PORT = 10001;
const FLY = ["dev/fly/main.ts", "--dir", ".local/fly"];

/** Live changes stay in force after each kind of start, whatever secrets it brings. */
describe("a deployed broker that was changed live and restarts", function () {
    this.timeout(300_000);
    let project: Project;
    let outputs: BrokerOutputs;
    /** Credentials that worked before the changes. */
    let former: { removed: string; changed: string; device: mqtt.IClientOptions };
    /** State in force: the files' digest, and the served certificate. */
    let expected: { state: string; certificate: string };

    before(async () => {
        project = await Project.make({
            users: usersNamed("tester", "changed", "removed", "kept-device", "lost-device"),
            devices: ["kept-device", "lost-device"],
            clientCertificates: "optional",
        });
        outputs = await project.deploy();
        const instance = (await machine()).instance_id;
        const { removed, changed } = outputs.users;
        const device = pairOf("lost-device");
        former = { removed: removed!, changed: changed!, device };
        const served = await servedCertificate(outputs);
        await up({
            users: [
                ...usersNamed("tester", "kept-device"),
                { name: "changed", read: ["granted/#"] },
            ],
            devices: ["kept-device"],
            passwords: { changed: "another one than before" },
            certificateValidDays: 364,
        });
        await up({ caTrusted: [1, 2] });
        assert.equal((await machine()).instance_id, instance, "all of it was taken live");
        const certificate = await servedCertificate(outputs);
        assert.notEqual(certificate, served);
        expected = { state: (await state()).join(" "), certificate };
    });
    after(() => project.remove());

    async function up(settings: Record<string, unknown>): Promise<void> {
        project.configure(settings);
        const run = await project.up();
        assert.equal(run.code, 0, run.output);
        outputs = await project.outputs();
    }

    const pairOf = (name: string) => {
        const { certificatePem: cert, privateKeyPem: key } = outputs.clientCertificates![name]!;
        return { cert, key, protocol: "mqtts" as const, port: CERTIFICATE_PORT };
    };

    const path = () => `/apps/${outputs.appName}/machines/${outputs.machineId}`;

    const machine = () => machineAt(project, path());

    async function inContainer(script: string): Promise<string> {
        const { apps } = await project.status();
        const { container } = apps[0]!.machines.find(({ state }) => state !== "destroyed")!;
        const ended = await capture(["docker", "exec", container!, "sh", "-c", script]);
        assert.equal(ended.code, 0, ended.stderr);
        return ended.stdout.trim();
    }

    /** The number, the digest, and the number that a restart brings. */
    const state = async () => (await inContainer("broker-files state")).split(" ");

    async function isServed(): Promise<void> {
        await until(
            "the broker serves clients",
            () => servedCertificate(outputs).catch(() => undefined),
            {
                withinMs: 60_000,
            },
        );
    }

    async function isAsDeclared(): Promise<void> {
        await isServed();
        const [number, digest] = await state();
        assert.equal(`${number} ${digest}`, expected.state.split(" ").slice(0, 2).join(" "));
        assert.equal(await servedCertificate(outputs), expected.certificate);
        for (const user of ["tester", "changed"])
            await (await connect(outputs, { user })).endAsync();
        for (const user of ["removed", "changed"] as const) {
            const theirs = { ...outputs, users: { [user]: former[user] } };
            await assert.rejects(connect(theirs, { user }), /Not authorized/i, user);
        }
        const at = { host: outputs.address, servername: outputs.hostname, reconnectPeriod: 0 };
        const ca = outputs.caCertificatePem;
        await (await mqtt.connectAsync({ ...at, ca, ...pairOf("kept-device") })).endAsync();
        await assert.rejects(mqtt.connectAsync({ ...at, ca, ...former.device }));
        const changed = await connect(outputs, { user: "changed" });
        await assert.rejects(changed.subscribeAsync("other/#"), /Subscribe error/);
        await changed.endAsync();
    }

    const post = async (action: string) => {
        const answer = await project.fly("POST", `${path()}/${action}`, {});
        assert.equal(answer.status, 200, await answer.text());
    };

    async function rebootAll(reading: string): Promise<void> {
        const { endpoint, registry } = await project.status();
        const ports = [
            "--port",
            new URL(endpoint).port,
            "--registry-port",
            registry.split(":")[1]!,
        ];
        const env = { LOCAL_FLY_SECRETS_ON_RESTART: reading };
        for (const command of [["stop"], ["start", ...ports]]) {
            const run = await project.shell([process.execPath, ...FLY, ...command], env);
            assert.equal(run.code, 0, run.output);
        }
    }

    for (const reading of ["pinned", "fresh"]) {
        describe(`with ${reading} secrets keeps the declared state after`, () => {
            before(() => project.admin("PUT", "settings", { secretsOnRestart: reading }));

            it("a kill of the broker", async () => {
                const pid = await inContainer("cat /run/broker.pid");
                await inContainer(`kill -9 ${pid}`);
                await until("another broker runs", async () => {
                    const now = await inContainer("cat /run/broker.pid 2>/dev/null || true");
                    return now !== "" && now !== pid;
                });
                await isAsDeclared();
            });

            it("a kill of the whole machine", async () => {
                const { apps } = await project.status();
                const { container } = apps[0]!.machines[0]!;
                await startsAgain(project, path(), () => capture(["docker", "kill", container!]));
                await isAsDeclared();
            });

            it("a restart by the API", async () => {
                await startsAgain(project, path(), () => post("restart"));
                await isAsDeclared();
            });

            it("a stop and a start", async () => {
                await post("stop");
                await until(
                    "the machine has stopped",
                    async () => (await machine()).state === "stopped",
                );
                await startsAgain(project, path(), () => post("start"));
                await isAsDeclared();
            });

            it("a reboot of all machines", async () => {
                await rebootAll(reading);
                await isAsDeclared();
            });

            it("all of them: neither a preview nor a refresh finds a change", async () => {
                for (const command of [["preview"], ["refresh", "--yes"]]) {
                    const run = await project.pulumi([...command, "--expect-no-changes"]);
                    assert.equal(run.code, 0, run.output);
                }
            });
        });
    }

    describe("that falls back to older files, or is updated", () => {
        it("shows the fallback as drift, and up mends it live", async () => {
            await project.admin("PUT", "settings", { secretsOnRestart: "pinned" });
            // Makes a copy exist: starts with new secrets have removed it.
            await up({ passwords: { changed: "a third one of the same user" } });
            expected.state = (await state()).join(" ");
            await inContainer("rm /mosquitto/data/.files/bundle");
            await startsAgain(project, path(), () => post("restart"));
            await isServed();
            const theirs = { ...outputs, users: { removed: former.removed } };
            await (await connect(theirs, { user: "removed" })).endAsync();
            const instance = (await machine()).instance_id;
            const seen = await project.pulumi(["refresh", "--yes", "--expect-no-changes"]);
            assert.notEqual(seen.code, 0, seen.output);
            await up({});
            assert.equal((await machine()).instance_id, instance);
            const [, digest] = await state();
            assert.equal(digest, expected.state.split(" ")[1]);
            expected.state = (await state()).join(" ");
            await isAsDeclared();
        });

        it("readmits nobody after its volume grows, and keeps no copy after an update", async () => {
            await up({ volumeSizeGb: 2 });
            await isAsDeclared();
            await up({ memoryMb: 512 });
            await isAsDeclared();
            assert.equal(await inContainer("ls -A /mosquitto/data/.files"), "");
        });
    });
});
