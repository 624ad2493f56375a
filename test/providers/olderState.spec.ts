// core
import assert from "node:assert/strict";
import { App, Certificate, IpAddress, Machine, Secrets, Volume } from "../../providers/entry.ts";
import type { Provider } from "../../providers/provider.ts";
import { outsOf, OWNER } from "./support/flyFixture.ts";
import { MachineFixture } from "./support/machineFixture.ts";

type Props = Record<string, unknown>;
type AnyProvider = Provider<Props, Props>;

interface Older {
    readonly noun: string;
    readonly provider: unknown;
    readonly inputs: () => Promise<Props>;
    /** Properties that an older version may lack; all left out of the state together. */
    readonly missing: readonly string[];
    /** Properties that are also left out alone. */
    readonly alone: readonly string[];
}

describe("state written by an older version of the providers", function () {
    this.timeout(90_000);
    const on = new MachineFixture({ settings: { volumeReleaseMs: 0 } });

    const KINDS: Older[] = [
        {
            noun: "app",
            provider: App,
            inputs: () => {
                const { endpoint } = on;
                const name = `${on.app}-own`;
                return Promise.resolve({ endpoint, name, organization: "personal", owner: OWNER });
            },
            missing: ["owner", "appId", "organizationSlug", "hostname"],
            alone: ["owner", "organizationSlug"],
        },
        {
            noun: "address",
            provider: IpAddress,
            inputs: () => Promise.resolve({ ...on.place, type: "v4" }),
            missing: ["shared", "address"],
            alone: [],
        },
        {
            noun: "certificate",
            provider: Certificate,
            inputs: () => Promise.resolve({ ...on.place, hostname: "mqtt.example.com" }),
            missing: ["status", "configured", "dnsRequirements"],
            alone: [],
        },
        {
            noun: "secrets",
            provider: Secrets,
            inputs: () =>
                Promise.resolve({ ...on.place, files: { a: "first", b: "second" }, names: ["A"] }),
            missing: ["version", "restartVersion", "fingerprints", "salt", "number", "digest"],
            alone: ["version", "restartVersion", "fingerprints", "salt", "number", "digest"],
        },
        {
            noun: "volume",
            provider: Volume,
            inputs: () =>
                Promise.resolve({
                    ...on.place,
                    ...{ name: "data", region: "lhr", sizeGb: 1, owner: OWNER },
                    ...{ snapshotRetentionDays: 7, autoBackup: true },
                }),
            missing: [
                ...["owner", "snapshotRetentionDays", "autoBackup", "volumeId", "zone"],
                ...["encrypted", "fstype", "state", "createdAt"],
            ],
            alone: ["owner", "snapshotRetentionDays"],
        },
        {
            noun: "machine",
            provider: Machine,
            inputs: async () => ({
                ...on.inputs(),
                secretsVersion: await secretsVersion(),
            }),
            missing: [
                ...["owner", "secretsVersion", "timeouts", "machineId", "instanceId", "version"],
                ...["state", "privateIp", "imageDigest"],
            ],
            alone: ["owner", "secretsVersion", "timeouts"],
        },
    ];

    async function secretsVersion(): Promise<number> {
        const body = { values: { A: "1" } };
        const path = `/apps/${on.app}/secrets`;
        return (await on.api.ok<{ version: number }>("POST", path, body)).version;
    }

    for (const { noun, provider: any, inputs, missing, alone } of KINDS) {
        const provider = any as AnyProvider;

        /** Runs an up with and without a refresh before it, and the destroy. */
        async function live(without: readonly string[]): Promise<void> {
            const wanted = await inputs();
            const made = await provider.create(wanted);
            const { id } = made;
            const full = outsOf(made);
            const old = Object.fromEntries(
                Object.entries(full).filter(([key]) => !without.includes(key)),
            );

            const { props: seen } = await provider.read(id, old);
            assert.ok(seen, "it is there");
            for (const state of [old, seen]) {
                const { replaces } = await provider.diff(id, state, wanted);
                assert.deepEqual(replaces, [], "nothing is replaced");
                const now = outsOf(await provider.update(id, state, wanted));
                assert.deepEqual(Object.keys(now).sort(), Object.keys(full).sort());
                assert.equal((await provider.diff(id, now, wanted)).changes, false);
                assert.deepEqual((await provider.read(id, now)).props, now);
            }

            await provider.delete(id, old);
            assert.deepEqual(await provider.read(id, old), {});
        }

        it(`of ${noun} may lack ${missing.join(", ")}`, () => live(missing));

        for (const key of alone) {
            it(`of ${noun} may lack ${key}`, () => live([key]));
        }
    }
});
