/** Checks a stack after a killed run, in Fly itself and in the state's file. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { instanceOf } from "../../../dev/fly/instance.ts";
import { LABEL } from "../../../dev/fly/runtime/docker.ts";
import { capture } from "../../../lib/process.ts";
import { Api } from "../../../dev/harness/api.ts";
import { filesIn } from "../../support/bundle.ts";
import { connect, servedCertificate } from "../../../dev/harness/mqtt.ts";
import type { BrokerOutputs } from "../../../config/outputs.ts";
import type { Status } from "../../../dev/harness/project.ts";
import { LEASE_S, type Stage } from "./stage.ts";

export interface Wanted {
    memoryMb: number;
    volumeSizeGb: number;
    users: string[];
    /** The text that `Stage.changeImage` wrote last. */
    imageText?: string;
}

/** A preview takes seconds: it runs after the first check, and then after every so many. */
const PREVIEWED = 8;
const checks = new WeakMap<Stage, number>();

/** Paths of the bundle's files in the broker. */
const PLACES: Record<string, string> = {
    "server.crt": "certs/server.crt",
    "server.key": "certs/server.key",
    "client-ca.crt": "certs/client-ca.crt",
    "client-ca.crl": "certs/client-ca.crl",
};

async function apps(stage: Stage): Promise<Status["apps"]> {
    const state = await new Api(stage.fly).ok<{ apps: Status["apps"] }>("GET", "/_local/state");
    return state.apps.map((app) => ({
        ...app,
        machines: app.machines.filter(({ state }) => state !== "destroyed"),
        volumes: app.volumes.filter(({ state }) => state === "created"),
    }));
}

/** Asserts one of each, as in the outputs and the settings, and that a client connects. */
export async function isDeployed(stage: Stage, wanted: Wanted): Promise<void> {
    const api = new Api(stage.fly);
    const outputs = await stage.outputs();
    const { appName, machineId, volumeId } = outputs;
    const found = await apps(stage);
    assert.deepEqual(
        found.map(({ name, machines, volumes, addresses }) => ({
            name,
            machines: machines.map(({ id, state }) => `${id} ${state}`),
            volumes: volumes.map(({ id }) => id),
            addresses: addresses.map(({ type }) => type).toSorted(),
        })),
        [
            {
                name: appName,
                machines: [`${machineId} started`],
                volumes: [volumeId],
                addresses: ["v4", "v6"],
            },
        ],
    );
    const machine = await api.machine(appName, machineId);
    const { guest, image, mounts } = machine.config as {
        guest?: { memory_mb: number };
        image: string;
        mounts?: { volume: string }[];
    };
    assert.equal(guest?.memory_mb, wanted.memoryMb);
    assert.deepEqual(
        mounts?.map(({ volume }) => volume),
        [volumeId],
    );
    assert.ok(image.endsWith(`@${outputs.imageDigest}`), image);
    if (wanted.imageText !== undefined) {
        // Checks from outside: inside, a lease still held would be in the way.
        const file = `${found[0]!.machines[0]!.container}:/usr/local/bin/broker-entrypoint`;
        const { stdout } = await capture(["docker", "cp", file, "-"]);
        assert.ok(stdout.includes(`# version ${wanted.imageText}\n`), stdout.slice(0, 1000));
    }
    const volume = await api.ok("GET", `/apps/${appName}/volumes/${volumeId}`);
    assert.equal(volume.size_gb, wanted.volumeSizeGb);
    const { secrets } = await api.ok<{ secrets: Secret[] }>(
        "GET",
        `/apps/${appName}/secrets?show_secrets=true`,
    );
    await hasFiles(outputs, found[0]!.machines[0]!.container!, secrets);
    const lease = await api.call<{ data?: { expires_at: number } }>(
        "GET",
        `/apps/${appName}/machines/${machineId}/lease`,
    );
    // A dead run's lease expires if nobody renews it.
    const until = lease.body.data?.expires_at ?? 0;
    assert.ok(until * 1000 <= stage.leftAt + LEASE_S * 1000, `a lease is left: ${lease.text}`);
    for (const user of wanted.users) {
        await (await connect(outputs, { user })).endAsync();
    }
    assert.deepEqual(Object.keys(outputs.users).toSorted(), wanted.users.toSorted());
    const cleared = await leavesNothingPending(stage);
    keepsSecrets(stage, Object.values(outputs.users));
    const check = checks.get(stage) ?? 0;
    checks.set(stage, check + 1);
    if (check % PREVIEWED === 0 || cleared) await stage.mustSucceed(stage.previewNoChanges());
}

interface Secret {
    name: string;
    value: string;
}

/** Lines that the machine appends to two of them for its monitor (broker/image/broker-installed). */
const ADDED: Record<string, RegExp> = {
    acl: /^\nuser appkata-monitor-[0-9a-f]{24}\ntopic read \$SYS\/#\ntopic readwrite \$appkata\/monitor\ntopic write \$CONTROL\/dynamic-security\/v1\n$/,
    passwd: /^appkata-monitor-[0-9a-f]{24}:\S+\n$/,
};

/** Asserts that the running broker has the last files and serves their certificate. */
async function hasFiles(
    outputs: BrokerOutputs,
    container: string,
    secrets: Secret[],
): Promise<void> {
    assert.deepEqual(
        secrets.map(({ name }) => name),
        ["MOSQUITTO_FILES"],
    );
    for (const [name, text] of filesIn(Buffer.from(secrets[0]!.value, "base64"))) {
        const file = `/etc/mosquitto/${PLACES[name] ?? name}`;
        const { stdout } = await capture(["docker", "exec", container, "cat", file]);
        assert.ok(stdout.startsWith(text), `${file} is not as the app's secret is`);
        assert.match(stdout.slice(text.length), ADDED[name] ?? /^$/, `what ${file} has besides`);
        if (name === "server.crt") {
            assert.equal(
                await servedCertificate(outputs),
                new X509Certificate(text).fingerprint256,
            );
        }
    }
}

export async function isGone(stage: Stage): Promise<void> {
    assert.deepEqual(await apps(stage), []);
    assert.deepEqual(stage.stateTypes(), []);
    await leavesNothingPending(stage);
    const label = `label=${LABEL.instance}=${instanceOf(stage.fly.dir).instance}`;
    const containers = await capture(["docker", "ps", "-aq", "--filter", label]);
    assert.deepEqual([containers.code, containers.stdout], [0, ""]);
}

/**
 * A killed create stays in the state, with a warning at each `up`, until it is cleared.
 * @returns whether there was one
 */
async function leavesNothingPending(stage: Stage): Promise<boolean> {
    const pending = stage.pendingOperations();
    assert.ok(
        pending.every((one) => one.startsWith("creating ")),
        pending.join("\n"),
    );
    if (pending.length === 0) return false;
    await stage.clearPendingCreates();
    assert.deepEqual(stage.pendingOperations(), []);
    return true;
}

/** Asserts, also of a killed run, that its state can be read and contains no secret. */
export function keepsSecrets(stage: Stage, passwords: string[]): void {
    for (const text of [stage.stateText(), stage.stateLeft]) {
        if (text === "") continue;
        JSON.parse(text);
        for (const secret of [stage.fly.token, ...passwords, "PRIVATE KEY", "$7$"]) {
            assert.ok(!text.includes(secret), "a secret is in the state in clear");
        }
    }
}
