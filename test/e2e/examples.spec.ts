/**
 * Programs that use the component from the package, outside of this folder and with plain Pulumi: without
 * this project's commands and its faster loading.
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import mqtt from "mqtt";
import { buildPackage } from "../../commands/package.ts";
import { startLocalFly, type LocalFly } from "../../dev/fly/index.ts";
import { ROOT } from "../../lib/paths.ts";
import { capture } from "../../lib/process.ts";
import { scratchStack, type Stack } from "../toolchain/support/stack.ts";

const BASE_IMAGE = "eclipse-mosquitto:2.1.2-alpine";

interface TwoRegions {
    cas: Record<string, string>;
    addresses: Record<string, string>;
    passwords: Record<string, Record<string, string>>;
}

describe("the package in a program of its own", function () {
    this.timeout(300_000);
    let fly: LocalFly;
    let archive: string;
    let stack: Stack;
    let token: string | undefined;

    before(async () => {
        fly = await startLocalFly();
        token = process.env.FLY_API_TOKEN;
        process.env.FLY_API_TOKEN = fly.token;
        archive = await buildPackage(fly.dir);
    });
    after(async () => {
        if (token === undefined) delete process.env.FLY_API_TOKEN;
        else process.env.FLY_API_TOKEN = token;
        await fly.close();
    });

    async function ok(...args: string[]): Promise<string> {
        const { code, text } = await stack.pulumi(...args);
        assert.equal(code, 0, text);
        return text;
    }

    const example = (name: string, file = "index.ts") =>
        readFileSync(path.join(ROOT, "examples", name, file), "utf8");

    /** Installs an example as `npm install` does, with this project's packages. */
    async function lay(name: string): Promise<void> {
        const files = ["index.ts", "package.json", "Pulumi.yaml"];
        stack = scratchStack(Object.fromEntries(files.map((file) => [file, example(name, file)])));
        const packages = path.join(stack.folder, "node_modules");
        rmSync(packages);
        mkdirSync(packages);
        for (const name of readdirSync(path.join(ROOT, "node_modules"))) {
            symlinkSync(path.join(ROOT, "node_modules", name), path.join(packages, name));
        }
        const own = path.join(packages, "appkata-mqtt");
        mkdirSync(own);
        const unpack = ["tar", "-xzf", archive, "-C", own, "--strip-components=1"];
        assert.equal((await capture(unpack)).code, 0);
        await ok("stack", "init", "dev");
        for (const [key, value] of Object.entries({
            endpoint: fly.endpoint,
            registry: fly.registry,
            baseImage: BASE_IMAGE,
            ipv4: "true",
        })) {
            await ok("config", "set", `appkata-mqtt:${key}`, value);
        }
    }

    async function outputs<T>(): Promise<T> {
        return JSON.parse(await ok("stack", "output", "--json", "--show-secrets")) as T;
    }

    function edit(change: (text: string) => string): void {
        const file = path.join(stack.folder, "index.ts");
        writeFileSync(file, change(readFileSync(file, "utf8")));
    }

    /** @param whose the broker that the password belongs to */
    async function logIn({ cas, addresses, passwords }: TwoRegions, at: string, whose: string) {
        const client = await mqtt.connectAsync({
            ...{ protocol: "mqtts", host: addresses[at]!, port: 10000, reconnectPeriod: 0 },
            ...{ ca: cas[at]!, username: "dashboard", password: passwords[whose]!.dashboard! },
        });
        await client.endAsync();
    }

    /** Resources that a preview changes. */
    async function changed(): Promise<string[]> {
        const { steps } = JSON.parse(await ok("preview", "--json")) as {
            steps: { op: string; urn: string }[];
        };
        const others = steps.filter(({ op }) => op !== "same");
        return others.map(({ urn }) => urn.split("::").at(-1)!);
    }

    it("deploys nothing when imported, and everything even if no output is used", async () => {
        await lay("twoRegions");
        try {
            for (const load of ["import('appkata-mqtt')", "require('appkata-mqtt')"]) {
                const command = [process.execPath, "-e", load];
                const { code, stderr } = await capture(command, { cwd: stack.folder });
                assert.equal(code, 0, stderr);
            }
            edit((text) => text.replaceAll(/^export .*$/gm, ""));
            const names = await changed();
            for (const broker of ["london", "sydney"]) {
                assert.ok(names.includes(`${broker}:verification:client`), names.join());
            }
        } finally {
            stack.remove();
        }
    });

    describe("with two brokers", () => {
        let both: TwoRegions;

        before(async () => {
            await lay("twoRegions");
            await ok("up", "--yes", "--skip-preview");
            both = await outputs<TwoRegions>();
        });
        after(() => stack.remove());

        it("gives each its own users and CA", async () => {
            for (const name of ["london", "sydney"]) await logIn(both, name, name);
            await assert.rejects(logIn(both, "london", "sydney"), /Not authorized/i);
            assert.notEqual(both.cas.london, both.cas.sydney);
        });

        it("changes nothing in a second run", async () => {
            await ok("preview", "--expect-no-changes");
        });

        it("changes one of them alone", async () => {
            edit((text) => text.replace("users, memoryMb: 512", "users: users.slice(1)"));
            const names = await changed();
            assert.ok(names.includes("sydney:credentials:passwords"), names.join());
            assert.deepEqual(
                names.filter((name) => !name.startsWith("sydney")),
                [],
            );
        });

        it("creates neither while one has a mistake", async () => {
            edit((text) =>
                text
                    .replace('"london", {', '"paris", {')
                    .replace('region: "syd"', 'region: "syd", port: 0'),
            );
            const { code, text } = await stack.pulumi("up", "--yes", "--skip-preview");
            assert.notEqual(code, 0);
            assert.match(
                text,
                /One setting is wrong \(MosquittoBroker "sydney"\); nothing was changed:\s+- port: must be a whole number from 1 to 65535; it is "0"/,
            );
            assert.doesNotMatch(text, /paris:/);
        });

        it("refuses two with the same name, also below different components", async () => {
            const parent = 'new pulumi.ComponentResource("example:index:Region", "region")';
            edit(
                (text) =>
                    'import * as pulumi from "@pulumi/pulumi";\n' +
                    text
                        .replace('"paris", {', '"sydney", {')
                        .replace("users });", `users }, { parent: ${parent} });`),
            );
            const { code, text } = await stack.pulumi("preview");
            assert.notEqual(code, 0);
            assert.match(text, /MosquittoBroker "sydney": is declared twice/);
        });

        it("keeps the passwords and CA of a broker lost from the state", async () => {
            edit(() => example("twoRegions"));
            const { deployment } = JSON.parse(await ok("stack", "export")) as {
                deployment: { resources: { urn: string }[] };
            };
            const { urn } = deployment.resources.find(({ urn }) =>
                urn.endsWith("::london:credentials:passwords"),
            )!;
            await ok("state", "delete", "--yes", "--target-dependents", urn);
            await ok("up", "--yes", "--skip-preview");
            const now = await outputs<TwoRegions>();
            assert.deepEqual(now.passwords, both.passwords);
            assert.deepEqual(now.cas, both.cas);
        });

        it("destroys both", async () => {
            await ok("destroy", "--yes", "--skip-preview");
            const response = await fetch(`${fly.endpoint}/v1/apps?org_slug=personal`, {
                headers: { authorization: `Bearer ${fly.token}` },
            });
            const { total_apps: left } = (await response.json()) as { total_apps: number };
            assert.equal(left, 0);
        });
    });

    it("deploys a broker beside another app, and its types compile", async () => {
        await lay("besideAnotherApp");
        try {
            const options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2023"];
            const module = ["--module", "nodenext", "--types", "node"];
            const tsc = path.join(ROOT, "node_modules/.bin/tsc");
            const types = await capture([tsc, ...options, ...module, "index.ts"], {
                cwd: stack.folder,
            });
            assert.equal(types.code, 0, types.stdout);
            await ok("up", "--yes", "--skip-preview");
            const { logger } = await outputs<{ logger: string }>();
            const response = await fetch(`${fly.endpoint}/v1/apps/${logger}/machines`, {
                headers: { authorization: `Bearer ${fly.token}` },
            });
            const [machine] = (await response.json()) as { config: { env: object } }[];
            assert.match(JSON.stringify(machine!.config.env), /mqtts:\/\/logger:[\w-]{24}@/);
            await ok("preview", "--expect-no-changes");
            await ok("destroy", "--yes", "--skip-preview");
        } finally {
            stack.remove();
        }
    });
});
