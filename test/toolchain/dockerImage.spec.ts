// core
/** Tests checks, changes and failures of the replacement for the docker plugin. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import path from "node:path";
import { IMAGE, PASSWORD, useDocker } from "./support/docker.ts";
import { plain, type Properties, startProvider, UNKNOWN } from "./support/provider.ts";

describe("docker image's life cycle", () => {
    const { plugin, daemon, folder, write, INPUTS, withBuild, checked, buildOf } = useDocker();

    describe("check", () => {
        it("fills in the official defaults", async () => {
            write("Dockerfile", "FROM scratch\n");
            const news = await checked({ imageName: "127.0.0.1:5999/app:1" });
            const { contextDigest, ...build } = buildOf(news);
            const arch = { x64: "amd64", arm64: "arm64" }[process.arch as string];
            assert.deepEqual(build, {
                context: ".",
                dockerfile: "Dockerfile",
                platform: `linux/${arch}`,
            });
            assert.match(contextDigest as string, /^[0-9a-f]{64}$/);
            assert.equal(news["buildOnPreview"], false);
            assert.match(
                plugin.log[0]!.message,
                /^Building your image for linux\/\w+ architecture/,
            );
            rmSync(path.join(folder, "Dockerfile"));
        });

        it("changes the context's digest with any file, its name or mode, and nothing else", async () => {
            const digest = async () => buildOf(await checked())["contextDigest"];
            const first = await digest();
            assert.equal(await digest(), first);
            write("app/a", "two");
            const second = await digest();
            assert.notEqual(second, first);
            write("app/b", "");
            assert.notEqual(await digest(), second);
            write("app/.dockerignore", "b\n.dockerignore\n");
            assert.equal(await digest(), second);
            rmSync(path.join(folder, "app", "b"));
        });

        it("refuses a missing Dockerfile, and says where one is", async () => {
            await assert.rejects(plugin.check(IMAGE, withBuild({ dockerfile: "None" })), {
                message: /^could not open dockerfile at relative path "None": /,
            });
            await assert.rejects(plugin.check(IMAGE, withBuild({ dockerfile: "Dockerfile" })), {
                message:
                    'could not open dockerfile at relative path "Dockerfile". ' +
                    'Try setting `dockerfile` to "app/Dockerfile"',
            });
        });

        it("refuses names without a registry if the image is pushed", async () => {
            const named = { ...INPUTS, imageName: "web", registry: {} };
            await assert.rejects(plugin.check(IMAGE, named), /fully qualified/);
            await checked({ ...named, skipPush: true });
        });

        it("accepts unknown values in a preview", async () => {
            const news = await checked({
                ...withBuild({ args: { A: UNKNOWN } }),
                imageName: UNKNOWN,
                registry: { server: "127.0.0.1:5999", password: UNKNOWN },
            });
            assert.equal(news["imageName"], UNKNOWN);
        });
    });
    describe("failure", () => {
        const fails = async (
            lines: { build?: object[]; push?: object[] },
            message: RegExp | string,
        ) => {
            const { buildLines, pushLines } = daemon;
            Object.assign(daemon, {
                buildLines: lines.build ?? buildLines,
                pushLines: lines.push ?? pushLines,
            });
            try {
                await assert.rejects(plugin.create(IMAGE, await checked()), { message });
            } finally {
                Object.assign(daemon, { buildLines, pushLines });
            }
        };
        const said = (message: string, code?: number) => [
            { errorDetail: { message, code }, error: message },
        ];

        it("reports the build's output", async () => {
            await fails(
                { build: said("no such file: b") },
                "error reading build output: no such file: b",
            );
        });

        it("reports that a registry refuses the credentials", async () => {
            await fails(
                { push: said("x", 401) },
                "error reading push output: authentication is required",
            );
            await fails(
                { push: said("unauthorized: access denied") },
                /unauthorized: access denied$/,
            );
            await fails({ push: said("EOF") }, /mismatched registry credentials/);
        });

        it("reports that a registry is unreachable", async () => {
            const text = "dial tcp 127.0.0.1:5999: connect: connection refused";
            await fails({ push: said(text) }, `error reading push output: ${text}`);
        });

        it("reports first that the daemon does not run", async () => {
            const alone = await startProvider("docker", {
                env: { ...process.env, DOCKER_HOST: `unix://${folder}/none.sock` },
            });
            try {
                await assert.rejects(alone.configure(), {
                    message:
                        "docker native provider returned an unexpected error from Configure: " +
                        "failed to connect to any docker daemon",
                });
            } finally {
                await alone.stop();
            }
        });

        it("prefers docker:host in the stack's config to the environment", async () => {
            const configured = await startProvider("docker", {
                env: { ...process.env, DOCKER_HOST: `unix://${folder}/none.sock` },
            });
            try {
                await configured.configure({ "docker:config:host": daemon.host });
            } finally {
                await configured.stop();
            }
        });
    });

    describe("diff", () => {
        let state: Properties;
        let news: Properties;
        beforeEach(async () => {
            news = await checked();
            const made = await plugin.create(IMAGE, news);
            // The engine sends this plugin states without secret marks, as the plugin does not accept them.
            state = { ...made.properties, __inputs: plain(made.properties["__inputs"]) };
        });
        const change = (more: Properties) => plugin.diff(IMAGE, state, { ...news, ...more });

        it("is none when nothing changed", async () => {
            assert.equal((await change({})).changes, "none");
        });

        it("is none for another username or password", async () => {
            const registry = { server: "127.0.0.1:5999", username: "y", password: "next token" };
            assert.equal((await change({ registry })).changes, "none");
            assert.equal(
                (await change({ registry: { ...registry, password: UNKNOWN } })).changes,
                "none",
            );
        });

        it("updates for another server, name, file or option, and never replaces", async () => {
            const registry = { server: "127.0.0.2:5999", username: "x", password: PASSWORD };
            assert.deepEqual((await change({ registry })).detailed, { registry: "update" });
            assert.deepEqual((await change({ imageName: "127.0.0.1:5999/b:1" })).detailed, {
                imageName: "update",
            });
            assert.deepEqual((await change({ skipPush: true })).detailed, { skipPush: "add" });
            write("app/a", "changed");
            const build = buildOf(await checked());
            assert.deepEqual(await change({ build }), {
                changes: "some",
                replaces: [],
                detailed: { build: "update" },
            });
        });

        it("builds and pushes again on update, and keeps the new inputs", async () => {
            daemon.builds.length = 0;
            const next = { ...news, imageName: "127.0.0.1:5999/app/web:v2" };
            const updated = await plugin.update(IMAGE, state, next);
            assert.equal(daemon.builds.length, 1);
            assert.equal(updated["imageName"], next.imageName);
            assert.deepEqual(plain(updated["__inputs"]), next);
        });
    });

    it("deletes nothing", async () => {
        await plugin.delete(IMAGE, "id", {});
        assert.deepEqual(daemon.builds, []);
    });
});
