import assert from "node:assert/strict";
import { App, Certificate, IpAddress, Secrets, Volume } from "../../providers/entry.ts";
import { APP_RULES } from "../../providers/fly/app/inputs.ts";
import { CERTIFICATE_RULES } from "../../providers/fly/certificate.ts";
import { IP_RULES } from "../../providers/fly/ip.ts";
import { SECRETS_RULES } from "../../providers/fly/secrets/inputs.ts";
import { VOLUME_RULES } from "../../providers/fly/volume/inputs.ts";
import { UNKNOWN } from "../../providers/provider.ts";
import { effectOf, everyPropertyHasACase, table } from "./support/diffTable.ts";

const endpoint = "http://127.0.0.1:4280";
const owner = { project: "p", stack: "dev" };

describe("diff", () => {
    table(
        "app",
        App,
        { endpoint, name: "a", organization: "personal", owner },
        { appId: "app1", organizationSlug: "jane", hostname: "a.fly.dev" },
        [
            [{ endpoint: "http://127.0.0.1:4290" }, "update"],
            [{ name: "b" }, "replace name"],
            [{ organization: "other" }, "replace organization (delete first)"],
            [{ name: "b", organization: "other" }, "replace name organization"],
            [{ organization: "jane" }, "none"],
            [{ owner: { ...owner, stack: "prod" } }, "update"],
            [{ name: UNKNOWN, organization: UNKNOWN }, "none"],
            [{ endpoint: UNKNOWN }, "update"],
            [{ onReplace: "discard" }, "none"],
            [{ importId: "a" }, "none"],
            [{ protectedBy: "x:protect" }, "update"],
        ],
        APP_RULES,
    );

    table(
        "app of a named organisation",
        App,
        { endpoint, name: "a", organization: "jane", owner },
        { appId: "app1", organizationSlug: "jane", hostname: "a.fly.dev" },
        [
            // `diff` cannot tell which organisation `personal` means; `check` refuses the replacement.
            [{ organization: "personal" }, "replace organization (delete first)"],
            [{ organization: UNKNOWN }, "none"],
        ],
    );

    table(
        "address",
        IpAddress,
        { endpoint, app: "a", type: "v6" },
        { address: "::1", shared: false },
        [
            [{ endpoint: "http://127.0.0.1:4290" }, "update"],
            [{ app: "b" }, "replace app"],
            [{ type: "v4" }, "replace type"],
            [{ region: "lhr" }, "replace region (delete first)"],
            [{ region: undefined }, "none"],
            [{ app: UNKNOWN }, "none"],
            [{ importId: "::2" }, "none"],
        ],
        IP_RULES,
    );

    table(
        "address in a region",
        IpAddress,
        { endpoint, app: "a", type: "v6", region: "lhr" },
        { address: "::1", shared: false },
        [
            [{ region: "ams" }, "replace region (delete first)"],
            [{ region: undefined }, "replace region (delete first)"],
            [{ region: UNKNOWN }, "none"],
        ],
    );

    table(
        "volume",
        Volume,
        { endpoint, app: "a", name: "data", region: "lhr", sizeGb: 3 },
        { volumeId: "vol_1", zone: "1234", encrypted: true, fstype: "ext4", state: "created" },
        [
            [{ endpoint: "http://127.0.0.1:4290" }, "update"],
            [{ app: "b" }, "replace app"],
            [{ name: "other" }, "replace name"],
            [{ region: "ams" }, "replace region"],
            [{ sizeGb: 4 }, "update"],
            [{ snapshotRetentionDays: 7 }, "update"],
            [{ autoBackup: false }, "update"],
            [{ snapshotRetentionDays: undefined, autoBackup: undefined }, "none"],
            [{ owner }, "update"],
            [{ app: UNKNOWN, region: UNKNOWN }, "none"],
            [{ sizeGb: UNKNOWN }, "update"],
            [{ onReplace: "restore" }, "none"],
            [{ snapshotId: "vs_1" }, "none"],
            [{ importId: "vol_2" }, "replace importId"],
            [{ compute: { cpu_kind: "shared", cpus: 1, memory_mb: 512 } }, "none"],
            [{ protectedBy: "x:protect" }, "update"],
        ],
        VOLUME_RULES,
    );

    table(
        "volume with its snapshots' settings",
        Volume,
        {
            ...{ endpoint, app: "a", name: "data", region: "lhr", sizeGb: 3, owner },
            snapshotRetentionDays: 7,
            autoBackup: false,
        },
        { volumeId: "vol_1", zone: "1234", encrypted: true, fstype: "ext4", state: "created" },
        [
            // Left out: they stay as they are at Fly.
            [{ snapshotRetentionDays: undefined }, "none"],
            [{ autoBackup: undefined }, "none"],
            [{ owner: undefined }, "none"],
            [{ snapshotRetentionDays: UNKNOWN, autoBackup: UNKNOWN }, "update"],
        ],
    );

    table(
        "certificate",
        Certificate,
        { endpoint, app: "a", hostname: "mqtt.example.com" },
        {
            status: "pending_validation",
            configured: false,
            dnsRequirements: { a: [], aaaa: [], cname: "a.fly.dev" },
        },
        [
            [{ endpoint: "http://127.0.0.1:4290" }, "update"],
            [{ endpoint: UNKNOWN }, "update"],
            [{ app: "b" }, "replace app"],
            [{ hostname: "other.example.com" }, "replace hostname"],
            [{ app: UNKNOWN, hostname: UNKNOWN }, "none"],
        ],
        CERTIFICATE_RULES,
    );

    describe("secrets", () => {
        async function made(files: Record<string, string>) {
            // Outputs of `create`: hashes, not files.
            const { createHmac } = await import("node:crypto");
            const salt = Buffer.from("salt").toString("base64");
            const hash = (value: string) =>
                createHmac("sha256", Buffer.from(salt, "base64")).update(value).digest("base64");
            return {
                endpoint,
                app: "a",
                version: 1,
                restartVersion: 1,
                salt,
                names: ["S"],
                number: 1,
                digest: "d",
                digests: { S: "d" },
                fingerprints: Object.fromEntries(
                    Object.entries(files).map(([name, value]) => [name, hash(value)]),
                ),
            };
        }

        const live = { machine: "m", owner, check: ["c"], apply: ["a"], state: ["s"] };
        const cases = [
            ["nothing", {}, "none"],
            ["the order", { files: { B: "2", A: "1" } }, "none"],
            ["a file", { files: { A: "1", B: "3" } }, "update"],
            ["a new file", { files: { A: "1", B: "2", C: "3" } }, "update"],
            ["a removed file", { files: { A: "1" } }, "update"],
            ["an unknown file", { files: { A: "1", B: UNKNOWN } }, "update"],
            ["unknown files", { files: UNKNOWN }, "update"],
            ["other secrets for them", { names: ["S_01", "S_02"] }, "update"],
            ["the endpoint", { endpoint: "http://127.0.0.1:4290" }, "update"],
            ["an unknown endpoint", { endpoint: UNKNOWN }, "update"],
            ["the app", { app: "b" }, "replace app"],
            ["an unknown app", { app: UNKNOWN }, "none"],
            ["how a running machine takes them", { live }, "none"],
        ] as const;
        for (const [what, change, expected] of cases) {
            it(`${what}: ${expected}`, async () => {
                const olds = await made({ A: "1", B: "2" });
                const news = {
                    endpoint,
                    app: "a",
                    files: { A: "1", B: "2" },
                    names: ["S"],
                    ...change,
                };
                assert.equal(await effectOf(Secrets, olds, news), expected);
            });
        }
        everyPropertyHasACase(
            SECRETS_RULES,
            cases.map(([, change]) => change),
        );
    });
});
