/** Checks the end of a run, whatever happened before: at Fly, in the state, and on the screen. */
import assert from "node:assert/strict";
import type { LocalFly } from "../../../dev/fly/index.ts";
import { Api, type MachineView } from "../../../dev/harness/api.ts";
import { until } from "../../../dev/harness/until.ts";
import { packedTexts } from "../../support/secrets.ts";
import type { ProgramRun } from "../../../dev/harness/programStack.ts";
import type { SmallStack } from "./smallStack.ts";

interface Found {
    machines: MachineView[];
    volumes: { id: string; size_gb: number; attached_machine_id: string | null }[];
    addresses: { ip: string }[];
    secrets: string[];
}

/** Everything of an app that is not being deleted. @returns undefined without such an app */
export async function contents(api: Api, app: string): Promise<Found | undefined> {
    if ((await api.call("GET", `/apps/${app}`)).status === 404) return undefined;
    const machines = await api.ok<MachineView[]>("GET", `/apps/${app}/machines`);
    const volumes = await api.ok<(Found["volumes"][0] & { state: string })[]>(
        "GET",
        `/apps/${app}/volumes`,
    );
    const { ips } = await api.ok<{ ips: Found["addresses"] }>("GET", `/apps/${app}/ip_assignments`);
    const { secrets } = await api.ok<{ secrets: { name: string }[] }>(
        "GET",
        `/apps/${app}/secrets`,
    );
    return {
        machines: machines.filter(({ state }) => state !== "destroyed"),
        volumes: volumes.filter(({ state }) => state === "created"),
        addresses: ips,
        secrets: secrets.map(({ name }) => name),
    };
}

interface Checkpoint {
    latest?: {
        resources?: { id?: string; type: string; delete?: boolean; initErrors?: string[] }[];
        pending_operations?: unknown[];
    };
}

/** Resources in the state: the last part of the type, and the ID. */
function inState(stack: SmallStack): string[] {
    const { checkpoint } = JSON.parse(stack.stateText()) as { checkpoint: Checkpoint };
    const { resources = [], pending_operations: pending = [] } = checkpoint.latest ?? {};
    assert.deepEqual(pending, [], "operations are pending");
    assert.ok(!resources.some((one) => one.delete), "something is still to be deleted");
    assert.deepEqual(
        resources.flatMap(({ initErrors = [] }) => initErrors),
        [],
    );
    return resources
        .filter(({ type }) => type.startsWith("pulumi-nodejs:dynamic/"))
        .map(({ type, id }) => `${type.split(":").at(-1)} ${id}`)
        .toSorted();
}

/** Waits, if Fly refused to release a lease, until it has expired; longer than the 30 s that ours last is an error. */
async function refusedLeaseEnds(api: Api, app: string): Promise<void> {
    const entries = await api.journal();
    const refused = entries.find(
        ({ method, path, status }) =>
            method === "DELETE" &&
            path.startsWith(`/v1/apps/${app}/machines/`) &&
            path.endsWith("/lease") &&
            status >= 500,
    );
    if (refused === undefined) return;
    const path = refused.path.replace("/v1", "");
    await until("the lease expires", async () => (await api.call("GET", path)).status === 404, {
        withinMs: 35_000,
    });
}

/** Asserts that settings, state and Fly agree on one of each, and the engine sees nothing to do. */
export async function isDeployed(stack: SmallStack): Promise<void> {
    const { app, settings } = stack;
    const api = new Api(stack.fly);
    await refusedLeaseEnds(api, app);
    const found = await contents(api, app);
    assert.ok(found, `there is no app ${app}`);
    const { machines, volumes, addresses, secrets } = found;
    const [machine] = machines;
    const [volume] = volumes;
    assert.ok(machine && machines.length === 1, `${machines.length} machines`);
    assert.ok(volume && volumes.length === 1, `${volumes.length} volumes`);
    const { guest, mounts, services } = machine.config as {
        guest: { memory_mb: number };
        mounts: { volume: string }[];
        services: { ports: { port: number }[] }[];
    };
    assert.deepEqual(
        {
            state: machine.state,
            cordoned: machine.cordoned,
            memoryMb: guest.memory_mb,
            mounts: mounts.map((mount) => mount.volume),
            ports: services.flatMap(({ ports }) => ports.map(({ port }) => port)),
            volumeSizeGb: volume.size_gb,
            on: volume.attached_machine_id,
            addresses: addresses.map(({ ip }) => (ip.includes(":") ? "v6" : "v4")).toSorted(),
            secrets,
            secret: await api.shell(app, machine.id, "cat /tmp/now"),
        },
        {
            state: "started",
            cordoned: false,
            memoryMb: settings.memoryMb,
            mounts: [volume.id],
            ports: [settings.port],
            volumeSizeGb: settings.volumeSizeGb,
            on: machine.id,
            addresses: settings.ipv4 ? ["v4", "v6"] : ["v6"],
            secrets: ["SECRET"],
            secret: `secret ${settings.secret}`,
        },
    );
    const lease = await api.call("GET", `/apps/${app}/machines/${machine.id}/lease`);
    assert.equal(lease.status, 404, `a lease is left: ${lease.text}`);
    assert.deepEqual(
        inState(stack),
        [
            `App ${app}`,
            `Machine ${machine.id}`,
            `Volume ${volume.id}`,
            `Secrets ${app}/secrets`,
            ...addresses.map(({ ip }) => `IpAddress ${ip}`),
        ].toSorted(),
    );
    keepsSecrets(stack);
    const preview = await stack.run("preview", "--refresh", "--expect-no-changes");
    assert.equal(preview.code, 0, preview.output);
}

export async function isGone(stack: SmallStack): Promise<void> {
    assert.equal(await contents(new Api(stack.fly), stack.app), undefined);
    assert.deepEqual(inState(stack), []);
}

/** Asserts that this Fly has nothing else. */
export async function holdsOnly(fly: LocalFly, apps: string[]): Promise<void> {
    const { apps: all } = await new Api(fly).ok<{ apps: { name: string }[] }>(
        "GET",
        "/_local/state",
    );
    assert.deepEqual(all.map(({ name }) => name).toSorted(), apps.toSorted());
}

/** Asserts that the state can be read, and that neither it nor `run`'s output shows a secret. */
export function keepsSecrets(stack: SmallStack, run?: ProgramRun): void {
    const text = stack.stateText();
    if (text !== "") JSON.parse(text);
    assert.deepEqual(packedTexts(text), [], "a packed secret is in the state in clear");
    for (const secret of [stack.fly.token, ...stack.secrets]) {
        for (const value of [secret, Buffer.from(secret).toString("base64")]) {
            assert.ok(!text.includes(value), "a secret is in the state in clear");
            assert.ok(!run?.output.includes(value), "a secret is on the screen");
        }
    }
}

/** The engine's own last line. */
const SUMMARY = /^(update|destroy|refresh) failed$/;

/** The errors of a failed run. */
export function errorsOf({ output }: ProgramRun): string[] {
    const told = output.slice(output.indexOf("Diagnostics:"));
    return (
        [...told.matchAll(/^ +error: (.+(?:\n +(?!error: ).+)*)/gm)]
            // The engine's words if the resource exists but is not as declared.
            .map(([, text]) => text!.replace(/^1 error occurred:\n\s+\* /, ""))
            .filter((text) => !SUMMARY.test(text))
    );
}

/** Request and answer, or which resource has which problem. */
const CLEAR =
    /^((GET|POST|PUT|DELETE) \/v1\/\S+: (\d{3}|no answer)|(App|Machine|Volume|Address) \S+ |App name "|Which volume has |Cannot import |Target '\S+' could not be found )/;

/** Asserts that a failed run reports request and answer, and nothing that only a developer can read. */
export function saysClearly(run: ProgramRun): void {
    const errors = errorsOf(run);
    assert.ok(errors.length > 0, run.output);
    for (const error of errors) {
        assert.match(error, CLEAR, run.output);
        assert.doesNotMatch(error, /undefined|\n\s+at .*:\d+|\[object/, run.output);
    }
}
