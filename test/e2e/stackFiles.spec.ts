import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { connect as connectTls, type PeerCertificate } from "node:tls";
import { parse } from "yaml";
import { parseSettings } from "../../config/settings.ts";
import { ROOT } from "../../lib/paths.ts";
import { capture } from "../../lib/process.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project } from "../../dev/harness/project.ts";

/** Pulumi's line for a run of the verification's client. */
const VERIFIED = /Command \S+:client (created|replaced|updated)/;

/** Settings that the committed dev stack does not use, on one project, one after another. */
describe("a stack file's settings", function () {
    this.timeout(180_000);
    this.bail(true);
    let project: Project;
    let outputs: BrokerOutputs;

    before(async () => {
        project = await Project.make({
            baseImage: "eclipse-mosquitto:2.0.22",
            protectVolume: true,
        });
    });
    after(async () => {
        await project.remove();
    });

    /** The app at Fly, without what changes by itself. */
    async function onFly() {
        const { apps } = await project.status();
        return apps.map(({ name, addresses, machines, volumes }) => ({
            name,
            addresses,
            machines: machines.map(({ id, state, container }) => ({ id, state, container })),
            volumes: volumes.map(({ id, state }) => ({ id, state })),
        }));
    }

    function servedCertificate(servername: string): Promise<PeerCertificate> {
        return new Promise((resolve, reject) => {
            const { address: host, port, caCertificatePem: ca } = outputs;
            const socket = connectTls({ host, port, servername, ca }, () => {
                resolve(socket.getPeerCertificate());
                socket.destroy();
            });
            socket.on("error", reject);
        });
    }

    it("deploy and verify another series of Mosquitto", async () => {
        const up = await project.npm("local");
        assert.equal(up.code, 0, up.output);
        assert.match(up.output, VERIFIED);
        outputs = await project.outputs();
        assert.equal(outputs.verification.split("\n").filter((l) => l.startsWith("ok")).length, 8);
        const [app] = await onFly();
        const log = await capture(["docker", "logs", app!.machines[0]!.container!]);
        assert.match(log.stdout + log.stderr, / mosquitto version 2\.0\.\d+ running$/m);
    });

    it("put more names and addresses into the served certificate, and verify them", async () => {
        await assert.rejects(servedCertificate("mqtt.example.com"), {
            code: "ERR_TLS_CERT_ALTNAME_INVALID",
        });
        project.configure({ hostnames: ["mqtt.example.com", "10.20.30.40", "2001:db8::7"] });
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        assert.match(up.output, VERIFIED);
        const after = await project.outputs();
        assert.notEqual(after.verification, outputs.verification);
        assert.equal(after.caCertificatePem, outputs.caCertificatePem);
        assert.equal(after.machineId, outputs.machineId);
        outputs = after;
        const { subjectaltname } = await servedCertificate("mqtt.example.com");
        assert.deepEqual(
            subjectaltname?.split(", ").filter((name) => name.startsWith("DNS:")),
            [`DNS:${outputs.hostname}`, "DNS:mqtt.example.com"],
        );
        assert.match(subjectaltname, /IP Address:10\.20\.30\.40(,|$)/);
        assert.match(subjectaltname, /IP Address:2001:DB8:0:0:0:0:0:7(,|$)/);
        await servedCertificate(outputs.hostname);
    });

    it("do not rerun a verification that proves nothing about the change", async () => {
        project.configure({ connectBy: "hostname" });
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        assert.doesNotMatch(up.output, VERIFIED);
        const after = await project.outputs();
        assert.equal(after.verification, outputs.verification);
        assert.ok(outputs.subscribeCommand.includes(`@${outputs.address}:`));
        assert.ok(after.subscribeCommand.includes(`@${outputs.hostname}:`));
    });

    it("protect the volume: destroy is refused, and everything keeps running", async () => {
        const before = await onFly();
        assert.deepEqual(
            before[0]!.volumes.map(({ id }) => id),
            [outputs.volumeId],
        );
        await project.admin("DELETE", "journal");
        const destroy = await project.pulumi(["destroy", "--yes", "--skip-preview"]);
        assert.notEqual(destroy.code, 0, destroy.output);
        assert.match(destroy.output, /`pulumi config set appkata-mqtt:protectVolume false`/);
        const { entries } = await project.admin<{ entries: { method: string; path: string }[] }>(
            "GET",
            "journal",
        );
        const ofFly = entries.filter(({ path: at }) => at.startsWith("/v1/"));
        assert.deepEqual(
            ofFly.filter(({ method }) => method === "DELETE"),
            [],
        );
        assert.deepEqual(await onFly(), before);
        await servedCertificate(outputs.hostname);
    });

    it("release the volume once it is no longer protected", async () => {
        project.configure({ protectVolume: false });
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        assert.equal((await project.outputs()).volumeId, outputs.volumeId);
        const destroy = await project.pulumi(["destroy", "--yes", "--skip-preview"]);
        assert.equal(destroy.code, 0, destroy.output);
        assert.deepEqual(await onFly(), []);
    });
});

describe("the committed stack files", () => {
    const stacks = globSync("Pulumi.*.yaml", { cwd: ROOT }).map((file) => file.split(".")[1]!);

    /** A stack file's settings as Pulumi passes them to the program. */
    function settingsOf(stack: string) {
        const text = readFileSync(path.join(ROOT, `Pulumi.${stack}.yaml`), "utf8");
        const { config } = parse(text) as { config: Record<string, unknown> };
        const raw = Object.entries(config).map(([key, value]): [string, string] => {
            const [namespace, name] = key.split(":");
            assert.equal(namespace, "appkata-mqtt", key);
            return [name!, typeof value === "string" ? value : JSON.stringify(value)];
        });
        return parseSettings(Object.fromEntries(raw), stack);
    }

    it("are dev, staging and one per region", () => {
        assert.deepEqual(stacks.toSorted(), ["dev", "prod-lhr", "staging"]);
    });

    it("have no mistake in their settings", () => {
        for (const stack of stacks) {
            assert.ok(settingsOf(stack).users.length > 0, stack);
            assert.deepEqual(settingsOf(stack).warnings, [], stack);
        }
    });

    it("direct only dev to this machine", () => {
        for (const stack of stacks) {
            const { endpoint, registry } = settingsOf(stack);
            const local = stack === "dev";
            assert.equal(endpoint.startsWith("http://127.0.0.1:"), local, endpoint);
            assert.equal(registry.startsWith("127.0.0.1:"), local, registry);
        }
    });

    it("protect production's data, and keep staging small", () => {
        const production = settingsOf("prod-lhr");
        assert.equal(production.volume.protect, true);
        assert.equal(production.region, "lhr");
        assert.deepEqual(production.addresses, { ipv4: true, ipv6: true, sharedIpv4: false });
        const staging = settingsOf("staging");
        assert.deepEqual(staging.guest, { cpuKind: "shared", cpus: 1, memoryMb: 256 });
        assert.deepEqual(staging.addresses, { ipv4: false, ipv6: true, sharedIpv4: false });
        assert.deepEqual(
            staging.users.map(({ name, everything }) => [name, everything]),
            [["tester", true]],
        );
    });
});
