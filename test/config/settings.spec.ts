import assert from "node:assert/strict";
import { limitsOf } from "../../broker/limits.ts";
import { DEFAULT_BASE_IMAGE } from "../../config/defaults.ts";
import { parseSettings } from "../../config/settings.ts";
import { users } from "./support/problems.ts";

const TESTER = {
    name: "tester",
    read: [],
    write: [],
    readWrite: [],
    deny: [],
    everything: true,
    certificate: false,
};

describe("settings", () => {
    it("have a default for everything but the users", () => {
        assert.deepEqual(parseSettings({ users }, "test"), {
            appName: undefined,
            organization: "personal",
            region: "lhr",
            ports: { mqtt: 10000, webSockets: 443, certificates: 10001 },
            users: [{ ...TESTER, password: undefined }],
            everyone: { read: [], write: [], readWrite: [] },
            warnings: [],
            place: "test",
            volume: {
                name: "mosquitto_data",
                sizeGb: 1,
                protect: false,
                retain: false,
                onReplace: "refuse",
                snapshotId: undefined,
                snapshotRetentionDays: 5,
            },
            machineName: "mosquitto",
            imports: {},
            guest: { cpuKind: "shared", cpus: 1, memoryMb: 256 },
            addresses: { ipv6: true, ipv4: false, sharedIpv4: false },
            connectBy: "hostname",
            hostnames: [],
            certificate: { validDays: 365, renewDays: 30, warnDays: 30 },
            authorities: { trusted: [1], issuer: 1 },
            clientsShutOut: "refuse",
            baseImage: DEFAULT_BASE_IMAGE,
            metrics: true,
            broker: {
                retained: true,
                tls: "broker",
                webSockets: "off",
                clientIds: "any",
                clientCertificates: "off",
                limits: limitsOf(256),
            },
            endpoint: "https://api.machines.dev",
            logsEndpoint: "https://api.fly.io",
            registry: "registry.fly.io",
        });
    });

    it("take a password for a user", () => {
        const settings = parseSettings(
            { users, passwords: JSON.stringify({ tester: "correct horse" }) },
            "test",
        );
        assert.deepEqual(settings.users, [{ ...TESTER, password: "correct horse" }]);
    });

    it("give nobody another user's password, whatever their name", () => {
        const names = ["constructor", "toString"];
        const raw = {
            users: JSON.stringify(names.map((name) => ({ name, everything: true }))),
            clientCertificates: "required",
            devices: JSON.stringify(names),
        };
        const settings = parseSettings(raw, "test");
        assert.deepEqual(
            settings.users.map(({ password }) => password),
            [undefined, undefined],
        );
    });

    it("take two generations of the CA", () => {
        const raw = { users, caTrusted: "[1,2]", caIssuer: "2" };
        const expected = { trusted: [1, 2], issuer: 2 };
        assert.deepEqual(parseSettings(raw, "test").authorities, expected);
    });

    it("look for the logs where the machines run, unless that is Fly", () => {
        const endpoint = "http://127.0.0.1:4280";
        assert.equal(parseSettings({ users, endpoint }, "test").logsEndpoint, endpoint);
    });

    it("accept JSON from a shell and other spellings", () => {
        const raw = {
            users: JSON.stringify([{ name: "tester", everything: "true" }]),
            baseImage: "registry.example.com:5000/mosquitto:2.1.2-Custom",
            import: JSON.stringify({ v6: "2A09:8280:0::1" }),
        };
        const settings = parseSettings(raw, "test");
        assert.equal(settings.users[0]!.everything, true);
        assert.equal(settings.baseImage, raw.baseImage);
        assert.equal(settings.imports.v6, "2a09:8280::1");
    });

    it("take IDs to import", () => {
        const imports = { app: "a", v6: "2a09::1", volume: "vol_1", machine: "9080e1" };
        const raw = { users, appName: "a", import: JSON.stringify(imports) };
        assert.deepEqual(parseSettings(raw, "test").imports, imports);
    });
});
