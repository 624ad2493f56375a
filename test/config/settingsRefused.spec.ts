import assert from "node:assert/strict";
import { parseSettings } from "../../config/settings.ts";
import { problems, refuses, users } from "./support/problems.ts";

const OF_2_0 = "eclipse-mosquitto:2.0.22";

describe("settings", () => {
    refuses([
        [
            { appName: "Not_A_Name" },
            /^appName: "Not_A_Name": only lowercase letters, digits and hyphens are allowed$/,
        ],
        [{ appName: "-x" }, /^appName: "-x" must start and end with a letter or digit/],
        [{ region: "london" }, /^region: .*three letters.*"london"$/],
        [{ port: "0" }, /^port: must be a whole number from 1 to 65535; it is "0"$/],
        [{ port: "70000" }, /^port: .*"70000"$/],
        [{ port: "1883.5" }, /^port: must be a whole number/],
        [{ port: "mqtt" }, /^port: must be a whole number from 1 to 65535; it is "mqtt"$/],
        [{ users: "[]" }, /^users: must name at least one user/],
        [{ users: "tester" }, /^users: must be a list of users, each .*it is "tester"$/],
        [{ volumeSizeGb: "0" }, /^volumeSizeGb: must be a whole number from 1 to 500; it is "0"$/],
        [{ volumeName: "my-data" }, /^volumeName: "my-data": a volume's name is 1 to 30/],
        [{ volumeReplacement: "keep" }, /^volumeReplacement: must be refuse, restore or discard/],
        [
            { volumeSnapshot: "vol_1" },
            /^volumeSnapshot: must be a snapshot's ID, vs_…; it is "vol_1"$/,
        ],
        [{ snapshotRetentionDays: "61" }, /^snapshotRetentionDays: .* 1 to 60; it is "61"$/],
        [{ machineName: "A" }, /^machineName: must be lowercase letters/],
        [{ import: "all" }, /^import: must be a map of app, v4, v6, volume, machine/],
        [
            { import: JSON.stringify({ ip: "::1" }) },
            /^import: ip is not one of its keys; must be a map of app, v4, v6/,
        ],
        [{ import: JSON.stringify({ app: "x" }) }, /^import\.app: must equal appName \(not set\)/],
        [
            { import: JSON.stringify({ v4: "1.2.3.4" }) },
            /^import\.v4: imports an address, but ipv4/,
        ],
        [{ import: JSON.stringify({ v6: "1.2.3.4" }) }, /^import\.v6: must be an IPv6 address/],
        [
            { import: JSON.stringify({ volume: "vs_1" }) },
            /^import\.volume: must be a volume's ID, vol_…; it is "vs_1"$/,
        ],
        [{ memoryMb: "300" }, /memoryMb: 300 MB of memory: kind shared has steps of 256 MB$/],
        [
            { memoryMb: "4096" },
            /memoryMb: 4096 MB of memory: 1 CPU of kind shared allow 256 to 2048 MB$/,
        ],
        [
            { cpuKind: "performance", memoryMb: "1024" },
            /memoryMb: 1024 MB of memory: 1 CPU of kind performance allow 2048 to 8192 MB$/,
        ],
        [{ cpus: "3" }, /memoryMb: 3 CPUs: kind shared has 1, 2, 4, 6, 8$/],
        [{ cpuKind: "fast" }, /^cpuKind: must be shared or performance; it is "fast"$/],
        [{ ipv6: "false" }, /^ipv6, ipv4: both are false/],
        [
            { sharedIpv4: "true" },
            /^sharedIpv4: works only where Fly's edge ends TLS .*; TLS that ends in the broker needs ipv4 or ipv6$/,
        ],
        [
            { sharedIpv4: "true", ipv6: "false", webSockets: "edge", baseImage: OF_2_0 },
            /^tls: is broker, which needs ipv4 or ipv6; only sharedIpv4 is true$/,
        ],
        [
            {
                ...{ tls: "edge", sharedIpv4: "true", ipv6: "false" },
                ...{ webSockets: "broker", baseImage: OF_2_0 },
            },
            /^webSockets: is broker, which needs ipv4 or ipv6; only sharedIpv4 is true$/,
        ],
        [{ tls: "edge", ipv6: "false" }, /^ipv6, ipv4: both are false, so no client/],
        [{ tls: "edge", connectBy: "address" }, /^connectBy: must be hostname with tls: edge/],
        [{ tls: "off" }, /^tls: must be broker or edge; it is "off"$/],
        [{ webSockets: "on" }, /^webSockets: must be off, edge or broker; it is "on"$/],
        [
            {
                volumeSnapshot: "vs_1",
                import: JSON.stringify({ volume: "vol_1" }),
            },
            /^volumeSnapshot: applies to a new volume, but import\.volume \(vol_1\) .*; it is "vs_1"$/,
        ],
        [
            { webSocketsPort: "443" },
            /^webSocketsPort: has no use while webSockets is off; it is 443$/,
        ],
        [
            { webSockets: "broker", port: "8443", baseImage: OF_2_0 },
            /^webSocketsPort: must differ from port; both are 8443$/,
        ],
        [{ ipv4: "maybe" }, /^ipv4: must be true or false; it is "maybe"$/],
        ...["MQTT.example.com", "mqtt"].map((hostname): [Record<string, string>, RegExp] => [
            { hostnames: JSON.stringify(["a.example.com", hostname]), tls: "edge" },
            /^hostnames\.1: "\S+": must be a lowercase host name, such as mqtt\.example\.com; with tls: edge /,
        ]),
        [{ certificateValidDays: "20" }, /^certificateRenewDays: must be below .*\(20\)/],
        [{ caTrusted: "1" }, /^caTrusted: must be a list of the CA's generations, as \[1\]/],
        ...["", " ", "1e3", "0x2710", "10.0", "ten"].map(
            (port): [Record<string, string>, RegExp] => [
                { port },
                /^port: must be a whole number from 1 to 65535; it is "/,
            ],
        ),
        [{ maxKeepaliveSeconds: "" }, /^maxKeepaliveSeconds: must be a whole number .*; it is ""$/],
        [
            { hostnames: "mqtt.example.com" },
            /^hostnames: must be a list .* \(`pulumi config set hostnames '\["mqtt\.example\.com"\]'`\); it is "mqtt/,
        ],
        [
            { devices: "3" },
            /^devices: must be a list .* \(`pulumi config set devices '\["pump"\]'`\); /,
        ],
        [{ users: "true" }, /^users: must be a list .* \(`pulumi config set users '\[\{"name":/],
        [{ everyone: "x" }, /^everyone: must be a map .* \(`pulumi config set everyone '\{"read":/],
        [
            { import: "x" },
            /^import: must be a map .* \(`pulumi config set import '\{"app":"NAME"\}'`\)/,
        ],
        [
            { caTrusted: "2" },
            /^caTrusted: must be .* \(`pulumi config set caTrusted '\[1\]'`\); it/,
        ],
        [{ endpoint: "https://api.machines.dev/v1/" }, /^endpoint: must end before \/v1; it is/],
        [
            { endpoint: "https://x:y@api.machines.dev" },
            /^endpoint: must have neither user nor query/,
        ],
        [{ baseImage: "eclipse-mosquitto:2.1.2@sha256:0" }, /^baseImage: must be an image refer/],
        [{ baseImage: "Eclipse-mosquitto" }, /^baseImage: must be an image reference/],
        [
            { passwords: JSON.stringify({ tester: 12345678 }) },
            /^passwords\.tester: must be text; write it in quotes$/,
        ],
        [{ caTrusted: "[]" }, /^caTrusted: must name a generation/],
        [{ caTrusted: "[1,2,3]" }, /^caTrusted: must name at most two, .*; it is "\[1,2,3\]"$/],
        [{ caTrusted: "[1,1]" }, /^caTrusted\.1: is listed twice; it is "1"$/],
        [
            { caTrusted: "[0,1]" },
            /^caTrusted\.0: must be a whole number from 1 to 1000; it is "0"$/,
        ],
        [{ caIssuer: "2" }, /^caIssuer: must be in caTrusted \(1\), .*; it is 2$/],
        [{ expiryWarningDays: "-1" }, /^expiryWarningDays: .* 0 to 3650; it is "-1"$/],
        [{ endpoint: "api.machines.dev" }, /^endpoint: must be an http or https URL/],
        [{ registry: "https://registry.fly.io/x" }, /^registry: must be a host/],
        [{ prot: "1" }, /^prot: is not a setting; the settings are appName, /],
        [
            { passwords: JSON.stringify({ nobody: "long enough" }) },
            /^passwords\.nobody: is for a user that is not in users \(tester\)$/,
        ],
        [
            { passwords: JSON.stringify({ tester: "" }) },
            /^passwords\.tester: the password is empty/,
        ],
        [
            { passwords: JSON.stringify({ tester: "hunter2" }) },
            /^passwords\.tester: the password has 7 characters, fewer than 8$/,
        ],
        [
            { passwords: JSON.stringify({ tester: "password\0" }) },
            /^passwords\.tester: the password contains a NUL/,
        ],
        ...["password", "12345678", "aaaaaaaa", "tester123", "mqttmqtt", "hunter22"].map(
            (tester): [Record<string, string>, RegExp] => [
                { passwords: JSON.stringify({ tester }) },
                /^passwords\.tester: the password is easy to guess.*: its strength is [01] of 4, and passwordStrength asks for 2/,
            ],
        ),
        [
            { passwords: JSON.stringify({ tester: "Summer2026!" }), passwordStrength: "3" },
            /strength is 2 of 4, and passwordStrength asks for 3; set a longer one/,
        ],
        [{ passwordStrength: "5" }, /^passwordStrength: must be a whole number from 0 to 4/],
        [
            { passwords: "hunter2" },
            /^passwords: must be a map .* set one by `pulumi config set --secret --path passwords\.tester`$/,
        ],
    ]);

    it("refuse WebSockets unless the image is known to be 2.0: anybody can crash 2.1's", () => {
        const refusal = new RegExp(
            "^webSockets: must be off unless the tag of baseImage .* Mosquitto 2\\.0, .* as eclipse-mosquitto:2\\.0\\.22: .*" +
                "starts without them; webSockets is (edge|broker), baseImage \\S+$",
        );
        const digest = `@sha256:${"0".repeat(64)}`;
        const tags = {
            refused: [
                ...[":2.1.2-alpine", ":latest", ":2", "", ":2.1.2-alpine-2.0", digest],
                ...[":openssl", ":2-openssl"],
            ],
            taken: [":2.0.22", ":2.0", ":2.0-openssl", `:2.0.22${digest}`],
        };
        for (const webSockets of ["edge", "broker"]) {
            assert.match(problems({ webSockets }).join("\n"), refusal);
            for (const tag of tags.refused) {
                const found = problems({ webSockets, baseImage: `host:5000/a/mosquitto${tag}` });
                assert.match(found.join("\n"), refusal, tag);
            }
            for (const tag of tags.taken) {
                const baseImage = `host:5000/a/mosquitto${tag}`;
                assert.equal(
                    parseSettings({ users, webSockets, baseImage }, "test").baseImage,
                    baseImage,
                );
            }
        }
    });

    it("list conflicts between settings beside malformed ones, unless these are involved", () => {
        const found = problems({
            ...{ port: "0", memoryMb: "much", caIssuer: "2", webSockets: "edge" },
            // Nothing can be said about these while the memory, or a port, is invalid.
            ...{ cpus: "3", webSocketsPort: "10000" },
        });
        assert.deepEqual(
            found.map((line) => line.replace(/:.*/, "")),
            ["port", "memoryMb", "webSockets", "caIssuer"],
        );
    });

    it("list all mistakes at once, without any password", () => {
        const raw = {
            port: "0",
            region: "x",
            memoryMb: "7",
            passwords: JSON.stringify({ tester: "hunter2" }),
        };
        const found = problems(raw);
        assert.equal(found.length, 4, found.join("\n"));
        assert.ok(!found.join().includes("hunter2"));
    });
});
