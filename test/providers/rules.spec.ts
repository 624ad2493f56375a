import assert from "node:assert/strict";
import { App, Certificate, IpAddress, Machine, Secrets } from "../../providers/entry.ts";
import { UNKNOWN } from "../../providers/provider.ts";
import { failuresOf } from "./support/failures.ts";

const endpoint = "http://127.0.0.1:4280";
const owner = { project: "p", stack: "dev" };
const appProps = { endpoint, name: "my-app-1", organization: "personal", owner };
const guest = { cpu_kind: "shared", cpus: 1, memory_mb: 256 };
const machineProps = {
    endpoint,
    app: "a",
    name: "mosquitto",
    region: "lhr",
    owner,
    config: { image: "i", guest },
};

describe("check", () => {
    describe("app", () => {
        for (const name of ["a", "my-app-1", "0", "x".repeat(63), UNKNOWN]) {
            it(`accepts the name ${name.slice(0, 20)}`, async () => {
                assert.deepEqual(await failuresOf(App, { ...appProps, name }), []);
            });
        }
        for (const [name, expected] of [
            ["", /^name: an app needs a name/],
            ["My-App", /^name: "My-App": only lowercase letters, digits and hyphens/],
            ["my_app", /only lowercase/],
            ["my.app", /only lowercase/],
            ["-app", /must start and end with a letter or digit/],
            ["app-", /must start and end/],
            ["x".repeat(64), /has 64 characters; at most 63/],
        ] as const) {
            it(`refuses the name "${name.slice(0, 20)}"`, async () => {
                const failures = await failuresOf(App, { ...appProps, name });
                assert.equal(failures.length, 1);
                assert.match(failures[0] ?? "", expected);
            });
        }
        it("is neither moved to another organisation, nor renamed without a decision about its data", async () => {
            const moved = { ...appProps, organization: "other" };
            const old = { ...appProps, organization: "jane" };
            assert.match(
                (await failuresOf(App, { ...moved, onReplace: "discard" }, old)).join(),
                /^onReplace: organization "jane" → "other": the API cannot move an app/,
            );
            const renamed = { ...moved, name: "another" };
            assert.match((await failuresOf(App, renamed, old)).join(), /replaces the app with all/);
            assert.deepEqual(await failuresOf(App, { ...renamed, onReplace: "discard" }, old), []);
        });
        it("lists all failures at once", async () => {
            const failures = await failuresOf(App, { ...appProps, name: "A", organization: "" });
            assert.equal(failures.length, 2);
        });
    });

    describe("address", () => {
        it("accepts Fly's types and no others", async () => {
            for (const type of ["v4", "v6", "shared_v4", UNKNOWN]) {
                assert.deepEqual(await failuresOf(IpAddress, { endpoint, app: "a", type }), []);
            }
            assert.deepEqual(await failuresOf(IpAddress, { endpoint, app: "a", type: "ipv4" }), [
                'type: "ipv4": must be one of v4, v6, shared_v4',
            ]);
        });
    });

    describe("certificate", () => {
        for (const hostname of ["example.com", "mqtt.example.com", "*.example.com", UNKNOWN]) {
            it(`accepts ${hostname.slice(0, 20)}`, async () => {
                const props = { endpoint, app: "a", hostname };
                assert.deepEqual(await failuresOf(Certificate, props), []);
            });
        }
        for (const hostname of [
            "",
            "nowhere",
            "MQTT.example.com",
            "a_b.example.com",
            "1.2.3.4",
            "a.*.com",
            "https://example.com",
            `${"x".repeat(64)}.com`,
        ]) {
            it(`refuses ${hostname.slice(0, 20)}`, async () => {
                const failures = await failuresOf(Certificate, { endpoint, app: "a", hostname });
                assert.equal(failures.length, 1);
                assert.match(
                    failures[0] ?? "",
                    /^hostname: ".*": must be a lowercase host name, such as /,
                );
            });
        }
    });

    describe("machine", () => {
        for (const [kind, cpus, memory] of [
            ["shared", 1, 256],
            ["shared", 1, 2048],
            ["shared", 8, 2048],
            ["performance", 1, 2048],
            ["performance", 16, 32768],
        ] as const) {
            it(`accepts ${kind}-${cpus}x with ${memory} MB`, async () => {
                const size = { cpu_kind: kind, cpus, memory_mb: memory };
                const config = { image: "i", guest: size };
                assert.deepEqual(await failuresOf(Machine, { ...machineProps, config }), []);
            });
        }
        for (const [kind, cpus, memory, expected] of [
            ["shared", 1, 4096, "4096 MB of memory: 1 CPU of kind shared allow 256 to 2048 MB"],
            ["shared", 2, 256, "256 MB of memory: 2 CPUs of kind shared allow 512 to 4096 MB"],
            ["shared", 1, 300, "300 MB of memory: kind shared has steps of 256 MB"],
            ["shared", 3, 768, "3 CPUs: kind shared has 1, 2, 4, 6, 8"],
            [
                "performance",
                1,
                1024,
                "1024 MB of memory: 1 CPU of kind performance allow 2048 to 8192 MB",
            ],
            ["performance", 1, 2304, "2304 MB of memory: kind performance has steps of 1024 MB"],
            ["performance", 129, 524288, "129 CPUs: kind performance has 1 to 128"],
            ["fast", 1, 256, 'CPU kind "fast": must be "shared" or "performance"'],
        ] as const) {
            it(`refuses ${kind}-${cpus}x with ${memory} MB`, async () => {
                const size = { cpu_kind: kind, cpus, memory_mb: memory };
                const config = { image: "i", guest: size };
                assert.deepEqual(await failuresOf(Machine, { ...machineProps, config }), [
                    `config.guest: ${expected}`,
                ]);
            });
        }
        it("accepts what the preview does not know", async () => {
            for (const config of [
                UNKNOWN,
                { image: UNKNOWN, guest: UNKNOWN },
                { image: "i", guest: { ...guest, memory_mb: UNKNOWN } },
            ]) {
                assert.deepEqual(await failuresOf(Machine, { ...machineProps, config }), []);
            }
        });
        it("refuses a config without an image", async () => {
            const config = { guest };
            assert.deepEqual(await failuresOf(Machine, { ...machineProps, config }), [
                "config.image: a machine needs an image",
            ]);
        });
    });

    describe("secrets", () => {
        it("refuses names that no variable can have, and shows no value", async () => {
            const [names, files] = [["GOOD_1", "not-good", "1ST"], { "a file": "hunter2" }];
            const failures = await failuresOf(Secrets, { endpoint, app: "a", names, files });
            assert.equal(failures.length, 2);
            assert.match(failures[0] ?? "", /^names: not-good, 1ST: a secret's name/);
            assert.match(failures[1] ?? "", /^files: a file: a file's name/);
            assert.ok(!failures.join().includes("hunter2"));
        });
        it("accepts unknown values", async () => {
            for (const files of [UNKNOWN, { a: UNKNOWN }]) {
                const props = { endpoint, app: "a", names: ["A"], files };
                assert.deepEqual(await failuresOf(Secrets, props), []);
            }
        });
    });
});
