/** Runs the docker plugin with a fake daemon and a program folder with a build context, "app". */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, beforeEach } from "mocha";
import { type FakeDaemon, startFakeDaemon } from "./fakeDaemon.ts";
import { type Plugin, type Properties, startProvider, urnOf } from "./provider.ts";

export const IMAGE = urnOf("docker:index/image:Image");
export const PASSWORD = "hidden-registry-password";

/** Starts both for the tests of a `describe`, and stops them after these. */
export function useDocker() {
    let started: Plugin | undefined;
    let fake: FakeDaemon | undefined;
    const folder = realpathSync(mkdtempSync(path.join(tmpdir(), "docker-")));
    // Tests are declared before these run.
    const plugin = new Proxy({} as Plugin, {
        get: (_target, name): unknown => Reflect.get(started!, name),
    });
    const daemon = new Proxy({} as FakeDaemon, {
        get: (_target, name): unknown => Reflect.get(fake!, name),
        set: (_target, name, value: unknown) => Reflect.set(fake!, name, value),
    });
    const write = (name: string, text: string) => writeFileSync(path.join(folder, name), text);

    before(async () => {
        mkdirSync(path.join(folder, "app"));
        mkdirSync(path.join(folder, "home"));
        fake = await startFakeDaemon();
        started = await startProvider("docker", {
            cwd: folder,
            env: { ...process.env, DOCKER_HOST: daemon.host, HOME: path.join(folder, "home") },
        });
        await plugin.configure();
    });
    after(async () => {
        await started?.stop();
        await fake?.close();
        rmSync(folder, { recursive: true });
    });
    beforeEach(() => {
        write("app/Dockerfile", "FROM scratch\nCOPY a /a\n");
        write("app/a", "one");
        daemon.builds.length = daemon.pushes.length = plugin.log.length = 0;
        rmSync(path.join(folder, "app", ".dockerignore"), { force: true });
    });

    const INPUTS: Properties = {
        imageName: "127.0.0.1:5999/app/web:v1",
        build: { context: "app", dockerfile: "app/Dockerfile", platform: "linux/amd64" },
        registry: { server: "127.0.0.1:5999", username: "x", password: PASSWORD },
    };
    const withBuild = (build: Properties): Properties => ({
        ...INPUTS,
        build: { ...(INPUTS["build"] as Properties), ...build },
    });
    async function checked(inputs = INPUTS): Promise<Properties> {
        const { inputs: news, failures } = await plugin.check(IMAGE, inputs);
        assert.deepEqual(failures, []);
        return news;
    }
    const buildOf = (inputs: Properties) => inputs["build"] as Properties;
    return { plugin, daemon, folder, write, INPUTS, withBuild, checked, buildOf };
}
