// core
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import Docker from "dockerode";
import { ensureBaseImage } from "../../dev/toolchain/base-image/index.ts";
import { debianMirror } from "../../dev/toolchain/base-image/packages.ts";
import { recipeFor } from "../../dev/toolchain/base-image/recipe.ts";
import { capture } from "../../lib/process.ts";
import { BASE_IMAGES } from "../../dev/harness/brokerContainer.ts";

const docker = new Docker();

describe("base image", function () {
    this.timeout(120_000);

    it("is built from the Debian suite that has the tag's Mosquitto", () => {
        const suites = (tag: string) => {
            const { suite, series, version } = recipeFor(`eclipse-mosquitto:${tag}`);
            return [suite, series, version];
        };
        assert.deepEqual(suites("2.1.2-alpine"), ["sid", "2.1", "2.1.2"]);
        assert.deepEqual(suites("latest"), ["sid", "2.1", undefined]);
        assert.deepEqual(suites("2.1-alpine"), ["sid", "2.1", undefined]);
        assert.deepEqual(suites("openssl"), ["trixie", "2.0", undefined]);
        assert.deepEqual(suites("2.0.22"), ["trixie", "2.0", "2.0.22"]);
        const bare = recipeFor("docker.io/library/eclipse-mosquitto");
        assert.equal(bare.series, "2.1");
    });

    it("is not built under a tag of another version", () => {
        assert.throws(() => recipeFor("eclipse-mosquitto:1.6"), /known tags are 2\.1\.2-alpine/);
        assert.throws(() => recipeFor("redis:8"), /only eclipse-mosquitto can be built/);
        const digest = `eclipse-mosquitto@sha256:${"0".repeat(64)}`;
        assert.throws(() => recipeFor(digest), /named by digest can only be pulled/);
    });

    it("is refused on a system other than Debian, with the way out", async () => {
        const dir = await mkdtemp(path.join(tmpdir(), "os-release-"));
        try {
            const file = path.join(dir, "os-release");
            await writeFile(file, 'ID=fedora\nPRETTY_NAME="Fedora Linux 44"\n');
            await assert.rejects(
                debianMirror(file),
                /does not run Debian \(Fedora Linux 44\).*docker save.*docker load/,
            );
        } finally {
            await rm(dir, { recursive: true });
        }
    });

    it("is not rebuilt when it exists", async () => {
        const image = BASE_IMAGES["2.1"];
        await ensureBaseImage(image, () => undefined);
        const before = await docker.getImage(image).inspect();
        const lines: string[] = [];
        const again = await ensureBaseImage(image, (line) => lines.push(line));
        assert.equal(again.origin, "present");
        assert.equal(lines.length, 1);
        assert.equal((await docker.getImage(image).inspect()).Id, before.Id);
    });

    for (const [series, image] of Object.entries(BASE_IMAGES)) {
        describe(`of Mosquitto ${series}`, () => {
            before(() => ensureBaseImage(image, () => undefined));

            async function run(script: string): Promise<string> {
                const shell = ["--network", "none", "--entrypoint", "sh", image, "-c", script];
                const ended = await capture(["docker", "run", "--rm", ...shell]);
                assert.equal(ended.code, 0, ended.stderr);
                return ended.stdout;
            }

            it("has the official image's settings", async () => {
                const { Config } = await docker.getImage(image).inspect();
                assert.deepEqual(Config.Entrypoint, ["/docker-entrypoint.sh"]);
                const program = ["/usr/sbin/mosquitto", "-c", "/mosquitto/config/mosquitto.conf"];
                assert.deepEqual(Config.Cmd, program);
                assert.deepEqual(Object.keys(Config.ExposedPorts), ["1883/tcp"]);
                assert.deepEqual(Object.keys(Config.Volumes).sort(), [
                    "/mosquitto/data",
                    "/mosquitto/log",
                ]);
            });

            it("has user, programs and plugins where the official image has them", async () => {
                assert.equal(await run("id -u mosquitto; id -g mosquitto"), "1883\n1883\n");
                const owners = await run("stat -c '%u:%g' /mosquitto /mosquitto/*");
                assert.equal(owners, "1883:1883\n".repeat(4));
                const plugins =
                    series === "2.1"
                        ? ["acl_file", "dynamic_security", "password_file", "persist_sqlite"]
                        : ["dynamic_security"];
                for (const name of plugins) await run(`test -f /usr/lib/mosquitto_${name}.so`);
                for (const name of ["mosquitto_passwd", "mosquitto_pub", "mosquitto_sub"]) {
                    // Each prints a message of its own; a missing library would print another.
                    assert.match(await run(`/usr/bin/${name} --help 2>&1 || true`), /^mosquitto_/);
                }
                await run("test ! -e /etc/mosquitto");
                await run("test $(stat -c %a /tmp) = 1777 && test $(stat -c %a /) = 755");
            });

            it("runs the broker as mosquitto", async () => {
                const container = await docker.createContainer({ Image: image });
                try {
                    await container.start();
                    let log = "";
                    while (!/version \S+ running/.test(log)) {
                        assert.ok((await container.inspect()).State.Running, log);
                        const raw = await container.logs({ stdout: true, stderr: true });
                        log = raw.toString("latin1");
                    }
                    const { Processes } = (await container.top({ ps_args: "-o pid,uid,comm" })) as {
                        Processes: string[][];
                    };
                    const [, ...others] = Processes[0]!;
                    assert.deepEqual([Processes.length, ...others], [1, "1883", "mosquitto"]);
                } finally {
                    await container.remove({ force: true, v: true });
                }
            });
        });
    }
});
