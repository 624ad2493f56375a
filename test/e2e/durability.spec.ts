import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { capture } from "../../lib/process.ts";
import { leaveMessages as leaveAll } from "../support/leftMessages.ts";
import { connect } from "../../dev/harness/mqtt.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project, usersNamed } from "../../dev/harness/project.ts";

interface Entry {
    method: string;
    path: string;
}

/** The broker's data survives whatever happens to the machine, and a wrong broker fails `up`. */
describe("a deployed broker", function () {
    this.timeout(240_000);
    let project: Project;
    let outputs: BrokerOutputs;

    before(async () => {
        project = await Project.make();
        outputs = await project.deploy();
    });
    after(async () => {
        await project.remove();
    });

    let round = 0;

    /** @returns a check that all messages are there */
    function leaveMessages(): Promise<() => Promise<void>> {
        return leaveAll(outputs, `round-${++round}`);
    }

    async function machine(): Promise<{
        state: string;
        instance_id: string;
        events: { type: string }[];
        checks: { name: string; status: string; output: string }[];
        config: { metrics?: unknown; services: { internal_port: number }[] };
    }> {
        const route = `/apps/${outputs.appName}/machines/${outputs.machineId}`;
        return (await (await project.fly("GET", route)).json()) as never;
    }

    async function exec(script: string): Promise<void> {
        const route = `/apps/${outputs.appName}/machines/${outputs.machineId}/exec`;
        const body = { command: ["sh", "-c", script], timeout: 10 };
        const answer = await project.fly("POST", route, body);
        assert.equal(answer.status, 200);
        const { exit_code: code } = (await answer.json()) as { exit_code?: number };
        assert.equal(code ?? 0, 0);
    }

    async function answering(): Promise<void> {
        for (let tries = 0; ; tries++) {
            try {
                const client = await connect(outputs);
                await client.endAsync();
                return;
            } catch (error) {
                if (tries > 120) throw error;
                await sleep(250);
            }
        }
    }

    it("that hangs fails Fly's check until it resumes, and only Fly can scrape it", async () => {
        const { container } = (await project.status()).apps[0]!.machines[0]!;
        const tell = async (signal: string) => {
            const kill = `kill -${signal} $(cat /run/broker.pid)`;
            const told = await capture(["docker", "exec", container!, "sh", "-c", kill]);
            assert.equal(told.code, 0, told.stderr);
        };
        const checked = async (status: string) => {
            for (let tries = 0; tries < 120; tries++) {
                const { checks } = await machine();
                assert.deepEqual(
                    checks.map(({ name }) => name),
                    ["mqtt"],
                );
                if (checks[0]!.status === status) return checks[0]!.output;
                await sleep(250);
            }
            throw new Error(`the check is not ${status} after half a minute`);
        };
        assert.match(await checked("passing"), /a message went through the broker/);
        await tell("STOP");
        try {
            assert.match(await checked("critical"), /no message went through|503/);
        } finally {
            await tell("CONT");
        }
        await checked("passing");
        const { config } = await machine();
        assert.deepEqual(config.metrics, { port: 9883, path: "/metrics" });
        assert.ok(config.services.every(({ internal_port: port }) => port !== 9883));
        const fromOutside = fetch(`http://${outputs.address}:9883/metrics`);
        await assert.rejects(fromOutside, /fetch failed/);
    });

    it("keeps retained and queued messages across a stop and a start", async () => {
        const check = await leaveMessages();
        const route = `/apps/${outputs.appName}/machines/${outputs.machineId}`;
        assert.equal((await project.fly("POST", `${route}/stop`, {})).status, 200);
        const { instance_id } = await machine();
        const wait = `${route}/wait?state=stopped&instance_id=${instance_id}&timeout=60`;
        assert.equal((await project.fly("GET", wait)).status, 200);
        assert.equal((await project.fly("POST", `${route}/start`)).status, 200);
        await answering();
        await check();
    });

    it("keeps them across a restart", async () => {
        const check = await leaveMessages();
        const route = `/apps/${outputs.appName}/machines/${outputs.machineId}/restart`;
        assert.equal((await project.fly("POST", route)).status, 200);
        await answering();
        await check();
    });

    it("keeps what is a second old across SIGKILL, and restarts by itself", async () => {
        const check = await leaveMessages();
        await sleep(1000);
        const { machines } = (await project.status()).apps[0]!;
        const kill = await capture(["docker", "kill", "-s", "KILL", machines[0]!.container!]);
        assert.equal(kill.code, 0, kill.stderr);
        await answering();
        await check();
        const { state, events } = await machine();
        assert.equal(state, "started");
        assert.ok(
            events.some(({ type }) => type === "exit"),
            JSON.stringify(events),
        );
    });

    it("keeps them across an up that changes the machine and verifies again", async () => {
        const check = await leaveMessages();
        project.configure({ memoryMb: 512 });
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        assert.match(up.output, /Command \S+:client (replaced|created)/);
        const after = await project.outputs();
        assert.equal(after.machineId, outputs.machineId);
        assert.equal(after.volumeId, outputs.volumeId);
        outputs = after;
        await check();
    });

    it("gets another user, and the others keep their passwords", async () => {
        project.configure({ users: usersNamed("tester", "sensor") });
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        const { users } = await project.outputs();
        assert.deepEqual(Object.keys(users).toSorted(), ["sensor", "tester"]);
        assert.equal(users.tester, outputs.users.tester);
        outputs = await project.outputs();
        for (const user of ["tester", "sensor"])
            await (await connect(outputs, { user })).endAsync();
    });

    it("grows the volume in place, and refuses to shrink it before anything changes", async () => {
        const check = await leaveMessages();
        project.configure({ volumeSizeGb: 2 });
        const grown = await project.up();
        assert.equal(grown.code, 0, grown.output);
        await check();
        assert.equal((await project.outputs()).volumeId, outputs.volumeId);
        project.configure({ volumeSizeGb: 1 });
        const shrunk = await project.pulumi(["preview"]);
        assert.notEqual(shrunk.code, 0, shrunk.output);
        assert.match(shrunk.output, /2 GB.*1 GB|1 GB.*2 GB/s);
        await project.admin("DELETE", "journal");
        const up = await project.up();
        assert.notEqual(up.code, 0, up.output);
        assert.match(up.output, /2 GB.*1 GB|1 GB.*2 GB/s);
        const { entries } = await project.admin<{ entries: Entry[] }>("GET", "journal");
        const requests = entries.filter((entry) => entry.path.startsWith("/v1/"));
        assert.ok(requests.length > 0, "it did not even ask Fly");
        assert.deepEqual(
            requests.filter(({ method }) => method !== "GET"),
            [],
        );
        assert.equal((await project.outputs()).volumeId, outputs.volumeId);
        project.configure({ volumeSizeGb: 2 });
    });

    it("keeps them across a change of the image", async () => {
        const check = await leaveMessages();
        project.edit("broker/image/Dockerfile", (text) =>
            text.replace("EXPOSE 1883", "EXPOSE 1883 9"),
        );
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        const { imageDigest, machineId } = await project.outputs();
        assert.notEqual(imageDigest, outputs.imageDigest);
        assert.equal(machineId, outputs.machineId);
        await check();
    });

    it("keeps them across a replacement of the machine", async () => {
        const check = await leaveMessages();
        project.configure({ machineName: "second" });
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        const { volumeId, machineId } = await project.outputs();
        assert.notEqual(machineId, outputs.machineId);
        assert.equal(volumeId, outputs.volumeId);
        outputs = await project.outputs();
        await check();
    });

    it("reports data that it could not read until the file is removed", async () => {
        const data = "/mosquitto/data/mosquitto.sqlite3";
        await exec(`head -c 50000 /dev/zero >${data} && rm ${data}-*`);
        const { machines } = (await project.status()).apps[0]!;
        const kill = await capture(["docker", "kill", "-s", "KILL", machines[0]!.container!]);
        assert.equal(kill.code, 0, kill.stderr);
        await answering();
        const told = /mosquitto\.sqlite3 was unreadable when the broker started at 2\d{3}-\S+Z,/;
        const { verification } = await project.outputs();
        for (const time of ["first", "second"]) {
            const up = await project.up();
            assert.equal(up.code, 0, up.output);
            assert.match(up.output, new RegExp(`warning: data - ${told.source}`), time);
        }
        assert.equal((await project.outputs()).verification, verification);
        const preview = await project.pulumi(["preview", "--expect-no-changes"]);
        assert.equal(preview.code, 0, preview.output);
        assert.doesNotMatch(preview.output, /BrokerOutputs:|verification:/);
        const verified = await project.npm("verify");
        assert.equal(verified.code, 0, verified.output);
        assert.match(verified.output, told);
        await exec(`rm ${data}.unreadable-*`);
        const again = await project.up();
        assert.equal(again.code, 0, again.output);
        assert.doesNotMatch(again.output, /warning: data/);
    });

    it("fails the verification if it admits anybody", async () => {
        project.edit("broker/conf.ts", (text) =>
            text.replaceAll("allow_anonymous false", "allow_anonymous true"),
        );
        const up = await project.up();
        assert.notEqual(up.code, 0, up.output);
        assert.match(up.output, /FAILED .* no password - expected CONNACK/);
    });
});
