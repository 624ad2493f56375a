// core
import assert from "node:assert/strict";
import { chmod, cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import Docker from "dockerode";
import { SERIES } from "../../broker/conf.ts";
import { capture } from "../../lib/process.ts";
import {
    BASE_IMAGES,
    BROKER_CONTEXT,
    buildBroker,
    testTag,
} from "../../dev/harness/brokerContainer.ts";
import { searchLayers } from "../support/imageLayers.ts";

const docker = new Docker();

/** Test values, too short for a real key or hash. */
const KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n";
const PASSWORD_FILE = "ada:$7$100$c2FsdHNhbHRzYWx0$aGFzaA==\n";

describe("broker image", function () {
    this.timeout(60_000);
    const copies: string[] = [];
    const planted = testTag("planted");

    after(async () => {
        await docker.getImage(planted).remove({ force: true });
        for (const copy of copies) await rm(copy, { recursive: true });
    });

    /** A copy of the folder as a checkout with another umask has it. */
    async function copyWith(fileMode: number): Promise<string> {
        const copy = await mkdtemp(path.join(tmpdir(), "broker-context-"));
        copies.push(copy);
        await cp(BROKER_CONTEXT, copy, { recursive: true });
        for (const name of await readdir(copy)) await chmod(path.join(copy, name), fileMode);
        return copy;
    }

    async function run(image: string, script: string): Promise<string> {
        const program = ["--network", "none", "--entrypoint", "/bin/sh", image, "-c", script];
        const ended = await capture(["docker", "run", "--rm", ...program]);
        assert.equal(ended.code, 0, ended.stderr);
        return ended.stdout;
    }

    for (const series of SERIES) {
        describe(`on Mosquitto ${series}`, () => {
            it("has that series' broker, and no configuration", async () => {
                const image = await buildBroker(series);
                const found = await run(
                    image,
                    "find /etc/mosquitto -type f; mosquitto -h | head -1",
                );
                assert.match(found, new RegExp(`^mosquitto version ${series.replace(".", "\\.")}`));
            });

            for (const mode of [0o600, 0o777]) {
                it(`sets the same modes from files with mode ${mode.toString(8)}`, async () => {
                    const tag = testTag(`mode-${series}-${mode.toString(8)}`);
                    await buildBroker(series, await copyWith(mode), tag);
                    const stat =
                        "stat -c '%a %U:%G %n' /etc/mosquitto /etc/mosquitto/certs " +
                        "/usr/local/bin/broker-entrypoint";
                    assert.deepEqual((await run(tag, stat)).trimEnd().split("\n"), [
                        "755 root:root /etc/mosquitto",
                        "755 root:root /etc/mosquitto/certs",
                        "755 root:root /usr/local/bin/broker-entrypoint",
                    ]);
                });
            }
        });
    }

    it("keeps the official image's volume, port and stop signal", async () => {
        const { Config } = await docker.getImage(await buildBroker("2.1")).inspect();
        assert.ok(Config.Volumes["/mosquitto/data"]);
        assert.ok(Config.ExposedPorts["1883/tcp"]);
        assert.equal((Config as unknown as { StopSignal: string }).StopSignal, "SIGTERM");
    });

    it("ignores stray files in its folder", async () => {
        const copy = await copyWith(0o644);
        await writeFile(path.join(copy, "server.key"), KEY);
        await writeFile(path.join(copy, "passwd"), PASSWORD_FILE);
        const tag = testTag("stray");
        await buildBroker("2.1", copy, tag);
        const { names, hits } = await searchLayers(tag, BASE_IMAGES["2.1"]);
        assert.deepEqual(hits, []);
        assert.ok(names.has("usr/local/bin/broker-entrypoint"), "the layers were searched");
    });

    it("is searched by a test that finds a planted key and password file", async () => {
        const folder = await mkdtemp(path.join(tmpdir(), "broker-context-"));
        copies.push(folder);
        const base = BASE_IMAGES["2.1"];
        const files = "COPY server.key /etc/mosquitto/certs/\nCOPY passwd /etc/mosquitto/\n";
        await writeFile(path.join(folder, "Dockerfile"), `FROM ${base}\n${files}`);
        await writeFile(path.join(folder, "server.key"), KEY);
        await writeFile(path.join(folder, "passwd"), PASSWORD_FILE);
        const built = await capture(["docker", "build", "-q", "-t", planted, folder]);
        assert.equal(built.code, 0, built.stderr);
        const { hits } = await searchLayers(planted, base);
        assert.deepEqual(hits.toSorted(), [
            "etc/mosquitto/certs/server.key",
            "etc/mosquitto/passwd",
        ]);
        const { hits: exact } = await searchLayers(planted, base, (text) => text.includes(KEY));
        assert.deepEqual(exact, ["etc/mosquitto/certs/server.key"]);
    });

    it("contains no key and no password file in any layer", async () => {
        for (const series of SERIES) {
            const { names, hits } = await searchLayers(
                await buildBroker(series),
                BASE_IMAGES[series],
            );
            assert.deepEqual(hits, []);
            assert.ok(names.has("usr/local/bin/broker-entrypoint"), "the layers were searched");
            for (const name of names) {
                assert.ok(!/^etc\/mosquitto\/(passwd|certs\/.)|^run\/appkata/.test(name), name);
            }
        }
    });
});
