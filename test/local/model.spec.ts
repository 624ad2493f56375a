// core
import assert from "node:assert/strict";
import { loopbackAddress, privateAddress } from "../../dev/fly/addresses.ts";
import { formatDuration, parseDuration } from "../../dev/fly/durations.ts";
import { FlyError } from "../../dev/fly/errors.ts";
import { ulid } from "../../dev/fly/ids.ts";
import { checkGuest } from "../../dev/fly/model/guest.ts";
import { normalizeConfig, signalName } from "../../dev/fly/model/normalize.ts";
import { parseImage } from "../../dev/fly/runtime/images.ts";

function refusal(action: () => unknown): string {
    try {
        action();
    } catch (error) {
        assert.ok(error instanceof FlyError, String(error));
        return `${error.statusCode} ${error.message}`;
    }
    return "accepted";
}

describe("durations", () => {
    it("are read from Go's format and from integers of nanoseconds", () => {
        const cases: [unknown, number | undefined][] = [
            ["15s", 15_000],
            ["1m30s", 90_000],
            ["500ms", 500],
            ["1.5s", 1500],
            ["0", 0],
            [15_000_000_000, 15_000],
            ["15", undefined],
            ["s", undefined],
            ["1x", undefined],
            [-1, undefined],
            [null, undefined],
        ];
        for (const [text, ms] of cases) assert.equal(parseDuration(text), ms, String(text));
    });

    it("are printed as Go does", () => {
        const cases: [number, string][] = [
            [0, "0s"],
            [500, "500ms"],
            [15_000, "15s"],
            [90_000, "1m30s"],
            [60_000, "1m0s"],
            [3_600_000, "1h0m0s"],
        ];
        for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
    });
});

describe("guest sizes", () => {
    const cases: [string, number, number, string][] = [
        ["shared", 1, 256, "accepted"],
        ["shared", 1, 2048, "accepted"],
        ["shared", 8, 16384, "accepted"],
        ["performance", 1, 2048, "accepted"],
        ["performance", 3, 6144, "accepted"],
        ["performance", 128, 262144, "accepted"],
        ["shared", 4, 512, "400 invalid config.guest.memory_mb, minimum required 1024 MiB"],
        ["shared", 1, 4096, "400 invalid config.guest.memory_mb, cannot exceed 2048 MiB"],
        ["shared", 1, 300, "400 invalid config.guest.memory_mb, must be a multiple of 256 MiB"],
        ["shared", 3, 1024, "400 invalid config.guest.cpus, must be one of [1 2 4 6 8]"],
        [
            "performance",
            129,
            264192,
            "400 invalid config.guest.cpus, must be a whole number from 1 to 128",
        ],
        [
            "performance",
            1.5,
            3072,
            "400 invalid config.guest.cpus, must be a whole number from 1 to 128",
        ],
        [
            "performance",
            0,
            2048,
            "400 invalid config.guest.cpus, must be a whole number from 1 to 128",
        ],
        ["performance", 8, 8192, "400 invalid config.guest.memory_mb, minimum required 16384 MiB"],
        [
            "performance",
            1,
            2560,
            "400 invalid config.guest.memory_mb, must be a multiple of 1024 MiB",
        ],
        [
            "shared-cpu-1x",
            1,
            256,
            "400 invalid config.guest.cpu_kind, must be one of [shared performance]",
        ],
    ];
    for (const [kind, cpus, memory, expected] of cases) {
        it(`answers "${expected}" to ${kind} ${cpus} × ${memory} MB`, () => {
            const guest = { cpu_kind: kind, cpus, memory_mb: memory };
            assert.equal(
                refusal(() => checkGuest(guest)),
                expected,
            );
        });
    }

    it("fills in the smallest machine", () => {
        assert.deepEqual(checkGuest(undefined), { cpu_kind: "shared", cpus: 1, memory_mb: 256 });
        assert.equal(checkGuest({ cpus: 2 }).memory_mb, 512);
    });
});

describe("machine configuration", () => {
    const image = "registry.fly.io/app:tag";

    it("is returned as Fly echoes it", () => {
        const config = normalizeConfig({
            image,
            checks: { up: { type: "tcp", port: 1, interval: "90s", timeout: 2_000_000_000 } },
            services: [
                {
                    protocol: "tcp",
                    internal_port: 1883,
                    autostop: "off",
                    ports: [{ port: 10000 }],
                    checks: [{ type: "tcp", interval: "5m" }],
                },
            ],
            stop_config: { timeout: "120s" },
        });
        assert.deepEqual(config.init, {});
        assert.deepEqual(config.dns, {});
        assert.equal(config.checks?.up?.interval, "1m30s");
        assert.equal(config.checks?.up?.timeout, "2s");
        assert.equal(config.services?.[0]?.autostop, false);
        assert.equal(config.services?.[0]?.checks?.[0]?.interval, "1m0s");
        assert.equal(config.stop_config?.timeout, "2m0s");
    });

    const wrong: [string, Record<string, unknown>, RegExp][] = [
        ["no image", {}, /config.image is required/],
        ["a number in env", { image, env: { A: 1 } }, /config.env.A/],
        ["two mounts", { image, mounts: [{ path: "/a" }, { path: "/b" }] }, /only one volume/],
        ["a relative mount", { image, mounts: [{ path: "a" }] }, /absolute path/],
        ["a relative file", { image, files: [{ guest_path: "a", raw_value: "" }] }, /absolute/],
        ["a file from nowhere", { image, files: [{ guest_path: "/a" }] }, /raw_value or secret/],
        ["an unknown policy", { image, restart: { policy: "maybe" } }, /restart.policy/],
        ["an unknown signal", { image, stop_config: { signal: "SIGFOO" } }, /stop_config.signal/],
        ["a check without a port", { image, checks: { a: { type: "tcp" } } }, /checks.a.port/],
        ["a check of no kind", { image, checks: { a: { port: 1 } } }, /checks.a.type/],
        [
            "a port out of range",
            { image, services: [{ protocol: "tcp", internal_port: 70000 }] },
            /internal_port/,
        ],
        [
            "growth without an increment",
            { image, mounts: [{ path: "/a", extend_threshold_percent: 80 }] },
            /add_size_gb is required/,
        ],
    ];
    for (const [what, config, text] of wrong) {
        it(`refuses ${what}`, () => {
            assert.match(
                refusal(() => normalizeConfig(config)),
                text,
            );
        });
    }

    it("accepts signals by name, and by number as fly-go sends them", () => {
        assert.equal(signalName("SIGHUP"), "SIGHUP");
        assert.equal(signalName(9), "SIGKILL");
        assert.match(
            refusal(() => signalName("HUP")),
            /invalid signal/,
        );
    });
});

describe("image references", () => {
    const DIGEST = `sha256:${"ab".repeat(32)}`;
    const cases: [string, string, string, string | undefined, string | undefined][] = [
        ["127.0.0.1:4281/app:v1", "127.0.0.1:4281", "app", "v1", undefined],
        [`127.0.0.1:4281/app@${DIGEST}`, "127.0.0.1:4281", "app", undefined, DIGEST],
        [`registry.fly.io/a:b@${DIGEST}`, "registry.fly.io", "a", "b", DIGEST],
        ["ubuntu", "registry-1.docker.io", "library/ubuntu", "latest", undefined],
        ["flyio/hello:x", "registry-1.docker.io", "flyio/hello", "x", undefined],
        ["localhost/a/b", "localhost", "a/b", "latest", undefined],
    ];
    for (const [text, registry, repository, tag, digest] of cases) {
        it(`reads ${text}`, () => {
            const ref = parseImage(text);
            assert.deepEqual(
                [ref.registry, ref.repository, ref.tag, ref.digest],
                [registry, repository, tag, digest],
            );
        });
    }
});

describe("identifiers and addresses", () => {
    it("ULIDs sort in the order they were made", () => {
        const made = Array.from({ length: 500 }, () => ulid());
        assert.deepEqual([...made].sort(), made);
        assert.equal(new Set(made).size, made.length);
        assert.match(made[0] ?? "", /^[0-9A-HJKMNP-TV-Z]{26}$/);
    });

    it("the same seed gives the same address, unless it is taken", () => {
        const first = loopbackAddress("a", new Set());
        assert.equal(loopbackAddress("a", new Set()), first);
        assert.notEqual(loopbackAddress("a", new Set([first])), first);
        assert.match(first, /^127\.(6[4-9]|[7-9]\d|1[0-8]\d|19[01])\.\d+\.\d+$/);
        assert.match(privateAddress("a"), /^fdaa:0(:[0-9a-f]{1,4}){5}:2$|^fdaa:0:[0-9a-f:]+:2$/);
    });
});
