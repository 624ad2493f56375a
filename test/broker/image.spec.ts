import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmod, cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { gunzipSync } from "node:zlib";
import Docker from "dockerode";
import tar from "tar-stream";
import { capture } from "../../toolchain/process.ts";
import { BASE_IMAGES, BROKER_CONTEXT, buildBroker } from "../support/brokerContainer.ts";
import type { Series } from "../support/brokerContainer.ts";

const docker = new Docker();
const SERIES: Series[] = ["2.1", "2.0"];

describe("broker image", function () {
    this.timeout(60_000);
    const copies: string[] = [];
    const tags: string[] = [];

    after(async () => {
        for (const tag of tags) await docker.getImage(tag).remove({ force: true });
        for (const copy of copies) await rm(copy, { recursive: true });
    });

    /** A copy of the folder as another umask would have checked it out. */
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
            it("has one configuration, of that series' form", async () => {
                const image = await buildBroker(series);
                const found = await run(
                    image,
                    "find /etc/mosquitto -type f; mosquitto -h | head -1",
                );
                assert.match(found, /^\/etc\/mosquitto\/mosquitto\.conf\n/);
                assert.equal(found.split("\n").length, 3, found);
                assert.match(found, new RegExp(`mosquitto version ${series.replace(".", "\\.")}`));
            });

            for (const mode of [0o600, 0o777]) {
                it(`has the same modes from files that are ${mode.toString(8)}`, async () => {
                    const tag = `appkata-mqtt-test-broker:mode-${series}-${mode.toString(8)}`;
                    tags.push(tag);
                    await buildBroker(series, await copyWith(mode), tag);
                    const stat =
                        "stat -c '%a %U:%G %n' /etc/mosquitto /etc/mosquitto/certs " +
                        "/etc/mosquitto/mosquitto.conf /usr/local/bin/broker-entrypoint";
                    assert.deepEqual((await run(tag, stat)).trimEnd().split("\n"), [
                        "755 root:root /etc/mosquitto",
                        "755 root:root /etc/mosquitto/certs",
                        "644 root:root /etc/mosquitto/mosquitto.conf",
                        "755 root:root /usr/local/bin/broker-entrypoint",
                    ]);
                });
            }
        });
    }

    it("keeps the official image's volume, port and way of stopping", async () => {
        const { Config } = await docker.getImage(await buildBroker("2.1")).inspect();
        assert.ok(Config.Volumes["/mosquitto/data"]);
        assert.ok(Config.ExposedPorts["1883/tcp"]);
        assert.equal((Config as unknown as { StopSignal: string }).StopSignal, "SIGTERM");
    });

    it("takes in nothing that lies beside its files by mistake", async () => {
        const copy = await copyWith(0o644);
        const secret = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n";
        await writeFile(path.join(copy, "server.key"), secret);
        await writeFile(path.join(copy, "passwd"), "ada:$7$100$c2FsdHNhbHRzYWx0$aGFzaA==\n");
        const tag = "appkata-mqtt-test-broker:stray";
        tags.push(tag);
        await buildBroker("2.1", copy, tag);
        const { names, hits } = await searchLayers(tag, "2.1");
        assert.deepEqual(hits, []);
        assert.ok(names.has("etc/mosquitto/mosquitto-2.1.conf"), "the layers were searched");
    });

    it("has no key and no password file in any layer", async () => {
        for (const series of SERIES) {
            const { names, hits } = await searchLayers(await buildBroker(series), series);
            assert.deepEqual(hits, []);
            assert.ok(names.has("usr/local/bin/broker-entrypoint"), "the layers were searched");
            for (const name of names) {
                assert.ok(!/^etc\/mosquitto\/(passwd|certs\/.)|^run\/appkata/.test(name), name);
            }
        }
    });
});

const GZIP = Buffer.from([0x1f, 0x8b]);

/** PEM keys, and lines of Mosquitto's password files. */
const SECRET = /-----BEGIN [A-Z ]*PRIVATE KEY-----\s|^\w+:\$[67]\$\d+\$/m;

/**
 * Looks into each file of the layers that an image has above its base, and into its metadata, as
 * `docker save` gives them.
 */
async function searchLayers(
    image: string,
    series: Series,
): Promise<{ names: Set<string>; hits: string[] }> {
    const names = new Set<string>();
    const hits: string[] = [];
    const search = (content: Buffer, where: string) => {
        if (SECRET.test(content.toString("latin1"))) hits.push(where);
    };
    const base = new Set((await docker.getImage(BASE_IMAGES[series]).inspect()).RootFS.Layers);
    const outer = tar.extract();
    const saving = pipeline(await docker.getImage(image).get(), outer);
    for await (const entry of outer) {
        const saved = await contentOf(entry);
        const zipped = saved.subarray(0, 2).equals(GZIP);
        const content = zipped ? gunzipSync(saved) : saved;
        const digest = createHash("sha256").update(content).digest("hex");
        if (base.has(`sha256:${digest}`)) continue;
        if (content.subarray(257, 262).toString() !== "ustar") {
            search(content, entry.header.name);
            continue;
        }
        const inner = tar.extract();
        inner.end(content);
        for await (const file of inner) {
            names.add(file.header.name);
            search(await contentOf(file), file.header.name);
        }
    }
    await saving;
    return { names, hits };
}

async function contentOf(entry: unknown): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks);
}
